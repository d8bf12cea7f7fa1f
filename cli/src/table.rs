//! Tables for people: columns as wide as their widest.

use std::fmt::Write;

use outrigger_policy::Printable;

use crate::style::Style;

/// Writes a table, two spaces in; what is in it is escaped where it must be. A column in which no row has anything takes no room.
pub(crate) fn table<const N: usize>(text: &mut String, style: Style, head: [&str; N], rows: &[[String; N]]) {
    let rows: Vec<[String; N]> =
        rows.iter().map(|row| std::array::from_fn(|column| Printable(&row[column]).to_string())).collect();
    let mut widths = head.map(str::len);
    for (column, width) in widths.iter_mut().enumerate() {
        let cells = rows.iter().map(|row| row[column].chars().count());
        let widest = cells.max().unwrap_or(*width);
        *width = if widest == 0 { 0 } else { widest.max(*width) };
    }
    let line = |cells: [&str; N]| {
        let shown = cells.iter().zip(widths).filter(|(_, width)| *width > 0);
        let padded: Vec<String> = shown.map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let _ = writeln!(text, "  {}", style.dim(line(head)));
    for row in &rows {
        let _ = writeln!(text, "  {}", line(std::array::from_fn(|column| row[column].as_str())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_wide_as_what_is_in_it() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let mut text = String::new();
        let rows = [row(["é", "", "one"]), row(["longer", "", ""])];
        table(&mut text, Style { colour: false }, ["NAME", "NEVER", "WHAT"], &rows);
        assert_eq!(text, "  NAME    WHAT\n  é       one\n  longer\n");
        let mut text = String::new();
        table(&mut text, Style { colour: false }, ["NAME", "", "WHAT"], &[]);
        assert_eq!(text, "  NAME  WHAT\n");
    }
}
