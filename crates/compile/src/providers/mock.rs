//! The script of a mock provider, in milliseconds and with defaults.

use outrigger_crds::GoDuration;
use outrigger_crds::mock::{CannedFault, FaultType, MockDialect, MockSpec};
use outrigger_policy::{FaultDoc, FaultKind, MockDoc, MockToolCall};
use serde_json::Value;

use crate::objects::number::{count, millis};

pub(crate) fn script(mock: &MockSpec) -> MockDoc {
    let timing = mock.timing.unwrap_or_default();
    let ms = |duration: Option<GoDuration>| duration.map_or(0, millis);
    let least = ms(timing.first_token);
    MockDoc {
        dialect: match mock.dialect {
            MockDialect::OpenAI => "OpenAI",
            MockDialect::Anthropic => "Anthropic",
            MockDialect::Gemini => "Gemini",
            MockDialect::Bedrock => "Bedrock",
            MockDialect::Cohere => "Cohere",
            MockDialect::Ollama => "Ollama",
        }
        .to_owned(),
        reply: mock.reply.clone(),
        tool_calls: mock
            .tool_calls
            .iter()
            .map(|call| MockToolCall { name: call.name.clone(), arguments: Value::Object(call.arguments.clone()) })
            .collect(),
        echo: mock.echo,
        first_token: (least, least.saturating_add(ms(timing.jitter))),
        per_token: ms(timing.per_token),
        faults: mock.faults.iter().map(fault).collect(),
    }
}

fn fault(fault: &CannedFault) -> FaultDoc {
    FaultDoc {
        name: fault.name.clone(),
        kind: match fault.fault_type {
            FaultType::Status => FaultKind::Status,
            FaultType::Refused => FaultKind::Refused,
            FaultType::Reset => FaultKind::Reset,
            FaultType::Hang => FaultKind::Hang,
            FaultType::Slow => FaultKind::Slow,
            FaultType::CutAfterEvents => FaultKind::CutAfterEvents,
            FaultType::Malformed => FaultKind::Malformed,
            FaultType::ErrorEvent => FaultKind::ErrorEvent,
            FaultType::Empty => FaultKind::Empty,
        },
        percent: count(fault.percent),
        models: fault.models.clone(),
        status: fault.status.and_then(|status| u16::try_from(status).ok()),
        retry_after: fault.retry_after.map(millis),
        events: fault.events.map(count),
        delay: fault.delay.map(millis),
        message: fault.message.clone(),
        allow_fallbacks: fault.allow_fallbacks,
    }
}
