//! `outrigger crds`: prints the definitions as committed.

use std::io::Write;
use std::process::ExitCode;

use outrigger_crds::definitions::{every, to_yaml};

use crate::style;

pub(crate) fn main() -> ExitCode {
    let mut text = String::new();
    for definition in every() {
        match to_yaml(&definition) {
            Ok(yaml) => {
                text.push_str("---\n");
                text.push_str(&yaml);
            }
            Err(error) => return style::fail(&error),
        }
    }
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => style::fail(&error),
    }
}
