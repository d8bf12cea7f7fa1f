//! The text at the start: what is served, where, with which keys, and a line to try.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use outrigger_core::{Capabilities, SecretRef};
use outrigger_policy::{Document, KeyDoc, LimitId, LimitOwner, Policy, Printable, ProviderDoc, list_models};
use outrigger_policy::{KeyIndex, LimitIndex, accepts_any_name, catalogue};

use crate::serve::{answers, find};
use crate::style::Style;
use crate::table::table;

/// The contents of a banner.
pub(crate) struct Banner<'a> {
    /// The folder, or another source of the objects.
    pub from: &'a str,
    pub revision: &'a str,
    pub clients: &'a [SocketAddr],
    pub admin: &'a [SocketAddr],
    pub document: &'a Document,
    /// The Secrets whose values are known. The values are never shown.
    pub known_secrets: &'a [SecretRef],
    /// Where spending is stored; `None` if it is not.
    pub state: Option<&'a Path>,
}

/// How many limits of an object are shown. The number of the others is shown too.
const LIMITS_MAX: usize = 3;

impl Banner<'_> {
    /// Where spending is stored. `None` if nothing is limited.
    pub fn accounts(&self) -> Option<String> {
        self.document.is_limited().then(|| match self.state {
            Some(state) => format!("in {}", Printable(state.display())),
            None => "in memory: every limit starts again with each process (--state DIR keeps them)".to_owned(),
        })
    }

    pub fn text(&self, style: Style) -> String {
        let mut text = format!(
            "{} {} serves {} {}\n\n",
            style.bold("outrigger"),
            env!("CARGO_PKG_VERSION"),
            Printable(self.from),
            style.dim(format_args!("(revision {})", self.revision)),
        );
        let urls = |all: &[SocketAddr]| all.iter().map(|at| format!("http://{at}")).collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "  clients  {}", style.cyan(urls(self.clients)));
        let _ = writeln!(
            text,
            "  admin    {}  {}",
            style.cyan(urls(self.admin)),
            style.dim("/readyz /policy /decisions /metrics")
        );
        if let Some(accounts) = self.accounts() {
            let _ = writeln!(text, "  accounts {accounts}");
        }
        let policy = Policy::build(self.document.clone()).ok();
        text.push('\n');
        let provider = |doc: &ProviderDoc| {
            let own = |id: &LimitId| id.kind == LimitOwner::Provider && matches(id, &doc.namespace, &doc.name);
            let indexes = policy.as_ref().map(|policy| limit_indexes(policy, own)).unwrap_or_default();
            let [name, kind, models, credentials] = self.provider(doc);
            [name, kind, models, credentials, limits(policy.as_ref(), &indexes)]
        };
        let providers: Vec<_> = self.document.providers.iter().map(provider).collect();
        table(&mut text, style, ["PROVIDER", "TYPE", "MODELS", "CREDENTIALS", "LIMITS"], &providers);
        text.push('\n');
        let key = |(index, doc): (usize, &KeyDoc)| {
            let indexes = policy.as_ref().map(|policy| of_key(policy, index.into())).unwrap_or_default();
            let [name, state, providers] = self.key(doc);
            [name, state, providers, limits(policy.as_ref(), &indexes)]
        };
        let keys: Vec<_> = self.document.keys.iter().enumerate().map(key).collect();
        table(&mut text, style, ["KEY", "", "PROVIDERS", "LIMITS"], &keys);
        let must_be_named = |policy: &Policy| policy.default_key.is_some_and(|key| policy.keys[key].must_be_named);
        if policy.as_ref().is_some_and(must_be_named) {
            let _ = writeln!(text, "\n  callers must name a key: in x-outrigger-key, or as the SDK's API key");
        } else if self.document.default_key.is_none() {
            let _ = writeln!(text, "\n  no key is the default: callers send x-outrigger-key, or start with --key NAME");
        }
        if let Some(line) = policy.as_ref().and_then(|policy| self.to_try(policy)) {
            let _ = write!(text, "\n  {}\n  {line}\n", style.dim("try it:"));
        }
        text
    }

    fn provider(&self, provider: &ProviderDoc) -> [String; 4] {
        let kind = match &provider.mock {
            Some(mock) => format!("{} ({})", provider.kind, mock.dialect),
            None => provider.kind.clone(),
        };
        let mut models: Vec<String> = provider.models.iter().take(3).map(|model| model.name.clone()).collect();
        match (provider.models.len(), provider.exclusive, catalogue::models(&provider.kind).len()) {
            (0..=3, true, _) => {}
            (many, true, _) => models.push(format!("and {} more", many - 3)),
            (_, false, 0) => models.push("any name".to_owned()),
            (_, false, known) if accepts_any_name(&provider.kind) => {
                models.push(format!("{known} in the catalogue, any name"));
            }
            (_, false, known) => models.push(format!("{known} in the catalogue")),
        }
        let credentials = provider.credentials.iter().map(|credential| {
            let is_known = self.known_secrets.contains(&credential.secret);
            let state = match (credential.suspended, is_known) {
                (true, _) => " (suspended)",
                (false, true) => "",
                (false, false) => " (no value)",
            };
            format!("{} {}{state}", credential.name, credential.weight)
        });
        let mut credentials = credentials.collect::<Vec<_>>().join(", ");
        if credentials.is_empty() {
            credentials = if provider.caller_credential { "the caller's own" } else { "none needed" }.to_owned();
        }
        if provider.suspended {
            credentials.push_str(" (the provider is suspended)");
        }
        [format!("{}/{}", provider.namespace, provider.name), kind, models.join(", "), credentials]
    }

    fn key(&self, key: &KeyDoc) -> [String; 3] {
        let id = format!("{}/{}", key.namespace, key.name);
        let name = if key.keyless { "(no key needed)".to_owned() } else { id.clone() };
        let state = match (key.suspended, self.document.default_key.as_ref() == Some(&id)) {
            (true, _) => "suspended",
            (false, true) if key.must_be_named => "by name",
            (false, true) if !key.keyless => "default",
            (false, _) => "",
        };
        let providers: Vec<String> =
            key.providers.iter().map(|entry| format!("{} {}", entry.name, entry.weight)).collect();
        [name, state.to_owned(), providers.join(", ")]
    }

    /// A shell command for a request that would be answered.
    fn to_try(&self, policy: &Policy) -> Option<String> {
        let secrets: Vec<(SecretRef, String)> =
            self.known_secrets.iter().map(|at| (at.clone(), String::new())).collect();
        let candidates = policy.default_key.into_iter().chain(policy.keys.keys());
        let (index, name) = candidates.into_iter().find_map(|index| {
            let doc = self.document.key(index)?;
            let key = policy.keys.get(index)?;
            if doc.suspended {
                return None;
            }
            let mut entries: Vec<_> = doc.providers.iter().collect();
            entries.sort_by_key(|entry| std::cmp::Reverse(entry.weight));
            let name = entries.into_iter().find_map(|entry| {
                let provider = find(self.document, &entry.provider).filter(|found| answers(found, &secrets))?;
                let listed = list_models(policy, key);
                let names = listed.iter().filter(|(of, _)| *of == entry.name).map(|(_, model)| model.as_str());
                Some(format!("{}/{}", entry.name, model(provider, &names.collect::<Vec<_>>())))
            })?;
            Some((index, name))
        })?;
        let client = self.clients.first()?;
        let key = match policy.default_key {
            Some(key) if !policy.keys[key].must_be_named => String::new(),
            _ => format!(" -H 'x-outrigger-key: {}'", self.document.key(index)?.name),
        };
        Some(format!(
            "curl http://{client}/v1/chat/completions -H 'content-type: application/json'{key} -d '{{\"model\": \
             \"{name}\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hello\"}}]}}'"
        ))
    }
}

fn matches(id: &LimitId, namespace: &str, name: &str) -> bool {
    id.object.namespace == namespace && id.object.name == name
}

fn limit_indexes(policy: &Policy, wanted: impl Fn(&LimitId) -> bool) -> Vec<LimitIndex> {
    policy.limits.all.keys().filter(|index| wanted(&policy.limits.all[*index].id)).collect()
}

/// The limits that a key's requests count against: the Budgets above it, its own, and those of its entries.
fn of_key(policy: &Policy, index: KeyIndex) -> Vec<LimitIndex> {
    let Some(key) = policy.keys.get(index) else { return Vec::new() };
    let mut all = policy.limits.of_key(index, &key.id);
    let entries = limit_indexes(policy, |id| id.kind == LimitOwner::VirtualKey && id.object == key.id);
    all.extend(entries.into_iter().filter(|index| !all.contains(index)).collect::<Vec<_>>());
    all
}

/// `$100.00 a month, openai: 1,000 requests in any 1h, Budget search/team: $500.00 a month`
fn limits(policy: Option<&Policy>, indexes: &[LimitIndex]) -> String {
    let Some(policy) = policy else { return String::new() };
    let describe = |index: &LimitIndex| {
        let limit = &policy.limits.all[*index];
        let of_entry = limit.id.path.strip_prefix("spec.providers[").and_then(|rest| rest.split_once(']'));
        match (limit.id.kind, of_entry) {
            (LimitOwner::Budget, _) => format!("Budget {}: {}", limit.id.object, limit.size()),
            (_, Some((entry, _))) => format!("{entry}: {}", limit.size()),
            _ => limit.size(),
        }
    };
    let mut all: Vec<String> = indexes.iter().take(LIMITS_MAX).map(describe).collect();
    if indexes.len() > LIMITS_MAX {
        all.push(format!("and {} more", indexes.len() - LIMITS_MAX));
    }
    all.join(", ")
}

/// A chat model: a cheap well-known one if listed, else any listed one, else a name that every provider of the type
/// accepts.
fn model<'a>(provider: &ProviderDoc, listed: &[&'a str]) -> &'a str {
    const CHEAP: [&str; 6] = [
        "gpt-4o-mini",
        "claude-haiku-4-5",
        "gemini-2.5-flash",
        "mistral-small-latest",
        "llama-3.1-8b-instant",
        "llama3.1-8b",
    ];
    let embeds = |name: &str| {
        catalogue::lookup(&provider.kind, name)
            .and_then(|entry| entry.capabilities)
            .is_some_and(|known| known.contains(Capabilities::EMBEDDINGS))
    };
    let cheap = listed.iter().find(|name| CHEAP.contains(name));
    cheap.or_else(|| listed.iter().find(|name| !embeds(name))).copied().unwrap_or("gpt-4o-mini")
}

#[cfg(test)]
mod tests {
    use outrigger_compile::{Inputs, OPERATOR_NAMESPACE, Severity, compile, read};

    use super::*;

    const OBJECTS: &str = "
apiVersion: v1
kind: Secret
metadata: {name: openai}
stringData: {apiKey: sk-hidden}
---
apiVersion: outrigger.dev/v1alpha1
kind: LLMProvider
metadata: {name: openai}
spec:
  type: OpenAI
  models: [{name: gpt-4o-mini}]
  exclusive: true
  credentials: [{name: main, secretRef: {name: openai}}, {name: spare, secretRef: {name: other}, weight: 0}]
---
apiVersion: outrigger.dev/v1alpha1
kind: LLMProvider
metadata: {name: rehearsal}
spec: {type: Mock, mock: {dialect: Gemini}, models: [{name: a}, {name: b}, {name: c}, {name: d}], exclusive: true}
---
apiVersion: outrigger.dev/v1alpha1
kind: VirtualKey
metadata: {name: search}
spec: {providers: [{name: openai, weight: 80}, {name: rehearsal, weight: 20}]}
";

    fn banner(text: &str) -> String {
        let source = read("x.yaml", text);
        let inputs = Inputs {
            objects: &source.objects,
            unread: false,
            environment: &|_| None,
            keys: &[],
            without_value: Severity::Warning,
            sequence: 1,
            operator_namespace: OPERATOR_NAMESPACE,
        };
        let compiled = compile(&inputs);
        let known_secrets: Vec<SecretRef> = compiled.secrets.iter().map(|(at, _)| at.clone()).collect();
        let banner = Banner {
            from: "objects",
            revision: "1-00000000",
            clients: &[([127, 0, 0, 1], 4180).into()],
            admin: &[([127, 0, 0, 1], 4181).into()],
            document: &compiled.document,
            known_secrets: &known_secrets,
            state: Some(Path::new("/state/objects-0123")),
        };
        banner.text(Style { colour: false })
    }

    #[test]
    fn the_banner_has_no_secret() {
        let text = banner(OBJECTS);
        let expected = format!(
            "outrigger {} serves objects (revision 1-00000000)\n\n  clients  http://127.0.0.1:4180\n  admin    http://127.0.0.1:4181  \
             /readyz /policy /decisions /metrics\n\n\
             \x20 PROVIDER           TYPE           MODELS               CREDENTIALS\n\
             \x20 default/openai     OpenAI         gpt-4o-mini          main 1, spare 0 (no value)\n\
             \x20 default/rehearsal  Mock (Gemini)  a, b, c, and 1 more  none needed\n\n\
             \x20 KEY                      PROVIDERS\n\
             \x20 default/search  default  openai 80, rehearsal 20\n\n\
             \x20 try it:\n  curl http://127.0.0.1:4180/v1/chat/completions -H 'content-type: application/json' -d '{{\"model\": \
             \"openai/gpt-4o-mini\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hello\"}}]}}'\n",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(text, expected);
        assert!(!text.contains("sk-hidden"));
    }

    #[test]
    fn the_line_to_try_uses_a_provider_that_can_answer() {
        // OpenAI has no Secret and can't answer, so the line uses the rehearsal.
        let text = banner(&OBJECTS.replace("kind: Secret", "kind: ConfigMap"));
        assert!(text.contains("\"model\": \"rehearsal/a\""), "{text}");
        // With two keys and no default, the line must name one.
        let second = "---\napiVersion: outrigger.dev/v1alpha1\nkind: VirtualKey\nmetadata: {name: batch}\nspec: {}\n";
        let text = banner(&format!("{OBJECTS}{second}"));
        assert!(text.contains("-H 'x-outrigger-key: batch'"), "{text}");
        assert!(text.contains("no key is the default"), "{text}");
    }

    #[test]
    fn limits_are_shown_with_where_they_are_counted() {
        let objects = OBJECTS.replace(
            "spec: {providers: [{name: openai, weight: 80}, {name: rehearsal, weight: 20}]}",
            "spec:
  providers:
  - {name: openai, weight: 80, limits: {requests: [{name: hour, max: 1000, rolling: 1h}]}}
  - {name: rehearsal, weight: 20}
  limits: {budgets: [{name: month, amount: '12.50', window: Month}], tokens: [{name: day, max: 5000, window: Day}]}
  budgetRefs: [{name: team}]
---
apiVersion: outrigger.dev/v1alpha1
kind: Budget
metadata: {name: team}
spec: {amount: '500', window: Month, timeZone: Europe/Paris}",
        );
        let text = banner(&objects);
        assert!(text.contains("\n  accounts in /state/objects-0123\n"), "{text}");
        assert!(text.contains("  KEY                      PROVIDERS                LIMITS\n"), "{text}");
        let line =
            "Budget default/team: $500.00 a month (Europe/Paris), $12.50 a month, 5,000 tokens a day, and 1 more";
        assert!(text.contains(line), "{text}");
    }
}
