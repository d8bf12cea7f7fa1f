//! Regular expressions, compiled with their rule: none is compiled during a request, and their size and speed are
//! limited.
//!
//! Nearly all text that rules match is ASCII. For ASCII, a table processes each byte once. Other text is matched by
//! simulating the states of the pattern, which costs more and is counted accordingly.

mod folding;

use std::fmt;
use std::sync::OnceLock;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_automata::{Anchored, Input};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look};

use super::budget::EvaluationBudget;
use super::failure::{EvalFailure, Stop};
use super::{bounds, price};

/// The deepest nesting of groups.
const NESTED: u32 = 32;

/// A compiled pattern.
pub(crate) enum Pattern {
    Ready(Box<Ready>),
    /// Not a regular expression: the reason, and how many bytes of the rule's limit for tables were used to find that
    /// out.
    Wrong(String, usize),
}

/// The part of the rule's limit for tables that each byte of such a text counts for the time of parsing it.
const READ_IN_VAIN: usize = 16;

pub(crate) struct Ready {
    source: String,
    /// What counts against the rule's limit for tables in addition to the table, for the time of ignoring case.
    folded: usize,
    ascii: dense::DFA<Vec<u32>>,
    /// The number of states of the automaton for text that is not ASCII.
    states: usize,
    size: usize,
    /// That automaton, created with the first such text.
    any: OnceLock<Option<PikeVM>>,
}

/// The pattern is too large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// It is too long, or too large when compiled. A text that is not a regular expression fails only when it is used.
    pub(crate) fn new(source: &str) -> Result<Self, TooLarge> {
        if source.len() > bounds::PATTERN_TEXT {
            return Err(TooLarge);
        }
        let Some(folded) = folding::work(source, NESTED) else { return Err(TooLarge) };
        let hir = match parsed(source) {
            Ok(hir) => hir,
            Err(error) => return Ok(Pattern::Wrong(why(&error), READ_IN_VAIN * source.len())),
        };
        let any = automaton(&hir).map_err(|_| TooLarge)?;
        // Restricted to ASCII it is small and quick to build.
        let plain = automaton(&plain(&hir)).map_err(|_| TooLarge)?;
        let table = dense::Config::new()
            .minimize(false)
            .start_kind(StartKind::Unanchored)
            .dfa_size_limit(Some(bounds::PATTERN_TABLE))
            .determinize_size_limit(Some(bounds::PATTERN));
        let ascii = dense::Builder::new().configure(table).build_from_nfa(&plain).map_err(|_| TooLarge)?;
        Ok(Pattern::Ready(Box::new(Ready {
            source: source.to_owned(),
            folded,
            states: any.states().len(),
            size: ascii.memory_usage() + any.memory_usage(),
            ascii,
            any: OnceLock::new(),
        })))
    }

    /// The most bytes that it can use.
    pub(crate) fn size(&self) -> usize {
        match self {
            Pattern::Ready(ready) => ready.size,
            Pattern::Wrong(..) => 0,
        }
    }

    /// A pattern that is too large, in a place where a text need not be a pattern.
    pub(super) fn too_large(source: &str) -> Self {
        let tried = source.len() <= bounds::PATTERN_TEXT;
        Pattern::Wrong("it is too large".to_owned(), if tried { bounds::PATTERN_TABLE } else { 0 })
    }

    /// How much of the rule's limit for tables it uses; without a table, the work to find that out.
    pub(super) fn table(&self) -> usize {
        match self {
            Pattern::Ready(ready) => ready.ascii.memory_usage() + ready.folded,
            Pattern::Wrong(_, tried) => *tried,
        }
    }

    /// Whether it matches anywhere in the text.
    pub(super) fn is_in(&self, text: &str, budget: &mut EvaluationBudget) -> Result<bool, Stop> {
        let ready = match self {
            Pattern::Ready(ready) => ready,
            Pattern::Wrong(why, _) => return Err(EvalFailure::Pattern(why.clone()).into()),
        };
        let bytes = text.len() as u64;
        budget.step(price::count(price::matched(bytes)))?;
        let input = Input::new(text).anchored(Anchored::No).earliest(true);
        if text.is_ascii()
            && let Ok(found) = ready.ascii.try_search_fwd(&input)
        {
            return Ok(found.is_some());
        }
        budget.step(price::count(price::simulated(bytes, ready.states as u64)))?;
        budget.bytes(price::count(price::HEAD + 16 * ready.states as u64))?;
        let any = ready.any.get_or_init(|| PikeVM::new_from_nfa(automaton(&parsed(&ready.source).ok()?).ok()?).ok());
        let Some(any) = any else { return Err(EvalFailure::Pattern("it can't be compiled".to_owned()).into()) };
        Ok(any.is_match(&mut any.create_cache(), text))
    }
}

fn parsed(source: &str) -> Result<Hir, Box<regex_syntax::Error>> {
    ParserBuilder::new().nest_limit(NESTED).build().parse(source).map_err(Box::new)
}

fn automaton(hir: &Hir) -> Result<NFA, Box<thompson::BuildError>> {
    let config = thompson::Config::new().which_captures(WhichCaptures::None).nfa_size_limit(Some(bounds::PATTERN));
    thompson::Compiler::new().configure(config).build_from_hir(hir).map_err(Box::new)
}

/// The pattern restricted to ASCII.
fn plain(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) if literal.0.is_ascii() => hir.clone(),
        HirKind::Literal(_) => Hir::fail(),
        HirKind::Class(Class::Unicode(class)) => {
            let mut class = class.clone();
            class.intersect(&ClassUnicode::new([ClassUnicodeRange::new('\0', '\x7f')]));
            Hir::class(Class::Unicode(class))
        }
        HirKind::Class(Class::Bytes(class)) => {
            let mut class = class.clone();
            class.intersect(&ClassBytes::new([ClassBytesRange::new(0, 0x7f)]));
            Hir::class(Class::Bytes(class))
        }
        HirKind::Look(look) => Hir::look(match look {
            Look::WordUnicode => Look::WordAscii,
            Look::WordUnicodeNegate => Look::WordAsciiNegate,
            Look::WordStartUnicode => Look::WordStartAscii,
            Look::WordEndUnicode => Look::WordEndAscii,
            Look::WordStartHalfUnicode => Look::WordStartHalfAscii,
            Look::WordEndHalfUnicode => Look::WordEndHalfAscii,
            other => *other,
        }),
        HirKind::Repetition(times) => Hir::repetition(times.with(plain(&times.sub))),
        HirKind::Capture(group) => plain(&group.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(plain).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(plain).collect()),
    }
}

/// The error in one line, without the marker under the pattern.
fn why(error: &regex_syntax::Error) -> String {
    match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        _ => "it can't be read".to_owned(),
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Ready(ready) => f.debug_tuple("Ready").field(&ready.source).finish(),
            Pattern::Wrong(why, _) => f.debug_tuple("Wrong").field(why).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_like_the_regex_crate() {
        for pattern in [
            "^gpt",
            "4o$",
            r"^(gpt|o[0-9])",
            r"\w+",
            r"^\w+$",
            "(?i)GPT",
            r"^[\w.-]+@example\.com$",
            ".*opus.*",
            r"\d{4}-\d{2}",
            "(a*)*b",
            "[^/]+/.*",
            r"\bgpt\b",
            r"(?i)\w+\s\w+",
            r"\pL+",
            "(x+x+)+y",
            "^$",
            "",
            "(?s).*",
            r"\B",
            "[é-ü]",
            "é",
            r"^\p{Greek}+$",
            "[^a]",
            ".",
            r"\W",
            r"(?-u:\w)",
            "a|b||c",
            r"^.{3}$",
            "(?m)^o",
            r"\x{e9}",
        ] {
            let ours = Pattern::new(pattern).unwrap();
            let theirs = regex::Regex::new(pattern).unwrap();
            for text in [
                "",
                "gpt-4o",
                "o3",
                "GPT-4o",
                "a",
                "b",
                "aab",
                "xxxxxxxxxxxxxx",
                "xxxy",
                "2026-11",
                "a/b",
                "me@example.com",
                "claude opus",
                "gpt é",
                "é",
                "ü",
                "Ωμέγα",
                "mo\nop",
                "a b",
                "日本",
                "\u{e9}\u{301}",
                "_",
                "-",
            ] {
                let mut budget = EvaluationBudget::of_a_request();
                budget.begin();
                assert_eq!(ours.is_in(text, &mut budget), Ok(theirs.is_match(text)), "{pattern:?} in {text:?}");
            }
        }
    }

    /// Ignoring case needs a lookup for every letter of a class, and some classes have a million.
    #[test]
    fn large_classes_that_ignore_case_are_refused() {
        for class in [
            r"\pL",
            r"[\pL]",
            r"\p{any}",
            r"[a-\x{10ffff}]",
            r"[\D]",
            r"[a[^b]]",
            "[[:^alpha:]]",
            r"[\x{100}-\x{2000}]",
            r"[a&&[\pL]]",
        ] {
            for pattern in [format!("(?i){class}"), format!("(?i:a|{class})"), format!("{class}(?si)b")] {
                assert_eq!(Pattern::new(&pattern).err(), Some(TooLarge), "{pattern}");
            }
        }
        for pattern in
            [r"(?i)\w+\D", r"(?i)^[\w.-]+@[^@]+$", "(?i)[é-ü]", r"(?i)[^a-z[:digit:]]", r"[^\W\d]", "(?-i)[^a]"]
        {
            assert!(Pattern::new(pattern).is_ok(), "{pattern}");
        }
        let (few, many) = (Pattern::new(r"(?i)[\w]").unwrap(), Pattern::new(r"(?i)[\w\w\w\w]").unwrap());
        assert!(many.table() >= few.table() + 10_000);
        // Failed attempts count too: a rule may have hundreds of texts.
        assert_eq!(Pattern::too_large("[ab]*a[ab]{20}").table(), bounds::PATTERN_TABLE);
        assert_eq!(Pattern::too_large(&"a".repeat(300)).table(), 0);
        assert_eq!(Pattern::new("(ab").unwrap().table(), 3 * READ_IN_VAIN);
    }

    #[test]
    fn large_patterns_are_refused_and_invalid_ones_report_why() {
        let long = "(?i)\\w".repeat(100);
        for pattern in ["(a{1000}){1000}", "(a{100}){100}", r"[ab]*a[ab]{20}", r"\w{1000}", r"(?i)\pL{50}", &long] {
            assert_eq!(Pattern::new(pattern).err(), Some(TooLarge), "{pattern}");
        }
        for (pattern, part) in [("(", "unclosed"), ("[z-a]", "invalid"), ("a{2,1}", "invalid"), ("(?<x", "")] {
            let mut budget = EvaluationBudget::of_a_request();
            budget.begin();
            let Err(Stop::Failed(failure)) = Pattern::new(pattern).unwrap().is_in("a", &mut budget) else {
                panic!("{pattern}")
            };
            let message = failure.to_string();
            assert!(message.contains(part) && !message.contains('\n') && message.len() < 300, "{message}");
        }
    }
}
