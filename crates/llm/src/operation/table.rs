//! The table of operations.

use outrigger_core::RequestType;

use super::{Meter, ModelLocation, Operation, OperationKind};
use crate::Dialect;

/// A row for POST, without streaming, not bound to an account.
const fn row(
    (dialect, kind): (Dialect, OperationKind),
    path: &'static str,
    model: ModelLocation,
    meter: Meter,
    name: &'static str,
    request_type: (RequestType, RequestType),
) -> Operation {
    Operation {
        dialect,
        kind,
        method: "POST",
        path,
        model,
        meter,
        streams: false,
        account_bound: false,
        name,
        request_type,
    }
}

use Dialect::{Anthropic, Bedrock, Cohere, Gemini, Ollama, OpenAi};
use Meter::{Characters, Free, Images, Searches, Seconds, Tokens};
use ModelLocation::{Field, Form, Nowhere, Path};

/// The names in rules for a conversation.
const CHAT: (RequestType, RequestType) = (RequestType::ChatCompletion, RequestType::ChatCompletionStream);
const RESPONSES: (RequestType, RequestType) = (RequestType::Responses, RequestType::ResponsesStream);

/// All rows.
pub const TABLE: &[Operation] = &[
    streaming(row((OpenAi, OperationKind::Chat), "chat/completions", Field, Tokens, "chat", CHAT)),
    streaming(row(
        (OpenAi, OperationKind::Completions),
        "completions",
        Field,
        Tokens,
        "completions",
        both(RequestType::TextCompletion),
    )),
    Operation {
        account_bound: true,
        ..streaming(row((OpenAi, OperationKind::Responses), "responses", Field, Tokens, "responses", RESPONSES))
    },
    row((OpenAi, OperationKind::Embeddings), "embeddings", Field, Tokens, "embeddings", both(RequestType::Embedding)),
    // As Jina AI made it. Servers of OpenAI's dialect have it, and OpenAI itself does not.
    row((OpenAi, OperationKind::Rerank), "rerank", Field, Searches, "rerank", both(RequestType::Rerank)),
    row((OpenAi, OperationKind::Moderations), "moderations", Field, Free, "moderations", both(RequestType::Moderation)),
    row(
        (OpenAi, OperationKind::ImageGeneration),
        "images/generations",
        Field,
        Images,
        "images",
        both(RequestType::ImageGeneration),
    ),
    row((OpenAi, OperationKind::Speech), "audio/speech", Field, Characters, "speech", both(RequestType::Speech)),
    row(
        (OpenAi, OperationKind::Transcription),
        "audio/transcriptions",
        Form,
        Seconds,
        "transcription",
        both(RequestType::Transcription),
    ),
    Operation {
        method: "GET",
        ..row((OpenAi, OperationKind::ListModels), "models", Nowhere, Free, "models", both(RequestType::ListModels))
    },
    Operation {
        method: "GET",
        ..row((OpenAi, OperationKind::GetModel), "models/*", Path, Free, "models", both(RequestType::ListModels))
    },
    streaming(row((Anthropic, OperationKind::Chat), "messages", Field, Tokens, "messages", CHAT)),
    row(
        (Anthropic, OperationKind::CountTokens),
        "messages/count_tokens",
        Field,
        Free,
        "count_tokens",
        both(RequestType::CountTokens),
    ),
    // As Vertex AI serves Claude. This name stands for no model; the body has it.
    row(
        (Anthropic, OperationKind::CountTokens),
        "models/count-tokens:rawPredict",
        Field,
        Free,
        "count_tokens",
        both(RequestType::CountTokens),
    ),
    streaming(row((Anthropic, OperationKind::Chat), "models/*:rawPredict", Path, Tokens, "messages", CHAT)),
    streaming(row((Anthropic, OperationKind::Chat), "models/*:streamRawPredict", Path, Tokens, "messages", CHAT)),
    // As Amazon Bedrock serves Claude. The answer is framed as AWS does.
    row((Anthropic, OperationKind::Chat), "model/*/invoke", Path, Tokens, "invoke_model", CHAT),
    streaming(row(
        (Anthropic, OperationKind::Chat),
        "model/*/invoke-with-response-stream",
        Path,
        Tokens,
        "invoke_model",
        CHAT,
    )),
    row((Gemini, OperationKind::Chat), "models/*:generateContent", Path, Tokens, "generate_content", CHAT),
    streaming(row(
        (Gemini, OperationKind::Chat),
        "models/*:streamGenerateContent",
        Path,
        Tokens,
        "generate_content",
        CHAT,
    )),
    row(
        (Gemini, OperationKind::Embeddings),
        "models/*:embedContent",
        Path,
        Tokens,
        "embeddings",
        both(RequestType::Embedding),
    ),
    row(
        (Gemini, OperationKind::Embeddings),
        "models/*:batchEmbedContents",
        Path,
        Tokens,
        "embeddings",
        both(RequestType::Embedding),
    ),
    row(
        (Gemini, OperationKind::CountTokens),
        "models/*:countTokens",
        Path,
        Free,
        "count_tokens",
        both(RequestType::CountTokens),
    ),
    row((Bedrock, OperationKind::Chat), "model/*/converse", Path, Tokens, "converse", CHAT),
    streaming(row((Bedrock, OperationKind::Chat), "model/*/converse-stream", Path, Tokens, "converse", CHAT)),
    Operation {
        method: "GET",
        ..row(
            (Bedrock, OperationKind::ListModels),
            "foundation-models",
            Nowhere,
            Free,
            "models",
            both(RequestType::ListModels),
        )
    },
    Operation {
        method: "GET",
        ..row(
            (Bedrock, OperationKind::GetModel),
            "foundation-models/*",
            Path,
            Free,
            "models",
            both(RequestType::ListModels),
        )
    },
    // The version is part of the path: what version 1 has there is another API.
    streaming(row((Cohere, OperationKind::Chat), "v2/chat", Field, Tokens, "chat", CHAT)),
    row((Cohere, OperationKind::Embeddings), "v2/embed", Field, Tokens, "embeddings", both(RequestType::Embedding)),
    row((Cohere, OperationKind::Rerank), "v2/rerank", Field, Searches, "rerank", both(RequestType::Rerank)),
    streaming(row((Ollama, OperationKind::Chat), "api/chat", Field, Tokens, "chat", CHAT)),
    // A conversation of one turn.
    streaming(row((Ollama, OperationKind::Chat), "api/generate", Field, Tokens, "generate", CHAT)),
    row((Ollama, OperationKind::Embeddings), "api/embed", Field, Tokens, "embeddings", both(RequestType::Embedding)),
    // The older one, of a single text.
    row(
        (Ollama, OperationKind::Embeddings),
        "api/embeddings",
        Field,
        Tokens,
        "embeddings",
        both(RequestType::Embedding),
    ),
    Operation {
        method: "GET",
        ..row((Ollama, OperationKind::ListModels), "api/tags", Nowhere, Free, "models", both(RequestType::ListModels))
    },
    // The models in memory: for a caller of the gateway, all are ready.
    Operation {
        method: "GET",
        ..row((Ollama, OperationKind::ListModels), "api/ps", Nowhere, Free, "models", both(RequestType::ListModels))
    },
    row((Ollama, OperationKind::GetModel), "api/show", Field, Free, "models", both(RequestType::ListModels)),
    Operation {
        method: "GET",
        ..row((Ollama, OperationKind::Version), "api/version", Nowhere, Free, "version", both(RequestType::ListModels))
    },
];

const fn streaming(row: Operation) -> Operation {
    Operation { streams: true, ..row }
}

/// The same name, streaming or not.
const fn both(word: RequestType) -> (RequestType, RequestType) {
    (word, word)
}
