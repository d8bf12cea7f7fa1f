//! Collects the names in an expression from its tree, so that a misspelt one is found when the rule is written, and not
//! by the first request.

use std::collections::BTreeSet;

use cel::IdedExpr;
use cel::common::ast::{EntryExpr, Expr, LiteralValue, operators};

use crate::condition::time::TIME_PARTS;

/// The functions of CEL's standard library that are useful for values of rules.
pub const FUNCTIONS: [&str; 24] = [
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "int",
    "matches",
    "size",
    "startsWith",
    "string",
    "timestamp",
    "type",
    "uint",
];

/// Macros, which the parser expands before functions are collected.
pub(crate) const MACROS: [&str; 6] = ["all", "exists", "exists_one", "filter", "has", "map"];

/// Operators are calls too, with names that can't be written in CEL.
const OPERATORS: [&str; 21] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::INDEX,
    operators::OPT_INDEX,
    operators::OPT_SELECT,
    operators::NOT_STRICTLY_FALSE,
    operators::IN,
];

/// Whether rules may call the function.
pub(crate) fn is_function(name: &str) -> bool {
    OPERATORS.contains(&name) || FUNCTIONS.contains(&name)
}

/// Free variables, and called functions.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct UsedNames<'e> {
    pub variables: BTreeSet<&'e str>,
    pub functions: BTreeSet<&'e str>,
    /// Time zones in literals: `now.getHours("Europe/Paris")`.
    pub zones: BTreeSet<&'e str>,
}

impl<'e> UsedNames<'e> {
    pub(crate) fn of(expression: &'e IdedExpr) -> Self {
        let mut names = UsedNames::default();
        names.read(&expression.expr, &mut Vec::new());
        names
    }

    /// `bound`: loop variables of the enclosing macros, such as `h` in `headers.exists(h, h == "x")`.
    fn read(&mut self, expression: &'e Expr, bound: &mut Vec<&'e str>) {
        match expression {
            Expr::Unspecified | Expr::Literal(_) => {}
            Expr::Ident(name) => {
                if !bound.contains(&name.as_str()) {
                    self.variables.insert(name);
                }
            }
            Expr::Select(select) => self.read(&select.operand.expr, bound),
            Expr::Call(call) => {
                self.functions.insert(&call.func_name);
                if let (true, [zone]) = (TIME_PARTS.contains(&call.func_name.as_str()), call.args.as_slice())
                    && let Expr::Literal(LiteralValue::String(zone)) = &zone.expr
                {
                    self.zones.insert(zone.inner());
                }
                for part in call.target.as_deref().into_iter().chain(&call.args) {
                    self.read(&part.expr, bound);
                }
            }
            Expr::List(list) => list.elements.iter().for_each(|element| self.read(&element.expr, bound)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.read_entry(&entry.expr, bound)),
            Expr::Struct(made) => {
                // Rules have no message types to create.
                self.functions.insert(&made.type_name);
                made.entries.iter().for_each(|entry| self.read_entry(&entry.expr, bound));
            }
            Expr::Comprehension(over) => {
                self.read(&over.iter_range.expr, bound);
                self.read(&over.accu_init.expr, bound);
                let outside = bound.len();
                bound.push(&over.accu_var);
                bound.push(&over.iter_var);
                bound.extend(over.iter_var2.as_deref());
                self.read(&over.loop_cond.expr, bound);
                self.read(&over.loop_step.expr, bound);
                bound.truncate(outside + 1);
                self.read(&over.result.expr, bound);
                bound.truncate(outside);
            }
        }
    }

    fn read_entry(&mut self, entry: &'e EntryExpr, bound: &mut Vec<&'e str>) {
        match entry {
            EntryExpr::StructField(field) => self.read(&field.value.expr, bound),
            EntryExpr::MapEntry(pair) => {
                self.read(&pair.key.expr, bound);
                self.read(&pair.value.expr, bound);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use cel::Env;

    use super::*;

    #[test]
    fn names_are_collected_with_their_scopes() {
        for (source, variables, functions) in [
            ("model", "model", ""),
            ("headers['a'] == params.b", "headers params", ""),
            ("headers.exists(h, h == 'x')", "headers", ""),
            ("headers.exists(h, h == k)", "headers k", ""),
            ("headers.exists(h, h == 'x') && h", "h headers", ""),
            ("[model].map(m, [m].all(n, n == m)).size() > 0", "model", "size"),
            ("[1].filter(model, model > 0) == [] || {'k': team_id}['k'] == ''", "team_id", ""),
            ("model.startsWith('gpt') && f(g(model))", "model", "f g startsWith"),
            ("Thing{a: model}.a", "model", "Thing"),
            ("has(headers.x) ? -1 : 2", "headers", ""),
        ] {
            let program = Env::stdlib().compile(source).unwrap();
            let names = UsedNames::of(program.expression());
            let joined = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(" ");
            assert_eq!(joined(&names.variables), variables, "{source}");
            let written: BTreeSet<&str> = names
                .functions
                .iter()
                .copied()
                .filter(|name| name.starts_with(|first: char| first.is_alphabetic()))
                .collect();
            assert_eq!(joined(&written), functions, "{source}");
            assert!(names.functions.difference(&written).all(|operator| is_function(operator)), "{source}: {names:?}");
        }
    }
}
