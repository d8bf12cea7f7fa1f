//! Writes a part of an expression as CEL, for messages. Long parts are shortened.

use std::fmt::Write;

use cel::common::ast::LiteralValue;

use super::code::{CodeNode, Each};
use super::operate::BinaryOperator;
use crate::condition::time::TIME_PARTS;

/// The most characters of a quoted part.
const MOST: usize = 60;

/// In backticks.
pub(super) fn quoted(node: &CodeNode) -> String {
    let mut text = String::new();
    write(node, &mut text);
    if let Some((end, _)) = text.char_indices().nth(MOST) {
        text.truncate(end);
        text.push('…');
    }
    format!("`{text}`")
}

fn write(node: &CodeNode, out: &mut String) {
    // The rest would be cut off.
    if out.len() > 4 * MOST {
        return;
    }
    match node {
        CodeNode::Literal(literal) => self::literal(literal, out),
        CodeNode::Input(input) => out.push_str(input.name()),
        CodeNode::Local(index) => {
            let _ = write!(out, "x{index}");
        }
        CodeNode::Select { of, field, test } => {
            out.push_str(if *test { "has(" } else { "" });
            write(of, out);
            let _ = write!(out, ".{field}{}", if *test { ")" } else { "" });
        }
        CodeNode::SelectOptional { of, field } => {
            write(of, out);
            let _ = write!(out, ".?{field}");
        }
        CodeNode::Either { decides, sides } => pair(&sides[0], if *decides { "||" } else { "&&" }, &sides[1], out),
        CodeNode::Not(of) => {
            out.push('!');
            write(of, out);
        }
        CodeNode::Negate(of) => {
            out.push('-');
            write(of, out);
        }
        CodeNode::If(parts) => {
            pair(&parts[0], "?", &parts[1], out);
            out.push_str(" : ");
            write(&parts[2], out);
        }
        CodeNode::Binary(operator @ (BinaryOperator::Index | BinaryOperator::OptionalIndex), sides) => {
            write(&sides[0], out);
            out.push_str(if *operator == BinaryOperator::Index { "[" } else { "[?" });
            write(&sides[1], out);
            out.push(']');
        }
        CodeNode::Binary(operator, sides) => pair(&sides[0], operator.sign(), &sides[1], out),
        CodeNode::Among(value, literals) => {
            write(value, out);
            out.push_str(" in [");
            listed(literals, out, self::literal);
            out.push(']');
        }
        CodeNode::List(items) => {
            out.push('[');
            listed(items, out, |item, out| write(&item.value, out));
            out.push(']');
        }
        CodeNode::Map(entries) => {
            out.push('{');
            listed(entries, out, |entry, out| {
                write(&entry.key, out);
                out.push_str(": ");
                write(&entry.value, out);
            });
            out.push('}');
        }
        CodeNode::Loop(inner) => {
            write(&inner.over, out);
            let simple = matches!(&inner.each, Each::Collect { test: None, value: CodeNode::Binary(..) });
            let _ = write!(out, ".{}({}, {}", inner.name, inner.item, if simple { "" } else { "…" });
            if let (true, Each::Collect { value: CodeNode::Binary(operator, _), .. }) = (simple, &inner.each) {
                let _ = write!(out, "… {} …", operator.sign());
            }
            out.push(')');
        }
        CodeNode::Call { function, target, arguments } => {
            if let Some(target) = target {
                write(target, out);
                out.push('.');
            }
            let _ = write!(out, "{}(", function.name());
            listed(arguments, out, write);
            out.push(')');
        }
        CodeNode::Ask { question, at, .. } => {
            write(at, out);
            let _ = write!(out, ".{}(…)", TIME_PARTS.get(*question).copied().unwrap_or_default());
        }
        CodeNode::Matches { text, .. } => {
            write(text, out);
            out.push_str(".matches(…)");
        }
        CodeNode::MatchesOne { text, pattern, .. } => {
            write(text, out);
            out.push_str(".matches(");
            write(pattern, out);
            out.push(')');
        }
    }
}

fn pair(left: &CodeNode, sign: &str, right: &CodeNode, out: &mut String) {
    write(left, out);
    let _ = write!(out, " {sign} ");
    write(right, out);
}

fn listed<T>(parts: &[T], out: &mut String, write: impl Fn(&T, &mut String)) {
    for (index, part) in parts.iter().enumerate() {
        if out.len() > 4 * MOST {
            return;
        }
        out.push_str(if index > 0 { ", " } else { "" });
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
