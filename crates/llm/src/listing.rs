//! Lists of models, as each dialect's SDKs read them.

use serde_json::{Value, json};

use crate::Dialect;

/// A model that a key may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name that callers say: `provider/model`.
    pub id: String,
    /// The provider's name.
    pub owned_by: String,
    /// Seconds since 1970; 0 where it is not known.
    pub created: u64,
}

/// All models, in one page.
#[must_use]
pub fn list(dialect: Dialect, models: &[Listed]) -> Value {
    let all: Vec<Value> = models.iter().map(|model| one(dialect, model)).collect();
    match dialect {
        Dialect::OpenAi => json!({"object": "list", "data": all}),
        Dialect::Anthropic => json!({
            "data": all,
            "has_more": false,
            "first_id": models.first().map(|model| &model.id),
            "last_id": models.last().map(|model| &model.id),
        }),
        Dialect::Gemini => json!({"models": all}),
    }
}

/// One model.
#[must_use]
pub fn one(dialect: Dialect, model: &Listed) -> Value {
    match dialect {
        Dialect::OpenAi => json!({
            "id": model.id,
            "object": "model",
            "created": model.created,
            "owned_by": model.owned_by,
        }),
        Dialect::Anthropic => json!({
            "type": "model",
            "id": model.id,
            "display_name": model.id,
            "created_at": rfc3339(model.created),
        }),
        Dialect::Gemini => json!({
            "name": format!("models/{}", model.id),
            "displayName": model.id,
            "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
        }),
    }
}

/// `2026-11-22T08:39:05Z`. Days to a date by Howard Hinnant's `civil_from_days`.
fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models() -> Vec<Listed> {
        [("openai/gpt-4o", "openai", 1_715_367_049), ("azure/prod", "azure", 0)]
            .map(|(id, owned_by, created)| Listed { id: id.to_owned(), owned_by: owned_by.to_owned(), created })
            .to_vec()
    }

    #[test]
    fn lists_have_the_shape_of_their_dialect() {
        assert_eq!(
            list(Dialect::OpenAi, &models()),
            json!({"object": "list", "data": [
                {"id": "openai/gpt-4o", "object": "model", "created": 1_715_367_049, "owned_by": "openai"},
                {"id": "azure/prod", "object": "model", "created": 0, "owned_by": "azure"},
            ]})
        );
        assert_eq!(
            list(Dialect::Anthropic, &models()),
            json!({
                "data": [
                    {"type": "model", "id": "openai/gpt-4o", "display_name": "openai/gpt-4o", "created_at": "2024-05-10T18:50:49Z"},
                    {"type": "model", "id": "azure/prod", "display_name": "azure/prod", "created_at": "1970-01-01T00:00:00Z"},
                ],
                "has_more": false,
                "first_id": "openai/gpt-4o",
                "last_id": "azure/prod",
            })
        );
        assert_eq!(
            list(Dialect::Gemini, &models()[..1]),
            json!({"models": [{
                "name": "models/openai/gpt-4o",
                "displayName": "openai/gpt-4o",
                "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
            }]})
        );
    }

    #[test]
    fn an_empty_list_is_one() {
        assert_eq!(list(Dialect::OpenAi, &[]), json!({"object": "list", "data": []}));
        assert_eq!(
            list(Dialect::Anthropic, &[]),
            json!({"data": [], "has_more": false, "first_id": null, "last_id": null})
        );
        assert_eq!(list(Dialect::Gemini, &[]), json!({"models": []}));
    }

    #[test]
    fn seconds_are_told_as_dates() {
        let table = [
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
        ];
        for (seconds, date) in table {
            assert_eq!(rfc3339(seconds), date);
        }
        // Far beyond any date there is, and yet no overflow.
        assert!(rfc3339(u64::MAX).ends_with('Z'));
    }
}
