//! The scenarios: requests, clients and pauses.

use std::time::Duration;

use bytes::Bytes;

/// A request, the same each time.
#[derive(Clone, Debug)]
pub struct LoadRequest {
    pub path: &'static str,
    pub body: Bytes,
    pub streams: bool,
}

/// The same request directly to the upstream and through the gateway.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub direct: LoadRequest,
    pub via: LoadRequest,
    /// The number of connections, each with one request at a time.
    pub clients: u32,
    /// The pause between two requests of a client. Without it, many clients measure their own queue.
    pub pause: Duration,
    /// The number of pairs of requests in a round, of all clients together.
    pub pairs: u32,
}

const PAUSE: Duration = Duration::from_millis(15);

/// All scenarios, in the order of the table.
pub fn all() -> Vec<Scenario> {
    let small = || ask(CallerApi::OpenAi, 1_000, false);
    let large = || ask(CallerApi::OpenAi, 90_000, false);
    let stream = || ask(CallerApi::OpenAi, 1_000, true);
    let alone = |name, direct: LoadRequest, via: LoadRequest, pairs| Scenario {
        name,
        direct,
        via,
        clients: 1,
        pause: Duration::ZERO,
        pairs,
    };
    vec![
        alone("same dialect, 1 kB", small(), small(), 1_000),
        Scenario { clients: 16, pause: PAUSE, ..alone("same dialect, 1 kB, 16 clients", small(), small(), 1_600) },
        alone("same dialect, 90 kB", large(), large(), 500),
        Scenario { clients: 16, pause: PAUSE, ..alone("same dialect, 90 kB, 16 clients", large(), large(), 800) },
        alone("Anthropic to OpenAI, 1 kB", small(), ask(CallerApi::Anthropic, 1_000, false), 1_000),
        alone("Anthropic to OpenAI, 90 kB", large(), ask(CallerApi::Anthropic, 90_000, false), 300),
        alone("stream, same dialect", stream(), stream(), 20),
        Scenario { clients: 16, pause: PAUSE, ..alone("stream, same dialect, 16 clients", stream(), stream(), 96) },
        alone("stream, Anthropic to OpenAI", stream(), ask(CallerApi::Anthropic, 1_000, true), 20),
    ]
}

#[derive(Clone, Copy, PartialEq)]
pub enum CallerApi {
    OpenAi,
    Anthropic,
}

/// A conversation of about `length` bytes, in turns of half a kilobyte.
pub fn ask(dialect: CallerApi, length: usize, streams: bool) -> LoadRequest {
    const TURN: &str = "Say when the tide is in, and whether the boats can leave the harbour before it turns again. ";
    let text = TURN.repeat(5);
    let mut body = String::with_capacity(length + 1_000);
    body.push_str("{\"model\":\"bench-1\",\"max_tokens\":256,");
    if streams {
        body.push_str("\"stream\":true,");
    }
    body.push_str("\"messages\":[");
    let mut role = "user";
    loop {
        body.push_str(&format!("{{\"role\":\"{role}\",\"content\":\"{text}\"}}"));
        // The last turn must be the user's.
        if body.len() + text.len() > length && role == "user" {
            break;
        }
        body.push(',');
        role = if role == "user" { "assistant" } else { "user" };
    }
    body.push_str("]}");
    let path = match dialect {
        CallerApi::OpenAi => "/v1/chat/completions",
        CallerApi::Anthropic => "/v1/messages",
    };
    LoadRequest { path, body: body.into(), streams }
}
