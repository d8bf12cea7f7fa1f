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

    /// The character with which the passage begins. What is of the whole answer comes after everything.
    fn start(&self) -> usize {
        self.passage.as_ref().map_or(usize::MAX, |passage| passage.start)
    }
}

/// The most citations of an answer that are kept, and the most bytes of them. No provider writes as many.
pub const MOST: usize = 1_024;
const MOST_BYTES: usize = 128 * 1024;

/// Counts the citations of a stream. What is beyond the limits is left out: a decoder or an encoder may hold them to the
/// end of a block or of the answer.
#[derive(Debug, Default)]
pub struct KeptCitations {
    count: usize,
    bytes: usize,
}

impl KeptCitations {
    /// Whether one more is kept.
    pub fn keep(&mut self, citation: &Citation) -> bool {
        let texts = [&citation.title, &citation.url, &citation.source, &citation.quote];
        let bytes = self.bytes + texts.into_iter().flatten().map(String::len).sum::<usize>();
        let kept = self.count < MOST && bytes <= MOST_BYTES;
        if kept {
            (self.count, self.bytes) = (self.count + 1, bytes);
        }
        kept
    }
}

/// Goes through the texts of an answer that is not streamed.
#[derive(Debug)]
pub struct CitedTexts<'r> {
    /// The citations that no text has had yet, by their beginning.
    citations: std::vec::IntoIter<&'r Citation>,
    /// Where the next text begins, and how many there are.
    begin: usize,
    left: usize,
}

impl<'r> CitedTexts<'r> {
    #[must_use]
    pub fn of(response: &'r ChatResponse) -> CitedTexts<'r> {
        let left = response.parts.iter().filter(|part| matches!(part, Part::Text(_))).count();
        let mut citations: Vec<&Citation> = response.citations.iter().take(MOST).collect();
        citations.sort_by_key(|citation| citation.start());
        CitedTexts { citations: citations.into_iter(), begin: 0, left }
    }

    /// The citations of the next text, and where it begins in the answer. A citation is of the text that has the
    /// beginning of its passage; the last text has what none has.
    pub fn next(&mut self, text: &str) -> (usize, Vec<&'r Citation>) {
        self.left = self.left.saturating_sub(1);
        let (begin, last) = (self.begin, self.left == 0);
        self.begin += text.chars().count();
        let own = self.citations.as_slice().partition_point(|citation| last || citation.start() < self.begin);
        (begin, self.citations.by_ref().take(own).collect())
    }
}

/// The distance between the characters whose places [`Passages`] notes.
const STEP: usize = 64;
/// The longest passage that is quoted, in characters. An upstream may cite all of a long answer many times.
const LONGEST_QUOTE: usize = 1_000;

/// Finds passages in a text without reading it from the beginning for each of them.
#[derive(Debug)]
pub(crate) struct Passages<'t> {
    text: &'t str,
    /// Where in the text each 64th character begins, in bytes.
    steps: Vec<usize>,
}

impl<'t> Passages<'t> {
    pub fn of(text: &'t str) -> Passages<'t> {
        Passages { text, steps: text.char_indices().step_by(STEP).map(|(at, _)| at).collect() }
    }

    /// Where a character begins, in bytes; the end of the text if it has fewer.
    fn byte(&self, character: usize) -> usize {
        let Some(step) = self.steps.get(character / STEP) else { return self.text.len() };
        let rest = self.text.get(*step..).unwrap_or_default();
        rest.char_indices().nth(character % STEP).map_or(self.text.len(), |(at, _)| step + at)
    }

    /// The passage in bytes, and its text unless it is long.
    pub fn find(&self, characters: &Range<usize>) -> (Range<usize>, Option<&'t str>) {
        let start = self.byte(characters.start);
        let bytes = start..self.byte(characters.end).max(start);
        let quoted = self.text.get(bytes.clone()).filter(|_| characters.len() <= LONGEST_QUOTE);
        (bytes, quoted)
    }
}

/// Reads the citations of an upstream that cites whole blocks of text.
#[derive(Debug, Default)]
pub(crate) struct CitedBlocks {
    /// The characters so far, and those before the block.
    length: usize,
    begin: usize,
    /// The citations of the block, whose end is not known.
    held: Vec<Citation>,
    kept: KeptCitations,
}

impl CitedBlocks {
    pub fn text(&mut self, text: &str) {
        self.length += text.chars().count();
    }

    pub fn cite(&mut self, citation: Option<Citation>) {
        self.held.extend(citation.filter(|citation| self.kept.keep(citation)));
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
        let mut long = CitedBlocks::default();
        let quote = Some("x".repeat(100_000));
        for _ in 0..5 {
            long.cite(Some(Citation { quote: quote.clone(), ..Citation::default() }));
        }
        assert_eq!(long.end().count(), 1);
    }

    #[test]
    fn each_citation_is_in_one_text() {
        let of = |passage: Option<Range<usize>>| Citation { passage, ..Citation::default() };
        let citations = vec![of(Some(9..10)), of(None), of(Some(3..7)), of(Some(0..2))];
        let parts = ["one", "four"].map(|text| Part::Text(text.to_owned())).to_vec();
        let response = ChatResponse { parts, citations, ..ChatResponse::default() };
        let mut texts = CitedTexts::of(&response);
        assert_eq!(texts.next("one"), (0, vec![&of(Some(0..2))]));
        assert_eq!(texts.next("four"), (3, vec![&of(Some(3..7)), &of(Some(9..10)), &of(None)]));
        assert_eq!(texts.next("five"), (7, vec![]));
    }

    #[test]
    fn passages_are_found() {
        let text = "né ".repeat(100) + "1993";
        let passages = Passages::of(&text);
        for (characters, bytes, quoted) in [
            (0..2, 0..3, Some("né")),
            (300..304, 400..404, Some("1993")),
            (303..900, 403..404, Some("3")),
            (900..903, 404..404, Some("")),
            (298..300, 397..400, Some("é ")),
        ] {
            assert_eq!(passages.find(&characters), (bytes, quoted), "{characters:?}");
        }
        assert_eq!(passages.find(&(0..usize::MAX)), (0..404, None));
        #[expect(clippy::reversed_empty_ranges, reason = "an upstream may write it")]
        let reversed = 5..2;
        assert_eq!(passages.find(&reversed), (7..7, Some("")));
    }

    /// An upstream may cite all of a long answer as often as it likes.
    #[test]
    fn long_passages_multiply_no_text() {
        let text = "word ".repeat(200_000);
        let passages = Passages::of(&text);
        let quoted = (0..100_000).filter_map(|start| passages.find(&(start..1_000_000)).1);
        assert_eq!(quoted.map(str::len).sum::<usize>(), 0);
    }
}
