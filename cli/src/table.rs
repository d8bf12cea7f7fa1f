//! Tables for people: each column is as wide as its widest cell.

use std::fmt::Write;

use comfy_table::{Table, presets};
use outrigger_policy::Printable;

use crate::style::Style;

/// Writes a table, indented by two spaces. Cells are escaped if necessary. A column that is empty in every row is left
/// out.
pub(crate) fn table<const N: usize>(text: &mut String, style: Style, head: [&str; N], rows: &[[String; N]]) {
    let is_shown = |column: &usize| match rows {
        [] => !head[*column].is_empty(),
        rows => rows.iter().any(|row| !row[*column].is_empty()),
    };
    let shown: Vec<usize> = (0..N).filter(is_shown).collect();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(shown.iter().map(|column| head[*column]));
    for row in rows {
        table.add_row(shown.iter().map(|column| Printable(&row[*column]).to_string()));
    }
    table.column_iter_mut().for_each(|column| {
        column.set_padding((2, 0));
    });
    let mut lines = table.lines();
    if let Some(head) = lines.next() {
        let head = head.trim_end();
        let _ = writeln!(text, "  {}", style.dim(head.strip_prefix("  ").unwrap_or(head)));
    }
    for line in lines {
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fit_their_content() {
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
