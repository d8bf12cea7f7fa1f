//! One walk over a request: which of its strings a model reads, and what is between them.

use super::family::PictureCost;
use super::media::{self, MediaFile};
use super::text::CharacterCounts;
use crate::Dialect;
use crate::json::pieces::{JsonToken, JsonTokens};

/// Keys of arguments and results of tools in Anthropic's and Google's dialects; in OpenAI's they are text.
const FREE: [&[u8]; 3] = [b"input", b"args", b"response"];

/// Keys whose values are images, audio and documents. Base64 elsewhere comes from a tool, and counts as text.
const MEDIA: [&[u8]; 11] = [
    b"data",
    b"url",
    b"image_url",
    b"file_data",
    b"file_url",
    b"document_url",
    b"video_url",
    b"audio_url",
    b"image",
    b"bytes",
    b"b64_json",
];

/// A longer string that begins like a URL is not a URL.
const LONGEST_URL: usize = 2_048;

/// Keys of names and markers that no model reads, or that cost almost nothing.
const NAMES: [&[u8]; 15] = [
    b"id",
    b"call_id",
    b"tool_call_id",
    b"tool_use_id",
    b"toolUseId",
    b"status",
    b"object",
    b"media_type",
    b"detail",
    b"format",
    b"ttl",
    b"file_id",
    b"cache_control",
    b"phase",
    b"encoding",
];

/// Keys of a schema that an answer must match.
const SCHEMAS: [&[u8]; 5] =
    [b"schema", b"responseSchema", b"response_schema", b"responseJsonSchema", b"response_json_schema"];

/// The region of a top-level key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Region {
    /// Text: prompts and turns, and anything unknown.
    #[default]
    Words,
    /// Declarations, whose keys are read too.
    Schema,
    Tools,
    /// Settings, which no model reads.
    Settings,
    Model,
}

impl Region {
    fn of(key: &[u8], caller: Dialect) -> Region {
        match key {
            b"toolConfig" if caller == Dialect::Bedrock => Region::Tools,
            b"tools" | b"functions" => Region::Tools,
            b"response_format" | b"text" | b"output_config" | b"output_format" | b"outputConfig"
            | b"generationConfig" | b"generation_config" => Region::Schema,
            b"model" => Region::Model,
            b"format" if caller == Dialect::Ollama => Region::Schema,
            b"options" | b"keep_alive" | b"think" if caller == Dialect::Ollama => Region::Settings,
            b"additionalModelRequestFields"
            | b"additionalModelResponseFieldPaths"
            | b"cachedContent"
            | b"cached_content"
            | b"fallbacks"
            | b"guardrailConfig"
            | b"include"
            | b"inferenceConfig"
            | b"labels"
            | b"logit_bias"
            | b"metadata"
            | b"modalities"
            | b"performanceConfig"
            | b"prediction"
            | b"previous_response_id"
            | b"prompt_cache_key"
            | b"prompt_cache_retention"
            | b"reasoning"
            | b"reasoning_effort"
            | b"requestMetadata"
            | b"safetySettings"
            | b"safety_identifier"
            | b"safety_settings"
            | b"serviceTier"
            | b"service_tier"
            | b"stop"
            | b"stop_sequences"
            | b"stream_options"
            | b"thinking"
            | b"toolConfig"
            | b"tool_choice"
            | b"tool_config"
            | b"truncation"
            | b"user"
            | b"verbosity" => Region::Settings,
            _ => Region::Words,
        }
    }
}

/// The number of parts of a media type, and of those with embedded content: the rest is elsewhere.
#[derive(Clone, Copy, Debug, Default)]
struct PartCounts {
    declared: u64,
    embedded: u64,
}

impl PartCounts {
    fn elsewhere(self) -> u64 {
        self.declared.saturating_sub(self.embedded)
    }
}

/// The content of a request, before it is counted.
#[derive(Clone, Debug, Default)]
pub(super) struct FoundContent {
    pub words: CharacterCounts,
    /// Keys that the model reads.
    pub keys: u64,
    pub messages: u64,
    /// Calls of tools, and their results.
    pub calls: u64,
    pub tools: u64,
    pub thinks: bool,
    pub has_schema: bool,
    pub cites: bool,
    /// Numbers that are tokens already.
    pub tokens: u64,
    /// Bytes that only the provider can read: as content, and as a signature.
    pub sealed: u64,
    pub signed: u64,
    /// For each way of counting images.
    pub pictures: [u64; PictureCost::ALL.len()],
    /// Milliseconds.
    pub audio_ms: u64,
    pub video_ms: u64,
    pub pages: u64,
    /// Bytes of text in documents that contain it in another form.
    pub packed: u64,
    pub pictures_elsewhere: u64,
    pub clips_elsewhere: u64,
    pub documents_elsewhere: u64,
    /// Items that the provider stores, referred to by id.
    pub kept: u64,
}

#[derive(Debug)]
struct BodyWalk<'a> {
    caller: Dialect,
    depth: usize,
    region: Region,
    /// The last key, until its value is read; and the key of the innermost open value.
    key: &'a [u8],
    opened_by: &'a [u8],
    /// The depth of the enclosing arguments or results of the caller's tools, which are read as raw text.
    free: Option<usize>,
    found: FoundContent,
    /// The model's name in the body.
    model: &'a [u8],
    pictures: PartCounts,
    documents: PartCounts,
    /// Files referred to by name, and those with a declared type.
    files: PartCounts,
    /// Of the current turn: whether it has an id, and nothing but that and a type.
    named: bool,
    bare: bool,
}

/// Walks through a body: returns its content, and the raw name of the model in it.
pub(super) fn found(caller: Dialect, body: &[u8]) -> (FoundContent, &[u8]) {
    let mut walk = BodyWalk {
        caller,
        depth: 0,
        region: Region::default(),
        key: b"",
        opened_by: b"",
        free: None,
        found: FoundContent::default(),
        model: b"",
        pictures: PartCounts::default(),
        documents: PartCounts::default(),
        files: PartCounts::default(),
        named: false,
        bare: false,
    };
    for piece in JsonTokens::of(body) {
        walk.take(piece);
    }
    let mut found = walk.found;
    found.pictures_elsewhere += walk.pictures.elsewhere();
    found.documents_elsewhere += walk.documents.elsewhere() + walk.files.elsewhere();
    (found, walk.model)
}

impl<'a> BodyWalk<'a> {
    fn take(&mut self, piece: JsonToken<'a>) {
        match piece {
            JsonToken::Open => self.open(),
            JsonToken::Close => {
                if self.depth == 3 && self.region == Region::Words {
                    self.found.kept += u64::from(self.named && self.bare);
                }
                self.depth = self.depth.saturating_sub(1);
                self.opened_by = b"";
                self.free = self.free.filter(|since| self.depth > *since);
            }
            JsonToken::Key(key) => {
                if self.depth == 1 {
                    self.region = Region::of(key, self.caller);
                    self.found.thinks |= matches!(key, b"thinking" | b"reasoning" | b"reasoning_effort");
                } else if self.depth == 2 && self.region == Region::Settings && self.caller == Dialect::Bedrock {
                    let words: [&[u8]; 4] = [b"thinking", b"reasoning_config", b"reasoningConfig", b"reasoning_effort"];
                    self.found.thinks |= words.contains(&key);
                } else if self.reads_keys() {
                    self.found.keys += 1;
                    self.found.has_schema |= self.region == Region::Schema && SCHEMAS.contains(&key);
                    self.found.words.add(key);
                }
                if self.depth == 3 {
                    self.named |= key == b"id";
                    self.bare &= matches!(key, b"id" | b"type");
                }
                self.key = key;
            }
            JsonToken::Text(raw) => {
                self.text(raw);
                self.key = b"";
            }
            JsonToken::Bare(raw) => {
                match self.region {
                    _ if self.reads_keys() => self.found.words.add(raw),
                    Region::Words if self.key == b"enabled" && self.opened_by == b"citations" => {
                        self.found.cites |= raw == b"true";
                    }
                    // Prompts that are tokens already: `"input": [1, 2]`, `"prompt": [[1], [2]]`.
                    Region::Words if self.key.is_empty() => self.found.tokens += 1,
                    _ => {}
                }
                self.key = b"";
            }
        }
    }

    fn open(&mut self) {
        let words = self.region == Region::Words;
        let bedrock = self.caller == Dialect::Bedrock;
        let is_free = FREE.contains(&self.key)
            || bedrock && self.key == b"json"
            || self.caller == Dialect::Ollama && self.key == b"arguments";
        if words && bedrock && self.free.is_none() {
            self.found.calls += u64::from(matches!(self.key, b"toolUse" | b"toolResult"));
        }
        if words && self.free.is_none() && self.depth > 2 && is_free {
            self.free = Some(self.depth);
        }
        self.depth += 1;
        self.opened_by = std::mem::take(&mut self.key);
        match (self.region, self.caller, self.depth) {
            (Region::Words, _, 3) => {
                self.found.messages += 1;
                (self.named, self.bare) = (false, true);
            }
            // `[{"functionDeclarations": [{…}]}]`
            (Region::Tools, Dialect::Gemini, 5)
            // `{"tools": [{"toolSpec": {…}}]}`
            | (Region::Tools, Dialect::Bedrock, 4)
            | (Region::Tools, Dialect::OpenAi | Dialect::Anthropic | Dialect::Cohere | Dialect::Ollama, 3) => {
                self.found.tools += 1;
            }
            _ => {}
        }
    }

    /// Whether the model reads the keys here.
    fn reads_keys(&self) -> bool {
        matches!(self.region, Region::Schema | Region::Tools) || self.free.is_some()
    }

    fn text(&mut self, raw: &'a [u8]) {
        match self.region {
            Region::Settings => return,
            Region::Model => {
                self.model = raw;
                return;
            }
            Region::Schema | Region::Tools => {
                self.found.words.add(raw);
                return;
            }
            Region::Words => {}
        }
        if self.free.is_some() {
            return self.found.words.add(raw);
        }
        match self.key {
            b"type" => self.kind(raw),
            b"mimeType" | b"mime_type" => {
                if matches!(self.opened_by, b"fileData" | b"file_data") {
                    self.files.embedded += 1;
                    match raw.split(|byte| *byte == b'/').next() {
                        Some(b"image") => self.found.pictures_elsewhere += 1,
                        Some(b"audio" | b"video") => self.found.clips_elsewhere += 1,
                        _ => self.found.documents_elsewhere += 1,
                    }
                }
            }
            b"fileUri" | b"file_uri" => self.files.declared += 1,
            key if MEDIA.contains(&key) => {
                // Content elsewhere is counted by the declaration of its part.
                if key == b"data" || !raw.starts_with(b"http") || raw.len() > LONGEST_URL {
                    self.media(raw);
                }
            }
            b"" if self.caller == Dialect::Ollama && self.opened_by == b"images" => self.media(raw),
            // A picture or a document in S3.
            b"uri" if self.opened_by == b"s3Location" => self.found.documents_elsewhere += 1,
            b"encrypted_content" | b"redactedContent" => self.found.sealed += raw.len() as u64,
            b"signature" | b"thoughtSignature" | b"thought_signature" => {
                self.found.signed += raw.len() as u64;
            }
            b"role" => self.found.calls += u64::from(raw == b"tool"),
            key if NAMES.contains(&key) => {}
            _ => self.found.words.add(raw),
        }
    }

    /// Base64 content, or text.
    fn media(&mut self, raw: &[u8]) {
        let Some(media) = media::of(raw) else { return self.found.words.add(raw) };
        match media {
            MediaFile::Picture(size) => {
                self.pictures.embedded += 1;
                for (sum, way) in self.found.pictures.iter_mut().zip(PictureCost::ALL) {
                    *sum = sum.saturating_add(way.tokens(size));
                }
            }
            MediaFile::Audio(ms) => self.found.audio_ms = self.found.audio_ms.saturating_add(ms),
            MediaFile::Video(ms) => self.found.video_ms = self.found.video_ms.saturating_add(ms),
            MediaFile::Pdf(pages) => {
                self.documents.embedded += 1;
                self.found.pages += pages;
            }
            MediaFile::Words(bytes) => {
                self.documents.embedded += 1;
                self.found.packed = self.found.packed.saturating_add(bytes);
            }
        }
    }

    /// The declared type of a part.
    fn kind(&mut self, raw: &[u8]) {
        match raw {
            b"image_url" | b"input_image" | b"image" | b"computer_screenshot" => self.pictures.declared += 1,
            b"file" | b"input_file" | b"document" | b"document_url" => self.documents.declared += 1,
            b"tool_use" | b"tool_result" | b"function" | b"function_call" | b"function_call_output" => {
                self.found.calls += 1
            }
            // A document given as text.
            b"text" | b"content" if self.opened_by == b"source" => self.documents.embedded += 1,
            _ => {}
        }
    }
}
