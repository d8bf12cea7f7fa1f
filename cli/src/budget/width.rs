//! The width of the terminal.

use std::fs::File;
use std::process::{Command, Stdio};

/// Narrower ones can't show a row.
const WIDTH_MIN: usize = 20;

/// In columns: `COLUMNS` if it is set, otherwise what `stty` says of the terminal. `None` if neither knows.
pub(super) fn of_terminal() -> Option<usize> {
    let set = std::env::var("COLUMNS").ok().and_then(|columns| sane(&columns));
    set.or_else(|| {
        let terminal = File::open("/dev/tty").ok()?;
        let output = Command::new("stty").arg("size").stdin(terminal).stderr(Stdio::null()).output().ok()?;
        sane(str::from_utf8(&output.stdout).ok()?.split_whitespace().nth(1)?)
    })
}

fn sane(columns: &str) -> Option<usize> {
    columns.trim().parse().ok().filter(|columns| *columns >= WIDTH_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impossible_width_is_none() {
        for (text, width) in [("80", Some(80)), (" 120\n", Some(120)), ("0", None), ("", None), ("wide", None)] {
            assert_eq!(sane(text), width, "{text}");
        }
    }
}
