//! Counts the usage of requests by the hour, for the operator's usage history.
//!
//! Nothing is counted unless the operator keeps a history: then a request only reads a flag. Rows are sums since their
//! hour began. A row stays until the operator has stored its last figures, so reports may be lost and repeated. Callers
//! choose neither keys nor models: keys belong to the policy, and a model that the policy does not know is `other`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use outrigger_sync::{OTHER, USAGE_NAME_MAX, USAGE_ROWS_MAX, UsageKept, UsageRow, UsageRowsReport, UsageSums};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The approximate interval between two reports.
const EVERY: Duration = Duration::from_secs(60);
/// A report that is not answered is repeated after this time.
const AGAIN: Duration = Duration::from_secs(20);
/// Beyond this many rows, new ones are counted for the provider and the model `other`.
const ROWS_MAX: usize = 2_000;
/// Beyond this many, nothing new is counted: the operator has stored nothing for weeks.
const ROWS_LIMIT: usize = 4_000;
const HOUR_SECONDS: u64 = 3_600;

/// The rows of this process.
#[derive(Debug)]
pub struct UsageHistory {
    collects: AtomicBool,
    rows: Mutex<UsageRows>,
    /// A report is due earlier than before.
    hurry: Notify,
    /// A report was stored.
    kept: Notify,
}

#[derive(Debug)]
struct UsageRows {
    epoch: u64,
    number: u64,
    rows: BTreeMap<CountedKey, CountedRow>,
    /// When the report without an answer was made.
    waiting: Option<(u64, Instant)>,
    /// When the last report was made.
    reported: Option<Instant>,
    /// The operator requested the history on this stream.
    asked: bool,
    closing: bool,
    /// The final report was stored.
    closed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CountedKey {
    hour: u64,
    namespace: String,
    key: String,
    provider: String,
    model: String,
}

#[derive(Clone, Copy, Debug, Default)]
struct CountedRow {
    sums: UsageSums,
    /// The figures in the report without an answer.
    sent: Option<UsageSums>,
    /// The figures that the operator has stored.
    kept: Option<UsageSums>,
}

/// The dimensions of a request.
#[derive(Clone, Copy, Debug)]
pub struct UsageOf<'a> {
    pub namespace: &'a str,
    pub key: &'a str,
    /// Absent if no provider was called.
    pub provider: Option<&'a str>,
    /// One of few.
    pub model: &'a str,
}

impl Default for UsageHistory {
    fn default() -> Self {
        UsageHistory {
            collects: AtomicBool::new(false),
            rows: Mutex::new(UsageRows {
                epoch: since_epoch(SystemTime::now()).as_millis().try_into().unwrap_or_default(),
                number: 0,
                rows: BTreeMap::new(),
                waiting: None,
                reported: None,
                asked: false,
                closing: false,
                closed: false,
            }),
            hurry: Notify::new(),
            kept: Notify::new(),
        }
    }
}

impl UsageHistory {
    /// Whether the operator wants the history: otherwise nothing else needs to be done.
    #[must_use]
    pub fn collects(&self) -> bool {
        self.collects.load(Ordering::Relaxed)
    }

    /// A request has ended.
    pub fn count(&self, of: UsageOf<'_>, sums: &UsageSums) {
        self.count_at(since_epoch(SystemTime::now()).as_secs() / HOUR_SECONDS, of, sums);
    }

    fn count_at(&self, hour: u64, of: UsageOf<'_>, sums: &UsageSums) {
        let UsageOf { namespace, key, provider, model } = of;
        let provider = provider.unwrap_or_default();
        let mut rows = self.rows.lock();
        let row = CountedKey {
            hour,
            namespace: namespace.to_owned(),
            key: key.to_owned(),
            provider: cut(provider),
            model: if provider.is_empty() { String::new() } else { cut(model) },
        };
        let row = match rows.rows.len() {
            0..ROWS_MAX => row,
            _ if rows.rows.contains_key(&row) => row,
            _ => CountedKey { provider: OTHER.to_owned(), model: OTHER.to_owned(), ..row },
        };
        if rows.rows.len() < ROWS_LIMIT || rows.rows.contains_key(&row) {
            rows.rows.entry(row).or_default().sums.add(sums);
        }
    }

    /// A stream was opened: the operator reports next whether it keeps a history.
    pub fn connected(&self) {
        let mut rows = self.rows.lock();
        rows.asked = false;
        rows.forget_report();
        rows.reported = None;
    }

    /// The operator keeps a history.
    pub fn asked(&self) {
        self.rows.lock().asked = true;
        self.collects.store(true, Ordering::Relaxed);
        self.hurry.notify_one();
    }

    /// The operator sent another message than that it keeps one.
    pub fn not_asked(&self) {
        let mut rows = self.rows.lock();
        if !rows.asked && self.collects.swap(false, Ordering::Relaxed) {
            rows.rows.clear();
            self.kept.notify_waiters();
        }
    }

    /// Ready when a report is due. If it is dropped and polled again, it misses none.
    pub async fn due(&self) {
        loop {
            let hurry = self.hurry.notified();
            let at = self.rows.lock().due_at();
            match at {
                Some(at) if at <= Instant::now() => return,
                Some(at) => tokio::select! {
                    () = tokio::time::sleep_until(at) => {}
                    () = hurry => {}
                },
                // The operator has to request it first.
                None => hurry.await,
            }
        }
    }

    /// The changes since the last stored report; `None` if there are none.
    pub fn report(&self) -> Option<UsageRowsReport> {
        self.report_at(since_epoch(SystemTime::now()).as_secs() / HOUR_SECONDS)
    }

    fn report_at(&self, hour: u64) -> Option<UsageRowsReport> {
        let mut rows = self.rows.lock();
        rows.forget_report();
        rows.reported = Some(Instant::now());
        let last = rows.closing;
        let number = rows.number + 1;
        let mut report = UsageRowsReport { epoch: rows.epoch, number, complete_before: hour, rows: Vec::new(), last };
        for (key, row) in rows.rows.iter_mut().filter(|(_, row)| row.kept != Some(row.sums)) {
            if report.rows.len() == USAGE_ROWS_MAX {
                report.complete_before = report.complete_before.min(key.hour);
                report.last = false;
                break;
            }
            row.sent = Some(row.sums);
            let CountedKey { hour, namespace, key, provider, model } = key.clone();
            report.rows.push(UsageRow { hour, namespace, key, provider, model, sums: row.sums });
        }
        if report.rows.is_empty() && (!last || rows.closed) {
            return None;
        }
        rows.number = number;
        rows.waiting = Some((number, Instant::now()));
        Some(report)
    }

    /// The operator has stored a report.
    pub fn keep(&self, kept: UsageKept) {
        self.keep_at(kept, since_epoch(SystemTime::now()).as_secs() / HOUR_SECONDS);
    }

    fn keep_at(&self, kept: UsageKept, hour: u64) {
        let mut rows = self.rows.lock();
        if rows.epoch != kept.epoch || rows.waiting.is_none_or(|(number, _)| number != kept.number) {
            return;
        }
        rows.waiting = None;
        rows.rows.retain(|key, row| {
            row.kept = row.sent.take().or(row.kept);
            key.hour >= hour || row.kept != Some(row.sums)
        });
        if rows.rows.values().any(|row| row.kept != Some(row.sums)) {
            // There were more changes than one report contains, or more since then.
            if rows.rows.len() > USAGE_ROWS_MAX || rows.closing {
                rows.reported = None;
            }
        } else {
            rows.closed = rows.closing;
        }
        drop(rows);
        self.hurry.notify_one();
        self.kept.notify_waiters();
    }

    /// The final report: waits until everything is stored, until then at most.
    pub async fn close(&self, until: Instant) {
        if !self.collects() {
            return;
        }
        {
            let mut rows = self.rows.lock();
            if rows.rows.values().all(|row| row.kept == Some(row.sums)) {
                rows.closed = true;
                return;
            }
            rows.closing = true;
            rows.forget_report();
            rows.reported = None;
        }
        self.hurry.notify_one();
        let closed = async {
            loop {
                let kept = self.kept.notified();
                if self.rows.lock().closed || !self.collects() {
                    return;
                }
                kept.await;
            }
        };
        // What is not stored by then is lost with the process.
        let _late = tokio::time::timeout_at(until, closed).await;
    }
}

impl UsageRows {
    fn forget_report(&mut self) {
        self.waiting = None;
        self.rows.values_mut().for_each(|row| row.sent = None);
    }

    fn due_at(&self) -> Option<Instant> {
        if !self.asked || self.closed {
            return None;
        }
        match (self.waiting, self.reported) {
            (Some((_, since)), _) => Some(since + AGAIN),
            (None, Some(reported)) => Some(reported + EVERY),
            (None, None) => Some(Instant::now()),
        }
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn cut(name: &str) -> String {
    name[..name.floor_char_boundary(USAGE_NAME_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: UsageOf<'_> = UsageOf { namespace: "shop", key: "search", provider: Some("openai"), model: "small" };

    fn request(cost_nanos: u64) -> UsageSums {
        UsageSums { requests: 1, cost_nanos, ..UsageSums::default() }
    }

    fn costs(report: &UsageRowsReport) -> Vec<(u64, u64)> {
        report.rows.iter().map(|row| (row.hour, row.sums.cost_nanos)).collect()
    }

    fn kept(report: &UsageRowsReport) -> UsageKept {
        UsageKept { epoch: report.epoch, number: report.number }
    }

    #[tokio::test(start_paused = true)]
    async fn rows_are_sums_and_stay_until_they_are_stored() {
        let history = UsageHistory::default();
        history.asked();
        history.count_at(7, OF, &request(5));
        let first = history.report_at(7).unwrap();
        assert_eq!((costs(&first), first.complete_before), (vec![(7, 5)], 7));
        // It is lost, and the hour continues.
        history.count_at(7, OF, &request(6));
        let second = history.report_at(8).unwrap();
        assert_eq!((costs(&second), second.complete_before), (vec![(7, 11)], 8));
        history.keep_at(kept(&first), 8);
        assert_eq!(costs(&history.report_at(8).unwrap()), [(7, 11)], "an old answer says nothing");
        history.count_at(8, OF, &request(1));
        let third = history.report_at(8).unwrap();
        assert_eq!(costs(&third), [(7, 11), (8, 1)]);
        history.count_at(8, OF, &request(1));
        history.keep_at(kept(&third), 8);
        assert_eq!(costs(&history.report_at(8).unwrap()), [(8, 2)], "what came meanwhile");
        assert_eq!(history.rows.lock().rows.len(), 1, "an hour that is over and kept needs no memory");
    }

    #[tokio::test(start_paused = true)]
    async fn many_rows_are_several_reports_and_too_many_are_other() {
        let history = UsageHistory::default();
        history.asked();
        for number in 0..ROWS_MAX + 10 {
            history.count_at(7, UsageOf { model: &number.to_string(), ..OF }, &request(1));
        }
        assert_eq!(history.rows.lock().rows.len(), ROWS_MAX + 1);
        let (mut requests, mut reports) = (0, 0);
        while let Some(report) = history.report_at(9) {
            assert!(report.rows.len() <= USAGE_ROWS_MAX);
            requests += report.rows.iter().map(|row| row.sums.requests).sum::<u64>();
            reports += 1;
            let whole = report.rows.len() < USAGE_ROWS_MAX;
            assert_eq!(report.complete_before, if whole { 9 } else { 7 });
            history.keep_at(kept(&report), 9);
        }
        assert_eq!((requests, reports), (2_010, 6));
    }

    #[tokio::test(start_paused = true)]
    async fn the_final_report_waits_until_it_is_stored() {
        let history = UsageHistory::default();
        history.close(Instant::now() + EVERY).await;
        history.asked();
        history.count_at(7, OF, &request(1));
        let begun = Instant::now();
        let closing = history.close(Instant::now() + EVERY);
        let answering = async {
            history.due().await;
            let report = history.report_at(7).unwrap();
            assert!(report.last);
            tokio::time::sleep(Duration::from_secs(3)).await;
            history.keep_at(kept(&report), 7);
        };
        tokio::join!(closing, answering);
        assert_eq!(begun.elapsed().as_secs(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn reports_are_made_once_a_minute_and_repeated_without_an_answer() {
        let history = UsageHistory::default();
        history.connected();
        history.asked();
        let begun = Instant::now();
        let mut at = Vec::new();
        for _ in 0..3 {
            history.count_at(7, OF, &request(1));
            history.due().await;
            let report = history.report_at(7);
            at.push(begun.elapsed().as_secs());
            if at.len() == 2 {
                history.keep_at(kept(&report.unwrap()), 7);
            }
        }
        assert_eq!(at, [0, 20, 80]);
        history.connected();
        history.not_asked();
        assert!(!history.collects(), "an operator without a history");
    }
}
