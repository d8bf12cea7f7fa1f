//! The models of a provider type as a table without addresses: names in one text, prices by their position.
//!
//! Each address in a static is a relocation, which the loader writes when a process starts: the table of two thousand
//! models would occupy memory of every gateway, whether or not one of them is used. Without addresses its pages belong
//! to the file, and are read when a model is looked up.

use outrigger_core::Capabilities;

use super::CatalogueEntry;
use super::builtin::prices::{GRADED, PLAIN};
use crate::prices::Price;

/// In place of capabilities: the source does not tell them.
pub(super) const UNKNOWN: u16 = u16::MAX;
/// In place of a price's position.
pub(super) const UNPRICED: u16 = u16::MAX;

/// The models of a provider type, sorted by name.
pub(super) struct ModelTable {
    /// All names, one after another.
    pub names: &'static [u8],
    pub rows: &'static [ModelRow],
}

/// A table without models.
pub(super) static NONE: ModelTable = ModelTable { names: &[], rows: &[] };

/// A model without its name.
#[derive(Clone, Copy)]
pub(super) struct ModelRow {
    /// Where its name begins. It ends where the next one begins.
    name_at: u32,
    context_window: u32,
    max_output_tokens: u32,
    capabilities: u16,
    price: u16,
}

/// A model as it is written in the source, at compile time only.
#[derive(Clone, Copy)]
pub(super) struct ModelSource {
    name: &'static str,
    row: ModelRow,
}

pub(super) const fn model(
    name: &'static str,
    context_window: u32,
    max_output_tokens: u32,
    capabilities: u16,
    price: u16,
) -> ModelSource {
    ModelSource { name, row: ModelRow { name_at: 0, context_window, max_output_tokens, capabilities, price } }
}

/// The length of all names together.
pub(super) const fn names_length(models: &[ModelSource]) -> usize {
    let (mut length, mut at) = (0, 0);
    while at < models.len() {
        length += models[at].name.len();
        at += 1;
    }
    length
}

pub(super) const fn names<const LENGTH: usize>(models: &[ModelSource]) -> [u8; LENGTH] {
    let mut names = [0; LENGTH];
    let (mut to, mut at) = (0, 0);
    while at < models.len() {
        let name = models[at].name.as_bytes();
        let mut from = 0;
        while from < name.len() {
            names[to] = name[from];
            from += 1;
            to += 1;
        }
        at += 1;
    }
    names
}

pub(super) const fn rows<const COUNT: usize>(models: &[ModelSource]) -> [ModelRow; COUNT] {
    let mut rows = [model("", 0, 0, 0, 0).row; COUNT];
    let (mut name_at, mut at) = (0, 0);
    while at < models.len() {
        rows[at] = ModelRow { name_at, ..models[at].row };
        name_at += models[at].name.len() as u32;
        at += 1;
    }
    rows
}

/// Declares a [`ModelTable`]: `table!(NAME, [model(…), …]);`.
macro_rules! table {
    ($name:ident, [$($model:expr),* $(,)?]) => {
        pub(super) static $name: $crate::catalogue::table::ModelTable = {
            const MODELS: &[$crate::catalogue::table::ModelSource] = &[$($model),*];
            static NAMES: [u8; $crate::catalogue::table::names_length(MODELS)] = $crate::catalogue::table::names(MODELS);
            static ROWS: [$crate::catalogue::table::ModelRow; MODELS.len()] = $crate::catalogue::table::rows(MODELS);
            $crate::catalogue::table::ModelTable { names: &NAMES, rows: &ROWS }
        };
    };
}
pub(super) use table;

impl ModelTable {
    pub fn entries(&'static self) -> impl ExactSizeIterator<Item = CatalogueEntry> {
        (0..self.rows.len()).map(|at| self.entry(at).unwrap_or(CatalogueEntry::NONE))
    }

    pub fn find(&'static self, name: &str) -> Option<CatalogueEntry> {
        let (mut low, mut high) = (0, self.rows.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.name(middle).cmp(name.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return self.entry(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn name(&self, at: usize) -> &'static [u8] {
        let begins = |at: usize| self.rows.get(at).map_or(self.names.len(), |row| row.name_at as usize);
        self.names.get(begins(at)..begins(at + 1)).unwrap_or_default()
    }

    fn entry(&self, at: usize) -> Option<CatalogueEntry> {
        let row = self.rows.get(at)?;
        Some(CatalogueEntry {
            name: std::str::from_utf8(self.name(at)).unwrap_or_default(),
            context_window: row.context_window,
            max_output_tokens: row.max_output_tokens,
            capabilities: (row.capabilities != UNKNOWN).then_some(Capabilities(row.capabilities)),
            price: price(row.price),
        })
    }
}

fn price(position: u16) -> Option<&'static Price> {
    let at = usize::from(position);
    PLAIN.get(at).or_else(|| GRADED.get(at.checked_sub(PLAIN.len())?))
}
