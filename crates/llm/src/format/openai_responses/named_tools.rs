//! Tools that only this API has, as functions of other formats: a custom tool takes one text, and a namespace groups
//! functions. A call of such a function becomes the caller's own kind of call again.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};

use outrigger_core::hash::fnv1a;

/// The longest name of a function that other formats accept.
const LONGEST_NAME: usize = 64;

/// The argument of the function that stands for a custom tool.
const INPUT: &str = "input";

/// A tool whose calls are written in a form of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedTool {
    /// The name of the function that stands for it.
    pub function: String,
    pub name: String,
    pub namespace: Option<String>,
    /// Whether its input is a text and not an object.
    pub custom: bool,
}

/// The name of the function for a tool of a namespace.
pub(crate) fn function_name<'n>(namespace: Option<&str>, name: &'n str) -> Cow<'n, str> {
    let Some(namespace) = namespace.filter(|namespace| !namespace.is_empty()) else { return Cow::Borrowed(name) };
    let whole = format!("{namespace}__{name}");
    if whole.len() <= LONGEST_NAME {
        return Cow::Owned(whole);
    }
    let start = whole.floor_char_boundary(LONGEST_NAME - 17);
    Cow::Owned(format!("{}_{:016x}", &whole[..start], fnv1a(whole.as_bytes())))
}

/// The schema of the function that stands for a custom tool.
pub(crate) fn custom_parameters() -> Value {
    json!({
        "type": "object",
        "properties": {INPUT: {"type": "string", "description": "The whole input of the tool, as plain text."}},
        "required": [INPUT],
        "additionalProperties": false,
    })
}

/// The arguments of the function for the input of a custom tool.
pub(crate) fn custom_arguments(input: &str) -> String {
    json!({INPUT: input}).to_string()
}

/// The input of a custom tool from the function's arguments. Other arguments than a text are kept as they are: the
/// caller tells the model what is wrong with them.
pub(crate) fn custom_input(arguments: &str) -> String {
    #[derive(Deserialize)]
    struct CustomArguments {
        input: String,
    }
    serde_json::from_str(arguments).map_or_else(|_| arguments.to_owned(), |CustomArguments { input }| input)
}

/// A tool as it is declared, as far as its calls need it.
#[derive(Deserialize)]
struct DeclaredTool {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    tools: Vec<DeclaredTool>,
}

/// The tools of a body's raw `tools` that are not plain functions.
pub(crate) fn of(tools: &str) -> Vec<NamedTool> {
    let declared: Vec<DeclaredTool> = serde_json::from_str(tools).unwrap_or_default();
    let mut named = Vec::new();
    for tool in declared {
        match tool.kind.as_str() {
            "custom" => {
                named.push(NamedTool { function: tool.name.clone(), name: tool.name, namespace: None, custom: true })
            }
            "namespace" => named.extend(tool.tools.into_iter().map(|inner| NamedTool {
                function: function_name(Some(&tool.name), &inner.name).into_owned(),
                name: inner.name,
                namespace: Some(tool.name.clone()),
                custom: inner.kind == "custom",
            })),
            _ => {}
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_short_and_distinct() {
        assert_eq!(function_name(None, "f"), "f");
        assert_eq!(function_name(Some("mcp__a"), "f"), "mcp__a__f");
        let long = "n".repeat(60);
        let [one, two] = ["first", "second"].map(|name| function_name(Some(&long), name));
        assert_eq!((one.len(), two.len()), (LONGEST_NAME, LONGEST_NAME));
        assert_ne!(one, two);
    }

    #[test]
    fn finds_tools_with_their_own_calls() {
        let tools = json!([
            {"type": "function", "name": "f"},
            {"type": "custom", "name": "patch", "format": {"type": "text"}},
            {"type": "namespace", "name": "agents", "tools": [{"type": "function", "name": "close"}]},
        ]);
        let found = of(&tools.to_string());
        let names: Vec<_> = found.iter().map(|tool| (tool.function.as_str(), tool.custom)).collect();
        assert_eq!(names, [("patch", true), ("agents__close", false)]);
        assert_eq!(of("7"), []);
    }

    proptest! {
        #[test]
        fn a_custom_input_survives(input in "\\PC{0,40}") {
            prop_assert_eq!(custom_input(&custom_arguments(&input)), input);
        }
    }

    #[test]
    fn other_arguments_stay_as_they_are() {
        for arguments in ["", "{", "{\"input\":1}", "{\"patch\":\"x\"}", "\"x\""] {
            assert_eq!(custom_input(arguments), arguments);
        }
    }
}
