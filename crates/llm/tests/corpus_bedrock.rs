//! Recorded exchanges with Amazon Bedrock: requests are read, and answers and streams say the same in every dialect.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use outrigger_llm::chat::{ChatEvent, Part};
use outrigger_llm::framing::{Event, EventReader, Framing};
use outrigger_llm::passthrough::watch::StreamWatch;
use outrigger_llm::provider::{Api, Target};
use outrigger_llm::usage::Usage;
use outrigger_llm::{
    Answer, Dialect, Format, StreamDecoder, StreamEncoder, decode_request, decode_response, encode_request,
    encode_response,
};

mod recorded;

use recorded::Exchange;

fn of_converse(recorded: &[Exchange]) -> impl Iterator<Item = (&Exchange, String)> {
    let converse = |exchange: &&Exchange| exchange.provider == "bedrock" && exchange.api.starts_with("converse");
    recorded.iter().filter(converse).map(|exchange| (exchange, format!("{} {}", exchange.file, exchange.i)))
}

#[test]
fn recorded_requests_are_read_and_cross() {
    let Some(recorded) = recorded::exchanges() else { return };
    let mut counts = (0, 0);
    for (exchange, place) in of_converse(&recorded) {
        let body = exchange.req.as_ref().unwrap().as_object().unwrap();
        let request = decode_request(Format::Bedrock, body, "m", false).unwrap_or_else(|e| panic!("{place}: {e}"));
        counts.0 += 1;
        // Some ask for what only AWS has: citations, its own tools, fields of single models.
        let target = Target::vendor(Dialect::Anthropic, "claude-haiku-4-5");
        counts.1 += usize::from(encode_request(Format::Bedrock, &request, &target, None).is_ok());
        // What is written for the same format again is what was read, except for thoughts.
        let target = Target::vendor(Dialect::Bedrock, "m");
        let Ok(again) = encode_request(Format::Bedrock, &request, &target, None) else { continue };
        let again = decode_request(Format::Bedrock, &again.body, "m", false).unwrap();
        let texts = |request: &outrigger_llm::chat::ChatRequest| {
            let parts = request.messages.iter().flat_map(|message| message.parts.clone());
            parts.filter(|part| matches!(part, Part::Text(_))).collect::<Vec<_>>()
        };
        assert_eq!(texts(&again), texts(&request), "{place}");
    }
    assert_eq!(counts.0, 75);
    assert!(counts.1 > 55, "{counts:?}");
}

#[test]
fn recorded_answers_say_the_same_in_every_dialect() {
    let Some(recorded) = recorded::exchanges() else { return };
    let mut count = 0;
    for (exchange, place) in of_converse(&recorded).filter(|(one, _)| one.status == 200 && one.kind == "json") {
        let body = serde_json::from_str(exchange.body.as_deref().unwrap()).unwrap();
        let response = decode_response(Format::Bedrock, &body).unwrap_or_else(|e| panic!("{place}: {e}"));
        for caller in Format::ALL {
            let told = encode_response(caller, &response, &Answer { id: "a".into(), ..Answer::default() });
            let again = decode_response(caller, &told).unwrap_or_else(|e| panic!("{place} {caller:?}: {e}"));
            let said = |parts: &[Part]| {
                let words = parts.iter().filter_map(|part| match part {
                    Part::Text(text) => Some(text.clone()),
                    Part::ToolCall(call) => Some(format!("{}{}", call.name, call.arguments)),
                    _ => None,
                });
                // Some formats join the texts, which are apart if one of them is cited.
                words.collect::<String>()
            };
            assert_eq!(said(&again.parts), said(&response.parts), "{place} {caller:?}");
            assert_eq!(again.finish, response.finish, "{place} {caller:?}");
            let totals = |usage: &Usage| (usage.input, usage.output);
            assert_eq!(totals(&again.usage), totals(&response.usage), "{place} {caller:?}");
        }
        count += 1;
    }
    assert_eq!(count, 60);
}

fn events(stream: &[u8], framing: Framing) -> Vec<Event> {
    let (mut reader, mut events) = (EventReader::new(framing), Vec::new());
    for chunk in stream.chunks(997) {
        reader.push(&Bytes::copy_from_slice(chunk), &mut events);
    }
    assert_eq!((reader.failure(), reader.buffered()), (None, 0));
    events
}

fn decoded(format: Format, events: &[Event], place: &str) -> Vec<ChatEvent> {
    let (mut decoder, mut out) = (StreamDecoder::new(format), Vec::new());
    events.iter().for_each(|event| decoder.push(event, &mut out).unwrap_or_else(|e| panic!("{place}: {e}")));
    out
}

/// Text, thinking, calls with their arguments, and the usage.
fn said(events: &[ChatEvent]) -> (String, String, String, Usage) {
    let (mut text, mut thinking, mut calls, mut used) = (String::new(), String::new(), String::new(), Usage::default());
    for event in events {
        match event {
            ChatEvent::Text(words) => text.push_str(words),
            ChatEvent::Thinking(words) => thinking.push_str(words),
            ChatEvent::ToolCall { name, .. } => calls.push_str(name),
            ChatEvent::ToolArguments { fragment, .. } => calls.push_str(fragment),
            ChatEvent::Usage(usage) => used.merge(usage),
            _ => {}
        }
    }
    (text, thinking, calls, used)
}

#[test]
fn recorded_streams_say_the_same_in_every_dialect() {
    let Some(recorded) = recorded::exchanges() else { return };
    let mut count = 0;
    for (exchange, place) in of_converse(&recorded).filter(|(exchange, _)| exchange.kind == "eventstream") {
        let stream = STANDARD.decode(exchange.body_b64.as_deref().unwrap()).unwrap();
        let read = events(&stream, Framing::AwsEventStream);
        let raw: Vec<u8> = read.iter().flat_map(|event| event.raw().to_vec()).collect();
        assert_eq!(raw, stream, "{place}");
        let mut watch = StreamWatch::new(Format::Bedrock);
        let seen: Vec<_> = read.iter().map(|event| watch.observe(event)).collect();
        assert!(seen.iter().all(|seen| !seen.malformed && seen.error.is_none()), "{place}");
        assert!(watch.finished() && !watch.empty() && seen.last().unwrap().terminal, "{place}: {watch:?}");
        let told = decoded(Format::Bedrock, &read, &place);
        let first = read.iter().position(|event| event.name().starts_with("contentBlock"));
        assert_eq!(seen.iter().position(|seen| seen.content), first, "{place}: content begins there");
        let expected = said(&told);
        assert_eq!(watch.usage(), expected.3, "{place}");
        let bytes = told.iter().map(|event| event.content_len() as u64).sum::<u64>();
        // What cites and what AWS searches counts too.
        assert!(watch.content_bytes() >= bytes && watch.content_bytes() < bytes * 2 + 400, "{place}: {bytes}");
        for caller in Format::ALL {
            let answer = Answer { id: "a".into(), stream_usage: true, ..Answer::default() };
            let (mut encoder, mut out) = (StreamEncoder::new(caller, answer), Vec::new());
            told.iter().for_each(|event| encoder.push(event, &mut out));
            let again = said(&decoded(caller, &events(&out, Api::of(caller.dialect()).framing), &place));
            assert_eq!(
                (again.0, again.1, again.2),
                (expected.0.clone(), expected.1.clone(), expected.2.clone()),
                "{place} {caller:?}"
            );
            assert_eq!((again.3.input, again.3.output), (expected.3.input, expected.3.output), "{place} {caller:?}");
        }
        count += 1;
    }
    assert_eq!(count, 13);
}
