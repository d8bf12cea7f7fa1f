//! Time zones: which exist in the bundled database, and which one may have been meant.

use jiff::tz::TimeZoneDatabase;
use outrigger_policy::nearest;

/// # Errors
/// The message that there is no zone with this name.
pub(crate) fn check(name: &str) -> Result<(), String> {
    let database = TimeZoneDatabase::bundled();
    let mut known: Vec<String> = database.available().map(|zone| zone.as_str().to_owned()).collect();
    if known.iter().any(|zone| zone == name) {
        return Ok(());
    }
    known.sort_unstable();
    let hint = match suggestion(name, &known) {
        Some(zone) => format!(", did you mean `{zone}`?"),
        None => ": write one of IANA's names, such as Europe/Paris, America/New_York or UTC".to_owned(),
    };
    Err(format!("there is no time zone `{name}`{hint}"))
}

/// The same name in another case, or with the same city; else the nearest name.
fn suggestion(name: &str, known: &[String]) -> Option<String> {
    let city = |zone: &str| zone.rsplit('/').next().unwrap_or_default().to_owned();
    let same = known.iter().find(|zone| zone.eq_ignore_ascii_case(name));
    let same_city = || known.iter().find(|zone| city(zone).eq_ignore_ascii_case(&city(name)));
    same.or_else(same_city).cloned().or_else(|| nearest(name, known.iter().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_existing_zones() {
        for name in ["UTC", "Europe/Paris", "America/Argentina/Buenos_Aires", "Asia/Kolkata", "Etc/GMT+5", "CET"] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn suggests_similar_zones() {
        for (name, suggestion) in [
            ("Europe/Pari", "Europe/Paris"),
            ("europe/paris", "Europe/Paris"),
            ("Paris", "Europe/Paris"),
            ("Germany/Berlin", "Europe/Berlin"),
            ("America/NewYork", "America/New_York"),
            ("utc", "UTC"),
        ] {
            assert_eq!(check(name), Err(format!("there is no time zone `{name}`, did you mean `{suggestion}`?")));
        }
        assert_eq!(
            check("qqqq"),
            Err("there is no time zone `qqqq`: write one of IANA's names, such as Europe/Paris, America/New_York or UTC"
                .to_owned())
        );
    }
}
