//! Lets a request continue for a moment after its caller has gone.
//!
//! hyper drops the future of a request when its connection closes. If an attempt is dropped half-way, its usage is
//! unknown. If limits count it, the request runs as a task of its own: it is cancelled a second after its caller has
//! gone, or runs to its end if the key sets `onHangUp: Drain`.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use outrigger_policy::OnHangUp;
use tokio::task::AbortHandle;

use crate::request::context::RequestContext;
use crate::request::reply::ReplyBody;

/// How long an attempt continues after its caller has gone.
const LINGER: Duration = Duration::from_secs(1);

/// Waits for a request's task, and notices when its caller goes.
#[derive(Debug)]
pub struct DetachedRequest {
    on_hang_up: OnHangUp,
    gone: Arc<AtomicBool>,
    task: Option<AbortHandle>,
}

impl DetachedRequest {
    pub fn new(context: &RequestContext) -> Self {
        DetachedRequest { on_hang_up: context.key().on_hang_up, gone: Arc::clone(&context.gone), task: None }
    }

    /// Runs a request as a task, and waits for it as long as the caller does.
    pub async fn wait(
        mut self,
        request: impl Future<Output = Response<ReplyBody>> + Send + 'static,
    ) -> Response<ReplyBody> {
        let task = tokio::spawn(request);
        self.task = Some(task.abort_handle());
        let outcome = task.await;
        self.task = None;
        match outcome {
            Ok(response) => response,
            // Only a panic ends a task this way. The caller gets an answer anyway.
            Err(_) => {
                let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                response
            }
        }
    }
}

impl Drop for DetachedRequest {
    fn drop(&mut self) {
        let Some(task) = self.task.take() else { return };
        self.gone.store(true, Ordering::Release);
        if self.on_hang_up == OnHangUp::Drain {
            return;
        }
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                tokio::time::sleep(LINGER).await;
                task.abort();
            })),
            Err(_) => task.abort(),
        }
    }
}
