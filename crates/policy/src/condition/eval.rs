//! Evaluates expressions. Each part counts its steps before it runs.

use std::rc::Rc;

use super::budget::EvaluationBudget;
use super::code::{Code, CodeNode, Each, ListItem, Loop, Pair};
use super::compare::{equal, order};
use super::failure::{EvalFailure, Stop};
use super::functions::Function;
use super::input::{ConditionInput, ConditionInputs};
use super::operate::{self, BinaryOperator};
use super::price;
use super::value::{Made, MapEntry, MapKey, Value};

/// The value of an expression for a request.
///
/// # Errors
/// It reads something that is absent, fails, or costs more than the remaining budget.
pub(crate) fn evaluate<'a>(
    code: &'a Code,
    inputs: &dyn ConditionInputs<'a>,
    budget: &mut EvaluationBudget,
) -> Result<Value<'a>, Stop> {
    Machine { code, inputs, budget, locals: Vec::new() }.node(&code.root)
}

struct Machine<'a, 'i> {
    code: &'a Code,
    inputs: &'i dyn ConditionInputs<'a>,
    budget: &'i mut EvaluationBudget,
    /// Loop variables of the enclosing macros, outermost first.
    locals: Vec<Value<'a>>,
}

impl<'a> Machine<'a, '_> {
    fn node(&mut self, node: &'a CodeNode) -> Result<Value<'a>, Stop> {
        self.budget.step(price::count(price::NODE))?;
        match node {
            CodeNode::Literal(literal) => Ok(Value::of(literal)),
            CodeNode::Input(input) => self.input(*input),
            CodeNode::Local(index) => Ok(self.locals.get(*index).cloned().unwrap_or(Value::Null)),
            CodeNode::Select { of, field, test } => {
                let of = self.node(of)?;
                operate::select(of, field, *test, self.budget)
            }
            CodeNode::SelectOptional { of, field } => {
                let of = self.node(of)?;
                operate::select_optional(of, field, self.budget)
            }
            CodeNode::Either { decides, sides } => self.either(*decides, &sides[0], &sides[1]),
            CodeNode::Not(of) => match self.node(of)? {
                Value::Bool(value) => Ok(Value::Bool(!value)),
                other => Err(EvalFailure::Types("!", other.kind(), None).into()),
            },
            CodeNode::Negate(of) => operate::negate(self.node(of)?),
            CodeNode::If(parts) => match self.test(&parts[0])? {
                true => self.node(&parts[1]),
                false => self.node(&parts[2]),
            },
            CodeNode::Binary(operator, sides) => self.binary(*operator, &sides[0], &sides[1]),
            CodeNode::Among(value, literals) => {
                let value = self.node(value)?;
                for literal in literals {
                    if equal(&Value::of(literal), &value, self.budget)? {
                        return Ok(Value::Bool(true));
                    }
                }
                Ok(Value::Bool(false))
            }
            CodeNode::List(items) => self.list(items),
            CodeNode::Map(entries) => self.map(entries),
            CodeNode::Loop(inner) => self.repeat(inner),
            CodeNode::Call { function, target, arguments } => self.call(*function, target.as_deref(), arguments),
            CodeNode::Ask { question, at, zone } => {
                let at = self.node(at)?;
                self.budget.step(price::count(price::CALENDAR))?;
                match at {
                    Value::Moment(at) => Ok(Value::Int(at.ask(*question, Some(zone)))),
                    other => {
                        Err(EvalFailure::Types(Function::Ask(*question).name(), other.kind(), Some("string")).into())
                    }
                }
            }
            CodeNode::Matches { text, pattern, .. } => match self.node(text)? {
                Value::Text(text) => pattern.is_in(&text, self.budget).map(Value::Bool),
                other => Err(EvalFailure::Types("matches", other.kind(), Some("string")).into()),
            },
            CodeNode::MatchesOne { text, pattern, member } => self.matches(text, pattern, *member),
        }
    }

    fn input(&mut self, input: ConditionInput) -> Result<Value<'a>, Stop> {
        self.budget.step(price::count(price::input(input)))?;
        self.budget.bytes(price::count(price::input_bytes(input)))?;
        self.inputs.read(input)
    }

    /// Evaluates a part that must be true or false.
    fn test(&mut self, node: &'a CodeNode) -> Result<bool, Stop> {
        match self.node(node)? {
            Value::Bool(value) => Ok(value),
            other => Err(EvalFailure::NotBool(other.kind()).into()),
        }
    }

    /// `||` and `&&`: an error on the left is ignored if the right side decides.
    fn either(&mut self, decides: bool, left: &'a CodeNode, right: &'a CodeNode) -> Result<Value<'a>, Stop> {
        let left = self.test(left);
        match &left {
            Ok(value) if *value == decides => return Ok(Value::Bool(decides)),
            Err(stop) if stop.is_final() => return left.map(Value::Bool),
            _ => {}
        }
        match (left, self.node(right)?) {
            (Ok(_), Value::Bool(right)) => Ok(Value::Bool(right)),
            (Err(_), Value::Bool(right)) if right == decides => Ok(Value::Bool(decides)),
            (Err(stop), _) => Err(stop),
            (Ok(_), other) => Err(EvalFailure::NotBool(other.kind()).into()),
        }
    }

    fn binary(&mut self, operator: BinaryOperator, left: &'a CodeNode, right: &'a CodeNode) -> Result<Value<'a>, Stop> {
        let left = self.node(left)?;
        if matches!(operator, BinaryOperator::Index | BinaryOperator::OptionalIndex) {
            return match operate::opened(operator, left) {
                None => Ok(Value::Optional(None)),
                Some((of, optional)) => {
                    let at = self.node(right)?;
                    operate::look_up(&of, &at, optional, self.budget)
                }
            };
        }
        let right = self.node(right)?;
        let ordered = |budget: &mut EvaluationBudget| order(operator.sign(), &left, &right, budget);
        Ok(Value::Bool(match operator {
            BinaryOperator::Equal => equal(&left, &right, self.budget)?,
            BinaryOperator::Different => !equal(&left, &right, self.budget)?,
            BinaryOperator::Less => ordered(self.budget)?.is_lt(),
            BinaryOperator::LessEqual => ordered(self.budget)?.is_le(),
            BinaryOperator::Greater => ordered(self.budget)?.is_gt(),
            BinaryOperator::GreaterEqual => ordered(self.budget)?.is_ge(),
            BinaryOperator::In => operate::contains(&left, &right, self.budget)?,
            _ => return operate::calculate(operator, left, right, self.budget),
        }))
    }

    fn list(&mut self, items: &'a [ListItem]) -> Result<Value<'a>, Stop> {
        self.budget.step(price::count(price::MAKE + items.len() as u64))?;
        self.budget.bytes(price::count(price::HEAD + items.len() as u64 * price::ELEMENT))?;
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            list.extend(given(self.node(&item.value)?, item.optional));
        }
        Ok(Value::List(Rc::new(list)))
    }

    fn map(&mut self, entries: &'a [Pair]) -> Result<Value<'a>, Stop> {
        self.budget.step(price::count(price::MAKE))?;
        self.budget.bytes(price::count(price::HEAD + entries.len() as u64 * price::ENTRY))?;
        let mut map = Made::with_room(entries.len());
        for entry in entries {
            let written = self.node(&entry.key)?;
            // A lookup with a fraction is allowed, and finds nothing.
            let key = if let Value::Double(_) = written { None } else { MapKey::of(&written) };
            let Some(key) = key else { return Err(EvalFailure::Key(written.kind()).into()) };
            let Some(value) = given(self.node(&entry.value)?, entry.optional) else { continue };
            let bytes = if let Value::Text(text) = &written { text.len() } else { 0 };
            self.budget.step(price::count(price::insert(entries.len() as u64, bytes as u64)))?;
            if !map.add(MapEntry { key, written, value }) {
                return Err(EvalFailure::RepeatedKey.into());
            }
        }
        Ok(Value::Map(Rc::new(map)))
    }

    fn repeat(&mut self, inner: &'a Loop) -> Result<Value<'a>, Stop> {
        let over = self.node(&inner.over)?;
        let Some(items) = operate::elements(&over, self.budget)? else {
            return Err(EvalFailure::NotIterable(over.kind()).into());
        };
        let index = self.locals.len();
        self.locals.push(Value::Null);
        let result = self.each(&inner.each, &items, index);
        self.locals.truncate(index);
        result
    }

    fn each(&mut self, each: &'a Each, items: &[Value<'a>], index: usize) -> Result<Value<'a>, Stop> {
        let next = |machine: &mut Self, item: &Value<'a>| {
            machine.budget.step(price::count(price::ROUND))?;
            if let Some(local) = machine.locals.get_mut(index) {
                *local = item.clone();
            }
            Ok::<(), Stop>(())
        };
        match each {
            Each::Until { decides, test } => {
                // An error in one iteration is ignored if another iteration decides.
                let mut failed = None;
                for item in items {
                    next(self, item)?;
                    match self.test(test) {
                        Ok(value) if value == *decides => return Ok(Value::Bool(*decides)),
                        Ok(_) => {}
                        Err(stop) if stop.is_final() => return Err(stop),
                        Err(stop) => failed = Some(stop),
                    }
                }
                failed.map_or(Ok(Value::Bool(!decides)), Err)
            }
            Each::One(test) => {
                let mut found = 0_usize;
                for item in items {
                    next(self, item)?;
                    found += usize::from(self.test(test)?);
                }
                Ok(Value::Bool(found == 1))
            }
            Each::Collect { test, value } => {
                self.budget.bytes(price::count(price::HEAD + items.len() as u64 * price::ELEMENT))?;
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    next(self, item)?;
                    if let Some(test) = test
                        && !self.test(test)?
                    {
                        continue;
                    }
                    list.push(self.node(value)?);
                }
                Ok(Value::List(Rc::new(list)))
            }
        }
    }

    /// Arguments are evaluated before the target, as in the crate.
    fn call(
        &mut self,
        function: Function,
        target: Option<&'a CodeNode>,
        arguments: &'a [CodeNode],
    ) -> Result<Value<'a>, Stop> {
        match (target, arguments) {
            (Some(target), []) => {
                let of = self.node(target)?;
                function.call(true, of, None, self.budget)
            }
            (Some(target), [argument]) => {
                let argument = self.node(argument)?;
                let of = self.node(target)?;
                function.call(true, of, Some(argument), self.budget)
            }
            (None, [argument]) => {
                let of = self.node(argument)?;
                function.call(false, of, None, self.budget)
            }
            (target, arguments) => {
                for argument in arguments.iter().chain(target) {
                    self.node(argument)?;
                }
                Err(EvalFailure::Arguments(function.name()).into())
            }
        }
    }

    /// With a pattern that is one of the rule's literals.
    fn matches(&mut self, text: &'a CodeNode, pattern: &'a CodeNode, member: bool) -> Result<Value<'a>, Stop> {
        let (text, pattern) = match member {
            true => {
                let pattern = self.node(pattern)?;
                (self.node(text)?, pattern)
            }
            false => {
                let text = self.node(text)?;
                (text, self.node(pattern)?)
            }
        };
        let (Value::Text(text), Value::Text(source)) = (&text, &pattern) else {
            return Err(EvalFailure::Types("matches", text.kind(), Some(pattern.kind())).into());
        };
        self.budget.step(price::count(price::find(source.len() as u64)))?;
        let code = self.code;
        let Some(pattern) = code.patterns.get(&**source) else { return Err(EvalFailure::UnwrittenPattern.into()) };
        pattern.is_in(text, self.budget).map(Value::Bool)
    }
}

/// An element or a value that may be omitted.
fn given(value: Value<'_>, optional: bool) -> Option<Value<'_>> {
    match value {
        Value::Optional(inner) if optional => inner.map(|value| (*value).clone()),
        value => Some(value),
    }
}
