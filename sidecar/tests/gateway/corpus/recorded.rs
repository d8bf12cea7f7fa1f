//! Reads recorded exchanges, and derives what a caller sends and what the upstream plays.

#![allow(clippy::print_stderr, reason = "what did not run says so")]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::fake::Act;

/// A request and its answer, as they were sent.
#[derive(Debug, Deserialize)]
pub struct Exchange {
    pub file: String,
    pub i: u64,
    pub provider: String,
    pub api: String,
    pub method: String,
    pub path: String,
    pub query: String,
    pub req_headers: BTreeMap<String, String>,
    pub req: Box<RawValue>,
    pub status: u16,
    pub resp_headers: BTreeMap<String, String>,
    pub kind: String,
    body: Option<String>,
    /// An answer that is not text, in Base64.
    body_b64: Option<String>,
}

/// All exchanges. Without the folder it prints a line and returns `None`.
pub fn exchanges() -> Option<Vec<Exchange>> {
    let Some(folder) = std::env::var_os("OUTRIGGER_CORPUS") else {
        eprintln!("skipped: OUTRIGGER_CORPUS is not set");
        return None;
    };
    let file = File::open(Path::new(&folder).join("recorded.jsonl.gz")).unwrap();
    let lines = BufReader::new(GzDecoder::new(file)).lines();
    Some(lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect())
}

/// The types of upstream at the fake's address, with the version in their paths.
pub const UPSTREAMS: [(&str, &str); 5] =
    [("OpenAICompatible", "/v1"), ("Anthropic", "/v1"), ("Gemini", "/v1beta"), ("Bedrock", ""), ("Cohere", "")];

impl Exchange {
    pub fn place(&self) -> String {
        format!("{} {} {} {}", self.provider, self.api, self.file, self.i)
    }

    /// The index in [`UPSTREAMS`], and the path below the version with `MODEL` for the model. `None` for requests that
    /// are in no supported dialect, or are not passed on.
    pub fn route(&self) -> Option<(usize, String)> {
        let openai = |path: &str| Some((0, path.to_owned()));
        match (self.provider.as_str(), self.api.as_str()) {
            ("cohere", "chat" | "embed" | "rerank") => Some((4, format!("v2/{}", self.api))),
            ("cohere", _) => None,
            ("bedrock", "converse" | "converse-stream") => Some((3, format!("model/MODEL/{}", self.api))),
            (_, "chat") => openai("chat/completions"),
            (_, "completions" | "responses" | "embeddings" | "moderations" | "rerank") => openai(&self.api),
            ("anthropic", "messages") => Some((1, "messages".to_owned())),
            ("anthropic", "count_tokens") => Some((1, "messages/count_tokens".to_owned())),
            (
                "gemini" | "vertex",
                "generateContent" | "streamGenerateContent" | "countTokens" | "batchEmbedContents",
            ) => Some((2, format!("models/MODEL:{}", self.api))),
            _ => None,
        }
    }

    pub fn body(&self) -> Cow<'_, [u8]> {
        match (&self.body, &self.body_b64) {
            (Some(text), _) => Cow::Borrowed(text.as_bytes()),
            (None, Some(packed)) => Cow::Owned(STANDARD.decode(packed).unwrap()),
            (None, None) => Cow::Borrowed(&[]),
        }
    }

    /// The answer, which is text.
    pub fn text(&self) -> &str {
        self.body.as_deref().unwrap_or_default()
    }

    /// Answers after which another candidate is tried, so that the gateway does not just pass them on: errors, and two
    /// in which Claude, with tools forbidden, ended its turn without text.
    pub fn is_odd(&self) -> bool {
        let silent = self.file.contains("haiku-4-5_respects_choice_none") && self.api != "responses";
        self.status != 200 || silent
    }

    pub fn path_model(&self) -> &str {
        if let Some((model, _)) = self.path.strip_prefix("/model/").and_then(|rest| rest.rsplit_once('/')) {
            return model;
        }
        self.path.rsplit('/').next().and_then(|segment| segment.split(':').next()).unwrap()
    }

    /// The answer as a script of the fake upstream. Streams are cut into pieces anywhere, even within characters.
    pub fn script(&self) -> Vec<Act> {
        const PIECES: [usize; 6] = [1, 2, 61, 3, 509, 4_093];
        let mut head = format!("HTTP/1.1 {} X\r\n", self.status);
        for (name, value) in &self.resp_headers {
            if !["transfer-encoding", "content-encoding", "content-length", "connection"]
                .contains(&&*name.to_lowercase())
            {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        let body = self.body();
        let mut rest = body.as_ref();
        if !["sse", "eventstream"].contains(&&*self.kind) {
            head.push_str(&format!("content-length: {}\r\n\r\n", rest.len()));
            return vec![Act::Send(head), Act::Bytes(rest.to_vec())];
        }
        head.push_str("transfer-encoding: chunked\r\n\r\n");
        let mut acts = vec![Act::Send(head)];
        for size in PIECES.iter().cycle() {
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
            chunk.extend_from_slice(piece);
            chunk.extend_from_slice(b"\r\n");
            acts.push(Act::Bytes(chunk));
            rest = after;
            if piece.is_empty() {
                // An empty chunk ends the body.
                return acts;
            }
        }
        acts
    }
}

/// A variation of the recorded request.
#[derive(Clone, Copy, PartialEq)]
pub enum Variation {
    AsRecorded,
    /// Without `stream_options`, with which the recorded caller requested usage.
    WithoutUsage,
    /// For Gemini, without `alt=sse`.
    ForArray,
}

/// The request that a caller sends, and the one that must arrive upstream.
pub struct Replay {
    pub path: String,
    pub body: String,
    pub target: String,
    pub upstream_body: String,
    /// The gateway requests a stream's usage, because the caller did not.
    pub requests_usage: bool,
}

/// The option that the gateway adds, and as the recorded callers write it.
const OPTIONS: &str = "\"stream_options\":{\"include_usage\":true},";
const RECORDED_OPTIONS: &str = ", \"stream_options\": {\"include_usage\": true}";

/// The recorded request for the provider `name`: with its model pinned to that provider, and with an empty list of
/// fallbacks, which the gateway removes. `None` if the variation does not apply.
pub fn replay(exchange: &Exchange, route: (usize, &str), name: &str, variation: Variation) -> Option<Replay> {
    let (upstream, below) = route;
    let version = UPSTREAMS[upstream].1;
    let mut recorded = exchange.req.get().to_owned();
    let query = if exchange.query.is_empty() { String::new() } else { format!("?{}", exchange.query) };
    let model = exchange.path_model();
    // AWS signs the path, so a colon is encoded there.
    let named = if version.is_empty() { model.replace(':', "%3A") } else { model.to_owned() };
    let target = format!("{version}/{}{query}", below.replace("MODEL", &named));
    let mut path = format!("{version}/{}{query}", below.replace("MODEL", &format!("{name}%2F{named}")));
    match variation {
        Variation::AsRecorded => {}
        Variation::WithoutUsage => {
            let at = recorded.rfind(RECORDED_OPTIONS)?;
            recorded.replace_range(at..at + RECORDED_OPTIONS.len(), "");
        }
        Variation::ForArray => path = path.strip_suffix("?alt=sse")?.to_owned(),
    }
    let edited: Edited<'_> = serde_json::from_str(&recorded).unwrap();
    let streams = upstream == 0 && ["chat", "completions"].contains(&&*exchange.api) && edited.stream == Some(true);
    let requests_usage =
        streams && edited.stream_options.as_ref().is_none_or(|options| options["include_usage"] != true);
    let mut body = recorded.clone();
    if let Some(model) = edited.model.filter(|_| !below.contains("MODEL")) {
        let raw = model.get();
        let at = raw.as_ptr() as usize - recorded.as_ptr() as usize;
        let model: String = serde_json::from_str(raw).unwrap();
        body.replace_range(at..at + raw.len(), &json!(format!("{name}/{model}")).to_string());
    }
    // Google's SDK repeats the model's name in the body.
    body = body.replace(&format!("\"models/{model}\""), &format!("\"models/{name}/{model}\""));
    body.insert_str(body.rfind('}').unwrap(), ", \"fallbacks\" : []");
    let mut upstream_body = recorded.clone();
    if requests_usage {
        assert_eq!(edited.stream_options, None, "{}: rewritten, and not comparable", exchange.place());
        upstream_body.insert_str(1, OPTIONS);
    }
    Some(Replay { path, body, target, upstream_body, requests_usage })
}

/// The fields that the gateway reads or edits.
#[derive(Deserialize)]
struct Edited<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(default)]
    stream: Option<bool>,
    stream_options: Option<Value>,
}
