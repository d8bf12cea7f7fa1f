//! The compiled form of an expression: names are resolved, macros distinguished, patterns and time zones prepared.

use std::collections::BTreeMap;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators};
use jiff::tz::TimeZone;
use thiserror::Error;

use super::functions::Function;
use super::input::ConditionInput;
use super::operate::BinaryOperator;
use super::pattern::Pattern;
use super::{bounds, pattern};
use crate::condition::time;

/// A part of an expression.
#[derive(Debug)]
pub(super) enum CodeNode {
    Literal(LiteralValue),
    Input(ConditionInput),
    /// The loop variable of a macro: its index among those of the enclosing macros, outermost first.
    Local(usize),
    Select {
        of: Box<CodeNode>,
        field: String,
        test: bool,
    },
    SelectOptional {
        of: Box<CodeNode>,
        field: String,
    },
    /// `||` and `&&`: true or false, if one side decides.
    Either {
        decides: bool,
        sides: Box<[CodeNode; 2]>,
    },
    Not(Box<CodeNode>),
    If(Box<[CodeNode; 3]>),
    Negate(Box<CodeNode>),
    Binary(BinaryOperator, Box<[CodeNode; 2]>),
    /// `in` a list of literals.
    Among(Box<CodeNode>, Vec<LiteralValue>),
    List(Vec<ListItem>),
    Map(Vec<Pair>),
    Loop(Box<Loop>),
    Call {
        function: Function,
        target: Option<Box<CodeNode>>,
        arguments: Vec<CodeNode>,
    },
    /// A part of a time, in a zone that is written in the rule.
    Ask {
        question: usize,
        at: Box<CodeNode>,
        zone: TimeZone,
    },
    Matches {
        text: Box<CodeNode>,
        pattern: Pattern,
    },
    /// With a pattern that is one of the literals of the rule.
    MatchesOne {
        text: Box<CodeNode>,
        pattern: Box<CodeNode>,
        member: bool,
    },
}

#[derive(Debug)]
pub(super) struct ListItem {
    pub value: CodeNode,
    /// `[?value]`: omitted if it is an optional without a value.
    pub optional: bool,
}

#[derive(Debug)]
pub(super) struct Pair {
    pub key: CodeNode,
    pub value: CodeNode,
    pub optional: bool,
}

/// A macro over a list or the keys of a map.
#[derive(Debug)]
pub(super) struct Loop {
    pub over: CodeNode,
    pub each: Each,
    /// The name of the macro and of its loop variable, for messages.
    pub name: &'static str,
    pub item: String,
}

#[derive(Debug)]
pub(super) enum Each {
    /// `exists` stops at the first true, `all` at the first false.
    Until { decides: bool, test: CodeNode },
    /// `exists_one`.
    One(CodeNode),
    /// `map` and `filter`.
    Collect { test: Option<CodeNode>, value: CodeNode },
}

/// An expression that can be evaluated.
#[derive(Debug)]
pub(crate) struct Code {
    pub(super) root: CodeNode,
    /// Literals of the expression that `matches` may get through a variable.
    pub(super) patterns: BTreeMap<String, Pattern>,
    pattern_size: usize,
}

/// Why an expression can't be compiled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CodeError {
    #[error(
        "the regular expression {quote} is too large: {text} bytes are the most, and {table} when it is compiled; repeat \
         less, leave `(?i)` out beside classes such as \\pL, or use startsWith, endsWith, contains or a list",
        text = bounds::PATTERN_TEXT, table = bounds::PATTERN_TABLE
    )]
    LargePattern { quote: String },
    #[error(
        "the regular expressions of one rule take more than {most} bytes when they are compiled: split it into several \
         rules, or use startsWith, endsWith, contains or a list",
        most = bounds::PATTERN_TABLES
    )]
    ManyPatterns,
    #[error("`{0}` has no meaning in a rule")]
    Unknown(String),
}

impl Default for Code {
    fn default() -> Self {
        Code { root: CodeNode::Literal(LiteralValue::Null), patterns: BTreeMap::new(), pattern_size: 0 }
    }
}

impl Code {
    /// Compiles a tree whose variables and functions are known.
    ///
    /// # Errors
    /// [`CodeError`].
    pub(crate) fn new(tree: &IdedExpr) -> Result<Self, CodeError> {
        let mut maker = Maker { locals: Vec::new(), texts: Vec::new(), names_patterns: false, size: 0, tables: 0 };
        let root = maker.node(tree)?;
        let mut patterns = BTreeMap::new();
        let mut pattern_size = maker.size;
        if maker.names_patterns {
            for text in std::mem::take(&mut maker.texts) {
                // A pattern that is too large fails only when it is used: most literals are not patterns.
                let pattern = Pattern::new(text).unwrap_or_else(|_| Pattern::too_large(text));
                maker.tables += pattern.table();
                if maker.tables > bounds::PATTERN_TABLES {
                    return Err(CodeError::ManyPatterns);
                }
                pattern_size += pattern.size();
                patterns.insert(text.to_owned(), pattern);
            }
        }
        Ok(Code { root, patterns, pattern_size })
    }

    /// The most bytes that its patterns can use.
    pub(crate) fn pattern_size(&self) -> usize {
        self.pattern_size
    }
}

struct Maker<'e> {
    /// Loop variables of the enclosing macros.
    locals: Vec<&'e str>,
    /// Every literal text, if one of them may be a pattern.
    texts: Vec<&'e str>,
    names_patterns: bool,
    /// The most bytes that patterns can use, and the bytes of their tables.
    size: usize,
    tables: usize,
}

impl<'e> Maker<'e> {
    fn boxed(&mut self, tree: &'e IdedExpr) -> Result<Box<CodeNode>, CodeError> {
        self.node(tree).map(Box::new)
    }

    fn node(&mut self, tree: &'e IdedExpr) -> Result<CodeNode, CodeError> {
        Ok(match &tree.expr {
            Expr::Literal(literal) => {
                if let LiteralValue::String(text) = literal {
                    self.texts.push(text.inner());
                }
                CodeNode::Literal(literal.clone())
            }
            Expr::Ident(name) => match self.locals.iter().rposition(|local| local == name) {
                Some(index) => CodeNode::Local(index),
                None => CodeNode::Input(ConditionInput::named(name).ok_or_else(|| CodeError::Unknown(name.clone()))?),
            },
            Expr::Select(select) => {
                CodeNode::Select { of: self.boxed(&select.operand)?, field: select.field.clone(), test: select.test }
            }
            Expr::Call(call) => self.call(call)?,
            Expr::List(list) => {
                let item = |(index, element)| {
                    let value = self.node(element)?;
                    Ok(ListItem { value, optional: list.optional_indices.contains(&index) })
                };
                CodeNode::List(list.elements.iter().enumerate().map(item).collect::<Result<_, CodeError>>()?)
            }
            Expr::Map(map) => {
                let mut entries = Vec::new();
                for entry in &map.entries {
                    let EntryExpr::MapEntry(pair) = &entry.expr else {
                        return Err(CodeError::Unknown("a field".to_owned()));
                    };
                    let (key, value) = (self.node(&pair.key)?, self.node(&pair.value)?);
                    entries.push(Pair { key, value, optional: pair.optional });
                }
                CodeNode::Map(entries)
            }
            Expr::Comprehension(over) => self.comprehension(over)?,
            Expr::Struct(made) => return Err(CodeError::Unknown(made.type_name.clone())),
            Expr::Unspecified => return Err(CodeError::Unknown(String::new())),
        })
    }

    fn call(&mut self, call: &'e CallExpr) -> Result<CodeNode, CodeError> {
        let name = call.func_name.as_str();
        Ok(match (name, call.target.as_deref(), call.args.as_slice()) {
            (operators::LOGICAL_OR | operators::LOGICAL_AND, None, [left, right]) => CodeNode::Either {
                decides: name == operators::LOGICAL_OR,
                sides: Box::new([self.node(left)?, self.node(right)?]),
            },
            (operators::LOGICAL_NOT, None, [of]) => CodeNode::Not(self.boxed(of)?),
            (operators::NEGATE, None, [of]) => CodeNode::Negate(self.boxed(of)?),
            (operators::CONDITIONAL, None, [test, then, other]) => {
                CodeNode::If(Box::new([self.node(test)?, self.node(then)?, self.node(other)?]))
            }
            (operators::OPT_SELECT, None, [of, field]) => {
                let Expr::Literal(LiteralValue::String(field)) = &field.expr else {
                    return Err(CodeError::Unknown(name.to_owned()));
                };
                CodeNode::SelectOptional { of: self.boxed(of)?, field: field.inner().to_owned() }
            }
            ("matches", Some(text), [pattern]) | ("matches", None, [text, pattern]) => {
                self.matches(text, pattern, call.target.is_some())?
            }
            (_, None, [left, right]) if BinaryOperator::named(name).is_some() => {
                let operator = BinaryOperator::named(name).unwrap_or(BinaryOperator::Equal);
                if let (BinaryOperator::In, Some(literals)) = (operator, literals(right)) {
                    let among = self.boxed(left)?;
                    let texts = literals.iter().filter_map(|literal| match literal {
                        LiteralValue::String(text) => Some(text.inner()),
                        _ => None,
                    });
                    self.texts.extend(texts);
                    return Ok(CodeNode::Among(among, literals.into_iter().cloned().collect()));
                }
                CodeNode::Binary(operator, Box::new([self.node(left)?, self.node(right)?]))
            }
            _ => {
                let function = Function::named(name).ok_or_else(|| CodeError::Unknown(name.to_owned()))?;
                if let (Function::Ask(question), Some(at), [zone]) = (function, call.target.as_deref(), &*call.args)
                    && let Expr::Literal(LiteralValue::String(zone)) = &zone.expr
                    && let Some(zone) = time::known_zone(zone.inner())
                {
                    return Ok(CodeNode::Ask { question, at: self.boxed(at)?, zone });
                }
                let target = call.target.as_deref().map(|target| self.boxed(target)).transpose()?;
                let arguments = call.args.iter().map(|argument| self.node(argument)).collect::<Result<_, _>>()?;
                CodeNode::Call { function, target, arguments }
            }
        })
    }

    fn matches(&mut self, text: &'e IdedExpr, pattern: &'e IdedExpr, member: bool) -> Result<CodeNode, CodeError> {
        if let Expr::Literal(LiteralValue::String(source)) = &pattern.expr {
            let text = self.boxed(text)?;
            let made = Pattern::new(source.inner());
            let pattern =
                made.map_err(|pattern::TooLarge| CodeError::LargePattern { quote: shortened(source.inner()) })?;
            self.tables += pattern.table();
            if self.tables > bounds::PATTERN_TABLES {
                return Err(CodeError::ManyPatterns);
            }
            self.size += pattern.size();
            return Ok(CodeNode::Matches { text, pattern });
        }
        self.names_patterns = true;
        Ok(CodeNode::MatchesOne { text: self.boxed(text)?, pattern: self.boxed(pattern)?, member })
    }

    /// The parser generates only the macros of the standard.
    fn comprehension(&mut self, over: &'e ComprehensionExpr) -> Result<CodeNode, CodeError> {
        let unknown = || CodeError::Unknown("a macro of this kind".to_owned());
        let range = self.node(&over.iter_range)?;
        self.locals.push(&over.iter_var);
        let is_result = |tree: &IdedExpr| matches!(&tree.expr, Expr::Ident(name) if *name == over.accu_var);
        // The appended value of `@result + [value]`.
        let appended = |tree: &'e IdedExpr| match &tree.expr {
            Expr::Call(CallExpr { func_name, args, .. }) if func_name == operators::ADD => match args.as_slice() {
                [result, IdedExpr { expr: Expr::List(list), .. }] if is_result(result) => list.elements.first(),
                _ => None,
            },
            _ => None,
        };
        let Expr::Call(step) = &over.loop_step.expr else { return Err(unknown()) };
        let (name, each) = match (step.func_name.as_str(), step.args.as_slice()) {
            (operators::LOGICAL_OR, [_, test]) => ("exists", Each::Until { decides: true, test: self.node(test)? }),
            (operators::LOGICAL_AND, [_, test]) => ("all", Each::Until { decides: false, test: self.node(test)? }),
            (operators::CONDITIONAL, [test, then, _]) => match appended(then) {
                Some(value) => {
                    let is_item = matches!(&value.expr, Expr::Ident(name) if *name == over.iter_var);
                    let (test, value) = (Some(self.node(test)?), self.node(value)?);
                    (if is_item { "filter" } else { "map" }, Each::Collect { test, value })
                }
                None => ("exists_one", Each::One(self.node(test)?)),
            },
            _ => {
                let value = appended(&over.loop_step).ok_or_else(unknown)?;
                ("map", Each::Collect { test: None, value: self.node(value)? })
            }
        };
        self.locals.pop();
        Ok(CodeNode::Loop(Box::new(Loop { over: range, each, name, item: over.iter_var.clone() })))
    }
}

/// The elements of a list that contains only literals.
fn literals(tree: &IdedExpr) -> Option<Vec<&LiteralValue>> {
    let Expr::List(list) = &tree.expr else { return None };
    if !list.optional_indices.is_empty() {
        return None;
    }
    let literal = |element| match element {
        &IdedExpr { expr: Expr::Literal(ref literal), .. } => Some(literal),
        _ => None,
    };
    list.elements.iter().map(literal).collect()
}

/// A quoted text, shortened if it is long.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{:?}", format!("{}…", &text[..end])),
        None => format!("{text:?}"),
    }
}
