//! Probable mistakes in a condition: it compiles and runs, and is never true, or always. Found from the literals in its
//! tree.

use cel::IdedExpr;
use cel::common::ast::{EntryExpr, Expr, LiteralValue, operators};
use outrigger_core::RequestType;
use thiserror::Error;

use crate::condition::variables::VARIABLES;
use crate::headers;
use crate::text::nearest::nearest;

/// Variables in percent.
const PERCENTAGES: [&str; 4] = ["budget_used", "tokens_used", "request", "session_used"];
/// Variables with named entries.
const MAPS: [&str; 3] = ["headers", "params", "labels"];
const ORDERINGS: [&str; 4] = [operators::LESS, operators::LESS_EQUALS, operators::GREATER, operators::GREATER_EQUALS];
const EQUALITIES: [&str; 2] = [operators::EQUALS, operators::NOT_EQUALS];

/// A probable mistake, with what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Lint {
    #[error("names of headers are in lower case here: write {0}")]
    Capitals(String),
    #[error("the header `{0}` may carry a credential, so rules can't read it: use another header")]
    Hidden(String),
    #[error("no request has this request_type; the types are {}{}", RequestType::NAMES.join(", "), nearest.as_ref().map(|near| format!(", did you mean `{near}`?")).unwrap_or_default())]
    RequestType { nearest: Option<String> },
    #[error("`{variable}` is in per cent: write {percent} for {written}")]
    Fraction { variable: &'static str, written: String, percent: String },
    #[error("`{written}` is a subtraction: write {meant}")]
    Subtraction { written: String, meant: String },
    #[error("compares `{variable}`, a number, with a text: write {}", number.as_deref().unwrap_or("a number, without quotes"))]
    Text { variable: &'static str, number: Option<String> },
    #[error("compares `{variable}`, a text, with a number: write \"{number}\"")]
    Number { variable: &'static str, number: i64 },
}

impl Lint {
    /// Whether it is certain to be a mistake, and not just likely.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        !matches!(self, Lint::Fraction { .. })
    }
}

/// Probable mistakes in an expression, in the order of the text, without duplicates.
pub(crate) fn of(tree: &IdedExpr) -> Vec<Lint> {
    let mut search = LintSearch::default();
    search.read(tree, &mut Vec::new());
    search.found
}

#[derive(Default)]
struct LintSearch {
    found: Vec<Lint>,
}

impl LintSearch {
    fn add(&mut self, slip: Lint) {
        if !self.found.contains(&slip) {
            self.found.push(slip);
        }
    }

    /// `bound`: loop variables of the enclosing macros, which hide variables of the same name.
    fn read<'e>(&mut self, at: &'e IdedExpr, bound: &mut Vec<&'e str>) {
        match &at.expr {
            Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => {}
            Expr::Select(select) => {
                if variable(&select.operand, bound) == Some("headers") {
                    let meant = format!("headers.{}", select.field.to_lowercase());
                    self.header(&select.field, if select.test { format!("has({meant})") } else { meant });
                }
                self.read(&select.operand, bound);
            }
            Expr::Call(call) => {
                match subtraction(at) {
                    Some(slip) if !bound.iter().any(|name| MAPS.contains(name)) => return self.add(slip),
                    _ => {}
                }
                if let [left, right] = call.args.as_slice() {
                    self.pair(&call.func_name, left, right, bound);
                }
                call.target.as_deref().into_iter().chain(&call.args).for_each(|part| self.read(part, bound));
            }
            Expr::List(list) => list.elements.iter().for_each(|element| self.read(element, bound)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr, bound)),
            Expr::Struct(made) => made.entries.iter().for_each(|entry| self.entry(&entry.expr, bound)),
            Expr::Comprehension(over) => {
                self.read(&over.iter_range, bound);
                self.read(&over.accu_init, bound);
                let outside = bound.len();
                bound.extend([over.accu_var.as_str(), over.iter_var.as_str()]);
                bound.extend(over.iter_var2.as_deref());
                self.read(&over.loop_cond, bound);
                self.read(&over.loop_step, bound);
                bound.truncate(outside + 1);
                self.read(&over.result, bound);
                bound.truncate(outside);
            }
        }
    }

    fn entry<'e>(&mut self, entry: &'e EntryExpr, bound: &mut Vec<&'e str>) {
        match entry {
            EntryExpr::StructField(field) => self.read(&field.value, bound),
            EntryExpr::MapEntry(pair) => {
                self.read(&pair.key, bound);
                self.read(&pair.value, bound);
            }
        }
    }

    /// A binary operator.
    fn pair(&mut self, operator: &str, left: &IdedExpr, right: &IdedExpr, bound: &[&str]) {
        match operator {
            operators::INDEX => {
                if let (Some("headers"), Some(name)) = (variable(left, bound), text(right)) {
                    self.header(name, format!("headers[\"{}\"]", name.to_lowercase()));
                }
            }
            operators::IN => match (variable(left, bound), variable(right, bound), &right.expr) {
                (_, Some("headers"), _) => {
                    if let Some(name) = text(left) {
                        self.header(name, format!("\"{}\" in headers", name.to_lowercase()));
                    }
                }
                (Some(variable), _, Expr::List(list)) => {
                    list.elements.iter().for_each(|element| self.compared(operators::EQUALS, variable, element));
                }
                _ => {}
            },
            _ if ORDERINGS.contains(&operator) || EQUALITIES.contains(&operator) => {
                match (variable(left, bound), variable(right, bound)) {
                    (Some(variable), None) => self.compared(operator, variable, right),
                    (None, Some(variable)) => self.compared(operator, variable, left),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn header(&mut self, name: &str, meant: String) {
        let lower = name.to_lowercase();
        if headers::is_hidden(&lower) {
            self.add(Lint::Hidden(lower));
        } else if lower != name {
            self.add(Lint::Capitals(meant));
        }
    }

    /// A variable that is compared with a value that may be a literal.
    fn compared(&mut self, operator: &str, variable: &'static str, with: &IdedExpr) {
        let Expr::Literal(literal) = &with.expr else { return };
        let kind = VARIABLES.iter().find(|known| known.name == variable).map(|known| known.kind);
        match (literal, kind) {
            (LiteralValue::String(word), _)
                if variable == "request_type"
                    && EQUALITIES.contains(&operator)
                    && !RequestType::NAMES.contains(&word.inner()) =>
            {
                self.add(Lint::RequestType { nearest: nearest(word.inner(), RequestType::NAMES.into_iter()) });
            }
            (LiteralValue::String(text), Some("double" | "int")) => {
                let number = text.inner().trim().trim_end_matches('%').trim_end();
                let number = number.parse::<f64>().is_ok_and(f64::is_finite).then(|| number.to_owned());
                self.add(Lint::Text { variable, number });
            }
            (LiteralValue::Int(number), Some("string")) => self.add(Lint::Number { variable, number: *number.inner() }),
            (LiteralValue::Double(share), Some("double")) if PERCENTAGES.contains(&variable) => {
                let share = *share.inner();
                if share > 0.0 && share < 1.0 {
                    // 0.29 times 100 is 28.999999999999996.
                    let percent = ((share * 10_000.0).round() / 100.0).to_string();
                    self.add(Lint::Fraction { variable, written: share.to_string(), percent });
                }
            }
            _ => {}
        }
    }
}

/// The first name with hyphens that is written as a subtraction, anywhere in the expression.
pub(crate) fn hyphens(tree: &IdedExpr) -> Option<Lint> {
    of(tree).into_iter().find(|slip| matches!(slip, Lint::Subtraction { .. }))
}

/// The variable of [`VARIABLES`], if the expression consists of one.
fn variable(at: &IdedExpr, bound: &[&str]) -> Option<&'static str> {
    let Expr::Ident(name) = &at.expr else { return None };
    VARIABLES.iter().map(|known| known.name).find(|known| known == name && !bound.contains(known))
}

fn text(at: &IdedExpr) -> Option<&str> {
    match &at.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

/// `headers.x-tier`, which CEL parses as `headers.x` minus `tier`: if every part is a plain word, it is probably a name
/// with hyphens.
fn subtraction(at: &IdedExpr) -> Option<Lint> {
    let (map, name) = hyphened(at)?;
    name.contains('-').then(|| Lint::Subtraction {
        written: format!("{map}.{name}"),
        meant: format!("{map}[\"{}\"]", if map == "headers" { name.to_lowercase() } else { name }),
    })
}

fn hyphened(at: &IdedExpr) -> Option<(&'static str, String)> {
    match &at.expr {
        Expr::Select(select) if !select.test => {
            let map = variable(&select.operand, &[]).filter(|name| MAPS.contains(name))?;
            Some((map, select.field.clone()))
        }
        Expr::Call(call) if call.func_name == operators::SUBSTRACT => {
            let [left, IdedExpr { expr: Expr::Ident(word), .. }] = call.args.as_slice() else { return None };
            hyphened(left).map(|(map, name)| (map, format!("{name}-{word}")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Expression;

    fn findings_of(source: &str) -> String {
        let expression = Expression::compile(source).unwrap();
        expression.lints().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn mistakes_are_reported_with_a_correction() {
        let types = format!("the types are {}", RequestType::NAMES.join(", "));
        let hidden = |name: &str| {
            format!("the header `{name}` may carry a credential, so rules can't read it: use another header")
        };
        let lower = |meant: &str| format!("names of headers are in lower case here: write {meant}");
        for (source, expected) in [
            (r#"headers["X-Tier"] == "a""#, lower(r#"headers["x-tier"]"#)),
            (r#""X-Tier" in headers"#, lower(r#""x-tier" in headers"#)),
            (
                r#"has(headers.Tier) && headers.Tier == "a""#,
                format!("{}; {}", lower("has(headers.tier)"), lower("headers.tier")),
            ),
            (r#"headers["Authorization"] != """#, hidden("authorization")),
            (r#"!("x-api-key" in headers)"#, hidden("x-api-key")),
            (r#"headers["x-outrigger-key"] == "a""#, hidden("x-outrigger-key")),
            (
                r#"request_type == "chat""#,
                format!("no request has this request_type; {types}, did you mean `chat_completion`?"),
            ),
            (
                r#"model == "a" && request_type in ["responses", "xyz"]"#,
                format!("no request has this request_type; {types}"),
            ),
            ("budget_used > 0.85", "`budget_used` is in per cent: write 85 for 0.85".to_owned()),
            ("0.29 <= tokens_used", "`tokens_used` is in per cent: write 29 for 0.29".to_owned()),
            ("request >= 0.005", "`request` is in per cent: write 0.5 for 0.005".to_owned()),
            ("headers.x-model == 'a'", "`headers.x-model` is a subtraction: write headers[\"x-model\"]".to_owned()),
            ("budget_used > '85'", "compares `budget_used`, a number, with a text: write 85".to_owned()),
            ("budget_used > '85 %'", "compares `budget_used`, a number, with a text: write 85".to_owned()),
            (
                "'all' == budget_used",
                "compares `budget_used`, a number, with a text: write a number, without quotes".to_owned(),
            ),
            ("input_tokens in ['5']", "compares `input_tokens`, a number, with a text: write 5".to_owned()),
            ("team_id == 7", "compares `team_id`, a text, with a number: write \"7\"".to_owned()),
        ] {
            assert_eq!(findings_of(source), expected, "{source}");
        }
    }

    #[test]
    fn conditions_that_may_be_intended_are_not_reported() {
        for source in [
            r#"headers["x-tier"] == "Premium" && "x-a" in headers && has(headers.tier)"#,
            r#"params["Tier"] == "a" && labels["App"] == "b""#,
            r#"request_type == "embedding" || request_type.startsWith("chat")"#,
            "budget_used > 85 && tokens_used >= 1.0 || request == 0.0 || 0.5 < 0.7",
            "input_tokens - 5 > 0 && int(headers.x) - input_tokens > 0",
            r#"["a"].exists(request_type, request_type == "a")"#,
            r#"[{"X": "a"}].exists(headers, headers["X"] == "a")"#,
            r#"model == "7" && provider in ["a"]"#,
        ] {
            assert_eq!(findings_of(source), "", "{source}");
        }
    }

    #[test]
    fn unlikely_conditions_are_not_certain_mistakes() {
        let of = |source: &str| Expression::compile(source).unwrap().lints().iter().all(Lint::is_certain);
        assert!(of("budget_used > '85'") && !of("budget_used > 0.85"));
    }
}
