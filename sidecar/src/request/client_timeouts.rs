//! Reads how long a client waits.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use crate::request::headers::name;

/// How long a client waits, as its SDK's headers say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// For a whole answer, or for the beginning of a stream.
    pub answer: Option<Duration>,
    /// Between two chunks of a stream.
    pub gap: Option<Duration>,
}

/// Reads the headers, in seconds. `x-stainless-read-timeout` limits each read: the wait for the answer and each gap in
/// it. `x-stainless-timeout` ends with the head of the answer.
pub fn client_timeouts(headers: &HeaderMap) -> ClientTimeouts {
    let seconds_of = |name: HeaderName| {
        let seconds = headers.get(&name)?.to_str().ok()?.parse::<f64>().ok()?;
        (seconds.is_finite() && seconds > 0.0).then(|| Duration::from_secs_f64(seconds.min(86_400.0)))
    };
    let gap = seconds_of(name::READ_TIMEOUT);
    ClientTimeouts { answer: seconds_of(name::TIMEOUT).into_iter().chain(gap).min(), gap }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_announced_timeout_counts() {
        let mut headers = HeaderMap::new();
        let timeouts = |headers: &HeaderMap| {
            let ClientTimeouts { answer, gap } = client_timeouts(headers);
            (answer.map(|answer| answer.as_millis()), gap.map(|gap| gap.as_millis()))
        };
        assert_eq!(timeouts(&headers), (None, None));
        headers.insert("x-stainless-timeout", "600".parse().unwrap());
        assert_eq!(timeouts(&headers), (Some(600_000), None));
        headers.insert("x-stainless-read-timeout", "2.5".parse().unwrap());
        assert_eq!(timeouts(&headers), (Some(2_500), Some(2_500)));
        for odd in ["nan", "0", "-1", "inf", "soon"] {
            headers.insert("x-stainless-read-timeout", odd.parse().unwrap());
            assert_eq!(timeouts(&headers), (Some(600_000), None), "{odd}");
        }
    }
}
