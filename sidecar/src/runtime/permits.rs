//! Permits of this process: concurrent requests under limits that gateways share.
//!
//! The lock is held only while counting, and never across an await.

use std::sync::Arc;

use outrigger_core::Millis;
use outrigger_ledger::permits::{PermitGrants, PermitHolder, PermitNo, PermitReport, PermitShort, PermitView};
use outrigger_ledger::shared::holder::Due;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// All permits of a gateway.
#[derive(Debug)]
pub struct Permits {
    holder: Mutex<PermitHolder>,
    /// A permit was returned, or the leader has answered.
    freed: Notify,
    /// A report to the leader is due immediately.
    report_due: Notify,
    begun: Instant,
}

/// A request's permit; returned when dropped.
#[derive(Debug)]
pub struct SharedPermit {
    permits: Arc<Permits>,
    limit: PermitNo,
}

impl Default for Permits {
    fn default() -> Self {
        let holder = Mutex::new(PermitHolder::new(fastrand::u64(1..)));
        Permits { holder, freed: Notify::new(), report_due: Notify::new(), begun: Instant::now() }
    }
}

impl Permits {
    /// The number of a limit.
    pub fn number_of(&self, name: &str) -> PermitNo {
        self.holder.lock().number_of(name)
    }

    /// Adopts the limits of the active policy, and how many requests may run.
    pub fn adopt<'a>(&self, limits: impl IntoIterator<Item = (&'a str, u64)>) {
        self.holder.lock().adopt(limits);
        self.report_due.notify_one();
        self.freed.notify_waiters();
    }

    /// Takes a permit if there is one here. If one may come soon, waits for it until then.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn take(self: &Arc<Self>, limit: PermitNo, until: Instant) -> Result<SharedPermit, PermitShort> {
        match self.try_take(limit) {
            Err(PermitShort::Coming) => {}
            Err(short) => return Err(self.refuse(limit, short)),
            taken => return taken,
        }
        let waiting = PermitWait::begin(self, limit);
        let short = loop {
            // Before the check: what is returned during the check wakes this request too.
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            match self.try_take(limit) {
                Err(PermitShort::Coming) if timeout_at(until, freed).await.is_ok() => {}
                Err(PermitShort::Coming) => break self.holder.lock().waited_in_vain(limit, self.now()),
                Err(short) => break short,
                taken => return taken,
            }
        };
        drop(waiting);
        Err(self.refuse(limit, short))
    }

    fn try_take(self: &Arc<Self>, limit: PermitNo) -> Result<SharedPermit, PermitShort> {
        let mut holder = self.holder.lock();
        let taken = holder.take(limit, self.now());
        self.changed(holder);
        taken.map(|()| SharedPermit { permits: Arc::clone(self), limit })
    }

    fn refuse(&self, limit: PermitNo, short: PermitShort) -> PermitShort {
        let mut holder = self.holder.lock();
        holder.refused(limit, self.now());
        self.changed(holder);
        short
    }

    /// The active policy shares no such limits.
    pub fn leave(&self) {
        if self.holder.lock().is_sharing() {
            self.adopt([]);
        }
    }

    #[must_use]
    pub fn view(&self, limit: PermitNo) -> PermitView {
        self.holder.lock().view(limit)
    }

    fn now(&self) -> Millis {
        Millis::try_from(self.begun.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }

    /// Releases the permits, and notifies if a report to the leader is due immediately.
    fn changed(&self, mut holder: MutexGuard<'_, PermitHolder>) {
        let due = holder.due(self.now());
        drop(holder);
        if due == Due::Now {
            self.report_due.notify_one();
        }
    }
}

/// The connection to the operator.
impl Permits {
    /// Ready when a report to the leader is due immediately.
    pub async fn report_due(&self) {
        self.report_due.notified().await;
    }

    pub fn due(&self) -> Due {
        self.holder.lock().due(self.now())
    }

    /// Whether nothing has to happen as time passes, except for occasional reports.
    pub fn is_idle(&self) -> bool {
        self.holder.lock().is_idle(self.now())
    }

    pub fn connected(&self) {
        self.holder.lock().connected();
        self.report_due.notify_one();
    }

    /// No leader can answer any more: waiting requests stop waiting.
    pub fn disconnected(&self) {
        self.holder.lock().disconnected();
        self.freed.notify_waiters();
    }

    pub fn report(&self) -> Option<PermitReport> {
        self.holder.lock().report(self.now())
    }

    pub fn granted(&self, grants: &PermitGrants) {
        let mut holder = self.holder.lock();
        let answered = holder.granted(grants, self.now());
        self.changed(holder);
        if answered {
            self.freed.notify_waiters();
        }
    }

    /// The process is about to end: returns its permits, and waits until the leader has confirmed that, until then at
    /// most.
    pub async fn close(&self, until: Instant) {
        self.begin_to_close();
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if self.is_closed() || timeout_at(until, freed).await.is_err() {
                return;
            }
        }
    }

    fn begin_to_close(&self) {
        let mut holder = self.holder.lock();
        holder.close();
        self.changed(holder);
    }

    fn is_closed(&self) -> bool {
        self.holder.lock().is_closed()
    }
}

impl Drop for SharedPermit {
    fn drop(&mut self) {
        let mut holder = self.permits.holder.lock();
        holder.release(self.limit, self.permits.now());
        self.permits.changed(holder);
        self.permits.freed.notify_waiters();
    }
}

/// A waiting request, for as long as it waits.
struct PermitWait<'a> {
    permits: &'a Permits,
    limit: PermitNo,
}

impl<'a> PermitWait<'a> {
    fn begin(permits: &'a Permits, limit: PermitNo) -> Self {
        let mut holder = permits.holder.lock();
        holder.wait(limit);
        permits.changed(holder);
        PermitWait { permits, limit }
    }
}

impl Drop for PermitWait<'_> {
    fn drop(&mut self) {
        self.permits.holder.lock().waited(self.limit);
    }
}
