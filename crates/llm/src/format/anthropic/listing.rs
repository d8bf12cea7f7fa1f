//! Lists of models, in the format of Anthropic's SDKs.

use serde_json::{Value, json};

use crate::listing::ListedModel;

/// All models, on one page.
pub(crate) fn list(models: &[ListedModel]) -> Value {
    let all: Vec<Value> = models.iter().map(one).collect();
    json!({
        "data": all,
        "has_more": false,
        "first_id": models.first().map(|model| &model.id),
        "last_id": models.last().map(|model| &model.id),
    })
}

/// One model.
pub(crate) fn one(model: &ListedModel) -> Value {
    json!({
        "type": "model",
        "id": model.id,
        "display_name": model.id,
        "created_at": rfc3339(model.created),
    })
}

/// `2026-11-22T08:39:05Z`. From days to a date with Howard Hinnant's `civil_from_days`.
pub(crate) fn rfc3339(seconds: u64) -> String {
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
    use super::rfc3339;

    #[test]
    fn seconds_are_written_as_dates() {
        let table = [
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
        ];
        for (seconds, date) in table {
            assert_eq!(rfc3339(seconds), date);
        }
        // Beyond any valid date, without overflow.
        assert!(rfc3339(u64::MAX).ends_with('Z'));
    }
}
