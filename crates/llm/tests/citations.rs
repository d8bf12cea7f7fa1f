//! What an upstream says its answer is based on reaches the callers of other APIs that have a place for it.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use outrigger_llm::chat::citation::{Citation, DocumentPlace, PlaceUnit};
use outrigger_llm::chat::origin::Origin;
use outrigger_llm::chat::{ChatEvent, ChatResponse, Finish, Part};
use outrigger_llm::framing::{EventReader, Framing};
use outrigger_llm::passthrough::strip_marks::strip_marks;
use outrigger_llm::provider::Target;
use outrigger_llm::{
    Answer, CallerFormat, Dialect, Format, StreamDecoder, StreamEncoder, decode_request, decode_response,
    encode_request, encode_response,
};
use serde_json::{Value, json};

const TEXT: &str = "Né en 1993.";

fn cited(passage: Option<std::ops::Range<usize>>) -> Citation {
    Citation { passage, title: Some("Ruby".into()), quote: Some("since 1993".into()), ..Citation::default() }
}

fn place(unit: PlaceUnit) -> Option<DocumentPlace> {
    Some(DocumentPlace { unit, document: 0, start: 1, end: 2 })
}

fn web(passage: Option<std::ops::Range<usize>>) -> Citation {
    Citation { url: Some("https://ruby.example/".into()), ..cited(passage) }
}

/// An answer of each upstream, whole and in events, and its citations.
fn answers() -> Vec<(Format, Value, Vec<Value>, Vec<Citation>)> {
    let source = json!({"type": "tool", "id": "call_1:0", "tool_output": {"title": "Ruby", "url": "https://ruby.example/", "snippet": "since 1993"}});
    let of_cohere =
        json!({"start": 6, "end": 10, "text": "1993", "sources": [source], "type": "TEXT_CONTENT", "content_index": 1});
    let of_anthropic = json!({"type": "page_location", "cited_text": "since 1993", "document_index": 0, "document_title": "Ruby", "start_page_number": 1, "end_page_number": 2});
    let of_bedrock = json!({"title": "Ruby", "sourceContent": [{"text": "since 1993"}], "location": {"documentChar": {"documentIndex": 0, "start": 1, "end": 2}}});
    let of_openai = json!({"type": "url_citation", "url_citation": {"start_index": 6, "end_index": 10, "title": "Ruby", "url": "https://ruby.example/", "content": "since 1993"}});
    let delta = |delta: Value| json!({"choices": [{"index": 0, "delta": delta}]});
    vec![
        (
            Format::Cohere,
            json!({"id": "a", "finish_reason": "COMPLETE", "message": {"role": "assistant", "citations": [of_cohere], "content": [
                {"type": "thinking", "thinking": "hm"}, {"type": "text", "text": TEXT}]}}),
            vec![
                json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"thinking": "hm"}}}}),
                json!({"type": "content-delta", "index": 1, "delta": {"message": {"content": {"text": TEXT}}}}),
                json!({"type": "citation-start", "index": 0, "delta": {"message": {"citations": of_cohere}}}),
                json!({"type": "citation-end", "index": 0}),
                json!({"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}),
            ],
            vec![Citation { source: Some("call_1:0".into()), ..web(Some(6..10)) }],
        ),
        (
            Format::Anthropic,
            json!({"stop_reason": "end_turn", "content": [{"type": "text", "text": "Né en "},
                {"type": "text", "text": "1993.", "citations": [of_anthropic]}]}),
            vec![
                json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Né en "}}),
                json!({"type": "content_block_stop", "index": 0}),
                json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}),
                json!({"type": "content_block_delta", "index": 1, "delta": {"type": "citations_delta", "citation": of_anthropic}}),
                json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "1993."}}),
                json!({"type": "content_block_stop", "index": 1}),
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
            ],
            vec![Citation { place: place(PlaceUnit::Pages), ..cited(Some(6..11)) }],
        ),
        (
            Format::Bedrock,
            json!({"stopReason": "end_turn", "output": {"message": {"content": [{"text": "Né en "},
                {"citationsContent": {"content": [{"text": "1993."}], "citations": [of_bedrock]}}]}}}),
            vec![
                json!({"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Né en "}}}),
                json!({"contentBlockStop": {"contentBlockIndex": 0}}),
                json!({"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"citation": of_bedrock}}}),
                json!({"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"text": "1993."}}}),
                json!({"contentBlockStop": {"contentBlockIndex": 1}}),
                json!({"messageStop": {"stopReason": "end_turn"}}),
            ],
            vec![Citation { place: place(PlaceUnit::Characters), ..cited(Some(6..11)) }],
        ),
        (
            Format::OpenAiChat,
            json!({"choices": [{"finish_reason": "stop", "message": {"content": TEXT, "annotations": [of_openai]}}]}),
            vec![
                delta(json!({"content": TEXT})),
                delta(json!({"annotations": [of_openai]})),
                json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
            ],
            vec![web(Some(6..10))],
        ),
        (
            Format::OpenAiChat,
            json!({"choices": [{"finish_reason": "stop", "message": {"content": TEXT}}], "search_results": [
                {"title": "Ruby", "url": "https://ruby.example/", "snippet": "since 1993"}], "citations": ["https://ruby.example/"]}),
            vec![
                json!({"choices": [{"index": 0, "delta": {"content": TEXT}}], "search_results": [
                    {"title": "Ruby", "url": "https://ruby.example/", "snippet": "since 1993"}]}),
                json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "search_results": [
                    {"title": "Ruby", "url": "https://ruby.example/", "snippet": "since 1993"}]}),
            ],
            vec![web(None)],
        ),
        (
            Format::Gemini,
            json!({"candidates": [{"finishReason": "STOP", "content": {"parts": [{"text": TEXT}]}, "citationMetadata": {
                "citationSources": [{"uri": "https://ruby.example/"}, {"uri": "https://ruby.example/"}, {}]}}]}),
            vec![
                json!({"candidates": [{"content": {"parts": [{"text": TEXT}]}}]}),
                json!({"candidates": [{"finishReason": "STOP", "citationMetadata": {"citations": [{"uri": "https://ruby.example/"}]}}]}),
            ],
            vec![Citation { title: None, quote: None, ..web(None) }],
        ),
    ]
}

fn events_of(format: Format, events: &[Value]) -> Vec<ChatEvent> {
    let framing = if format == Format::Bedrock { Framing::AwsEventStream } else { Framing::Sse };
    let mut bytes = Vec::new();
    for event in events {
        match format {
            Format::Bedrock => {
                let (name, data) = event.as_object().unwrap().iter().next().unwrap();
                framing.write(name, &data.to_string(), &mut bytes);
            }
            _ => framing.write("", &event.to_string(), &mut bytes),
        }
    }
    let (mut reader, mut read) = (EventReader::new(framing), Vec::new());
    reader.push(&bytes.into(), &mut read);
    let (mut decoder, mut out) = (StreamDecoder::new(format), Vec::new());
    read.iter().for_each(|event| decoder.push(event, &mut out).unwrap());
    out
}

#[test]
fn citations_are_read_from_answers_and_streams() {
    for (format, body, events, expected) in answers() {
        let response = decode_response(format, &body).unwrap();
        assert_eq!(response.citations, expected, "{format:?}");
        let streamed = events_of(format, &events).into_iter().filter_map(|event| match event {
            ChatEvent::Citation(citation) => Some(citation),
            _ => None,
        });
        assert_eq!(streamed.collect::<Vec<_>>(), expected, "a stream of {format:?}");
    }
}

/// Where each caller's API has the first citation, whole; `None` if it has no place for it.
fn written(caller: CallerFormat, citation: &Citation) -> Option<Value> {
    let parts = vec![Part::Text("Né en ".into()), Part::Text("1993.".into())];
    let citations = vec![citation.clone()];
    let response = ChatResponse { parts, citations, finish: Some(Finish::Stop), ..ChatResponse::default() };
    let answer = Answer { id: "a".into(), origin: Origin::of_type("Toy"), ..Answer::default() };
    let body = encode_response(caller, &response, &answer);
    let place = match caller {
        CallerFormat::Common(Format::OpenAiChat) => "/choices/0/message/annotations",
        CallerFormat::Common(Format::Anthropic) => "/content/1/citations",
        CallerFormat::Common(Format::Gemini) => "/candidates/0/groundingMetadata",
        CallerFormat::Common(Format::Bedrock) => "/output/message/content/1/citationsContent/citations",
        CallerFormat::Common(Format::Cohere) => "/message/citations",
        CallerFormat::OpenAiResponses => "/output/0/content/1/annotations",
        // It has no place for them.
        CallerFormat::Common(Format::Ollama) | CallerFormat::OllamaGenerate => return None,
    };
    let found = body.pointer(place)?;
    if found.is_array() { found.get(0).cloned() } else { Some(found.clone()) }
}

#[test]
fn each_caller_gets_citations_in_its_own_form() {
    let (page, source) = (
        Citation { place: place(PlaceUnit::Pages), ..cited(Some(6..10)) },
        Citation { source: Some("doc".into()), ..cited(Some(6..10)) },
    );
    let openai = |start: u64, end: u64| json!({"url": "https://ruby.example/", "title": "Ruby", "start_index": start, "end_index": end, "content": "since 1993"});
    let segment = json!([{"segment": {"partIndex": 1, "startIndex": 0, "endIndex": 4, "text": "1993"}, "groundingChunkIndices": [0]}]);
    for (caller, citation, expected) in [
        (
            Format::OpenAiChat.into(),
            web(Some(6..10)),
            Some(json!({"type": "url_citation", "url_citation": openai(6, 10)})),
        ),
        (Format::OpenAiChat.into(), web(None), Some(json!({"type": "url_citation", "url_citation": openai(0, 0)}))),
        (Format::OpenAiChat.into(), page.clone(), None),
        (
            CallerFormat::OpenAiResponses,
            web(Some(6..10)),
            Some(
                json!({"type": "url_citation", "url": "https://ruby.example/", "title": "Ruby", "start_index": 0, "end_index": 4}),
            ),
        ),
        (
            Format::Anthropic.into(),
            page.clone(),
            Some(
                json!({"type": "page_location", "cited_text": "since 1993", "document_index": 0, "document_title": "Ruby",
                "start_page_number": 1, "end_page_number": 2, "file_id": null}),
            ),
        ),
        (
            Format::Bedrock.into(),
            page,
            Some(json!({"title": "Ruby", "sourceContent": [{"text": "since 1993"}],
                "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}})),
        ),
        (
            Format::Bedrock.into(),
            web(None),
            // A caller that asked for no citations looks for its text elsewhere.
            None,
        ),
        (
            Format::Cohere.into(),
            source.clone(),
            Some(json!({"start": 0, "end": 4, "text": "1993", "type": "TEXT_CONTENT", "content_index": 1, "sources": [
                {"type": "document", "id": "doc", "document": {"id": "doc", "title": "Ruby", "text": "since 1993"}}]})),
        ),
        (
            Format::Gemini.into(),
            web(Some(6..10)),
            Some(
                json!({"groundingChunks": [{"web": {"uri": "https://ruby.example/", "title": "Ruby"}}], "groundingSupports": segment}),
            ),
        ),
        (
            Format::Gemini.into(),
            source,
            Some(
                json!({"groundingChunks": [{"retrievedContext": {"uri": "doc", "title": "Ruby", "text": "since 1993"}}], "groundingSupports": segment}),
            ),
        ),
    ] {
        assert_eq!(written(caller, &citation), expected, "{caller:?}: {citation:?}");
    }
}

#[test]
fn streams_have_citations_too() {
    let events = [
        ChatEvent::Text("Né en ".into()),
        ChatEvent::Text("1993.".into()),
        ChatEvent::Citation(web(Some(6..10))),
        ChatEvent::Finish { reason: Finish::Stop, stop_sequence: None },
        ChatEvent::End,
    ];
    for (caller, word) in [
        (Format::OpenAiChat.into(), r#""annotations":[{"type":"url_citation""#),
        (CallerFormat::OpenAiResponses, "response.output_text.annotation.added"),
        (Format::Anthropic.into(), r#""type":"citations_delta""#),
        (Format::Bedrock.into(), r#""delta":{"citation":"#),
        (Format::Cohere.into(), "citation-start"),
        (Format::Gemini.into(), "groundingChunks"),
    ] {
        let (mut encoder, mut out) = (StreamEncoder::new(caller, Answer::default()), Vec::new());
        events.iter().for_each(|event| encoder.push(event, &mut out));
        let out = String::from_utf8_lossy(&out);
        assert!(out.contains(word) && out.contains("https://ruby.example/"), "{caller:?}: {out}");
    }
}

#[test]
fn callers_of_bedrock_can_ask_anthropic_to_cite_documents() {
    let document = |citations: Value| {
        let text = json!({"format": "txt", "name": "facts", "context": "From 2026.", "source": {"text": "Since 1993."}, "citations": citations});
        let pdf = json!({"format": "pdf", "name": "book", "source": {"bytes": "AAAA"}});
        json!({"messages": [{"role": "user", "content": [{"document": text}, {"document": pdf}, {"text": "Since when?"}]}]})
    };
    let sent = |body: Value, upstream: Format, model: &str| {
        let request = decode_request(Format::Bedrock, body.as_object().unwrap(), "m", false).unwrap();
        encode_request(Format::Bedrock, &request, &Target::vendor(upstream.dialect(), model), None)
    };
    let asked = sent(document(json!({"enabled": true})), Format::Anthropic, "claude-sonnet-4-5").unwrap();
    assert_eq!(
        asked.body["messages"][0]["content"],
        json!([
            {"type": "text", "text": "From 2026."},
            {"type": "document", "title": "facts", "citations": {"enabled": true},
             "source": {"type": "text", "media_type": "text/plain", "data": "Since 1993."}},
            {"type": "document", "title": "book", "citations": {"enabled": true},
             "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}},
            {"type": "text", "text": "Since when?"},
        ])
    );
    // Citations count documents, so those that need not be cited stay documents, too; also in results of tools.
    let plain = json!({"document": {"format": "txt", "name": "other", "source": {"text": "Nothing."}}});
    let mut mixed = document(json!({"enabled": true}));
    mixed["messages"][0]["content"].as_array_mut().unwrap().insert(0, plain.clone());
    mixed["messages"].as_array_mut().unwrap().extend([
        json!({"role": "assistant", "content": [{"toolUse": {"toolUseId": "c", "name": "f", "input": {}}}]}),
        json!({"role": "user", "content": [{"toolResult": {"toolUseId": "c", "content": [plain]}}]}),
    ]);
    mixed["toolConfig"] = json!({"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]});
    let mixed = Value::Object(sent(mixed, Format::Anthropic, "claude-sonnet-4-5").unwrap().body);
    for place in ["/messages/0/content/0", "/messages/2/content/0/content/0"] {
        let document = mixed.pointer(place).unwrap();
        assert_eq!(
            (&document["type"], &document["citations"]),
            (&json!("document"), &json!({"enabled": true})),
            "{place}"
        );
    }
    let not_asked = sent(document(json!({"enabled": false})), Format::Anthropic, "claude-sonnet-4-5").unwrap();
    assert!(!Value::Object(not_asked.body).to_string().contains("citations"));
    let refused = sent(document(json!({"enabled": true})), Format::Gemini, "gemini-2.5-flash").unwrap_err();
    assert!(refused.to_string().starts_with("messages[].content[].document.citations.enabled "), "{refused}");
}

#[test]
fn a_returned_citation_of_another_provider_is_removed() {
    let own = json!({"type": "char_location", "cited_text": "a", "document_index": 0, "start_char_index": 0, "end_char_index": 1});
    let foreign = written(Format::Anthropic.into(), &web(None)).unwrap();
    let turn = |citations: Option<Value>| {
        let mut block = json!({"type": "text", "text": TEXT});
        if let Some(citations) = citations {
            block["citations"] = citations;
        }
        json!({"model": "claude-sonnet-4-5", "messages": [{"role": "assistant", "content": [block]}]})
    };
    let target = Target::vendor(Dialect::Anthropic, "claude-sonnet-4-5");
    for (before, after) in [(json!([foreign, own]), Some(json!([own]))), (json!([foreign]), None)] {
        let stripped = strip_marks(&target, turn(Some(before)).to_string().as_bytes()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&stripped).unwrap(), turn(after));
    }
    assert_eq!(strip_marks(&target, turn(Some(json!([own]))).to_string().as_bytes()), None);
}
