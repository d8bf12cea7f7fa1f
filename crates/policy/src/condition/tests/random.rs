//! Random expressions, each from a seed.

/// A simple random generator, the same everywhere.
struct Chance(u64);

impl Chance {
    fn next(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.next(of.len() as u64) as usize]
    }
}

pub(super) fn expression(seed: u64) -> String {
    let mut chance = Chance(seed);
    let depth = 1 + chance.next(5);
    truth(&mut chance, depth, &mut Vec::new())
}

fn truth(chance: &mut Chance, depth: u64, locals: &mut Vec<String>) -> String {
    if depth == 0 {
        return chance
            .one(&["true", "false", "model == 'gpt-4o'", "headers['x-none'] == 'a'", "1 / 0 == 1"])
            .to_owned();
    }
    let depth = depth - 1;
    match chance.next(12) {
        0 | 1 => format!("({} && {})", truth(chance, depth, locals), truth(chance, depth, locals)),
        2 | 3 => format!("({} || {})", truth(chance, depth, locals), truth(chance, depth, locals)),
        4 => format!("!{}", truth(chance, depth, locals)),
        5 => {
            let operator = chance.one(&["==", "!=", "<", "<=", ">", ">="]);
            format!("({} {operator} {})", value(chance, depth, locals), value(chance, depth, locals))
        }
        6 => format!("({} in {})", value(chance, depth, locals), list(chance, depth, locals)),
        7 => {
            let function = chance.one(&["contains", "startsWith", "endsWith"]);
            format!("{}.{function}({})", text(chance, depth, locals), text(chance, depth, locals))
        }
        8 | 9 => {
            let name = chance.one(&["all", "exists", "exists_one"]);
            let over = list(chance, depth, locals);
            let local = format!("l{}", locals.len());
            locals.push(local.clone());
            let test = truth(chance, depth, locals);
            locals.pop();
            format!("{over}.{name}({local}, {test})")
        }
        10 => format!(
            "({} ? {} : {})",
            truth(chance, depth, locals),
            truth(chance, depth, locals),
            truth(chance, depth, locals)
        ),
        _ => format!("has({}.a)", map(chance, depth, locals)),
    }
}

fn value(chance: &mut Chance, depth: u64, locals: &mut Vec<String>) -> String {
    match chance.next(6) {
        0 => text(chance, depth, locals),
        1 => list(chance, depth, locals),
        2 => map(chance, depth, locals),
        3 => number(chance, depth, locals),
        4 if !locals.is_empty() => locals[chance.next(locals.len() as u64) as usize].clone(),
        _ => chance.one(&["null", "b'a'", "now", "1", "2u", "1.0", "type('a')", "headers.?a", "needs[0]"]).to_owned(),
    }
}

fn text(chance: &mut Chance, depth: u64, locals: &mut Vec<String>) -> String {
    if depth == 0 {
        return match locals.last() {
            Some(local) if chance.next(2) == 0 => local.clone(),
            _ => chance.one(&["model", "'a'", "'gpt'", "headers['x-tier']", "team_id", "workload", "''"]).to_owned(),
        };
    }
    let depth = depth - 1;
    match chance.next(4) {
        0 => format!("({} + {})", text(chance, depth, locals), text(chance, depth, locals)),
        1 => format!("string({})", value(chance, depth, locals)),
        2 => format!("{}[{}]", map(chance, depth, locals), text(chance, depth, locals)),
        _ => text(chance, 0, locals),
    }
}

fn number(chance: &mut Chance, depth: u64, locals: &mut Vec<String>) -> String {
    if depth == 0 {
        return chance
            .one(&["0", "1", "-3", "input_tokens", "9223372036854775807", "budget_used", "2.5", "7u"])
            .to_owned();
    }
    let depth = depth - 1;
    match chance.next(3) {
        0 => {
            let operator = chance.one(&["+", "-", "*", "/", "%"]);
            format!("({} {operator} {})", number(chance, depth, locals), number(chance, depth, locals))
        }
        1 => format!("size({})", value(chance, depth, locals)),
        _ => {
            let function = chance.one(&["int", "double", "uint"]);
            format!("{function}({})", value(chance, depth, locals))
        }
    }
}

fn list(chance: &mut Chance, depth: u64, locals: &mut Vec<String>) -> String {
    if depth == 0 {
        return chance.one(&["[]", "[1, 2, 3]", "['a', 'b']", "headers", "needs", "labels", "params"]).to_owned();
    }
    let depth = depth - 1;
    match chance.next(5) {
        0 => format!("[{}, {}]", value(chance, depth, locals), value(chance, depth, locals)),
        1 => format!("({} + {})", list(chance, depth, locals), list(chance, depth, locals)),
        2 | 3 => {
            let over = list(chance, depth, locals);
            let local = format!("l{}", locals.len());
            locals.push(local.clone());
            let made = match chance.next(3) {
                0 => format!("{over}.map({local}, {})", value(chance, depth, locals)),
                1 => format!("{over}.filter({local}, {})", truth(chance, depth, locals)),
                _ => format!("{over}.map({local}, {}, {})", truth(chance, depth, locals), value(chance, depth, locals)),
            };
            locals.pop();
            made
        }
        _ => list(chance, 0, locals),
    }
}

fn map(chance: &mut Chance, depth: u64, locals: &mut Vec<String>) -> String {
    if depth == 0 {
        return chance.one(&["{}", "{'a': 1}", "headers", "params", "labels", "{1: 'a', 'b': 2}"]).to_owned();
    }
    let depth = depth - 1;
    format!(
        "{{'a': {}, {}: {}}}",
        value(chance, depth, locals),
        value(chance, depth, locals),
        value(chance, depth, locals)
    )
}
