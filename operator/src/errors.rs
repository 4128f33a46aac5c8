//! What an error is called in metrics, and whether it is worth another try.

use std::sync::OnceLock;
use std::time::Duration;

use crate::leader::NotLeading;

/// An error of a reconcile.
pub trait Categorised: std::error::Error {
    /// A word of a small, closed set, for a metric's label.
    fn category(&self) -> &'static str;
}

/// HTTP status of an answer: there is no such object, or no such kind.
pub const NOT_FOUND: u16 = 404;
/// HTTP status of an answer: the object is there already, or has changed since it was read.
pub const CONFLICT: u16 = 409;

/// The category of a write that was refused because this operator does not lead.
pub const NOT_LEADING: &str = "not_leading";

/// Longest time that one request to the apiserver may take, retries of the client included, unless told otherwise.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// The time that the process was told. Of the process and not of a context, as no call may be without one.
static TOLD: OnceLock<Duration> = OnceLock::new();

/// Sets the longest time of a request, once, before the first.
pub fn set_call_timeout(limit: Duration) {
    // A second one would be another operator in the same process, which there is in tests only.
    let _ = TOLD.set(limit);
}

fn call_timeout() -> Duration {
    TOLD.get().copied().unwrap_or(CALL_TIMEOUT)
}

/// A request to the apiserver that brought no answer one can use.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The apiserver, or the way to it, answered with an error.
    #[error("{what}: {}", describe(source))]
    Kube {
        /// What was asked, as `get Deployment x`.
        what: String,
        /// The answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// No answer came in time.
    #[error("{what}: no answer within {} s", call_timeout().as_secs())]
    Timeout {
        /// What was asked.
        what: String,
    },
}

impl Categorised for CallError {
    fn category(&self) -> &'static str {
        match self {
            Self::Kube { source, .. } => kube_category(source),
            Self::Timeout { .. } => "timeout",
        }
    }
}

impl CallError {
    /// What was asked, as `get Deployment x`.
    pub fn what(&self) -> &str {
        match self {
            Self::Kube { what, .. } | Self::Timeout { what } => what,
        }
    }

    /// The HTTP status of the apiserver's answer, if it gave one.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Kube { source, .. } => kube_code(source),
            Self::Timeout { .. } => None,
        }
    }
}

/// Runs one request under the time-out of calls; `what` says what is asked, as `get Deployment x`.
pub fn call<T>(
    what: impl Into<String>,
    request: impl Future<Output = Result<T, kube::Error>> + Send,
) -> impl Future<Output = Result<T, CallError>> + Send {
    let what = what.into();
    // Boxed at once: the futures of a client's requests are kilobytes each, and a reconcile makes many.
    let request = Box::pin(request);
    async move {
        match tokio::time::timeout(call_timeout(), request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(CallError::Kube { what, source: Box::new(source) }),
            Err(_) => Err(CallError::Timeout { what }),
        }
    }
}

/// The HTTP status of the apiserver's answer, if it gave one.
pub fn kube_code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

fn kube_category(error: &kube::Error) -> &'static str {
    match kube_code(error) {
        Some(400 | 422) => "invalid",
        Some(401) => "unauthorized",
        Some(403) => "forbidden",
        Some(NOT_FOUND) => "not_found",
        Some(CONFLICT) => "conflict",
        Some(429) => "throttled",
        Some(500..) => "apiserver",
        Some(_) => "other",
        None if NotLeading::caused(error) => NOT_LEADING,
        None => "transport",
    }
}

/// The apiserver's own sentence, without the struct that kube's Display repeats.
pub fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
