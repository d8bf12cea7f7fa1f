//! The tree of limits as a table, no wider than the terminal.

use std::fmt::Write;

use outrigger_crds::LimitStatus;
use outrigger_policy::Printable;

use super::objects::{ObjectWithLimits, OneLimit};
use super::tree::TreeRow;
use crate::style::Style;
use crate::table::table;

const HEAD: [&str; 7] = ["OBJECT", "WINDOW", "USED", "SPENT", "RESERVED", "LIMIT", "RESETS"];
/// Widths of bars, the one that is preferred first.
const BARS: [usize; 3] = [20, 10, 0];
/// Names are not cut to less.
const LABEL_MIN: usize = 12;
/// From this percentage on a bar is yellow.
const NEARLY_USED: u128 = 80;

/// A row of the table.
struct LimitLine<'a> {
    label: String,
    limit: Option<&'a OneLimit>,
    /// In place of numbers.
    remark: &'static str,
}

pub(super) fn text(objects: &[ObjectWithLimits], rows: &[TreeRow], style: Style, width: Option<usize>) -> String {
    let mut lines = lines(objects, rows);
    let mut text = String::new();
    for bar in BARS {
        text = drawn(&lines, bar, Style { colour: false });
        if width.is_none_or(|width| widest(&text) <= width) {
            return drawn(&lines, bar, style) + &notes(objects, rows, style);
        }
    }
    let over = widest(&text).saturating_sub(width.unwrap_or(usize::MAX));
    let longest = lines.iter().map(|line| line.label.chars().count()).max().unwrap_or(0);
    let most = longest.saturating_sub(over).max(LABEL_MIN);
    for line in &mut lines {
        line.label = cut(&line.label, most);
    }
    drawn(&lines, 0, style) + &notes(objects, rows, style)
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

/// The end of a name says more than its middle.
fn cut(label: &str, most: usize) -> String {
    let length = label.chars().count();
    if length <= most {
        return label.to_owned();
    }
    let head: String = label.chars().take(most / 2).collect();
    let tail: String = label.chars().skip(length - (most - most / 2 - 1)).collect();
    format!("{head}…{tail}")
}

fn lines<'a>(objects: &'a [ObjectWithLimits], rows: &[TreeRow]) -> Vec<LimitLine<'a>> {
    let mut lines = Vec::new();
    for row in rows {
        let Some(object) = objects.get(row.object) else { continue };
        let indent = "  ".repeat(row.depth);
        let label = Printable(format_args!("{indent}{} {}", object.kind, object.id)).to_string();
        match object.limits.as_slice() {
            _ if row.again => lines.push(LimitLine { label, limit: None, remark: "as above" }),
            [] if object.problem.is_some() || !object.not_shown.is_empty() => {
                lines.push(LimitLine { label, limit: None, remark: "see below" })
            }
            [] => lines.push(LimitLine { label, limit: None, remark: "no limits" }),
            [limit] if limit.short_name().is_none() => lines.push(LimitLine { label, limit: Some(limit), remark: "" }),
            limits => {
                lines.push(LimitLine { label, limit: None, remark: "" });
                for limit in limits {
                    let label = Printable(format_args!("{indent}  {}", limit.shown_name())).to_string();
                    lines.push(LimitLine { label, limit: Some(limit), remark: "" });
                }
            }
        }
    }
    lines
}

fn drawn(lines: &[LimitLine<'_>], bar: usize, style: Style) -> String {
    let rows: Vec<[String; 7]> = lines.iter().map(|line| cells(line, bar)).collect();
    let mut text = String::new();
    table(&mut text, style, HEAD, &rows);
    if !style.colour {
        return text;
    }
    let mut painted = String::new();
    for (number, row) in text.lines().enumerate() {
        let line = number.checked_sub(1).and_then(|number| Some((lines.get(number)?, rows.get(number)?)));
        let share = line.and_then(|(line, cells)| Some((share(line.limit?.status.as_ref()?)?, &cells[2])));
        let row = match share {
            Some((percent, cell)) if percent >= 100 => row.replacen(cell.as_str(), &style.red(cell), 1),
            Some((percent, cell)) if percent >= NEARLY_USED => row.replacen(cell.as_str(), &style.yellow(cell), 1),
            _ => row.to_owned(),
        };
        let _ = writeln!(painted, "{row}");
    }
    painted
}

fn cells(line: &LimitLine<'_>, bar: usize) -> [String; 7] {
    let empty = String::new;
    let Some(limit) = line.limit else {
        return [line.label.clone(), line.remark.to_owned(), empty(), empty(), empty(), empty(), empty()];
    };
    let unit = match limit.unit.word() {
        "usd" => String::new(),
        word => format!(" {word}"),
    };
    let most = format!("{}{unit}", limit.limit());
    let Some(status) = &limit.status else {
        let why = if limit.shared { "not known yet" } else { "each gateway counts" };
        return [line.label.clone(), limit.window.clone(), why.to_owned(), empty(), empty(), most, empty()];
    };
    let resets = match (&status.resets_at, limit.window.as_str()) {
        (Some(time), _) => time.0.to_string(),
        (None, "Lifetime") => "never".to_owned(),
        (None, _) => empty(),
    };
    let used = used(status, bar);
    [line.label.clone(), limit.window.clone(), used, status.spent.clone(), status.reserved.clone(), most, resets]
}

/// `[####+.....]  41%`: spent and unconfirmed, then reserved, then what is left.
fn used(status: &LimitStatus, width: usize) -> String {
    let Some(percent) = share(status) else { return String::new() };
    if width == 0 {
        return format!("{percent}%");
    }
    let limit = amount(&status.limit).unwrap_or(0).max(1);
    let part = |amount: u128| usize::try_from(amount * width as u128 / limit).unwrap_or(width).min(width);
    let spent = counted(status).unwrap_or(0);
    let reserved = amount(&status.reserved).unwrap_or(0);
    let filled = part(spent);
    let held = part(spent.saturating_add(reserved)).saturating_sub(filled);
    let left = width.saturating_sub(filled + held);
    format!("[{}{}{}] {percent:>3}%", "#".repeat(filled), "+".repeat(held), ".".repeat(left))
}

/// In percent, rounded down: 100 means that nothing is left.
fn share(status: &LimitStatus) -> Option<u128> {
    Some(counted(status)? * 100 / amount(&status.limit)?.max(1))
}

/// What counts as spent.
fn counted(status: &LimitStatus) -> Option<u128> {
    Some(amount(&status.spent)? + amount(&status.unconfirmed).unwrap_or(0))
}

/// In nano-dollars, tokens or requests.
fn amount(text: &str) -> Option<u128> {
    let Some(money) = text.strip_prefix('$') else {
        return text.parse::<u64>().ok().map(u128::from);
    };
    // What is spent can have more digits than a limit may have, so this is not `Money`'s parser.
    let (dollars, decimals) = money.split_once('.').unwrap_or((money, "0"));
    let dollars: u64 = dollars.parse().ok()?;
    let nanos: u64 = if decimals.len() > 9 { None } else { format!("{decimals:0<9}").parse().ok() }?;
    Some(u128::from(dollars) * 1_000_000_000 + u128::from(nanos))
}

/// What does not fit into the table.
fn notes(objects: &[ObjectWithLimits], rows: &[TreeRow], style: Style) -> String {
    let mut notes = String::new();
    for object in rows.iter().filter(|row| !row.again).filter_map(|row| objects.get(row.object)) {
        let name = format!("{} {}", object.kind, object.id);
        if let Some(problem) = &object.problem {
            let _ = writeln!(notes, "{}", style.yellow(Printable(format_args!("{name}: {problem}"))));
        }
        if !object.not_shown.is_empty() {
            let of_what = |field: &String| match field.ends_with("session") {
                true => format!("on runs ({field})"),
                false => format!("on concurrent requests ({field})"),
            };
            let of_what: Vec<String> = object.not_shown.iter().map(of_what).collect();
            let text = format!("{name}: limits {} are not shown", of_what.join(" and "));
            let _ = writeln!(notes, "{}", Printable(&text));
        }
        for limit in &object.limits {
            let Some(status) = &limit.status else { continue };
            let field = &limit.name;
            if let Some(raised) = &status.raised {
                let text = format!("{name}: {field} is raised by {} until {}", raised.by, raised.until.0);
                let _ = writeln!(notes, "{}", Printable(&text));
            }
            if amount(&status.unconfirmed).is_some_and(|amount| amount > 0) {
                let (unconfirmed, id) = (&status.unconfirmed, &object.id);
                let text = format!(
                    "{name}: {unconfirmed} of {field} is unconfirmed: gateways ended without a last report, and it counts as \
                     spent. To release it:"
                );
                let command = format!(
                    "outrigger budget forgive {}/{} --namespace {} --limit '{field}' --reason '...'",
                    object.kind, id.name, id.namespace
                );
                let _ = writeln!(notes, "{}\n  {}", Printable(&text), style.cyan(Printable(&command)));
            }
        }
    }
    match notes.is_empty() {
        true => notes,
        false => format!("\n{notes}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_in_its_middle() {
        assert_eq!(cut("VirtualKey shop/search", 22), "VirtualKey shop/search");
        assert_eq!(cut("VirtualKey shop/search", 13), "Virtua…search");
        assert_eq!(cut("é".repeat(30).as_str(), 5).chars().count(), 5);
    }

    #[test]
    fn amounts_are_read() {
        for (text, number) in [
            ("$0.42", Some(420_000_000)),
            ("$18446744073.709551615", Some(u128::from(u64::MAX))),
            ("1200", Some(1_200)),
            ("", None),
            ("$", None),
            ("<$0.01", None),
            ("-5", None),
        ] {
            assert_eq!(amount(text), number, "{text}");
        }
    }
}
