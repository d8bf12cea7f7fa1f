//! How long a client says that it waits.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use crate::request::headers::name;

/// How long a client waits, as its SDK announces it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// For an answer: the whole of it, or the beginning of a stream.
    pub answer: Option<Duration>,
    /// Between two pieces of a stream.
    pub gap: Option<Duration>,
}

/// What the client says of it, in seconds. `x-stainless-read-timeout` is the time of one read: it bounds the wait for the
/// answer and each gap in it. `x-stainless-timeout` ends with the answer's head.
pub fn patience(headers: &HeaderMap) -> ClientTimeouts {
    let told = |name: HeaderName| {
        let seconds = headers.get(&name)?.to_str().ok()?.parse::<f64>().ok()?;
        (seconds.is_finite() && seconds > 0.0).then(|| Duration::from_secs_f64(seconds.min(86_400.0)))
    };
    let gap = told(name::READ_TIMEOUT);
    ClientTimeouts { answer: told(name::TIMEOUT).into_iter().chain(gap).min(), gap }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_the_least_of_what_is_announced() {
        let mut headers = HeaderMap::new();
        let told = |headers: &HeaderMap| {
            let ClientTimeouts { answer, gap } = patience(headers);
            (answer.map(|answer| answer.as_millis()), gap.map(|gap| gap.as_millis()))
        };
        assert_eq!(told(&headers), (None, None));
        headers.insert("x-stainless-timeout", "600".parse().unwrap());
        assert_eq!(told(&headers), (Some(600_000), None));
        headers.insert("x-stainless-read-timeout", "2.5".parse().unwrap());
        assert_eq!(told(&headers), (Some(2_500), Some(2_500)));
        for odd in ["nan", "0", "-1", "inf", "soon"] {
            headers.insert("x-stainless-read-timeout", odd.parse().unwrap());
            assert_eq!(told(&headers), (Some(600_000), None), "{odd}");
        }
    }
}
