//! Which of the policies that come is put in force: only forwards, whichever way they come.
//!
//! ```text
//! stream ──┐
//! mounted ─┼─► newer than what is in force?  ─ yes ─► built, swapped in, held ─► outcome
//! held ────┘                                  same ─► credentials merged
//!                                             older ─► passed over
//! ```
//! A credential that the document names, and of which nothing was said with it, keeps the value that is known. One that
//! the document does not name is forgotten. At the same sequence a mounted value gives way to a streamed one: the
//! kubelet's copies lag behind.
//!
//! A streamed value goes where the operator said, and nowhere else: whoever may write a ConfigMap may not thereby send it
//! to a place of their own. Where a mounted document that nobody signed leads it elsewhere, it is forgotten until the
//! operator says it anew.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering as Atomic};
use std::time::{SystemTime, UNIX_EPOCH};

use outrigger_core::SecretRef;
use outrigger_policy::{Document, ProviderDoc};
use outrigger_sync::{AHEAD_MAX, CredentialMessage, PolicyMessage, PolicyOutcome, Rejection, Trust};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use crate::config::files::{self, FilesError, MountedPolicy};
use crate::config::snapshot::Snapshot;
use crate::gateway::Gateway;
use crate::gateway::rejected::Rejected;
use crate::runtime::origin::PolicyOrigin;
use crate::runtime::secret::{Secret, Secrets};

/// What is known of each credential.
pub type Values = BTreeMap<SecretRef, KnownSecret>;

/// What is known of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSecret {
    /// `None`: it is withheld from this pod.
    pub value: Option<Secret>,
    pub streamed: bool,
}

/// A policy that came.
#[derive(Debug)]
struct Offer {
    document: Document,
    digest: Option<String>,
    /// Those of which something was said.
    values: Values,
    origin: PolicyOrigin,
    /// Mounted, and the operator's own word all the same.
    signed: bool,
}

/// What a gateway has, as it tells the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Has {
    pub sequence: Option<u64>,
    /// Where it came by the stream.
    pub digest: Option<String>,
    pub rejected: Option<Rejection>,
}

/// The way in.
#[derive(Debug)]
pub struct PolicySources {
    gateway: Arc<Gateway>,
    held: Option<Snapshot>,
    trust: Option<Trust>,
    state: Mutex<State>,
    mounted: watch::Sender<()>,
    /// That nothing is mounted was told.
    nothing_mounted: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    has: Has,
    values: Values,
    origin: Option<PolicyOrigin>,
}

impl PolicySources {
    /// Of a gateway without a policy, with what was in force in a folder of its own, if it has one.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>, state: Option<&Path>) -> Self {
        let held = state.map(Snapshot::in_state_folder);
        let mounted = watch::Sender::new(());
        let nothing_mounted = AtomicBool::new(false);
        PolicySources { gateway, held, trust: None, state: Mutex::default(), mounted, nothing_mounted }
    }

    /// Takes nothing that is mounted but what the operator has signed.
    #[must_use]
    pub fn trusting(self, trust: Option<Trust>) -> Self {
        PolicySources { trust, ..self }
    }

    #[must_use]
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    #[must_use]
    pub fn has(&self) -> Has {
        self.lock().has.clone()
    }

    /// Changes when mounted files were looked at anew.
    #[must_use]
    pub fn mounted(&self) -> watch::Receiver<()> {
        self.mounted.subscribe()
    }

    /// Takes up what the process before this one had.
    pub fn restore(&self) {
        let Some(held) = &self.held else { return };
        match held.read() {
            Ok(Some((document, digest, values))) => {
                self.offer(Offer { document, digest, values, origin: PolicyOrigin::Snapshot, signed: false });
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "what was in force before is not taken up"),
        }
    }

    /// Looks at what is mounted. Files that are not there mean nothing.
    pub fn mount(&self, dir: &Path) {
        match files::read(dir, self.trust.as_ref()) {
            // Told once, however often it is looked at.
            Ok(None) if self.nothing_mounted.swap(true, Atomic::Relaxed) => {}
            Ok(None) => tracing::info!(dir = %dir.display(), "no policy is mounted (yet)"),
            Ok(Some(MountedPolicy { document, secrets, signed })) => {
                self.nothing_mounted.store(false, Atomic::Relaxed);
                let known = |(at, value)| (at, KnownSecret { value: Some(value), streamed: false });
                let values = secrets.into_iter().map(known).collect();
                self.offer(Offer { document, digest: None, values, origin: PolicyOrigin::Mounted, signed });
            }
            Err(FilesError::Document { path, source }) => {
                let Rejection { object, path: at, message, .. } = Rejection::of(0, source);
                let object = if object.is_empty() { path.display().to_string() } else { object };
                self.gateway.reject(&object, &at, &message);
            }
            Err(error) => self.gateway.reject("policy", "", &error.to_string()),
        }
        self.mounted.send_replace(());
    }

    /// Takes what the operator sent, and says what became of it.
    pub fn take(&self, policy: PolicyMessage) -> Option<PolicyOutcome> {
        let PolicyMessage { sequence, digest, mut document, credentials } = policy;
        document.sequence = sequence;
        let known = |CredentialMessage { secret, value }| {
            let value = (!value.is_empty()).then(|| Secret::new(&value));
            (secret, KnownSecret { value, streamed: true })
        };
        let values = credentials.into_iter().map(known).collect();
        self.offer(Offer { document, digest: Some(digest), values, origin: PolicyOrigin::Stream, signed: false });
        self.outcome()
    }

    /// A policy of the operator's that can't even be read.
    pub fn refuse(&self, rejection: Rejection) -> Option<PolicyOutcome> {
        let Rejection { object, path, message, .. } = &rejection;
        let object = if object.is_empty() { "policy" } else { object };
        self.gateway.reject(object, path, message);
        self.lock().has.rejected = Some(rejection);
        self.outcome()
    }

    /// What stands: the last that was refused, as long as nothing newer is in force, or else what is in force.
    #[must_use]
    pub fn outcome(&self) -> Option<PolicyOutcome> {
        let Has { sequence, rejected, .. } = self.has();
        let sequence = rejected.as_ref().map(|rejected| rejected.sequence).or(sequence)?;
        Some(PolicyOutcome { sequence, rejected, authorities: Vec::new() })
    }

    fn offer(&self, offer: Offer) {
        let mut state = self.lock();
        let in_force = self.gateway.served();
        let in_force = in_force.as_deref().map(|served| &served.policy.document);
        let offered = offer.document.sequence;
        // By which the operator could never be heard again.
        if offer.origin != PolicyOrigin::Stream && offered >= seconds().saturating_add(AHEAD_MAX) {
            let message = format!("sequence {offered} is too far ahead of the time to be the operator's");
            self.gateway.reject("policy", "sequence", &message);
            return;
        }
        let newer = match in_force {
            None => true,
            Some(document) => match offered.cmp(&document.sequence) {
                Ordering::Greater => true,
                Ordering::Equal if offer.document == *document => false,
                // Who writes policies by hand counts them by hand; the operator's word stands above it.
                Ordering::Equal
                    if offer.origin != PolicyOrigin::Mounted || state.origin == Some(PolicyOrigin::Mounted) =>
                {
                    true
                }
                _ => {
                    let (in_force, origin) = (document.sequence, offer.origin);
                    match origin {
                        // The kubelet's copy lags behind.
                        PolicyOrigin::Mounted => {
                            tracing::debug!(offered, in_force, "the mounted policy is older: passed over")
                        }
                        _ => tracing::warn!(
                            offered,
                            in_force,
                            ?origin,
                            "a policy is older than what is in force: passed over"
                        ),
                    }
                    return;
                }
            },
        };
        let values = merged(&offer, &state.values, in_force, newer);
        let streamed = state.origin.filter(|origin| !newer && *origin != PolicyOrigin::Mounted);
        let origin = match offer.origin {
            PolicyOrigin::Mounted => streamed.unwrap_or(PolicyOrigin::Mounted),
            other => other,
        };
        let digest = match offer.origin {
            PolicyOrigin::Mounted if !newer => state.has.digest.clone(),
            _ => offer.digest,
        };
        if newer || values != state.values || state.origin != Some(origin) {
            let secrets = secrets(&values);
            if let Err(error) = self.gateway.install_from(offer.document, &secrets, Some(origin)) {
                let Rejected { object, path, message } = Rejected::of(&error);
                let object = if object == "policy" { String::new() } else { object };
                state.has.rejected = Some(Rejection { sequence: offered, object, path, message }.bounded());
                return;
            }
        } else if state.has.digest == digest && state.has.rejected.is_none() {
            // Files that could not be read for a moment can be read again.
            return self.gateway.set_rejected(None);
        }
        state.has.rejected = state.has.rejected.take().filter(|rejected| rejected.sequence > offered);
        let stands = state.has.rejected.clone();
        let standing = |Rejection { object, path, message, .. }| Rejected { object, path, message };
        self.gateway.set_rejected(stands.map(standing));
        (state.has.sequence, state.has.digest) = (Some(offered), digest);
        (state.values, state.origin) = (values, Some(origin));
        self.hold(&state);
    }

    fn hold(&self, state: &State) {
        let (Some(held), Some(served)) = (&self.held, self.gateway.served()) else { return };
        // It is what was read there just now.
        if state.origin == Some(PolicyOrigin::Snapshot) {
            return;
        }
        if let Err(error) = held.write(&served.policy.document, state.has.digest.as_deref(), &state.values) {
            tracing::warn!(%error, "what is in force can't be held for a restart of this container");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// Since 1970.
fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What is known of the credentials that a document names, when it is in force.
fn merged(offer: &Offer, known: &Values, in_force: Option<&Document>, newer: bool) -> Values {
    let named = offer.document.providers.iter().flat_map(|provider| &provider.credentials);
    named
        .filter_map(|credential| {
            let at = &credential.secret;
            let (old, new) = (known.get(at), offer.values.get(at));
            let led = |old: &&KnownSecret| {
                let leads = old.streamed && offer.origin == PolicyOrigin::Mounted && !offer.signed;
                !leads || in_force.is_some_and(|in_force| goes_the_same_way(at, &offer.document, in_force))
            };
            let old = old.filter(led);
            let stays = old.filter(|old| new.is_none_or(|new| !newer && old.streamed && !new.streamed));
            Some((at.clone(), stays.or(new)?.clone()))
        })
        .collect()
}

/// Whether a credential's value goes where it goes by what is in force, and is shown to nobody else on the way.
fn goes_the_same_way(at: &SecretRef, offered: &Document, in_force: &Document) -> bool {
    let names = |provider: &&ProviderDoc| provider.credentials.iter().any(|credential| credential.secret == *at);
    let same = |a: &ProviderDoc, b: &ProviderDoc| {
        (&a.namespace, &a.kind, &a.endpoint, &a.ca, &a.headers, a.clear_text_credentials)
            == (&b.namespace, &b.kind, &b.endpoint, &b.ca, &b.headers, b.clear_text_credentials)
    };
    offered.providers.iter().filter(names).all(|new| in_force.providers.iter().filter(names).any(|old| same(new, old)))
}

fn secrets(values: &Values) -> Secrets {
    values.iter().filter_map(|(at, known)| Some((at.clone(), known.value.clone()?))).collect()
}

#[cfg(test)]
mod tests {
    use outrigger_policy::{CredentialDoc, FORMAT, KeyDoc};

    use super::*;
    use crate::gateway::Settings;
    use crate::telemetry::records::Lines;

    fn intake() -> PolicySources {
        PolicySources::new(Gateway::new(Settings { lines: Lines::Off, ..Settings::default() }).unwrap(), None)
    }

    /// Two documents of one sequence differ by their keys.
    fn offer(sequence: u64, keys: &[&str], origin: PolicyOrigin) -> Offer {
        let key = |name: &&str| KeyDoc { namespace: "a".to_owned(), name: (*name).to_owned(), ..KeyDoc::default() };
        let keys = keys.iter().map(key).collect();
        let document = Document { format: FORMAT, sequence, keys, ..Document::default() };
        Offer { document, digest: None, values: Values::new(), origin, signed: false }
    }

    fn at() -> SecretRef {
        SecretRef::new("a", "s", "k").unwrap()
    }

    /// Of a provider that names the credential.
    fn leads(sequence: u64, origin: PolicyOrigin, values: Values, change: impl FnOnce(&mut ProviderDoc)) -> Offer {
        let credential =
            CredentialDoc { name: "c".to_owned(), weight: 1, models: Vec::new(), suspended: false, secret: at() };
        let mut provider = ProviderDoc {
            namespace: "a".to_owned(),
            name: "p".to_owned(),
            kind: "OpenAI".to_owned(),
            endpoint: Some("https://models.test/v1".to_owned()),
            credentials: vec![credential],
            ..ProviderDoc::default()
        };
        change(&mut provider);
        let mut offer = offer(sequence, &[], origin);
        offer.document.providers.push(provider);
        Offer { values, ..offer }
    }

    fn streamed() -> Values {
        Values::from([(at(), KnownSecret { value: Some(Secret::new("sk-1")), streamed: true })])
    }

    /// Whoever may edit a ConfigMap may not have a credential sent to a place of their own by it.
    #[test]
    fn a_mounted_document_leads_no_streamed_value_elsewhere() {
        type Change = fn(&mut ProviderDoc);
        let elsewhere: [(&str, Change); 5] = [
            ("clear text", |provider| provider.clear_text_credentials = true),
            ("endpoint", |provider| provider.endpoint = Some("https://evil.test/v1".to_owned())),
            ("type", |provider| provider.kind = "vLLM".to_owned()),
            ("headers", |provider| drop(provider.headers.insert("host".to_owned(), "evil.test".to_owned()))),
            ("namespace", |provider| provider.namespace = "b".to_owned()),
        ];
        for (name, change) in elsewhere {
            let intake = intake();
            intake.offer(leads(3, PolicyOrigin::Stream, streamed(), |_| {}));
            intake.offer(leads(4, PolicyOrigin::Mounted, Values::new(), change));
            assert_eq!((in_force(&intake).sequence, intake.lock().values.len()), (4, 0), "{name}");
            // And not by going back, either: the operator has to say it anew.
            intake.offer(leads(5, PolicyOrigin::Mounted, Values::new(), |_| {}));
            assert!(intake.lock().values.is_empty(), "{name}");
            intake.offer(leads(6, PolicyOrigin::Stream, streamed(), |_| {}));
            assert_eq!(intake.lock().values, streamed(), "{name}");
        }
    }

    /// Whoever may edit a ConfigMap may not thereby put a gateway out of the operator's reach.
    #[test]
    fn a_mounted_sequence_that_was_made_up_is_refused() {
        let intake = intake();
        intake.offer(offer(3, &["a"], PolicyOrigin::Mounted));
        for origin in [PolicyOrigin::Mounted, PolicyOrigin::Snapshot] {
            intake.offer(offer(1 << 53, &["b"], origin));
            assert_eq!(in_force(&intake).sequence, 3);
        }
        intake.offer(offer(seconds() + 1_000, &["c"], PolicyOrigin::Mounted));
        intake.offer(offer(seconds() + 1_001, &["d"], PolicyOrigin::Stream));
        assert_eq!(in_force(&intake).keys[0].name, "d");
    }

    #[test]
    fn a_mounted_document_that_leads_nowhere_else_costs_no_value() {
        let intake = intake();
        intake.offer(leads(3, PolicyOrigin::Stream, streamed(), |_| {}));
        intake.offer(leads(4, PolicyOrigin::Mounted, Values::new(), |provider| provider.max_attempts = Some(2)));
        assert_eq!((in_force(&intake).sequence, intake.lock().values.clone()), (4, streamed()));
        // The operator may lead it where it likes.
        intake.offer(leads(5, PolicyOrigin::Stream, Values::new(), |provider| {
            provider.endpoint = Some("https://other.test/v1".to_owned());
        }));
        assert_eq!(intake.lock().values, streamed());
    }

    /// What the operator has signed is its own word, whichever way it came.
    #[test]
    fn a_signed_document_leads_a_streamed_value_where_it_says() {
        let intake = intake();
        intake.offer(leads(3, PolicyOrigin::Stream, streamed(), |_| {}));
        let moved =
            leads(4, PolicyOrigin::Mounted, Values::new(), |one| one.endpoint = Some("https://new.test".to_owned()));
        intake.offer(Offer { signed: true, ..moved });
        assert_eq!((in_force(&intake).sequence, intake.lock().values.clone()), (4, streamed()));
    }

    fn in_force(intake: &PolicySources) -> Document {
        intake.gateway.served().unwrap().policy.document.clone()
    }

    #[test]
    fn whatever_comes_in_whatever_order_nothing_goes_back() {
        let mut dice = fastrand::Rng::with_seed(7);
        for _ in 0..20 {
            let (intake, mut highest) = (intake(), 0);
            for _ in 0..50 {
                let origin = [PolicyOrigin::Stream, PolicyOrigin::Mounted, PolicyOrigin::Snapshot][dice.usize(..3)];
                let sequence = dice.u64(1..30);
                intake.offer(offer(sequence, &[], origin));
                highest = highest.max(sequence);
                assert_eq!((in_force(&intake).sequence, intake.has().sequence), (highest, Some(highest)));
            }
        }
    }

    #[test]
    fn of_two_with_the_same_sequence_the_operator_s_own_word_stands() {
        use PolicyOrigin::{Mounted, Snapshot, Stream};
        for (first, second, taken) in [
            (Mounted, Mounted, true),
            (Mounted, Stream, true),
            (Snapshot, Stream, true),
            (Stream, Stream, true),
            (Stream, Mounted, false),
            (Snapshot, Mounted, false),
        ] {
            let intake = intake();
            intake.offer(offer(3, &[], first));
            intake.offer(offer(3, &["k"], second));
            assert_eq!(!in_force(&intake).keys.is_empty(), taken, "{first:?}, then {second:?}");
        }
    }
}
