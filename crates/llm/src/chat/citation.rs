//! What passages of an answer are based on.

use std::ops::Range;

use super::{ChatResponse, Part};

/// A source of a passage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Citation {
    /// The passage: characters of the answer's texts, joined. Absent if the answer as a whole has this source.
    pub passage: Option<Range<usize>>,
    pub title: Option<String>,
    pub url: Option<String>,
    /// The id of a document or of a tool's result.
    pub source: Option<String>,
    /// The words of the source.
    pub quote: Option<String>,
    pub place: Option<DocumentPlace>,
}

/// Where in a document of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentPlace {
    pub unit: PlaceUnit,
    /// The documents of a request are counted from 0.
    pub document: u64,
    pub start: u64,
    pub end: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceUnit {
    Characters,
    Pages,
    /// The parts of a document that is a list.
    Blocks,
}

impl Citation {
    /// The citation, if it says more than that there is one.
    pub(crate) fn told(self) -> Option<Citation> {
        let told = [&self.title, &self.url, &self.source, &self.quote].into_iter().any(Option::is_some);
        (told || self.place.is_some()).then_some(self)
    }

    /// Whether a text that begins at `begin` and has `length` characters has the beginning of the passage. The last
    /// text has what none has.
    fn begins_in(&self, begin: usize, length: usize, last: bool) -> bool {
        let end = begin.saturating_add(length);
        match &self.passage {
            Some(passage) => passage.start >= begin && (passage.start < end || last),
            None => last,
        }
    }
}

/// Goes through the texts of an answer that is not streamed.
#[derive(Debug)]
pub struct CitedTexts<'r> {
    citations: &'r [Citation],
    /// Where the next text begins, and how many there are.
    begin: usize,
    left: usize,
}

impl<'r> CitedTexts<'r> {
    #[must_use]
    pub fn of(response: &'r ChatResponse) -> CitedTexts<'r> {
        let left = response.parts.iter().filter(|part| matches!(part, Part::Text(_))).count();
        CitedTexts { citations: &response.citations, begin: 0, left }
    }

    /// The citations of the next text, and where it begins in the answer.
    pub fn next(&mut self, text: &str) -> (usize, Vec<&'r Citation>) {
        self.left = self.left.saturating_sub(1);
        let (begin, length, last) = (self.begin, text.chars().count(), self.left == 0);
        self.begin += length;
        (begin, self.citations.iter().filter(|citation| citation.begins_in(begin, length, last)).collect())
    }
}

/// The most citations of an answer that are kept. No provider writes as many.
const MOST: usize = 1_024;

/// Reads the citations of an upstream that cites whole blocks of text.
#[derive(Debug, Default)]
pub(crate) struct CitedBlocks {
    /// The characters so far, and those before the block.
    length: usize,
    begin: usize,
    /// The citations of the block, whose end is not known.
    held: Vec<Citation>,
    read: usize,
}

impl CitedBlocks {
    pub fn text(&mut self, text: &str) {
        self.length += text.chars().count();
    }

    pub fn cite(&mut self, citation: Option<Citation>) {
        if let Some(citation) = citation.filter(|_| self.read < MOST) {
            self.read += 1;
            self.held.push(citation);
        }
    }

    /// Ends a block: returns its citations.
    pub fn end(&mut self) -> impl Iterator<Item = Citation> + use<> {
        let passage = std::mem::replace(&mut self.begin, self.length)..self.length;
        std::mem::take(&mut self.held)
            .into_iter()
            .map(move |citation| Citation { passage: Some(passage.clone()), ..citation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_the_passage_of_its_citations() {
        let mut blocks = CitedBlocks::default();
        let cited = || Citation { title: Some("t".to_owned()), ..Citation::default() };
        blocks.text("né ");
        assert_eq!(blocks.end().count(), 0);
        blocks.cite(cited().told());
        blocks.cite(Citation::default().told());
        blocks.text("1993");
        assert_eq!(blocks.end().collect::<Vec<_>>(), [Citation { passage: Some(3..7), ..cited() }]);
        assert_eq!(blocks.end().count(), 0);
    }

    #[test]
    fn citations_are_bounded() {
        let mut blocks = CitedBlocks::default();
        for _ in 0..MOST + 5 {
            blocks.cite(Some(Citation::default()));
        }
        assert_eq!(blocks.end().count(), MOST);
    }

    #[test]
    fn each_citation_is_in_one_text() {
        let of = |passage: Option<Range<usize>>| Citation { passage, ..Citation::default() };
        // Texts of 3 and 4 characters.
        for (passage, first, second) in
            [(Some(0..2), true, false), (Some(3..7), false, true), (Some(9..10), false, true), (None, false, true)]
        {
            let citation = of(passage);
            let found = (citation.begins_in(0, 3, false), citation.begins_in(3, 4, true));
            assert_eq!(found, (first, second), "{citation:?}");
        }
    }
}
