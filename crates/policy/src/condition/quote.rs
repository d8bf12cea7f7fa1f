//! A part of an expression as it may be written, for what is told of it. Long ones are cut.

use std::fmt::Write;

use cel::common::ast::LiteralValue;

use super::code::{Each, Node};
use super::operate::Operator;
use crate::condition::time::QUESTIONS;

/// Characters that are quoted of a part.
const MOST: usize = 60;

/// In back ticks.
pub(super) fn quoted(node: &Node) -> String {
    let mut text = String::new();
    write(node, &mut text);
    if let Some((end, _)) = text.char_indices().nth(MOST) {
        text.truncate(end);
        text.push('…');
    }
    format!("`{text}`")
}

fn write(node: &Node, out: &mut String) {
    // Nobody reads further.
    if out.len() > 4 * MOST {
        return;
    }
    match node {
        Node::Literal(literal) => self::literal(literal, out),
        Node::Input(input) => out.push_str(input.name()),
        Node::Local(place) => {
            let _ = write!(out, "x{place}");
        }
        Node::Select { of, field, test } => {
            out.push_str(if *test { "has(" } else { "" });
            write(of, out);
            let _ = write!(out, ".{field}{}", if *test { ")" } else { "" });
        }
        Node::SelectOptional { of, field } => {
            write(of, out);
            let _ = write!(out, ".?{field}");
        }
        Node::Either { decides, sides } => pair(&sides[0], if *decides { "||" } else { "&&" }, &sides[1], out),
        Node::Not(of) => {
            out.push('!');
            write(of, out);
        }
        Node::Negate(of) => {
            out.push('-');
            write(of, out);
        }
        Node::If(parts) => {
            pair(&parts[0], "?", &parts[1], out);
            out.push_str(" : ");
            write(&parts[2], out);
        }
        Node::Binary(operator @ (Operator::Index | Operator::OptionalIndex), sides) => {
            write(&sides[0], out);
            out.push_str(if *operator == Operator::Index { "[" } else { "[?" });
            write(&sides[1], out);
            out.push(']');
        }
        Node::Binary(operator, sides) => pair(&sides[0], operator.sign(), &sides[1], out),
        Node::Among(value, literals) => {
            write(value, out);
            out.push_str(" in [");
            listed(literals, out, self::literal);
            out.push(']');
        }
        Node::List(items) => {
            out.push('[');
            listed(items, out, |item, out| write(&item.value, out));
            out.push(']');
        }
        Node::Map(entries) => {
            out.push('{');
            listed(entries, out, |entry, out| {
                write(&entry.key, out);
                out.push_str(": ");
                write(&entry.value, out);
            });
            out.push('}');
        }
        Node::Loop(inner) => {
            write(&inner.over, out);
            let simple = matches!(&inner.each, Each::Collect { test: None, value: Node::Binary(..) });
            let _ = write!(out, ".{}({}, {}", inner.name, inner.item, if simple { "" } else { "…" });
            if let (true, Each::Collect { value: Node::Binary(operator, _), .. }) = (simple, &inner.each) {
                let _ = write!(out, "… {} …", operator.sign());
            }
            out.push(')');
        }
        Node::Call { function, target, arguments } => {
            if let Some(target) = target {
                write(target, out);
                out.push('.');
            }
            let _ = write!(out, "{}(", function.name());
            listed(arguments, out, write);
            out.push(')');
        }
        Node::Ask { question, at, .. } => {
            write(at, out);
            let _ = write!(out, ".{}(…)", QUESTIONS.get(*question).copied().unwrap_or_default());
        }
        Node::Matches { text, .. } => {
            write(text, out);
            out.push_str(".matches(…)");
        }
        Node::MatchesOne { text, pattern, .. } => {
            write(text, out);
            out.push_str(".matches(");
            write(pattern, out);
            out.push(')');
        }
    }
}

fn pair(left: &Node, sign: &str, right: &Node, out: &mut String) {
    write(left, out);
    let _ = write!(out, " {sign} ");
    write(right, out);
}

fn listed<T>(parts: &[T], out: &mut String, write: impl Fn(&T, &mut String)) {
    for (place, part) in parts.iter().enumerate() {
        if out.len() > 4 * MOST {
            return;
        }
        out.push_str(if place > 0 { ", " } else { "" });
        write(part, out);
    }
}

fn literal(literal: &LiteralValue, out: &mut String) {
    let _ = match literal {
        LiteralValue::Boolean(value) => write!(out, "{}", value.inner()),
        LiteralValue::Bytes(value) => write!(out, "b\"{}\"", value.inner().escape_ascii()),
        LiteralValue::Double(value) => write!(out, "{:?}", value.inner()),
        LiteralValue::Int(value) => write!(out, "{}", value.inner()),
        LiteralValue::Null => write!(out, "null"),
        LiteralValue::String(value) => write!(out, "{:?}", value.inner()),
        LiteralValue::UInt(value) => write!(out, "{}u", value.inner()),
    };
}
