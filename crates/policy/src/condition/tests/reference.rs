//! The result of the `cel` crate's own interpreter.

use std::any::Any;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::common::functions::Function;
use cel::common::traits::Comparer;
use cel::common::types::{CelBool, CelInt, CelString, INT_TYPE, STRING_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::objects::{Key, Map};
use cel::{Context, Env, ExecutionError, IdedExpr, Value};

use super::world::{Came, World};
use crate::condition::time::{self, Moment, TIME_PARTS};
use crate::request::GatewayState;

static TYPE: Type = Type::new_unspecified_type("google.protobuf.Timestamp");
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    for question in TIME_PARTS {
        env.add_member_overload(
            question,
            &format!("{question}_utc"),
            TYPE.to_owned(),
            vec![],
            ANSWERS[index(question)],
        )
        .unwrap();
        let zoned = ANSWERS[index(question)];
        env.add_member_overload(question, &format!("{question}_in"), TYPE.to_owned(), vec![STRING_TYPE], zoned)
            .unwrap();
    }
    env.add_overload("timestamp", "moment_of_string", vec![STRING_TYPE], parsed).unwrap();
    env.add_overload("timestamp", "moment_of_int", vec![INT_TYPE], counted).unwrap();
    Arc::new(env)
});

fn index(question: &str) -> usize {
    TIME_PARTS.iter().position(|known| *known == question).unwrap()
}

/// The crate does not accept closures.
const ANSWERS: [Function; 10] = [
    |args| answer(args, 0),
    |args| answer(args, 1),
    |args| answer(args, 2),
    |args| answer(args, 3),
    |args| answer(args, 4),
    |args| answer(args, 5),
    |args| answer(args, 6),
    |args| answer(args, 7),
    |args| answer(args, 8),
    |args| answer(args, 9),
];

fn answer<'b, 'v>(args: Vec<CowVal<'b, 'v>>, question: usize) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let at: &At = args[0].as_ref().downcast_ref().unwrap();
    let zone = match args.get(1) {
        None => None,
        Some(zone) => {
            let text = zone.as_ref().downcast_ref::<CelString<'_>>().unwrap().inner();
            let found = time::known_zone(text);
            Some(found.ok_or_else(|| ExecutionError::function_error("zone", "there is none"))?)
        }
    };
    Ok(CowVal::owned(CelInt::from(at.0.ask(question, zone.as_ref()))))
}

fn parsed<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = args[0].as_ref().downcast_ref::<CelString<'_>>().unwrap().inner();
    let moment = Moment::parse(text).ok_or_else(|| ExecutionError::function_error("timestamp", "no time"))?;
    Ok(CowVal::owned(At(moment)))
}

fn counted<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let seconds = *args[0].as_ref().downcast_ref::<CelInt>().unwrap().inner();
    let moment = Moment::of_seconds(seconds).ok_or_else(|| ExecutionError::function_error("timestamp", "no time"))?;
    Ok(CowVal::owned(At(moment)))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct At(Moment);

impl Val for At {
    fn get_type(&self) -> &Type {
        &TYPE
    }

    fn cel_type() -> &'static Type {
        &TYPE
    }

    fn as_comparer(&self) -> Option<&dyn Comparer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Self>() == Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(*self)
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for At {}

impl Comparer for At {
    fn compare(&self, other: &dyn Val) -> Result<Ordering, ExecutionError> {
        let unlike = || ExecutionError::function_error("compare", "no time");
        other.downcast_ref::<Self>().map(|other| self.cmp(other)).ok_or_else(unlike)
    }
}

fn map(pairs: &[(String, String)]) -> Value {
    let map: HashMap<Key, Value> =
        pairs.iter().map(|(name, value)| (Key::from(name.as_str()), Value::from(value.as_str()))).collect();
    Value::Map(Map { map: Arc::new(map) })
}

/// The crate's result for a request.
pub(super) fn evaluate(tree: &IdedExpr, world: &World) -> Came {
    let mut context = Context::with_env(Arc::clone(&ENV));
    let variables: [(&str, Value); 18] = [
        ("model", world.model.as_str().into()),
        ("provider", "a".into()),
        ("request_type", "chat_completion_stream".into()),
        ("headers", map(&world.headers)),
        ("params", map(&world.params)),
        ("labels", map(&world.labels)),
        ("virtual_key_id", "default/search".into()),
        ("virtual_key_name", "search".into()),
        ("team_id", "red".into()),
        ("team_name", "red".into()),
        ("customer_name", "acme".into()),
        ("virtual_key_namespace", "default".into()),
        ("budget_used", 50.0.into()),
        ("tokens_used", 50.0.into()),
        ("request", 50.0.into()),
        ("session_used", 0.0.into()),
        ("input_tokens", 7_999_i64.into()),
        ("needs", world.needs().names().collect::<Vec<_>>().into()),
    ];
    for (name, value) in variables {
        context.add_variable_from_value(name, value);
    }
    context.add_variable_from_value("workload", "search-7f");
    context.add_variable_as_val("now", Box::new(At(Moment::of(world.now()))));
    match Value::resolve_val(tree, &context) {
        Ok(value) => match value.downcast_ref::<CelBool>() {
            Some(value) => Came::Bool(*value.inner()),
            None => Came::Other(value.get_type().name().to_owned()),
        },
        Err(ExecutionError::NoSuchKey(_)) => Came::Missing,
        Err(_) => Came::Failed,
    }
}
