//! An error of the API server in one line: its own message, without the layers around it.

/// For logs and for people.
#[must_use]
pub fn message(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        other => with_causes(other),
    }
}

/// Where a call fails, the last of its causes is the one that helps.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !message.contains(&words) {
            message.push_str(": ");
            message.push_str(&words);
        }
        cause = error.source();
    }
    message
}

/// Somebody else wrote first, or made it first: read again.
#[must_use]
pub fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

#[cfg(test)]
mod tests {
    use thiserror::Error;

    use super::*;

    #[derive(Debug, Error)]
    #[error("the call failed")]
    struct Outer(#[source] Middle);

    #[derive(Debug, Error)]
    #[error("the call failed")]
    struct Middle(#[source] std::io::Error);

    #[test]
    fn the_cause_is_told_once_and_to_the_end() {
        let error = Outer(Middle(std::io::Error::other("certificate not valid yet")));
        assert_eq!(with_causes(&error), "the call failed: certificate not valid yet");
    }
}
