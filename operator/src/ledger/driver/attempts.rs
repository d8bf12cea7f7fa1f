//! Pauses after failures.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LAST: Duration = Duration::from_secs(5);

/// Pauses, each twice as long as the one before.
#[derive(Debug)]
pub(super) struct Attempts(Duration);

impl Default for Attempts {
    fn default() -> Self {
        Attempts(FIRST)
    }
}

impl Attempts {
    pub(super) async fn pause(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(LAST);
    }
}

/// One pause, for something that another task retries.
pub(super) async fn pause() {
    tokio::time::sleep(FIRST * 4).await;
}
