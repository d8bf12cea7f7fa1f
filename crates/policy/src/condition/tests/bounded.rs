//! Expressions that cost too much are refused when they are compiled, and stopped when they are evaluated.

use std::time::{Duration, Instant};

use super::random::expression;
use super::world::World;
use crate::condition::bounds::{RULE_BYTES, RULE_STEPS};
use crate::condition::code::Code;
use crate::condition::{ConditionCost, Stop, TooExpensive};
use crate::rules::expression::{Expression, ExpressionError};

fn nested(macro_name: &str, over: &str, times: usize, inside: &str) -> String {
    (0..times).rev().fold(inside.to_owned(), |inside, depth| format!("{over}.{macro_name}(v{depth}, {inside})"))
}

const TEN: &str = "[1,2,3,4,5,6,7,8,9,10]";

/// Expressions that would hang or exhaust memory, and a part of the message for each.
fn expensive() -> Vec<(String, &'static str)> {
    let doubled = |piece: &str, times: usize| format!("['aaaaaaaaaaaaaaaa']{}.size() > 0", piece.repeat(times));
    let pile =
        |made: &str, times: usize| (0..times).fold("'a'".to_owned(), |inner, _| format!("[{inner}].map(x, {made})[0]"));
    vec![
        (nested("all", TEN, 6, "true"), "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].all("),
        (nested("all", TEN, 8, "true"), ".all("),
        (nested("exists", TEN, 6, "false"), ".exists("),
        (nested("exists_one", TEN, 5, "true"), ".exists_one("),
        (format!("{}.size() > 0", nested("map", TEN, 5, "1")), ".map("),
        (format!("{}.size() > 0", nested("filter", TEN, 5, "true")), ".filter("),
        (nested("all", "headers", 3, "true"), "headers.all("),
        ("headers.all(a, params.all(b, labels.all(c, a + b == c)))".to_owned(), "params.all("),
        ("params.exists(p, headers.exists(h, h == p))".to_owned(), "params.exists("),
        ("headers.all(h, headers['x-a'].contains(model))".to_owned(), "headers.all("),
        (doubled(".map(x,x+x)", 24), ".map(x, … + …)"),
        (format!("[['a']]{}.size() > 0", ".map(x,x+x)".repeat(14)), ".map("),
        (format!("[b'aaaaaaaaaaaa']{}.size() > 0", ".map(x,x+x)".repeat(16)), ".map("),
        (format!("{}.size() > 0", pile("x + x + x + x", 12)), ""),
        (format!("{} == {}", pile("[x, x]", 16), pile("[x, x]", 16)), ""),
        (
            format!("headers.map(h, h + h).map(h, h + h).map(h, h + h){}.size() > 0", ".map(h, h + h)".repeat(3)),
            ".map(",
        ),
        ("headers.map(h, headers).size() > 0 && headers.map(h, headers) == headers.map(k, headers)".to_owned(), " == "),
    ]
}

#[test]
fn expensive_expressions_are_refused_with_the_expensive_part() {
    for (source, part) in expensive() {
        let began = Instant::now();
        let message = match Expression::compile(&source) {
            Err(ExpressionError::TooExpensive(error)) => error.to_string(),
            // A long chain of macros is also deep.
            Err(ExpressionError::TooMuch(error)) => error.to_string(),
            other => panic!("{source}: {other:?}"),
        };
        assert!(began.elapsed() < Duration::from_secs(2), "{source}");
        assert!(message.len() < 500 && (message.contains(part) || message.contains("deep")), "{source}: {message}");
    }
    let refusal = |source: &str| Expression::compile(source).map(drop).unwrap_err().to_string();
    assert_eq!(
        refusal(&nested("all", TEN, 6, "true")),
        "`[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].all(v2, …)` may take 72,215 steps, and 20,000 is the most that a rule may take, as it \
         goes round up to 10 times and each may take 7,219 steps and 33,744 bytes: put no macro inside of another, or go \
         through less"
    );
    assert_eq!(
        refusal("model.matches(headers['x-pattern'])"),
        "`matches` needs a pattern that is written in the rule, and `headers[\"x-pattern\"]` is not: a caller's pattern \
         could take long. Write it out, or use startsWith, endsWith or contains"
    );
    for (source, part) in [
        ("model.matches('(a{1000}){1000}')", "the regular expression \"(a{1000}){1000}\" is too large"),
        ("model.matches('[ab]*a[ab]{20}')", "is too large"),
        ("headers.exists(h, model.matches(h))", "needs a pattern that is written"),
        ("['a', model].exists(p, model.matches(p))", "needs a pattern that is written"),
        ("model.matches('^' + 'a')", "needs a pattern that is written"),
    ] {
        assert!(refusal(source).contains(part), "{source}: {}", refusal(source));
    }
}

/// If compiling did not refuse them, evaluation would stop.
#[test]
fn expensive_expressions_are_stopped() {
    let world = World::largest();
    for (source, _) in expensive() {
        let tree = cel::parser::PrattParser::new().max_recursion_depth(64).parse(&source).unwrap();
        let code = Code::new(&tree).unwrap();
        let mut came = None;
        let memory = allocation_counter::measure(|| came = Some(world.evaluate(&code)));
        let (came, cost) = came.unwrap();
        assert!(
            matches!(came, Err(Stop::Steps | Stop::Bytes)) || ConditionCost::of(&code).is_err(),
            "{source}: {came:?}"
        );
        assert!(cost.steps <= RULE_STEPS.into() && cost.bytes <= RULE_BYTES.into(), "{source}: {cost:?}");
        assert!(memory.bytes_max <= 2 * u64::from(RULE_BYTES), "{source}: {} bytes", memory.bytes_max);
    }
}

/// The budget counts what is allocated.
#[test]
fn bytes_are_counted() {
    let worlds = [World::ordinary(), World::largest()];
    let mut asked = 0;
    for seed in 0..3_000 {
        let source = expression(seed);
        let Ok(tree) = cel::parser::PrattParser::new().enable_optional_syntax(true).parse(&source) else { continue };
        let Ok(code) = Code::new(&tree) else { continue };
        for world in &worlds {
            let mut cost = ConditionCost::default();
            // An extra allocation, once: for limits.
            let memory = allocation_counter::measure(|| cost = world.evaluate(&code).1);
            assert!(memory.bytes_total <= cost.bytes + 4_096, "{source}: {} of {cost:?}", memory.bytes_total);
        }
        asked += 1;
    }
    assert!(asked > 2_000, "{asked}");
}

#[test]
fn typical_expressions_are_cheap_enough() {
    let many = format!("model in [{}]", vec!["'gpt-4o-mini'"; 250].join(", "));
    let any = vec!["headers['user-agent'].contains('curl')"; 60].join(" || ");
    for source in [
        "headers['x-tier'] == 'premium'",
        "headers.exists(h, h.startsWith('x-') && headers[h].contains('beta'))",
        "headers.exists_one(h, headers[h] == 'premium')",
        "headers.all(h, h.size() < 100 && headers[h].size() < 1000)",
        "headers.filter(h, h.startsWith('x-debug')).size() > 0",
        "headers.map(h, h + '=' + headers[h]).exists(p, p == 'a=b')",
        "labels.exists(l, l in headers && labels[l] == headers[l])",
        "['gpt', 'o3', 'claude'].exists(p, model.startsWith(p))",
        "['^gpt', '^o[0-9]'].exists(p, model.matches(p))",
        "(team_id == 'a' ? '^gpt' : '^claude') == 'x' || model.matches(team_id == 'a' ? '^gpt' : '^claude')",
        r"model.matches('^gpt-4o(-mini)?(-\\d{4}-\\d{2}-\\d{2})?$') && headers['x-user'].matches('^[\\w.-]+@example\\.com$')",
        "needs.all(n, n in ['Tools', 'Vision'])",
        "budget_used > 85 || tokens_used > 90 && request > 50",
        "now.getHours('Europe/Paris') >= 22 || now.getDayOfWeek('Europe/Paris') in [0, 6]",
        "[1,2,3,4,5].all(a, [1,2,3,4,5].all(b, [1,2,3,4,5].all(c, a + b + c > 0)))",
        &many,
        &any,
    ] {
        let cost = Expression::compile(source).map(|expression| expression.cost());
        assert!(cost.is_ok(), "{source}: {}", cost.unwrap_err());
    }
}

/// Texts that must not reach the parser.
#[test]
fn large_and_deep_sources_are_refused_before_parsing() {
    for piece in [
        "(",
        "[",
        "{1:",
        "!",
        "-",
        "a+",
        "a?b:",
        "a.b",
        "a[",
        "a.f(",
        "'",
        "\"",
        "$",
        "a ",
        "[1].all(x,",
        "&&",
        "é",
        "\\",
    ] {
        for times in [33, 500, 1_000, 100_000, 1 << 20] {
            let source = piece.repeat(times);
            let began = Instant::now();
            assert!(Expression::compile(&source).is_err(), "{piece} {times}");
            assert!(began.elapsed() < Duration::from_secs(1), "{piece} {times}: {:?}", began.elapsed());
        }
    }
    let wide = format!("model in [{}]", vec!["'a'"; 800].join(","));
    assert!(Expression::compile(&wide).is_ok());
}

/// The largest expressions: run in an optimized build with `--nocapture` to see the time of a step.
#[test]
fn steps_are_counted() {
    let world = World::largest();
    let long = |part: &str, times: usize| vec![part; times].join(" || ");
    for (what, source) in [
        ("equalities", long("model == 'a'", 200)),
        ("headers", long("headers['x-100'] == 'a'", 100)),
        ("contains", long("headers['x-001'].contains('zzzz')", 60)),
        ("patterns", long("headers['x-001'].matches('q[a-z]+z$')", 30)),
        ("macro", "headers.exists(h, headers[h].contains('zzz'))".to_owned()),
        (
            "macros",
            "[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5].all(c, a + b + c > 0)))"
                .to_owned(),
        ),
        ("lists", "headers.map(h, [h, h, h]).map(l, l + l).all(l, l == l)".to_owned()),
        ("maps", "headers.map(h, {h: 1, 'a': 2}).all(m, m == m)".to_owned()),
        ("texts", "headers.map(h, h + 'abcdefghijklmnopqrstuvwxyz').exists(t, t == 'a')".to_owned()),
        ("calendar", long("now.getHours('Europe/Paris') == 25", 60)),
        ("zones", "['Europe/Paris', 'Asia/Tokyo', 'America/New_York'].exists(z, now.getHours(z) == 25)".to_owned()),
        ("numbers", long("int('123456') == 1", 100)),
        ("limits", long("budget_used > 1000", 100)),
        ("strings", long("string(1.5) == 'a'", 100)),
        ("missing", long("headers['none'] == 'a'", 100)),
        ("failing", long("1 / 0 == 1", 200)),
    ] {
        let tree = cel::parser::PrattParser::new().max_recursion_depth(64).parse(&source).unwrap();
        let code = Code::new(&tree).unwrap();
        let (_, cost) = world.evaluate(&code);
        // The fastest of many runs: on a busy machine other processes are measured too.
        let round = |_| {
            let began = Instant::now();
            let _ = world.evaluate(&code);
            began.elapsed()
        };
        let best = (0..500).map(round).min().unwrap_or_default();
        let each = best.as_nanos() as f64 / cost.steps as f64;
        println!(
            "{what:12} {:6} steps, {each:6.1} ns each, at most {:?}",
            cost.steps,
            ConditionCost::of(&code).map_err(|_: TooExpensive| ())
        );
        assert!(cost.steps > 0);
    }
}
