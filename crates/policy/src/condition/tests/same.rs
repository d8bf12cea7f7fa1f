//! Every operator, function and macro, with values of right and wrong types: the same results as the crate, including
//! errors.

use cel::parser::PrattParser;
use cel::{Env, IdedExpr};

use super::random::expression;
use super::reference;
use super::world::World;
use crate::condition::code::Code;
use crate::condition::{ConditionCost, Stop, TooExpensive};
use crate::rules::vocabulary::{UsedNames, is_function};

/// Parts of expressions: some of each type, including failing ones.
const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "2",
    "9223372036854775807",
    "0u",
    "1u",
    "18446744073709551615u",
    "0.0",
    "1.0",
    "1.5",
    "-0.5",
    "1e300",
    "0.0 / 0.0",
    "''",
    "'a'",
    "'ab'",
    "'1'",
    "'true'",
    "'é'",
    "b''",
    "b'a'",
    "b'\\xff'",
    "[]",
    "[1]",
    "[1, 'a', [2]]",
    "['a']",
    "[1.0]",
    "{}",
    "{'a': 1}",
    "{1: 'x'}",
    "{1u: 'x', true: 2}",
    "{'a': {'b': [1]}}",
    "now",
    "timestamp(0)",
    "type(1)",
    "model",
    "headers",
    "params",
    "labels",
    "needs",
    "budget_used",
    "input_tokens",
    "headers['x-none']",
    "headers['x-tier']",
    "1 / 0",
    "int('x')",
    "[?headers.?none]",
    "headers.?none",
    "headers.?x-n",
    "{'a': 1}.?a",
    "headers[?'x-n']",
    "customer_id",
    "headers.map(h, headers[h])",
];

const BINARY: &[&str] = &["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "in", "&&", "||"];

fn parse(source: &str) -> Option<IdedExpr> {
    PrattParser::new().enable_optional_syntax(true).parse(source).ok()
}

/// Whether both give the same result; false if the expression is not valid.
fn same(source: &str, world: &World) -> bool {
    let Some(tree) = parse(source) else { return false };
    if !UsedNames::of(&tree).functions.into_iter().all(is_function) {
        return false;
    }
    let Ok(code) = Code::new(&tree) else { return false };
    let most = ConditionCost::of(&code);
    // The crate compiles any text as a pattern, at evaluation.
    if let Err(TooExpensive::Pattern { .. }) = most {
        return false;
    }
    let expected = reference::evaluate(&tree, world);
    let (came, cost) = world.evaluate(&code);
    if matches!(came, Err(Stop::Steps | Stop::Bytes)) {
        return false;
    }
    assert_eq!(came, Ok(expected), "{source}");
    // The cost of a pattern for text that is not ASCII is counted, but not estimated.
    let foretold = source.is_ascii() || !source.contains("matches");
    if let (true, Ok(most)) = (foretold, most) {
        assert!(cost.steps <= most.steps && cost.bytes <= most.bytes, "{source}: {cost:?} of {most:?}");
    }
    true
}

#[test]
fn operators_between_all_types() {
    let world = World::ordinary();
    let mut asked = 0;
    for left in VALUES {
        for right in VALUES {
            for operator in BINARY {
                asked += usize::from(same(&format!("({left}) {operator} ({right})"), &world));
            }
            for template in ["({l})[{r}]", "({l})[?{r}]", "{{{l}: {r}}}", "({l}) ? ({r}) : 1", "({r}) ? 1 : ({l})"] {
                let source = template.replace("{l}", left).replace("{r}", right).replace("{{", "{").replace("}}", "}");
                asked += usize::from(same(&source, &world));
            }
        }
    }
    assert!(asked > 40_000, "{asked}");
}

#[test]
fn functions_and_macros_of_all_types() {
    let world = World::ordinary();
    let mut asked = 0;
    for value in VALUES {
        for template in [
            "!({v})",
            "-({v})",
            "({v}).a",
            "has(({v}).a)",
            "({v}).?a",
            "has(({v}).?a.b)",
            "({v}).?a.b",
            "[?({v})]",
            "{?'k': ({v})}",
            "({v}).all(x, x == 1)",
            "({v}).all(x, x)",
            "({v}).exists(x, x == 'a')",
            "({v}).exists(x, x in headers)",
            "({v}).exists(x, 1 / x > 0)",
            "({v}).all(x, 1 / x > 0)",
            "({v}).exists_one(x, x == 1)",
            "({v}).exists_one(x, 1 / x > 0)",
            "({v}).existsOne(x, true)",
            "({v}).map(x, x) == ({v})",
            "({v}).map(x, [x, x]).size() == 3",
            "({v}).map(x, x == 1, x + x) == [2]",
            "({v}).filter(x, x == 1) == [1]",
            "({v}).filter(x, x)",
            "({v}).map(x, x + 1)",
            "[({v})].all(x, x == ({v}))",
            "[1, 2].all(x, ({v}) == x)",
            "[1, 0, 2].all(x, 2 / x > 0)",
            "[0, 1].exists(x, ({v}))",
            "[1].map(x, ({v}))",
            "{'a': ({v})} == {'a': ({v})}",
            "type({v}) == type({v})",
            "({v}) in [({v})]",
            "[[({v})]] == [[({v})]]",
            "size({v}) == 1",
            "({v}).size() == 1",
            "dyn({v}) == ({v})",
            "({v}) == ({v})",
            "matches({v}, 'a')",
            "({v}).matches('^a')",
            "'a'.matches({v})",
            "timestamp({v}) == now",
            "now.getHours({v}) == 1",
            "({v}).getDate() == 1",
            "({v}).getDate('UTC') == 1",
            "now.getDate({v}, {v})",
            "size({v}, {v})",
            "({v}).int()",
        ] {
            asked += usize::from(same(&template.replace("{v}", value), &world));
        }
        for function in ["bool", "bytes", "double", "int", "string", "uint", "type", "dyn", "timestamp", "contains"] {
            asked += usize::from(same(&format!("{function}({value})"), &world));
            asked += usize::from(same(&format!("string({function}({value})) == 'x'"), &world));
        }
        for function in ["contains", "startsWith", "endsWith"] {
            for other in VALUES {
                asked += usize::from(same(&format!("({value}).{function}({other})"), &world));
            }
        }
    }
    assert!(asked > 8_000, "{asked}");
}

/// Random trees, for ordinary and the largest requests.
#[test]
fn random_expressions() {
    let worlds = [World::ordinary(), World::largest()];
    let mut asked = 0;
    for seed in 0..3_000 {
        let source = expression(seed);
        asked += usize::from(same(&source, &worlds[usize::from(seed % 8 == 0)]));
    }
    assert!(asked > 2_000, "{asked}");
}

/// The crate has two parsers. The one that we use builds the same trees as the other.
#[test]
fn the_parsers_agree() {
    let without_ids = |tree: &IdedExpr| {
        let mut text = format!("{tree:?}");
        while let Some(start) = text.find("id: ") {
            let end = start + 4 + text[start + 4..].find(|letter: char| !letter.is_ascii_digit()).unwrap();
            text.replace_range(start..end, "#");
        }
        text
    };
    let mut sources: Vec<String> = VALUES.iter().map(|value| (*value).to_owned()).collect();
    sources.extend((0..200).map(expression).filter(|source| source.len() < 200));
    sources.extend(
        [
            "a || b && c || d && e && f || g",
            "!!a",
            "--1",
            "-a - -1",
            "!-a",
            "a ? b : c ? d : e",
            "a.b.c['d'].e(f, g).h",
            "a - b - c * d / e % f",
            "a == b != c",
            "a in b in c",
            "has(a.b.c)",
            "'a' 'b'",
            "r'\\d' + '''x'y''' + \"\"\"z\"\"\"",
            "b'\\x00\\377'",
            "0x1F + 0xfu",
            "1.5e-3 + .5",
            "[1, 2,]",
            "{'a': 1,}",
            "a // comment\n + b",
            "[?a.?b, ?c[?d]]",
            "{?'a': b.?c}",
            "a.all(x, x.exists(y, y in x)).map(z, z > 1, z)",
            "a.filter(x, x)[0].exists_one(y, y)",
        ]
        .map(str::to_owned),
    );
    let mut agreed = 0;
    std::thread::Builder::new()
        .stack_size(64 << 20)
        .spawn(move || {
            for source in sources {
                match (parse(&source), Env::stdlib().compile(&source)) {
                    (Some(ours), Ok(theirs)) => {
                        assert_eq!(without_ids(&ours), without_ids(theirs.expression()), "{source}");
                        agreed += 1;
                    }
                    // `!-a`: our parser accepts it, the other one does not.
                    (ours, theirs) => assert!(ours.is_some() || theirs.is_err(), "{source}"),
                }
            }
            assert!(agreed > 150, "{agreed}");
        })
        .unwrap()
        .join()
        .unwrap();
}
