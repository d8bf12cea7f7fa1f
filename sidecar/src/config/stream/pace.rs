//! How long is waited for what.

use std::time::Duration;

use outrigger_sync::BEAT_SECONDS;

/// See the fields; the defaults are for clusters, and tests have less time.
#[derive(Clone, Copy, Debug)]
pub struct ReconnectPace {
    /// Gateways that lose the operator all at once come back within this time, each at a moment of its own.
    pub spread: Duration,
    /// What the spread grows to, while it fails.
    pub longest: Duration,
    /// For a connection, from its beginning to the answer's head.
    pub dial: Duration,
    /// Something is said at least so often.
    pub beat: Duration,
    /// A peer that has said nothing for so long is dead.
    pub silence: Duration,
}

impl Default for ReconnectPace {
    fn default() -> Self {
        ReconnectPace {
            spread: Duration::from_secs(5),
            longest: Duration::from_secs(30),
            dial: Duration::from_secs(10),
            beat: Duration::from_secs(BEAT_SECONDS),
            silence: Duration::from_secs(3 * BEAT_SECONDS),
        }
    }
}

impl ReconnectPace {
    /// Anything up to what is due after so many failures in a row.
    pub(super) fn wait(&self, failures: u32) -> Duration {
        self.due(failures).mul_f64(fastrand::f64())
    }

    /// Doubled with each failure after the first.
    fn due(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        self.spread.saturating_mul(1 << doublings).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound() {
        let pace = ReconnectPace::default();
        let due: Vec<u64> = [0, 1, 2, 3, 4, 40, u32::MAX].map(|failures| pace.due(failures).as_secs()).to_vec();
        assert_eq!(due, [5, 5, 10, 20, 30, 30, 30]);
        for failures in 0..100 {
            assert!(pace.wait(failures) <= pace.due(failures));
        }
    }
}
