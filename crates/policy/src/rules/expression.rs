//! The expressions of rules: CEL, compiled once, with a fixed table of variables.

use std::sync::OnceLock;

use cel::parser::PrattParser;
use thiserror::Error;

use crate::condition::bounds::{REQUEST_BYTES, REQUEST_STEPS, RULE_BYTES, RULE_STEPS};
use crate::condition::time::{self, NoZone};
use crate::condition::variables::VARIABLES;
use crate::condition::{self, Code, ConditionCost, ConditionInputs, EvaluationBudget, Stop, Value};
use crate::rules::lint::{self, Lint, hyphens};
use crate::rules::parse_error;
use crate::rules::vocabulary::{FUNCTIONS, MACROS, UsedNames, is_function};
use crate::text::nearest::nearest;
use crate::text::number::grouped;

/// Why an expression is not valid for a rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExpressionError {
    #[error("is not CEL: {0}")]
    Syntax(String),
    #[error("`{name}` is not a variable of rules{}", nearest.as_ref().map(|n| format!(", did you mean `{n}`?")).unwrap_or_default())]
    UnknownVariable { name: String, nearest: Option<String> },
    #[error("`{name}` is not a function of rules{like}", name = .0, like = like_function(.0))]
    UnknownFunction(String),
    #[error(transparent)]
    Lint(#[from] Lint),
    #[error("`{name}` is not a time zone{}", nearest.as_ref().map(|n| format!(", did you mean `{n}`?")).unwrap_or_default())]
    UnknownZone { name: String, nearest: Option<String> },
    #[error("is {0}, and a condition must be true or false")]
    NotBool(String),
    #[error("fails: {0}")]
    Runtime(String),
    #[error(transparent)]
    TooMuch(#[from] condition::TooMuch),
    #[error(transparent)]
    Code(#[from] condition::CodeError),
    #[error(transparent)]
    TooExpensive(#[from] condition::TooExpensive),
    #[error(
        "fails: the regular expressions of all rules together are larger than {} bytes, and this one's were left out",
        grouped(condition::bounds::PATTERNS as u64)
    )]
    LeftOut,
}

/// A compiled condition.
#[derive(Debug)]
pub struct Expression {
    code: Code,
    /// The variables of [`VARIABLES`] that it reads: the others are not computed.
    reads: Vec<&'static str>,
    lints: Vec<Lint>,
    cost: ConditionCost,
    /// Whether its patterns exceed the limit for all rules together.
    left_out: bool,
    /// The result of the samples, after they were tried.
    sampled: OnceLock<Result<(), (&'static str, ExpressionError)>>,
}

impl Expression {
    /// Compiles an expression, and checks that each name is known and that no request can make it cost too much.
    ///
    /// # Errors
    /// [`ExpressionError::TooMuch`] before it is parsed, [`ExpressionError::Syntax`],
    /// [`ExpressionError::UnknownVariable`], [`ExpressionError::UnknownFunction`] or [`ExpressionError::UnknownZone`];
    /// [`ExpressionError::Lint`] if an unknown variable is the end of a name with hyphens; [`ExpressionError::Code`]
    /// and [`ExpressionError::TooExpensive`].
    pub fn compile(source: &str) -> Result<Self, ExpressionError> {
        condition::measure(source)?;
        let tree = parse(source).map_err(|errors| ExpressionError::Syntax(parse_error::describe(source, &errors)))?;
        let names = UsedNames::of(&tree);
        let mut reads = Vec::new();
        for name in names.variables {
            match VARIABLES.iter().find(|variable| variable.name == name) {
                Some(variable) => reads.push(variable.name),
                None => {
                    if let Some(slip) = hyphens(&tree) {
                        return Err(slip.into());
                    }
                    return Err(ExpressionError::UnknownVariable {
                        name: name.to_owned(),
                        nearest: nearest(name, VARIABLES.iter().map(|v| v.name)),
                    });
                }
            }
        }
        if let Some(name) = names.functions.into_iter().find(|name| !is_function(name)) {
            return Err(ExpressionError::UnknownFunction(name.to_owned()));
        }
        for name in names.zones {
            if let Err(NoZone { nearest }) = time::zone(name) {
                return Err(ExpressionError::UnknownZone { name: name.to_owned(), nearest });
            }
        }
        let code = Code::new(&tree)?;
        let cost = ConditionCost::of(&code)?;
        Ok(Expression { code, reads, lints: lint::of(&tree), cost, left_out: false, sampled: OnceLock::new() })
    }

    /// The variables of [`VARIABLES`] that it reads.
    #[must_use]
    pub fn reads(&self) -> &[&'static str] {
        &self.reads
    }

    /// Its highest cost, over every request that rules can read.
    #[must_use]
    pub fn cost(&self) -> ConditionCost {
        self.cost
    }

    /// Probable mistakes, in the order of the text, without duplicates.
    #[must_use]
    pub fn lints(&self) -> &[Lint] {
        &self.lints
    }

    /// The most bytes that its regular expressions can use.
    pub(crate) fn pattern_size(&self) -> usize {
        self.code.pattern_size()
    }

    /// The expression without its regular expressions: it fails when it is evaluated.
    pub(crate) fn left_out(&self) -> Self {
        Expression {
            code: Code::default(),
            reads: self.reads.clone(),
            lints: self.lints.clone(),
            cost: ConditionCost::default(),
            left_out: true,
            sampled: OnceLock::new(),
        }
    }

    /// Evaluates it once on a sample of each request type: every variable has its type; headers, parameters and labels
    /// are empty.
    ///
    /// # Errors
    /// The first request type that it fails on, with the error: a wrong type, or a result that is not a bool.
    pub fn try_on_samples(&self) -> Result<(), (&'static str, ExpressionError)> {
        self.sampled.get_or_init(|| self.on_samples()).clone()
    }

    /// Whether the condition is true. A header or parameter that the request does not have makes it false: its author
    /// means that, so it is not an error.
    ///
    /// # Errors
    /// [`ExpressionError::Runtime`] if it fails otherwise or the remaining budget is too small,
    /// [`ExpressionError::NotBool`] if the result is not a bool.
    pub(crate) fn holds<'a>(
        &'a self,
        inputs: &dyn ConditionInputs<'a>,
        budget: &mut EvaluationBudget,
    ) -> Result<bool, ExpressionError> {
        if self.left_out {
            return Err(ExpressionError::LeftOut);
        }
        budget.begin();
        let value = condition::evaluate(&self.code, inputs, budget);
        let of_all = budget.end();
        match value {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(ExpressionError::NotBool(other.kind().to_owned())),
            Err(Stop::Missing) => Ok(false),
            Err(Stop::Failed(failure)) => Err(ExpressionError::Runtime(failure.to_string())),
            Err(Stop::Steps) => Err(spent(of_all, "steps", REQUEST_STEPS, RULE_STEPS)),
            Err(Stop::Bytes) => Err(spent(of_all, "bytes of memory", REQUEST_BYTES, RULE_BYTES)),
        }
    }
}

fn spent(of_all: bool, unit: &str, all: u32, one: u32) -> ExpressionError {
    ExpressionError::Runtime(match of_all {
        true => format!("the rules that this request asks take more than {} {unit} together", grouped(all.into())),
        false => format!("it takes more than {} {unit}", grouped(one.into())),
    })
}

/// The crate's other parser recurses deeper, and takes longer for nested brackets.
fn parse(source: &str) -> Result<cel::IdedExpr, cel::ParseErrors> {
    let depth = u16::try_from(condition::bounds::DEPTH).unwrap_or(u16::MAX);
    PrattParser::new().enable_optional_syntax(true).max_recursion_depth(depth).parse(source)
}

fn like_function(name: &str) -> String {
    let like = nearest(name, FUNCTIONS.into_iter().chain(MACROS));
    like.map(|like| format!(", did you mean `{like}`?")).unwrap_or_default()
}
