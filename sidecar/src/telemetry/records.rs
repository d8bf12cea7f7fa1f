//! Stores records: the latest in memory, and each as a line of output.

mod pretty;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use self::pretty::pretty;
use crate::telemetry::record::Record;

/// How many records `/decisions` has at most, and their total size in bytes.
const MAX_RECORDS: usize = 1_000;
const MAX_RECORD_BYTES: usize = 4 << 20;
/// How many lines may wait to be written, and the total size of their records. Further lines are dropped and counted.
const MAX_WAITING: usize = 4_096;
const MAX_WAITING_BYTES: usize = 4 << 20;
/// The size at which lines are written although more are waiting.
const WRITE_SIZE: usize = 64 << 10;
/// How long the writer collects lines: waking it for each one would cost a busy gateway more than writing does.
const GATHER_TIME: Duration = Duration::from_millis(20);
/// How long the shutdown waits for the last lines. A reader may hold standard output open without reading.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The format of decision lines on standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lines {
    /// One JSON object on each line.
    #[default]
    Json,
    /// Readable lines for a terminal.
    Pretty {
        colour: bool,
    },
    Off,
}

/// The latest records, and a writer thread that no request waits for.
#[derive(Debug)]
pub struct Records {
    ring: Mutex<Ring>,
    writer: Option<SyncSender<WriterMessage>>,
    /// The size of the records that wait for the writer.
    waiting: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Ring {
    /// Each with its size in bytes.
    records: VecDeque<(Arc<Record>, usize)>,
    bytes: usize,
}

/// A message to the writer.
#[derive(Debug)]
enum WriterMessage {
    Record(Arc<Record>, usize),
    /// A request to report when everything before it is written.
    End(oneshot::Sender<()>),
}

impl Records {
    /// Starts the writer.
    #[must_use]
    pub fn new(lines: Lines) -> Self {
        let waiting = Arc::new(AtomicUsize::new(0));
        let writer = (lines != Lines::Off).then(|| {
            let (sender, receiver) = mpsc::sync_channel(MAX_WAITING);
            let waiting = Arc::clone(&waiting);
            std::thread::Builder::new()
                .name("records".to_owned())
                .spawn(move || write(&receiver, &waiting, lines, &mut io::stdout()))
                .map(|_| sender)
                .ok()
        });
        Records { ring: Mutex::default(), writer: writer.flatten(), waiting }
    }

    /// Adds a record. Returns false if its line was dropped because the writer is behind.
    pub fn add(&self, mut record: Record) -> bool {
        let bytes = record.bound();
        let record = Arc::new(record);
        {
            let mut ring = self.ring.lock();
            ring.bytes += bytes;
            ring.records.push_back((Arc::clone(&record), bytes));
            while ring.records.len() > MAX_RECORDS || ring.bytes > MAX_RECORD_BYTES {
                let Some((_, bytes)) = ring.records.pop_front() else { break };
                ring.bytes -= bytes;
            }
        }
        let Some(writer) = &self.writer else { return true };
        if self.waiting.fetch_add(bytes, Ordering::AcqRel) > MAX_WAITING_BYTES {
            self.waiting.fetch_sub(bytes, Ordering::AcqRel);
            return false;
        }
        match writer.try_send(WriterMessage::Record(record, bytes)) {
            Ok(()) => true,
            Err(error) => {
                self.waiting.fetch_sub(bytes, Ordering::AcqRel);
                !matches!(error, TrySendError::Full(_))
            }
        }
    }

    /// Waits until all lines so far are written, or a short time has passed.
    pub async fn flush(&self) {
        let Some(writer) = &self.writer else { return };
        let (done, written) = oneshot::channel();
        if writer.try_send(WriterMessage::End(done)).is_ok() {
            let _ = tokio::time::timeout(LAST_LINES, written).await;
        }
    }

    /// The approximate size of the latest records, in bytes, in memory and as text.
    #[must_use]
    pub fn bytes(&self, limit: usize) -> usize {
        let ring = self.ring.lock();
        ring.records.iter().rev().take(limit).map(|(_, bytes)| bytes).sum()
    }

    /// The latest records, newest first; with an id, only those with this id.
    #[must_use]
    pub fn last(&self, id: Option<&str>, limit: usize) -> Vec<Arc<Record>> {
        let ring = self.ring.lock();
        let matches = |record: &&Arc<Record>| id.is_none_or(|id| record.decision == id || record.request_id == id);
        ring.records.iter().rev().map(|(record, _)| record).filter(matches).take(limit).cloned().collect()
    }
}

/// Writes lines until all senders are gone or the output is closed. Records in memory remain available.
fn write(messages: &Receiver<WriterMessage>, waiting: &AtomicUsize, lines: Lines, out: &mut impl Write) {
    let mut text = Vec::new();
    let mut ends = Vec::new();
    while let Ok(first) = messages.recv() {
        if matches!(first, WriterMessage::Record(..)) {
            std::thread::sleep(GATHER_TIME);
        }
        // One system call writes everything that arrived meanwhile.
        for message in iter::once(first).chain(messages.try_iter()) {
            match message {
                WriterMessage::Record(record, bytes) => {
                    line(&record, lines, &mut text);
                    waiting.fetch_sub(bytes, Ordering::AcqRel);
                }
                WriterMessage::End(done) => ends.push(done),
            }
            if text.len() >= WRITE_SIZE {
                break;
            }
        }
        if out.write_all(&text).is_err() {
            break;
        }
        text.clear();
        for done in ends.drain(..) {
            // The receiver may have stopped waiting.
            let _ = done.send(());
        }
    }
}

fn line(record: &Record, lines: Lines, text: &mut Vec<u8>) {
    // Writing to memory cannot fail.
    let _ = match lines {
        Lines::Off => return,
        Lines::Json => serde_json::to_writer(&mut *text, record).map_err(io::Error::from),
        Lines::Pretty { colour } => text.write_all(pretty(record, colour).as_bytes()),
    };
    text.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_returns_the_newest_first_and_drops_the_oldest() {
        let records = Records::new(Lines::Off);
        for n in 0..MAX_RECORDS + 5 {
            assert!(records.add(Record { decision: format!("d{n}"), ..Record::default() }));
        }
        let last = records.last(None, 2);
        assert_eq!(last[0].decision, format!("d{}", MAX_RECORDS + 4));
        assert_eq!(records.last(None, usize::MAX).len(), MAX_RECORDS);
        assert!(records.last(Some("d0"), 1).is_empty());
        assert_eq!(records.last(Some("d9"), 1).len(), 1);
    }

    #[test]
    fn the_ring_has_a_limited_size() {
        let records = Records::new(Lines::Off);
        let adapted = vec!["x".repeat(400); 60];
        for _ in 0..MAX_RECORDS {
            assert!(records.add(Record { adapted: adapted.clone(), ..Record::default() }));
        }
        let count = records.last(None, usize::MAX).len();
        assert!((100..200).contains(&count), "{count}");
    }

    #[test]
    fn writes_waiting_lines_together() {
        struct Calls(Vec<String>);
        impl Write for Calls {
            fn write(&mut self, text: &[u8]) -> io::Result<usize> {
                self.0.push(String::from_utf8_lossy(text).into_owned());
                Ok(text.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (sender, receiver) = mpsc::sync_channel(4);
        for n in 0..3 {
            let record = Record { decision: format!("d{n}"), ..Record::default() };
            sender.send(WriterMessage::Record(Arc::new(record), 10)).unwrap();
        }
        let (done, mut written) = oneshot::channel();
        sender.send(WriterMessage::End(done)).unwrap();
        drop(sender);
        let mut calls = Calls(Vec::new());
        let waiting = AtomicUsize::new(30);
        write(&receiver, &waiting, Lines::Json, &mut calls);
        assert_eq!(waiting.into_inner(), 0);
        assert_eq!(written.try_recv(), Ok(()));
        let [text] = calls.0.as_slice() else { panic!("{} calls", calls.0.len()) };
        let decisions: Vec<String> = text
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["decision"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(decisions, ["d0", "d1", "d2"]);
        assert!(text.ends_with('\n'));
    }
}
