//! Access tokens that expire. A token is fetched once for all requests that wait, and renewed before it expires.
//!
//! ```text
//! fetched ───────────────────────────── renew ────────────── stale ── expires
//!          requests use the token       │  one fetches, the  │ requests wait
//!                                      │  others use it     │ for a new one
//! ```

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, header};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

use super::{Authorize, AuthorizeError, SentMask};
use crate::upstream::Pieces;
use crate::upstream::mask::Mask;

/// A token is renewed when a fifth of its lifetime is left, at the latest five minutes before it expires.
const RENEWAL_SHARE: u32 = 5;
const RENEWAL_TIME: Duration = Duration::from_secs(300);
/// A token is not used in its last seconds, because it must still be valid when it arrives.
const STALE_TIME: Duration = Duration::from_secs(10);
/// How long a token server may take, and how long to wait after it has failed.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
const RETRY_PAUSE: Duration = Duration::from_secs(2);

/// How old a token must be to be given up because a provider refused it: another one would be refused too, if the
/// account lacks a permission.
const REFUSED_AGE: Duration = Duration::from_secs(10);

/// What a token's server has answered.
#[derive(Clone, Debug)]
pub struct Fetched<T> {
    pub token: T,
    /// The lifetime from now on; absent if it does not expire.
    pub lifetime: Option<Duration>,
}

/// A token for the header `Authorization`.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The whole value of the header, marked as sensitive.
    pub authorization: HeaderValue,
    /// Masks it in answers.
    pub mask: Option<Arc<Mask>>,
}

/// A source of tokens.
pub trait FetchToken: std::fmt::Debug + Send + Sync + 'static {
    /// What requests are authorized with. Its `Debug` shows no secret.
    type Token: Clone + std::fmt::Debug + Send + Sync + 'static;

    /// Fetches a token. The caller of this method limits its time.
    ///
    /// # Errors
    /// Why there is none. It contains no secret.
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched<Self::Token>, AuthorizeError>>;
}

/// A token that all requests of a credential share. It is generic over the token alone, so that the code of waiting and
/// renewing is in the program once for each kind of token, not for each server.
#[derive(Debug)]
pub struct TokenSource<T>(Arc<SharedToken<T>>);

#[derive(Debug)]
struct SharedToken<T> {
    fetch: Box<dyn FetchToken<Token = T>>,
    current: parking_lot::Mutex<Current<T>>,
    /// Locked by the task that fetches.
    fetching: Arc<Mutex<()>>,
}

#[derive(Clone, Debug)]
struct Current<T> {
    token: Option<CachedToken<T>>,
    failed: Option<(Instant, AuthorizeError)>,
}

#[derive(Clone, Debug)]
struct CachedToken<T> {
    token: T,
    fetched: Instant,
    /// When to renew the token, and when to stop using it.
    times: Option<(Instant, Instant)>,
}

impl<T> CachedToken<T> {
    fn of(Fetched { token, lifetime }: Fetched<T>, now: Instant) -> Self {
        let times = lifetime.map(|lifetime| {
            let stale = lifetime.saturating_sub(STALE_TIME);
            let renewed = lifetime.saturating_sub((lifetime / RENEWAL_SHARE).max(RENEWAL_TIME).min(lifetime / 2));
            (now + renewed, now + stale)
        });
        CachedToken { token, fetched: now, times }
    }

    fn is_stale(&self, now: Instant) -> bool {
        self.times.is_some_and(|(_, stale)| now >= stale)
    }

    fn wants_renewal(&self, now: Instant) -> bool {
        self.times.is_some_and(|(renewed, _)| now >= renewed)
    }
}

impl<T: Clone + std::fmt::Debug + Send + Sync + 'static> TokenSource<T> {
    pub fn new(fetch: impl FetchToken<Token = T>) -> Self {
        let current = parking_lot::Mutex::new(Current { token: None, failed: None });
        TokenSource(Arc::new(SharedToken { fetch: Box::new(fetch), current, fetching: Arc::default() }))
    }

    /// The token. Does not wait if there is a valid one.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn current(&self) -> Result<T, AuthorizeError> {
        if let Some(token) = self.0.valid_token() {
            if token.wants_renewal(Instant::now())
                && !self.0.pauses()
                && let Ok(permit) = Arc::clone(&self.0.fetching).try_lock_owned()
            {
                let source = Arc::clone(&self.0);
                // Its error is stored for those who will need it.
                tokio::spawn(async move { source.renew(permit).await });
            }
            return Ok(token.token);
        }
        let permit = Arc::clone(&self.0.fetching).lock_owned().await;
        // Another task may have fetched a token meanwhile, or have failed.
        if let Some(token) = self.0.valid_token() {
            return Ok(token.token);
        }
        if let Some((at, error)) = self.0.current.lock().failed.clone()
            && at.elapsed() < RETRY_PAUSE
        {
            return Err(error);
        }
        // A caller that leaves does not cancel the fetch: others wait for it.
        let source = Arc::clone(&self.0);
        let fetched = tokio::spawn(async move { source.renew(permit).await }).await;
        fetched.unwrap_or_else(|_| Err(AuthorizeError::Failed("the token could not be fetched".to_owned())))
    }

    /// The provider refused the token: another one may be accepted.
    pub fn give_up(&self) {
        let mut current = self.0.current.lock();
        current.token = current.token.take().filter(|token| token.fetched.elapsed() < REFUSED_AGE);
    }
}

impl<T: Clone + std::fmt::Debug + Send + Sync + 'static> SharedToken<T> {
    fn valid_token(&self) -> Option<CachedToken<T>> {
        self.current.lock().token.clone().filter(|token| !token.is_stale(Instant::now()))
    }

    fn pauses(&self) -> bool {
        self.current.lock().failed.as_ref().is_some_and(|(at, _)| at.elapsed() < RETRY_PAUSE)
    }

    async fn renew(&self, permit: OwnedMutexGuard<()>) -> Result<T, AuthorizeError> {
        let late = || AuthorizeError::Failed("the token's server did not answer in time".to_owned());
        let fetched = tokio::time::timeout(FETCH_TIMEOUT, self.fetch.fetch()).await.unwrap_or_else(|_| Err(late()));
        let now = Instant::now();
        let mut current = self.current.lock();
        let result = match fetched {
            Ok(fetched) => {
                let token = fetched.token.clone();
                *current = Current { token: Some(CachedToken::of(fetched, now)), failed: None };
                Ok(token)
            }
            Err(error) => {
                current.failed = Some((now, error.clone()));
                Err(error)
            }
        };
        drop(current);
        drop(permit);
        result
    }
}

impl Authorize for TokenSource<AccessToken> {
    fn authorize<'r>(&'r self, request: &'r mut Request<Pieces>) -> BoxFuture<'r, Result<SentMask, AuthorizeError>> {
        async move {
            let token = self.current().await?;
            request.headers_mut().insert(header::AUTHORIZATION, token.authorization);
            Ok(token.mask)
        }
        .boxed()
    }

    fn refused(&self) {
        self.give_up();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    /// A token server that takes 100 ms, numbers its tokens, and fails on demand.
    #[derive(Debug, Default)]
    struct Server {
        lifetime: Option<Duration>,
        fetches: Arc<AtomicUsize>,
        fails: Arc<AtomicUsize>,
        mute: bool,
    }

    const FETCH_TIME: Duration = Duration::from_millis(100);

    impl FetchToken for Server {
        type Token = AccessToken;

        fn fetch(&self) -> BoxFuture<'_, Result<Fetched<AccessToken>, AuthorizeError>> {
            let number = self.fetches.fetch_add(1, Ordering::SeqCst) + 1;
            async move {
                tokio::time::sleep(if self.mute { Duration::from_secs(3_600) } else { FETCH_TIME }).await;
                let left = |left: usize| left.checked_sub(1);
                if self.fails.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok() {
                    return Err(AuthorizeError::Failed(format!("no token {number}")));
                }
                let authorization = HeaderValue::try_from(format!("Bearer {number}")).unwrap();
                Ok(Fetched { token: AccessToken { authorization, mask: None }, lifetime: self.lifetime })
            }
            .boxed()
        }
    }

    fn source(lifetime: Option<u64>, fails: usize) -> (TokenSource<AccessToken>, Arc<AtomicUsize>) {
        let server = Server { lifetime: lifetime.map(Duration::from_secs), ..Server::default() };
        server.fails.store(fails, Ordering::SeqCst);
        let fetches = Arc::clone(&server.fetches);
        (TokenSource::new(server), fetches)
    }

    async fn value(source: &TokenSource<AccessToken>) -> String {
        match source.current().await {
            Ok(token) => token.authorization.to_str().unwrap().to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_requests_share_one_token() {
        let (source, fetch_count) = source(None, 0);
        let all = join_all((0..20).map(|_| value(&source))).await;
        assert_eq!(all, vec!["Bearer 1"; 20]);
        tokio::time::advance(Duration::from_secs(1 << 20)).await;
        assert_eq!(value(&source).await, "Bearer 1");
        assert_eq!(fetch_count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_renewed_early_and_no_request_waits() {
        let (source, fetch_count) = source(Some(3_600), 0);
        value(&source).await;
        for (seconds, expected, fetches) in [(2_879, "Bearer 1", 1), (2, "Bearer 1", 2), (0, "Bearer 2", 2)] {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            let began = Instant::now();
            let all = join_all((0..5).map(|_| value(&source))).await;
            assert_eq!((all, began.elapsed()), (vec![expected.to_owned(); 5], Duration::ZERO));
            tokio::time::sleep(2 * FETCH_TIME).await;
            assert_eq!(fetch_count.load(Ordering::SeqCst), fetches, "{seconds}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_is_about_to_expire_is_not_used() {
        let (source, _) = source(Some(60), 0);
        value(&source).await;
        tokio::time::advance(Duration::from_secs(51)).await;
        assert_eq!(value(&source).await, "Bearer 2");
        // A token whose lifetime is shorter than the margin is used only once.
        let (short, fetch_count) = self::source(Some(5), 0);
        assert_eq!((value(&short).await, value(&short).await), ("Bearer 1".to_owned(), "Bearer 2".to_owned()));
        assert_eq!(fetch_count.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_requests_share_a_failure_and_a_later_one_tries_again() {
        let (source, fetch_count) = source(Some(3_600), 1);
        let all = join_all((0..5).map(|_| value(&source))).await;
        assert_eq!(all, vec!["no token 1"; 5]);
        assert_eq!(value(&source).await, "no token 1");
        assert_eq!(fetch_count.load(Ordering::SeqCst), 1);
        tokio::time::advance(RETRY_PAUSE).await;
        assert_eq!(value(&source).await, "Bearer 2");
    }

    /// The current token is valid until it expires, even if its renewal fails.
    #[tokio::test(start_paused = true)]
    async fn a_failed_renewal_fails_no_request() {
        let server = Server { lifetime: Some(Duration::from_secs(3_600)), ..Server::default() };
        let (fetch_count, fails) = (Arc::clone(&server.fetches), Arc::clone(&server.fails));
        let source = TokenSource::new(server);
        value(&source).await;
        fails.store(2, Ordering::SeqCst);
        for (seconds, expected) in
            [(3_000, "Bearer 1"), (1, "Bearer 1"), (3, "Bearer 1"), (3, "Bearer 1"), (1, "Bearer 4")]
        {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            assert_eq!(value(&source).await, expected);
            tokio::time::sleep(2 * FETCH_TIME).await;
        }
        assert_eq!(fetch_count.load(Ordering::SeqCst), 4);
    }

    /// It may have been revoked. A new one is refused too if the account lacks a permission: that fetches no third.
    #[tokio::test(start_paused = true)]
    async fn a_refused_token_is_fetched_again_once_it_is_old() {
        let (source, fetch_count) = source(None, 0);
        value(&source).await;
        for (seconds, expected) in [(3, "Bearer 1"), (7, "Bearer 2"), (9, "Bearer 2"), (1, "Bearer 3")] {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            source.refused();
            let began = Instant::now();
            assert_eq!(value(&source).await, expected, "after {seconds} s");
            // The fake server takes its time, which is no part of the age.
            assert!(began.elapsed() <= FETCH_TIME);
        }
        assert_eq!(fetch_count.load(Ordering::SeqCst), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_times_out_and_a_caller_that_leaves_cancels_nothing() {
        let mute = TokenSource::new(Server { mute: true, ..Server::default() });
        assert_eq!(value(&mute).await, "the token's server did not answer in time");
        let (source, fetch_count) = source(None, 0);
        assert!(tokio::time::timeout(FETCH_TIME / 2, source.current()).await.is_err());
        tokio::time::sleep(FETCH_TIME).await;
        assert_eq!((value(&source).await.as_str(), fetch_count.load(Ordering::SeqCst)), ("Bearer 1", 1));
    }
}
