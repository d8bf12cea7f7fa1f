//! An error of the API server in one line: its own message, without the layers around it.

/// The message for logs and for people.
#[must_use]
pub fn message(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        other => with_causes(other),
    }
}

/// If a call fails, the last of its causes helps most.
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

/// Another writer changed or created the object first. The caller must read it again.
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
    fn each_cause_appears_once_in_the_message() {
        let error = Outer(Middle(std::io::Error::other("certificate not valid yet")));
        assert_eq!(with_causes(&error), "the call failed: certificate not valid yet");
    }
}
