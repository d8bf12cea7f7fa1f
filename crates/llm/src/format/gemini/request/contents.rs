//! The turns of a request: `systemInstruction` and `contents`.

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::{Map, Value};

use crate::RequestError;
use crate::chat::mark::is_marked;
use crate::chat::origin::Origin;
use crate::chat::{ChatRequest, Media, MediaSource, Message, Part, Role, Thought, ToolCall, ToolResult};
use crate::format::gemini::reader::{FieldReader, invalid, wrong};

/// The kinds of a part; a part has exactly one.
const KINDS: [&str; 5] = ["text", "inlineData", "fileData", "functionCall", "functionResponse"];

pub(super) fn decode(reader: &mut FieldReader<'_>, request: &mut ChatRequest) -> Result<(), RequestError> {
    match reader.take("systemInstruction") {
        None => {}
        Some(Value::String(text)) => request.system.push(text.clone()),
        Some(value) => read_system(FieldReader::of("systemInstruction", value)?, request)?,
    }
    let contents = reader.list("contents")?.unwrap_or_default();
    if contents.is_empty() {
        return Err(invalid("contents", "is missing: a request needs at least one turn"));
    }
    let mut calls = CallHistory::default();
    for (at, content) in contents.iter().enumerate() {
        let path = format!("contents[{at}]");
        let mut content = FieldReader::of(&path, content)?;
        let role = match content.string("role")?.unwrap_or_default() {
            "model" => Role::Assistant,
            // In the first version of the API, functions answered with a role of their own.
            "" | "user" | "function" => Role::User,
            other => return Err(invalid(&format!("{path}.role"), format!("{other:?} is neither user nor model"))),
        };
        let mut parts = Vec::new();
        for part in content.objects("parts")? {
            if let Some(part) = read_part(part, &mut calls, &mut request.fields)? {
                push(part, &mut parts);
            }
        }
        content.rest(&mut request.fields);
        match request.messages.last_mut().filter(|last| last.role == role && role == Role::Assistant) {
            // Google's SDK returns a streamed answer as a turn for each chunk.
            Some(last) => parts.into_iter().for_each(|part| push(part, &mut last.parts)),
            None => request.messages.push(Message { role, parts }),
        }
    }
    Ok(())
}

/// Adds a part. A thought that was streamed is returned in pieces, with its signature on the last.
fn push(part: Part, parts: &mut Vec<Part>) {
    match (parts.last_mut(), part) {
        (
            Some(Part::Thinking(Thought { text: Some(text), signature: signature @ None, origin, .. })),
            Part::Thinking(Thought { text: Some(more), signature: last, origin: last_origin, .. }),
        ) if *origin == last_origin => {
            text.push_str(&more);
            *signature = last;
        }
        (_, part) => parts.push(part),
    }
}

fn read_system(mut content: FieldReader<'_>, request: &mut ChatRequest) -> Result<(), RequestError> {
    // Google ignores the role here.
    content.string("role")?;
    for mut part in content.objects("parts")? {
        if let Some(text) = part.string("text")? {
            request.system.push(text.to_owned());
        }
        part.rest(&mut request.fields);
    }
    content.rest(&mut request.fields);
    Ok(())
}

fn read_part(
    mut part: FieldReader<'_>,
    calls: &mut CallHistory,
    fields: &mut Vec<String>,
) -> Result<Option<Part>, RequestError> {
    if let [first, second, ..] = KINDS.iter().filter(|kind| part.has(kind)).collect::<Vec<_>>()[..] {
        return Err(invalid(&part.path(second), format!("cannot stand beside {first}: a part is one thing")));
    }
    if part.is_empty() {
        return Ok(None);
    }
    let signature = part.string("thoughtSignature")?.map(str::to_owned);
    let thought = part.boolean("thought")? == Some(true);
    let read = if let Some(text) = part.string("text")? {
        if thought {
            Some(Part::Thinking(Thought::returned(text.to_owned(), signature.as_deref(), &Origin::GEMINI)))
        } else {
            if signature.is_some() {
                part.report("thoughtSignature", fields);
            }
            Some(Part::Text(text.to_owned()))
        }
    } else if let Some(call) = part.object("functionCall")? {
        // A marked call is another provider's.
        let signature = signature.filter(|signature| !is_marked(signature));
        Some(Part::ToolCall(calls.read_call(call, signature, fields)?))
    } else if let Some(response) = part.object("functionResponse")? {
        Some(Part::ToolResult(calls.read_result(response, fields)?))
    } else {
        read_media(&mut part, fields)?.map(Part::Media)
    };
    part.rest(fields);
    Ok(read)
}

/// `inlineData` or `fileData`.
fn read_media(part: &mut FieldReader<'_>, fields: &mut Vec<String>) -> Result<Option<Media>, RequestError> {
    for (kind, field) in [("inlineData", "data"), ("fileData", "fileUri")] {
        let Some(mut blob) = part.object(kind)? else { continue };
        let media_type = blob.string("mimeType")?.map(str::to_owned);
        let filename = blob.string("displayName")?.map(str::to_owned);
        let path = blob.path(field);
        let Some(data) = blob.string(field)? else { return Err(invalid(&path, "is missing")) };
        // The conversation type has only images and PDF.
        let foreign = |name: &&str| !name.starts_with("image/") && *name != "application/pdf";
        if let Some(other) = media_type.as_deref().filter(foreign) {
            blob.report_value("mimeType", other, fields);
        }
        // A file that was uploaded to Google can't be fetched by others.
        if kind == "fileData" && data.starts_with("https://generativelanguage.googleapis.com/") {
            blob.report_value(field, "files/", fields);
        }
        blob.rest(fields);
        let source = match kind {
            "inlineData" => MediaSource::Base64(standard_base64(data)),
            _ => MediaSource::Url(data.to_owned()),
        };
        return Ok(Some(Media { media_type, source, filename, detail: None }));
    }
    Ok(None)
}

/// Google accepts both alphabets of Base64, padded or not; others accept the standard one.
fn standard_base64(data: &str) -> String {
    let mut out: String = data
        .chars()
        .map(|character| match character {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    while !out.len().is_multiple_of(4) {
        out.push('=');
    }
    out
}

/// The calls of a conversation, to match results with calls: by id, else by name in order.
#[derive(Debug, Default)]
struct CallHistory {
    /// All calls in order, id and name, until their result was read.
    open: Vec<Option<(String, String)>>,
    /// Indexes of `open`, by id and by name.
    by_id: HashMap<String, VecDeque<usize>>,
    by_name: HashMap<String, VecDeque<usize>>,
    /// All calls before this index have results.
    answered: usize,
    seen: HashSet<String>,
    made: usize,
}

impl CallHistory {
    fn read_call(
        &mut self,
        mut call: FieldReader<'_>,
        signature: Option<String>,
        fields: &mut Vec<String>,
    ) -> Result<ToolCall, RequestError> {
        let path = call.path("name");
        let Some(name) = call.string("name")?.filter(|name| !name.is_empty()) else {
            return Err(invalid(&path, "is missing: a call needs the function's name"));
        };
        let id = self.id(call.string("id")?);
        let path = call.path("args");
        let arguments = match call.take("args") {
            None => "{}".to_owned(),
            Some(args @ Value::Object(_)) => args.to_string(),
            Some(other) => return Err(wrong(&path, "an object", other)),
        };
        call.rest(fields);
        self.by_id.entry(id.clone()).or_default().push_back(self.open.len());
        self.by_name.entry(name.to_owned()).or_default().push_back(self.open.len());
        self.open.push(Some((id.clone(), name.to_owned())));
        Ok(ToolCall { id, name: name.to_owned(), arguments, signature })
    }

    fn read_result(
        &mut self,
        mut result: FieldReader<'_>,
        fields: &mut Vec<String>,
    ) -> Result<ToolResult, RequestError> {
        let name = result.string("name")?.filter(|name| !name.is_empty());
        let own = result.string("id")?.filter(|id| !id.is_empty());
        let (id, called) = match self.close(own, name) {
            Some((id, called)) => (id, Some(called)),
            None => (self.id(own), None),
        };
        let path = result.path("response");
        let mut read =
            ToolResult { id, name: name.map(str::to_owned).or(called), content: Vec::new(), is_error: false };
        match result.take("response") {
            None => {}
            Some(Value::Object(response)) => {
                let (text, is_error) = result_text(response);
                read.content.push(Part::Text(text));
                read.is_error = is_error;
            }
            Some(other) => return Err(wrong(&path, "an object", other)),
        }
        for mut part in result.objects("parts")? {
            read.content.extend(read_media(&mut part, fields)?.map(Part::Media));
            part.rest(fields);
        }
        result.rest(fields);
        Ok(read)
    }

    /// The first open call that this result belongs to. It is removed from the open ones.
    fn close(&mut self, id: Option<&str>, name: Option<&str>) -> Option<(String, String)> {
        let places = match (id, name) {
            (Some(id), _) => self.by_id.get_mut(id)?,
            (None, Some(name)) => self.by_name.get_mut(name)?,
            (None, None) => {
                let rest = self.open.get_mut(self.answered..)?;
                let ahead = rest.iter().position(Option::is_some)?;
                self.answered += ahead + 1;
                return rest[ahead].take();
            }
        };
        while let Some(place) = places.pop_front() {
            if let Some(call) = self.open[place].take() {
                return Some(call);
            }
        }
        None
    }

    /// The caller's id, or one by position that no other call has.
    fn id(&mut self, own: Option<&str>) -> String {
        let id = match own.filter(|id| !id.is_empty()) {
            Some(own) => own.to_owned(),
            None => loop {
                let made = format!("call_{}", self.made);
                self.made += 1;
                if !self.seen.contains(&made) {
                    break made;
                }
            },
        };
        self.seen.insert(id.clone());
        id
    }
}

/// A function's response as text: Google's keys for a plain result are unwrapped, any other object becomes its JSON.
/// The second value is whether it is an error.
fn result_text(response: &Map<String, Value>) -> (String, bool) {
    let mut entries = response.iter();
    if let (Some((key, value)), None) = (entries.next(), entries.next()) {
        let text = || value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match key.as_str() {
            "output" | "result" => return (text(), false),
            "error" => return (text(), true),
            _ => {}
        }
    }
    (Value::Object(response.clone()).to_string(), false)
}
