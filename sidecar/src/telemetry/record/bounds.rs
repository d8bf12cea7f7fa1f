//! Limits the size of a record. Names in it come from callers and upstreams, which must not be able to fill the memory.

use super::{AttemptRecord, BudgetRecord, CandidateRecord, Record, ShadowRecord};

/// The longest text, in bytes: names and reasons.
pub const MAX_TEXT: usize = 512;
/// The most entries of a list.
pub const MAX_ENTRIES: usize = 64;

/// Replaces the rest of a text.
const CUT: &str = "…";

/// Cuts a text to this many bytes.
pub fn cut(text: &mut String, max_bytes: usize) {
    if text.len() > max_bytes {
        text.truncate(text.floor_char_boundary(max_bytes - CUT.len()));
        text.push_str(CUT);
        text.shrink_to_fit();
    }
}

fn cut_all(texts: &mut Vec<String>) {
    texts.truncate(MAX_ENTRIES);
    texts.iter_mut().for_each(|text| cut(text, MAX_TEXT));
}

impl Record {
    /// Cuts what is too long. Returns the approximate size in bytes.
    pub fn bound(&mut self) -> usize {
        let mut bytes = size_of::<Record>();
        let mut one = |text: &mut String| {
            cut(text, MAX_TEXT);
            bytes += text.capacity();
        };
        let Record { decision, trace_id, request_id, key, namespace, revision, .. } = self;
        [decision, trace_id, request_id, key, namespace, revision].into_iter().for_each(&mut one);
        let Record { workload, model_requested, provider, model, rule, cost_usd, .. } = self;
        let optional = [workload, model_requested, provider, model, rule, cost_usd];
        optional.into_iter().flatten().for_each(&mut one);
        for list in [&mut self.chain, &mut self.adapted] {
            cut_all(list);
            bytes += list.iter().map(|text| text.capacity() + size_of::<String>()).sum::<usize>();
        }
        let mut one = |text: &mut String| {
            cut(text, MAX_TEXT);
            bytes += text.capacity();
        };
        self.candidates.truncate(MAX_ENTRIES);
        for CandidateRecord { provider, model, skipped } in &mut self.candidates {
            [provider, model].into_iter().chain(skipped).for_each(&mut one);
        }
        self.attempts.truncate(MAX_ENTRIES);
        for AttemptRecord { provider, model, credential, .. } in &mut self.attempts {
            [provider, model].into_iter().chain(credential).for_each(&mut one);
        }
        self.budgets.truncate(MAX_ENTRIES);
        for BudgetRecord { name, spent, limit, .. } in &mut self.budgets {
            [name, spent, limit].into_iter().for_each(&mut one);
        }
        if let Some(ShadowRecord { rule, provider, model }) = &mut self.shadow {
            std::iter::once(rule).chain(provider).chain(model).for_each(&mut one);
        }
        bytes
            + self.candidates.capacity() * size_of::<CandidateRecord>()
            + self.attempts.capacity() * size_of::<AttemptRecord>()
            + self.budgets.capacity() * size_of::<BudgetRecord>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_with_long_names_is_short() {
        let long = "é".repeat(1 << 20);
        let candidate = CandidateRecord { provider: long.clone(), model: long.clone(), skipped: Some(long.clone()) };
        let mut record = Record {
            model_requested: Some(long.clone()),
            adapted: vec![long.clone(); 100],
            candidates: vec![candidate; 100],
            ..Record::default()
        };
        let bytes = record.bound();
        assert!(bytes < 256 << 10, "{bytes}");
        assert_eq!((record.adapted.len(), record.candidates.len()), (MAX_ENTRIES, MAX_ENTRIES));
        let model = record.model_requested.unwrap();
        assert!(model.len() <= MAX_TEXT && model.ends_with("é…"), "{model}");
        let mut usual = Record { model_requested: Some("gpt-4o".to_owned()), ..Record::default() };
        assert!(usual.bound() < 2_048);
        assert_eq!(usual.model_requested.as_deref(), Some("gpt-4o"));
    }
}
