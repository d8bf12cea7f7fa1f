//! Suggestions for a name that refers to nothing.

use outrigger_policy::nearest;

/// `, did you mean …?`, or a list of the existing names.
pub(crate) fn hint(name: &str, known: &[&str]) -> String {
    match (nearest(name, known.iter().copied()), known) {
        (Some(near), _) => format!(", did you mean `{near}`?"),
        (None, []) => ": there is none at all".to_owned(),
        (None, known) => format!(": there is {}", known.join(", ")),
    }
}
