//! Measures the processor time of a thread. Elapsed time does not measure work, because everything takes long on a busy
//! node.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The processor time that this thread has used so far.
pub(crate) fn time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Runs the work, and returns its result and its processor time.
pub(crate) fn measured<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = time();
    let done = work();
    (done, time().saturating_sub(began))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_uses_no_processor_time() {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let (waited, of_waiting) = measured(|| receiver.recv_timeout(Duration::from_millis(200)));
        assert!(waited.is_err());
        drop(sender);
        let (_, of_work) = measured(|| {
            let began = time();
            while time() - began < Duration::from_millis(200) {}
        });
        assert!(
            of_waiting < Duration::from_millis(100) && of_work >= Duration::from_millis(200),
            "{of_waiting:?} {of_work:?}"
        );
    }
}
