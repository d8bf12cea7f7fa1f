//! `outrigger explain`: the decision for a request, and why it is that one.
//!
//! Nothing is sent and no account is read: the world is well and nothing is spent, but for what the command line says.

#[cfg(test)]
mod agree;
mod asking;
mod reserve;
mod told;
mod world;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use outrigger_core::{Money, RefusalKind};
use outrigger_policy::{
    Conditions, Draw, Explanation, Key, KeyIndex, LimitIndex, Policy, RefusalSeen, Request, explain,
};
use outrigger_sidecar::pipeline::identify::{caller, identify};
use outrigger_sidecar::request::refusal::Refusal;
use serde::Serialize;
use thiserror::Error;

pub(crate) use asking::{AskError, read};
pub(crate) use told::rounded;

use self::asking::ExplainedRequest;
use self::reserve::{Reserving, WorstCaseReserve};
use self::world::{AssumedState, WorldError};
use crate::look::{LoadedPolicy, look};
use crate::style::{self, Style};

/// What the command ends with if the request would be refused.
const REFUSED: u8 = 3;
/// What it ends with if the arguments say something that can't be.
const MISUSED: u8 = 2;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder of objects, or one file.
    dir: PathBuf,
    /// The request's body, as a client would send it; - is standard input.
    #[arg(long, value_name = "FILE")]
    pub request: Option<PathBuf>,
    /// The model that is asked for, in place of the body's.
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
    /// Where the request is sent.
    #[arg(long, default_value = "/v1/chat/completions")]
    pub path: String,
    /// Ask for a stream, whatever the body says.
    #[arg(long)]
    pub stream: bool,
    /// A provider that is down, by the key's name for it; may be given several times.
    #[arg(long, value_name = "PROVIDER")]
    pub unhealthy: Vec<String>,
    /// How much of a limit is spent: of a Budget (team, finance/team) or of the key (limits.budgets[month],
    /// providers[openai].limits.requests[hour]), as $12.50, 95% or a number; may be given several times.
    #[arg(long, value_name = "LIMIT=AMOUNT", value_parser = last_pair)]
    pub spent: Vec<(String, String)>,
    /// When it is asked. [default: now]
    #[arg(long, value_name = "RFC 3339", value_parser = time)]
    time: Option<i64>,
    /// A label of the caller's pod; may be given several times.
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = pair)]
    pub labels: Vec<(String, String)>,
    /// The name of the caller's pod.
    #[arg(long, value_name = "NAME")]
    pub workload: Option<String>,
    /// Tell it as JSON.
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

/// What the arguments say and can't be.
#[derive(Debug, Error)]
enum Misused {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    AssumedState(#[from] WorldError),
}

/// A decision, with all that is told of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explained {
    request: RequestSeen,
    /// `None` if it is not known who calls.
    key: Option<KeySeen>,
    decision: Explanation,
    /// Of each candidate, in the same order.
    prices: Vec<Option<String>>,
    /// Those that the candidates count against.
    limits: Vec<LimitSeen>,
    reserved: Option<WorstCaseReserve>,
    /// The limit that has too little left for what is decided first: this is the second decision.
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
    /// The candidates that count against it; empty: all of them.
    counts: Vec<String>,
}

pub(crate) fn main(args: &Args) -> ExitCode {
    let looked = match look(&args.dir, &[]) {
        Ok(looked) => looked,
        Err(error) => return style::fail(&error),
    };
    style::tell(&looked.errors);
    let now = args.time.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    });
    let explained = match explained(&looked, args, now) {
        Ok(explained) => explained,
        Err(error) => {
            let _ = style::fail(&error);
            return ExitCode::from(MISUSED);
        }
    };
    let mut stdout = io::stdout().lock();
    let told = match args.json {
        true => serde_json::to_string_pretty(&explained).map(|json| json + "\n").map_err(io::Error::from),
        false => Ok(style::screen(&explained.text(Style::of(&stdout)))),
    };
    match told.and_then(|told| stdout.write_all(told.as_bytes())) {
        Ok(()) if explained.decision.refusal.is_some() => ExitCode::from(REFUSED),
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => style::fail(&error),
    }
}

/// What the gateway would do, in the order in which it would.
fn explained(looked: &LoadedPolicy, args: &Args, now: i64) -> Result<Explained, Misused> {
    let policy = &looked.policy;
    let asking = match ExplainedRequest::read(args)? {
        Ok(asking) => asking,
        Err(refusal) => return Ok(Explained::refused(RequestSeen::unread(args), None, &refusal)),
    };
    let request = RequestSeen::of(&asking);
    let caller = match caller(policy, &asking.headers, &asking.query()) {
        Ok(caller) => caller,
        Err(refusal) => return Ok(Explained::refused(request, None, &refusal)),
    };
    let key = &policy.keys[caller.key];
    let seen = KeySeen::of(policy, key, caller.by, args.key.is_some());
    if let Err(refusal) = identify(policy, &asking.headers, &asking.query(), None, now.div_euclid(1_000)) {
        return Ok(Explained::refused(request, Some(seen), &refusal));
    }
    let mut world = AssumedState::of(policy, key, &asking, args, now)?;
    let mut decision = decided(policy, caller.key, &asking, &world);
    let (mut reserved, mut decided_again) = (None, None);
    match &mut decision.refusal {
        // A body that is no conversation is the caller's mistake, and no shortcoming of a dialect.
        Some(refusal) if refusal.kind == RefusalKind::UnsupportedParameter => {
            if let Some((path, problem)) = asking.problem() {
                let (kind, message) = (RefusalKind::InvalidRequest, format!("{path}: {problem}"));
                *refusal = RefusalSeen { status: kind.status(), kind, message };
            }
        }
        Some(_) => {}
        None => {
            let first = decision.clone();
            let mut reserving = reserve::reserve(policy, caller.key, &asking, &world, &mut decision.candidates);
            if let Some(short) = reserving.short.filter(|_| policy.goes_by_levels()) {
                world = world.short_of(short);
                let mut again = decided(policy, caller.key, &asking, &world);
                if again.replaces(&first) {
                    decided_again = policy.limits.all.get(short).map(|limit| limit.id.to_string());
                    reserving = match again.refusal {
                        Some(_) => Reserving::default(),
                        None => reserve::reserve(policy, caller.key, &asking, &world, &mut again.candidates),
                    };
                    let passed_over = decision.candidates.into_iter().zip(&first.candidates);
                    let passed_over = passed_over.filter(|(told, one)| one.skipped.is_none() && told.skipped.is_some());
                    // The gateway decides again at the first one without room.
                    again.candidates.splice(0..0, passed_over.map(|(told, _)| told).take(1));
                    decision = again;
                }
            }
            reserved = reserving.reserved;
            decision.refusal = decision.refusal.or(reserving.refusal);
        }
    }
    Ok(Explained {
        request,
        key: Some(seen),
        prices: prices(policy, key, &decision),
        limits: limits(policy, caller.key, &world, &decision),
        notes: notes(looked, key, &asking, &decision),
        reserved,
        decided_again,
        decision,
    })
}

/// The decision for a key, by its place.
fn decided(policy: &Policy, key: KeyIndex, asking: &ExplainedRequest, world: &AssumedState<'_>) -> Explanation {
    let fallbacks = asking.scanned.fallbacks.as_deref();
    let header = |name: &str| asking.header(name);
    let said = Request::said(key, asking.request_type(), asking.model.as_deref(), fallbacks, &header, world);
    // A session goes where a gateway takes it; of others, most go to the likeliest.
    let draw = asking.session().zip(policy.keys.get(key)).map(|(session, key)| Draw::of_session(&key.id, session));
    let (headers, params) = (asking.seen_headers(), asking.seen_params());
    let draw = draw.unwrap_or(Draw::Likeliest);
    explain(policy, &Request { headers: &headers, params: &params, draw, ..said })
}

impl Explained {
    /// A request that is refused before anything is decided.
    fn refused(request: RequestSeen, key: Option<KeySeen>, refusal: &Refusal) -> Self {
        let Refusal { status, kind, message, .. } = refusal.clone();
        let refusal = RefusalSeen { status, kind, message };
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
    fn of(asking: &ExplainedRequest) -> Self {
        RequestSeen {
            path: asking.path.clone(),
            request_type: asking.request_type().name(),
            input_tokens: asking.caller_tokens(),
            needs: asking.needs().names().collect(),
        }
    }

    /// Of one whose body can't be read.
    fn unread(args: &Args) -> Self {
        RequestSeen { path: args.path.clone(), request_type: "not understood", input_tokens: None, needs: Vec::new() }
    }
}

impl KeySeen {
    fn of(policy: &Policy, key: &Key, by: Option<&'static str>, asked: bool) -> Self {
        let how = match by {
            Some("x-outrigger-key") if asked => "named by --key".to_owned(),
            Some(header) => format!("named by {header}"),
            None if policy.keys.len() == 1 => "the only one there is".to_owned(),
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
    let price = |candidate: &outrigger_policy::CandidateSeen| {
        let entry = key.provider(&candidate.provider)?;
        let price = policy.price(key.providers[entry].provider, &candidate.model)?;
        Some(format!("{} in, {} out", Money::from_nanos(price.input), Money::from_nanos(price.output)))
    };
    decision.candidates.iter().map(price).collect()
}

/// What the candidates count against.
fn limits(policy: &Policy, key: KeyIndex, world: &AssumedState<'_>, decision: &Explanation) -> Vec<LimitSeen> {
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
    let seen = |(place, limit): (LimitIndex, &outrigger_policy::Limit)| {
        let counts: Vec<String> =
            counted.iter().filter(|(_, places)| places.contains(&place)).map(|(at, _)| at.clone()).collect();
        let used = world.used(place);
        (!counts.is_empty()).then(|| LimitSeen {
            name: limit.id.to_string(),
            spent: limit.amount(used),
            limit: limit.size(),
            percent: limit.percent(used),
            counts: if counts.len() == counted.len() { Vec::new() } else { counts },
        })
    };
    policy.limits.all.iter_enumerated().filter_map(seen).collect()
}

/// What is to be known beside.
fn notes(looked: &LoadedPolicy, key: &Key, asking: &ExplainedRequest, decision: &Explanation) -> Vec<String> {
    let policy = &looked.policy;
    let mut notes = Vec::new();
    let providers = decision.candidates.iter().filter_map(|candidate| key.provider(&candidate.provider));
    let mut missing: Vec<String> = providers
        .flat_map(|entry| &policy.providers[key.providers[entry].provider].credentials)
        .filter(|credential| looked.without_value.contains(&credential.secret))
        .map(|credential| credential.secret.to_string())
        .collect();
    missing.sort();
    missing.dedup();
    if !missing.is_empty() {
        let told = missing.join(", ");
        notes.push(format!("the value of Secret {told} is unknown: without it a gateway skips the credential"));
    }
    if asking.session().is_some() {
        notes.push("a session stays where it was drawn: the shares hold over many sessions".to_owned());
    }
    if looked.errors.iter().any(|error| !error.object.is_empty()) {
        notes.push("objects with errors may be left out: repair the errors above first".to_owned());
    }
    if !policy.limits.all.is_empty() && asking.body.is_none() {
        notes.push(
            "without a body nothing is reserved: give one with `--request` to see whether the limits leave enough"
                .to_owned(),
        );
    }
    notes
}
