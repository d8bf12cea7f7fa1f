//! The cost of ignoring case in a pattern. Each letter of a class is looked up, and a class may have a million: a few
//! such classes take as long as all other patterns of a policy.

use std::convert::Infallible;

use regex_syntax::ast::parse::ParserBuilder;
use regex_syntax::ast::{Ast, ClassSetItem, Flag, Flags, FlagsItemKind, GroupKind, Visitor, visit};

use crate::condition::bounds::FOLDED_RANGE;

/// A class such as `\w` in brackets takes about a millisecond, and counts as this many bytes of a rule's limit for
/// tables.
const PERL: usize = 4 << 10;

/// How much of a rule's limit for tables it uses, in addition to the table. `None` for a pattern that may take too
/// long. A pattern that can't be parsed uses nothing.
pub(super) fn work(source: &str, nested: u32) -> Option<usize> {
    let Ok(tree) = ParserBuilder::new().nest_limit(nested).build().parse(source) else { return Some(0) };
    match visit(&tree, Folding::default()) {
        Ok(Folding { folds: false, .. }) => Some(0),
        Ok(Folding { wide: true, .. }) => None,
        Ok(Folding { perl, .. }) => Some(PERL * perl),
        Err(never) => match never {},
    }
}

/// What a pattern contains, wherever its flags are.
#[derive(Debug, Default)]
struct Folding {
    folds: bool,
    /// A class with very many letters.
    wide: bool,
    /// The number of `\w`, `\d` and `\s` in brackets.
    perl: usize,
}

impl Folding {
    fn flags(&mut self, flags: &Flags) {
        self.folds |= flags.items.iter().any(|item| item.kind == FlagsItemKind::Flag(Flag::CaseInsensitive));
    }
}

impl Visitor for Folding {
    type Output = Self;
    type Err = Infallible;

    fn finish(self) -> Result<Self, Infallible> {
        Ok(self)
    }

    fn visit_pre(&mut self, part: &Ast) -> Result<(), Infallible> {
        match part {
            Ast::Flags(set) => self.flags(&set.flags),
            Ast::Group(group) => {
                if let GroupKind::NonCapturing(flags) = &group.kind {
                    self.flags(flags);
                }
            }
            Ast::ClassUnicode(_) => self.wide = true,
            _ => {}
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Infallible> {
        match item {
            ClassSetItem::Unicode(_) => self.wide = true,
            ClassSetItem::Range(range) => {
                self.wide |= u32::from(range.end.c).saturating_sub(u32::from(range.start.c)) > FOLDED_RANGE as u32;
            }
            ClassSetItem::Ascii(class) => {
                self.wide |= class.negated;
            }
            ClassSetItem::Bracketed(class) => self.wide |= class.negated,
            ClassSetItem::Perl(class) => {
                self.wide |= class.negated;
                self.perl += 1;
            }
            ClassSetItem::Empty(_) | ClassSetItem::Literal(_) | ClassSetItem::Union(_) => {}
        }
        Ok(())
    }
}
