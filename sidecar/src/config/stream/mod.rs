//! The stream to the operator: it brings policies, credentials and grants, and takes back outcomes and usage.
//!
//! ```text
//! dial ─► hello ─► receive, until it ends ─► wait, longer after each failure ─► dial
//!   ▲                                         │
//!   └── at once, if a follower names the leader
//! ```
//! A problem with the stream never stops the gateway from serving. The log and `/readyz` report each problem once,
//! until another one replaces it.

mod concurrency;
mod dial;
mod opening;
mod pace;
mod received;
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

/// How many redirects in a row are followed before the gateway waits.
const MAX_REDIRECTS: u32 = 3;

/// The operator's address, and the files that a connection needs.
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
    #[error("`{0}` must begin with https:// and have no path, because tokens and credentials are sent to it")]
    NotHttps(String),
}

impl OperatorStream {
    /// The operator at `https://HOST:PORT`; its certificate must be for HOST. Each connection reads the files again,
    /// because both change while a pod lives: the pod's token, and the authorities that its certificate must be signed
    /// by.
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

    /// Accepts only authorities that the operator has signed.
    #[must_use]
    pub fn trusting(self, trust: Option<Trust>) -> Self {
        OperatorStream { trust, ..self }
    }

    /// Keeps a stream open for as long as the future is polled.
    pub async fn follow(self, sources: Arc<PolicySources>) {
        let mut mounted = sources.mounted();
        let mut leader: Option<Authority> = None;
        let (mut failures, mut redirects) = (0_u32, 0_u32);
        loop {
            mounted.borrow_and_update();
            let was_redirected = leader.is_some();
            let mut received = false;
            let ended = self.connect_once(&sources, leader.take(), &mut received).await;
            if let StreamEnded::NotLeader(address) = &ended
                && redirects < MAX_REDIRECTS
            {
                redirects += 1;
                leader = Some(address.clone());
                continue;
            }
            redirects = 0;
            failures = if received { 0 } else { failures.saturating_add(1) };
            report_problem(&sources, &ended);
            // The leader is gone: ask the Service at once for the new one.
            if was_redirected && !received && failures == 1 {
                continue;
            }
            let wait = tokio::time::sleep(self.pace.wait(failures));
            match ended {
                // The missing file may have been mounted meanwhile, or may come soon.
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

    /// Runs one connection. Sets `received` if the operator sends a message on it.
    async fn connect_once(
        &self,
        sources: &PolicySources,
        leader: Option<Authority>,
        received: &mut bool,
    ) -> StreamEnded {
        let mounted = sources.mounted();
        match dial::dial(self, leader.as_ref(), sources).await {
            Ok(open) => {
                tracing::info!(operator = %self.endpoint, leader = leader.as_ref().map(Authority::as_str), "connected to the operator");
                sources.gateway().set_link(None);
                session::run(open, self, sources, mounted, received).await
            }
            Err(ended) => ended,
        }
    }
}

/// Logs the problem once, until another one replaces it.
fn report_problem(sources: &PolicySources, ended: &StreamEnded) {
    let problem = ended.to_string();
    let previous = sources.gateway().status().operator.and_then(|link| link.problem);
    match previous.as_deref() == Some(&problem) {
        true => tracing::debug!(problem, "still no stream from the operator"),
        false if ended.is_expected() => tracing::info!(problem, "no stream from the operator for now"),
        false => tracing::warn!(problem, "no stream from the operator: the policy in force stays in use"),
    }
    sources.gateway().set_link(Some(problem));
}
