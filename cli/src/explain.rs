//! `outrigger explain`: shows the decision for a request, and its reasons.
//!
//! Sends nothing and reads no account. All providers work and nothing is spent, unless the command line says otherwise.

#[cfg(test)]
mod agree;
mod assumed;
mod request;
mod reserve;
mod text;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use outrigger_core::{Money, RefusalKind};
use outrigger_policy::{
    Draw, ExplainedRefusal, Explanation, GatewayState, Key, KeyIndex, LimitIndex, Policy, Request, explain,
};
use outrigger_sidecar::pipeline::identify::{caller, identify};
use outrigger_sidecar::request::refusal::Refusal;
use outrigger_sidecar::request::session;
use serde::Serialize;
use thiserror::Error;

pub(crate) use request::{RequestInputError, read};
pub(crate) use text::rounded;

use self::assumed::{AssumedState, AssumptionError};
use self::request::ExplainedRequest;
use self::reserve::{Reserving, WorstCaseReserve};
use crate::look::{LoadedPolicy, load};
use crate::style::{self, Style};

/// The exit status if the request would be refused.
const REFUSED: u8 = 3;
/// The exit status if the arguments are impossible.
const INVALID_ARGUMENTS: u8 = 2;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder of objects, or one file.
    dir: PathBuf,
    /// The request's body, as a client would send it; - is standard input.
    #[arg(long, value_name = "FILE")]
    pub request: Option<PathBuf>,
    /// The requested model, instead of the body's.
    #[arg(long)]
    pub model: Option<String>,
    /// The caller's VirtualKey, as x-outrigger-key would name it.
    #[arg(long)]
    pub key: Option<String>,
    /// A header of the request; may be given several times.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub headers: Vec<(String, String)>,
    /// A parameter of the request's query; may be given several times.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    pub params: Vec<(String, String)>,
    /// The path of the request.
    #[arg(long, default_value = "/v1/chat/completions")]
    pub path: String,
    /// Request a stream, whatever the body says.
    #[arg(long)]
    pub stream: bool,
    /// A provider that is down, by the key's name for it; may be given several times.
    #[arg(long, value_name = "PROVIDER")]
    pub unhealthy: Vec<String>,
    /// How much of a limit is spent: of a Budget (team, finance/team) or of the key (limits.budgets[month],
    /// providers[openai].limits.requests[hour]), as $12.50, 95% or a number; may be given several times.
    #[arg(long, value_name = "LIMIT=AMOUNT", value_parser = last_pair)]
    pub spent: Vec<(String, String)>,
    /// The time of the request. [default: now]
    #[arg(long, value_name = "RFC 3339", value_parser = time)]
    time: Option<i64>,
    /// A label of the caller's pod; may be given several times.
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = pair)]
    pub labels: Vec<(String, String)>,
    /// The name of the caller's pod.
    #[arg(long, value_name = "NAME")]
    pub workload: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("must be a name and a value, such as 'x-tier: premium'")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be a name and a value, such as tier=premium")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn last_pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.rsplit_once('=').ok_or("must be a limit and an amount, such as team-search=95%")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// Milliseconds since 1970.
fn time(text: &str) -> Result<i64, String> {
    let parsed = text.parse::<jiff::Timestamp>();
    parsed.map(|time| time.as_millisecond()).map_err(|_| "must be a time such as 2026-12-01T09:00:00Z".to_owned())
}

/// Why the arguments are impossible.
#[derive(Debug, Error)]
enum InvalidArguments {
    #[error(transparent)]
    Ask(#[from] RequestInputError),
    #[error(transparent)]
    AssumedState(#[from] AssumptionError),
}

/// A decision, with everything that is shown about it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explained {
    request: RequestSeen,
    /// `None` if the caller is unknown.
    key: Option<KeySeen>,
    decision: Explanation,
    /// One for each candidate, in the same order.
    prices: Vec<Option<String>>,
    /// The limits that the candidates count against.
    limits: Vec<LimitSeen>,
    reserved: Option<WorstCaseReserve>,
    /// The limit that is too short for the first decision. If set, the decision is the second one.
    decided_again: Option<String>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestSeen {
    path: String,
    request_type: &'static str,
    /// As rules see it; `None` without a body.
    input_tokens: Option<u64>,
    needs: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct KeySeen {
    name: String,
    /// The header that named it, or `?key=`; `None` for the default key.
    by: Option<&'static str>,
    #[serde(skip)]
    line: String,
}

#[derive(Debug, Serialize)]
struct LimitSeen {
    name: String,
    spent: String,
    limit: String,
    percent: f64,
    /// The candidates that count against it; empty for all.
    counts: Vec<String>,
}

pub(crate) fn main(args: &Args) -> ExitCode {
    let loaded = match load(&args.dir, &[]) {
        Ok(loaded) => loaded,
        Err(error) => return style::fail(&error),
    };
    style::print_findings(&loaded.errors);
    let now = args.time.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    });
    let explained = match explained(&loaded, args, now) {
        Ok(explained) => explained,
        Err(error) => {
            let _ = style::fail(&error);
            return ExitCode::from(INVALID_ARGUMENTS);
        }
    };
    let mut stdout = io::stdout().lock();
    let output = match args.json {
        true => serde_json::to_string_pretty(&explained).map(|json| json + "\n").map_err(io::Error::from),
        false => Ok(style::screen(&explained.text(Style::of(&stdout)))),
    };
    match output.and_then(|output| stdout.write_all(output.as_bytes())) {
        Ok(()) if explained.decision.refusal.is_some() => ExitCode::from(REFUSED),
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => style::fail(&error),
    }
}

/// Runs the gateway's steps in order.
fn explained(loaded: &LoadedPolicy, args: &Args, now: i64) -> Result<Explained, InvalidArguments> {
    let policy = &loaded.policy;
    let explained = match ExplainedRequest::read(args)? {
        Ok(explained) => explained,
        Err(refusal) => return Ok(Explained::refused(RequestSeen::unread(args), None, &refusal)),
    };
    let request = RequestSeen::of(&explained);
    let caller = match caller(policy, &explained.headers, &explained.query()) {
        Ok(caller) => caller,
        Err(refusal) => return Ok(Explained::refused(request, None, &refusal)),
    };
    let key = &policy.keys[caller.key];
    let key_seen = KeySeen::of(policy, key, caller.by, args.key.is_some());
    if let Err(refusal) = identify(policy, &explained.headers, &explained.query(), None, now.div_euclid(1_000)) {
        return Ok(Explained::refused(request, Some(key_seen), &refusal));
    }
    let repeats = || session::refuses_repeats(key, explained.operation, explained.body.as_deref().unwrap_or_default());
    if let Some(refusal) = session::name(key, explained.operation, &explained.headers).err().or_else(repeats) {
        return Ok(Explained::refused(request, Some(key_seen), &refusal));
    }
    let mut assumed = AssumedState::of(policy, key, &explained, args, now)?;
    let mut decision = decided(policy, caller.key, &explained, &assumed);
    let (mut reserved, mut decided_again) = (None, None);
    match &mut decision.refusal {
        // A body that is no conversation is the caller's mistake, and not a gap of a dialect.
        Some(refusal) if refusal.kind == RefusalKind::UnsupportedParameter => {
            if let Some((path, problem)) = explained.problem() {
                let (kind, message) = (RefusalKind::InvalidRequest, format!("{path}: {problem}"));
                *refusal = ExplainedRefusal { status: kind.status(), kind, message };
            }
        }
        Some(_) => {}
        None => {
            let first = decision.clone();
            let mut reserving = reserve::reserve(policy, caller.key, &explained, &assumed, &mut decision.candidates);
            if let Some(short) = reserving.short.filter(|_| policy.depends_on_usage()) {
                assumed = assumed.short_of(short);
                let mut again = decided(policy, caller.key, &explained, &assumed);
                if again.replaces(&first) {
                    decided_again = policy.limits.all.get(short).map(|limit| limit.id.to_string());
                    reserving = match again.refusal {
                        Some(_) => Reserving::default(),
                        None => reserve::reserve(policy, caller.key, &explained, &assumed, &mut again.candidates),
                    };
                    let skipped = decision.candidates.into_iter().zip(&first.candidates);
                    let skipped = skipped.filter(|(now, before)| before.skipped.is_none() && now.skipped.is_some());
                    // The gateway decides again at the first candidate without room.
                    again.candidates.splice(0..0, skipped.map(|(now, _)| now).take(1));
                    decision = again;
                }
            }
            reserved = reserving.reserved;
            decision.refusal = decision.refusal.or(reserving.refusal);
        }
    }
    Ok(Explained {
        request,
        key: Some(key_seen),
        prices: prices(policy, key, &decision),
        limits: limits(policy, caller.key, &assumed, &decision),
        notes: notes(loaded, key, &explained, &decision),
        reserved,
        decided_again,
        decision,
    })
}

/// The decision for a key.
fn decided(policy: &Policy, key: KeyIndex, explained: &ExplainedRequest, assumed: &AssumedState<'_>) -> Explanation {
    let fallbacks = explained.scanned.fallbacks.as_deref();
    let header = |name: &str| explained.header(name);
    let request =
        Request::from_headers(key, explained.request_type(), explained.model.as_deref(), fallbacks, &header, assumed);
    // A session's draw is the gateway's. For other requests, the likeliest candidate is shown.
    let draw = policy.keys.get(key).and_then(|key| Some(Draw::of_session(&key.id, explained.session(key)?)));
    let (headers, params) = (explained.seen_headers(), explained.seen_params());
    let draw = draw.unwrap_or(Draw::Likeliest);
    explain(policy, &Request { headers: &headers, params: &params, draw, ..request })
}

impl Explained {
    /// A request that is refused before the decision.
    fn refused(request: RequestSeen, key: Option<KeySeen>, refusal: &Refusal) -> Self {
        let Refusal { status, kind, message, .. } = refusal.clone();
        let refusal = ExplainedRefusal { status, kind, message };
        Explained {
            request,
            key,
            decision: Explanation { refusal: Some(refusal), ..Explanation::default() },
            prices: Vec::new(),
            limits: Vec::new(),
            reserved: None,
            decided_again: None,
            notes: Vec::new(),
        }
    }
}

impl RequestSeen {
    fn of(explained: &ExplainedRequest) -> Self {
        RequestSeen {
            path: explained.path.clone(),
            request_type: explained.request_type().name(),
            input_tokens: explained.caller_tokens(),
            needs: explained.needs().names().collect(),
        }
    }

    /// A request whose body can't be read.
    fn unread(args: &Args) -> Self {
        RequestSeen { path: args.path.clone(), request_type: "not understood", input_tokens: None, needs: Vec::new() }
    }
}

impl KeySeen {
    fn of(policy: &Policy, key: &Key, by: Option<&'static str>, by_argument: bool) -> Self {
        let how = match by {
            Some("x-outrigger-key") if by_argument => "named by --key".to_owned(),
            Some(header) => format!("named by {header}"),
            None if policy.keys.len() == 1 => "the only key".to_owned(),
            None => "the default".to_owned(),
        };
        let line = match key.keyless {
            true => format!("none, and none is needed in namespace {}", key.id.namespace),
            false => format!("VirtualKey {}, {how}", key.id),
        };
        KeySeen { name: key.id.to_string(), by, line }
    }
}

/// `$2.50 in, $10.00 out`, of each candidate.
fn prices(policy: &Policy, key: &Key, decision: &Explanation) -> Vec<Option<String>> {
    let price = |candidate: &outrigger_policy::ExplainedCandidate| {
        let entry = key.provider(&candidate.provider)?;
        let price = policy.price(key.providers[entry].provider, &candidate.model)?;
        Some(format!("{} in, {} out", Money::from_nanos(price.input), Money::from_nanos(price.output)))
    };
    decision.candidates.iter().map(price).collect()
}

/// The limits that the candidates count against.
fn limits(policy: &Policy, key: KeyIndex, assumed: &AssumedState<'_>, decision: &Explanation) -> Vec<LimitSeen> {
    let key_of = &policy.keys[key];
    let counted: Vec<(String, Vec<LimitIndex>)> = decision
        .candidates
        .iter()
        .filter_map(|candidate| {
            let entry = key_of.provider(&candidate.provider)?;
            let at = format!("{}/{}", candidate.provider, candidate.model);
            Some((at, policy.limits_of(key, entry, &candidate.model)))
        })
        .collect();
    let limit_seen = |(index, limit): (LimitIndex, &outrigger_policy::Limit)| {
        let counts: Vec<String> =
            counted.iter().filter(|(_, indexes)| indexes.contains(&index)).map(|(at, _)| at.clone()).collect();
        let used = assumed.used(index);
        (!counts.is_empty()).then(|| LimitSeen {
            name: limit.id.to_string(),
            spent: limit.amount(used),
            limit: limit.size(),
            percent: limit.percent(used),
            counts: if counts.len() == counted.len() { Vec::new() } else { counts },
        })
    };
    let counts = |(_, limit): &(LimitIndex, &outrigger_policy::Limit)| !limit.per_session || assumed.is_in_session();
    policy.limits.all.iter_enumerated().filter(counts).filter_map(limit_seen).collect()
}

/// Notes in addition to the decision.
fn notes(loaded: &LoadedPolicy, key: &Key, explained: &ExplainedRequest, decision: &Explanation) -> Vec<String> {
    let policy = &loaded.policy;
    let mut notes = Vec::new();
    let providers = decision.candidates.iter().filter_map(|candidate| key.provider(&candidate.provider));
    let mut missing: Vec<String> = providers
        .flat_map(|entry| &policy.providers[key.providers[entry].provider].credentials)
        .filter(|credential| loaded.without_value.contains(&credential.secret))
        .map(|credential| credential.secret.to_string())
        .collect();
    missing.sort();
    missing.dedup();
    if !missing.is_empty() {
        let names = missing.join(", ");
        notes.push(format!("the value of Secret {names} is unknown: a gateway skips a credential without a value"));
    }
    if explained.session(key).is_some() {
        notes.push("a session stays where it was drawn: the shares hold over many sessions".to_owned());
    }
    if loaded.errors.iter().any(|error| !error.object.is_empty()) {
        notes.push("objects with errors may be left out: repair the errors above first".to_owned());
    }
    if !policy.limits.all.is_empty() && explained.body.is_none() {
        notes.push(
            "without a body nothing is reserved: give one with `--request` to see whether the limits leave enough"
                .to_owned(),
        );
    }
    notes
}
