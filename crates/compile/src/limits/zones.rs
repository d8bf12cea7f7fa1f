//! Time zones: which there are, by the database that is built in, and which one may have been meant.

use jiff::tz::TimeZoneDatabase;
use outrigger_policy::nearest;

/// # Errors
/// That there is no zone of that name, in words.
pub(crate) fn check(name: &str) -> Result<(), String> {
    let database = TimeZoneDatabase::bundled();
    let mut known: Vec<String> = database.available().map(|zone| zone.as_str().to_owned()).collect();
    if known.iter().any(|zone| zone == name) {
        return Ok(());
    }
    known.sort_unstable();
    let hint = match meant(name, &known) {
        Some(zone) => format!(", did you mean `{zone}`?"),
        None => ": write one of IANA's names, such as Europe/Paris, America/New_York or UTC".to_owned(),
    };
    Err(format!("there is no time zone `{name}`{hint}"))
}

/// A name in another case, or the city alone; else the nearest.
fn meant(name: &str, known: &[String]) -> Option<String> {
    let city = |zone: &str| zone.rsplit('/').next().unwrap_or_default().to_owned();
    let same = known.iter().find(|zone| zone.eq_ignore_ascii_case(name));
    let same_city = || known.iter().find(|zone| city(zone).eq_ignore_ascii_case(&city(name)));
    same.or_else(same_city).cloned().or_else(|| nearest(name, known.iter().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_that_there_are() {
        for name in ["UTC", "Europe/Paris", "America/Argentina/Buenos_Aires", "Asia/Kolkata", "Etc/GMT+5", "CET"] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn zones_that_were_meant() {
        for (name, meant) in [
            ("Europe/Pari", "Europe/Paris"),
            ("europe/paris", "Europe/Paris"),
            ("Paris", "Europe/Paris"),
            ("Germany/Berlin", "Europe/Berlin"),
            ("America/NewYork", "America/New_York"),
            ("utc", "UTC"),
        ] {
            assert_eq!(check(name), Err(format!("there is no time zone `{name}`, did you mean `{meant}`?")));
        }
        assert_eq!(
            check("qqqq"),
            Err("there is no time zone `qqqq`: write one of IANA's names, such as Europe/Paris, America/New_York or UTC"
                .to_owned())
        );
    }
}
