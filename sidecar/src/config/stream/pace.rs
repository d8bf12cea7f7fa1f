//! The time limits and intervals of the stream.

use std::time::Duration;

use outrigger_sync::BEAT_SECONDS;

/// See the fields. The defaults are for clusters; tests use shorter times.
#[derive(Clone, Copy, Debug)]
pub struct ReconnectPace {
    /// Gateways that lose the operator all at once reconnect within this time, each after a random delay.
    pub spread: Duration,
    /// The longest delay, which repeated failures lead to.
    pub longest: Duration,
    /// The limit for a connection, from its beginning to the head of the response.
    pub dial: Duration,
    /// The interval of beats: a message is sent at least this often.
    pub beat: Duration,
    /// A peer that sends nothing for this long is dead.
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
    /// A random delay, up to the limit after this many failures in a row.
    pub(super) fn wait(&self, failures: u32) -> Duration {
        self.due(failures).mul_f64(fastrand::f64())
    }

    /// The limit. It doubles with each failure after the first.
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
