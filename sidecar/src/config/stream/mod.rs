//! The stream to the operator: policies and credentials come by it, and what became of them goes back.
//!
//! ```text
//! dial ─► hello ─► listen, until it ends ─► wait, a little longer each time it fails ─► dial
//!   ▲                                         │
//!   └── at once, where a follower says who leads
//! ```
//! Nothing here stops a gateway from serving, or ends it. Why there is no stream is told once, in the log and on
//! `/readyz`, and then each time that it is another reason.

mod dial;
mod pace;
mod report;
mod session;
mod stream_ended;
mod trust;
mod usage;

use std::path::PathBuf;
use std::sync::Arc;

use http::Uri;
use http::uri::Authority;
use outrigger_sync::{PATH, Trust};

use crate::config::source::PolicySources;
use crate::upstream::{Endpoint, EndpointError};

pub use pace::ReconnectPace;
pub use stream_ended::StreamEnded;

/// Followers that are believed one after the other before it is waited.
const HOPS: u32 = 3;

/// Where the operator is, and what it is asked with.
#[derive(Clone, Debug)]
pub struct OperatorStream {
    endpoint: Endpoint,
    target: Uri,
    token: PathBuf,
    authorities: PathBuf,
    trust: Option<Trust>,
    pace: ReconnectPace,
}

/// Why an operator's URL can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    #[error(transparent)]
    Url(#[from] EndpointError),
    #[error("`{0}` must begin with https://, and have no path: tokens and credentials travel there")]
    NotHttps(String),
}

impl OperatorStream {
    /// At `https://HOST:PORT`, whose certificate must be for HOST. The files are read anew for each connection, since
    /// both change while a pod lives: the pod's token, and the authorities that the certificate is trusted by.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub fn new(url: &str, token: PathBuf, authorities: PathBuf, pace: ReconnectPace) -> Result<Self, OperatorError> {
        let endpoint = Endpoint::parse(url)?;
        if !endpoint.tls || !endpoint.base().is_empty() {
            return Err(OperatorError::NotHttps(url.to_owned()));
        }
        let target = format!("https://{}{PATH}", endpoint.authority());
        let target = target.parse().map_err(|_| EndpointError::NotUrl(url.to_owned()))?;
        Ok(OperatorStream { endpoint, target, token, authorities, trust: None, pace })
    }

    /// Trusts no authorities but those that the operator has signed.
    #[must_use]
    pub fn trusting(self, trust: Option<Trust>) -> Self {
        OperatorStream { trust, ..self }
    }

    /// Keeps a stream open for as long as it is polled.
    pub async fn follow(self, sources: Arc<PolicySources>) {
        let mut mounted = sources.mounted();
        let mut leader: Option<Authority> = None;
        let (mut failures, mut hops) = (0_u32, 0_u32);
        loop {
            mounted.borrow_and_update();
            let was_led = leader.is_some();
            let mut heard = false;
            let ended = self.once(&sources, leader.take(), &mut heard).await;
            if let StreamEnded::Elsewhere(address) = &ended
                && hops < HOPS
            {
                hops += 1;
                leader = Some(address.clone());
                continue;
            }
            hops = 0;
            failures = if heard { 0 } else { failures.saturating_add(1) };
            note_problem(&sources, &ended);
            // A leader that is gone is asked for at the Service, and that need not be waited for.
            if was_led && !heard && failures == 1 {
                continue;
            }
            let wait = tokio::time::sleep(self.pace.wait(failures));
            match ended {
                // What is missing was mounted since, or is about to be.
                StreamEnded::NoAuthorities { .. } | StreamEnded::Authorities { .. } | StreamEnded::Files(_) => {
                    tokio::select! {
                        () = wait => {}
                        Ok(()) = mounted.changed() => {}
                    }
                }
                _ => wait.await,
            }
        }
    }

    /// One connection, from its beginning to its end. `heard`: the operator said something on it.
    async fn once(&self, sources: &PolicySources, leader: Option<Authority>, heard: &mut bool) -> StreamEnded {
        let mounted = sources.mounted();
        match dial::dial(self, leader.as_ref(), sources).await {
            Ok(open) => {
                tracing::info!(operator = %self.endpoint, leader = leader.as_ref().map(Authority::as_str), "connected to the operator");
                sources.gateway().linked(None);
                session::listen(open, self, sources, mounted, heard).await
            }
            Err(ended) => ended,
        }
    }
}

/// Once, until it is another reason.
fn note_problem(sources: &PolicySources, ended: &StreamEnded) {
    let problem = ended.to_string();
    let known = sources.gateway().status().operator.and_then(|link| link.problem);
    match known.as_deref() == Some(&problem) {
        true => tracing::debug!(problem, "still no stream from the operator"),
        false if ended.is_usual() => tracing::info!(problem, "no stream from the operator for now"),
        false => tracing::warn!(problem, "no stream from the operator: what is in force serves on"),
    }
    sources.gateway().linked(Some(problem));
}
