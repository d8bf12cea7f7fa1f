//! Properties of any object, however broken.

#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

mod cases;

use cases::{VALID, invalid, object};
use outrigger_crds::{Budget, LlmProvider, ModelCatalog, RoutingRule, VirtualKey, validate, with_defaults};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Any small JSON value, with common mistakes more often than by chance.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec![
            json!(""),
            json!("a"),
            json!("Mock"),
            json!("5s"),
            json!(1.0),
            json!(u64::MAX),
            json!("ä/é")
        ]),
    ];
    let name = prop_oneof![
        any::<String>(),
        prop::sample::select(vec!["name", "type", "models", "from"]).prop_map(str::to_owned)
    ];
    leaf.prop_recursive(3, 16, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// The JSON pointer of every value below a value.
fn pointers(value: &Value, pointer: String, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                pointers(value, format!("{pointer}/{name}"), into);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                pointers(value, format!("{pointer}/{index}"), into);
            }
        }
        _ => {}
    }
    into.push(pointer);
}

/// One of the written cases, with any value at one of its paths.
fn broken_object() -> impl Strategy<Value = Value> {
    let objects: Vec<Value> = VALID
        .iter()
        .map(|(kind, spec)| object(kind, spec))
        .chain(invalid().map(|(kind, spec, _)| object(kind, spec)))
        .collect();
    (prop::sample::select(objects), any::<prop::sample::Index>(), any_json()).prop_map(|(mut object, index, value)| {
        let mut paths = Vec::new();
        pointers(&object, String::new(), &mut paths);
        *object.pointer_mut(index.get::<String>(&paths)).unwrap() = value;
        object
    })
}

proptest! {
    #[test]
    fn validation_never_panics(object in any_json()) {
        prop_assert!(!validate(&object).is_empty(), "nothing that grows by chance is one of our objects");
    }

    #[test]
    fn defaults_are_filled_in_once(object in broken_object()) {
        let full = with_defaults(&object);
        prop_assert_eq!(with_defaults(&full), full.clone());
        prop_assert_eq!(validate(&full), validate(&object), "filling in changes no judgement");
    }

    #[test]
    fn valid_objects_can_be_read(object in broken_object()) {
        if validate(&object).is_empty() {
            let full = with_defaults(&object);
            let read = match full["kind"].as_str() {
                Some("LLMProvider") => serde_json::from_value::<LlmProvider>(full).map(drop),
                Some("Budget") => serde_json::from_value::<Budget>(full).map(drop),
                Some("ModelCatalog") => serde_json::from_value::<ModelCatalog>(full).map(drop),
                Some("VirtualKey") => serde_json::from_value::<VirtualKey>(full).map(drop),
                _ => serde_json::from_value::<RoutingRule>(full).map(drop),
            };
            prop_assert!(read.is_ok(), "{read:?}");
        }
    }
}
