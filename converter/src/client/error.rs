//! Why a stream ended without a file.

use std::borrow::Cow;
use std::io;

use super::connect::SettingError;
use super::plan::Ending;
use super::session::Fault;
use crate::wav::WavError;

/// Why a stream ended without a file.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// A setting cannot be used.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The input could not be read.
    #[error("the input could not be read: {0}")]
    Input(#[source] io::Error),
    /// The output could not be written.
    #[error("the output could not be written: {0}")]
    Output(#[source] io::Error),
    /// The input is nothing that can be converted.
    #[error(transparent)]
    Audio(#[from] WavError),
    /// The service ended the stream, or did not take it.
    #[error("{}", ended(.0))]
    Ended(Ending),
    /// The connection did not come back.
    #[error("{}; {attempts} more attempts brought nothing: see that the service is there, or give it longer with --reconnect-timeout", ended(.ending))]
    GaveUp {
        /// How the last connection ended.
        ending: Ending,
        /// Attempts that brought nothing.
        attempts: u32,
    },
    /// The connection was lost where the stream cannot be gone on with.
    #[error("{}, and the stream cannot be gone on with: {why}", ended(.ending))]
    CannotGoOn {
        /// How the connection ended.
        ending: Ending,
        /// What is missing.
        why: &'static str,
    },
    /// The service does not keep to the protocol.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The service encoded something else.
    #[error(
        "the service encoded {theirs_samples} samples with the MD5 {theirs}, but {ours_samples} with the MD5 {ours} were \
         sent: nothing was kept; see that nobody else writes the input, and report this if nobody does"
    )]
    OtherAudio {
        /// MD5 of what was sent.
        ours: String,
        /// Samples per channel sent.
        ours_samples: u64,
        /// MD5 that the service tells.
        theirs: String,
        /// Samples per channel that the service tells.
        theirs_samples: u64,
    },
}

/// An ending in words.
pub(super) fn ended(ending: &Ending) -> String {
    match ending {
        Ending::Unreachable(cause) => format!("no connection: {cause}"),
        Ending::Untrusted(cause) => format!(
            "the server's certificate is not trusted: {cause}: see that it is for the name in the address, and give its \
             authority's certificate with --ca-file"
        ),
        Ending::Refused { status, detail } => format!("the service refused the stream with status {status}: {detail}"),
        Ending::Lost { error: Some(error), .. } => format!("the service ended the stream: {}", error.message),
        Ending::Lost { code: Some(code), error: None, cause } if !cause.is_empty() => {
            format!("the service closed the stream with code {code}: {cause}")
        }
        Ending::Lost { code: Some(code), error: None, .. } => format!("the service closed the stream with code {code}"),
        Ending::Lost { code: None, error: None, cause } => format!("the connection was lost: {cause}"),
    }
}

impl StreamError {
    /// A stable name for programs, `snake_case`; what the service refused keeps the service's.
    pub fn code(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::Setting(_) => "setting",
            Self::Input(_) => "source_unreadable",
            Self::Output(_) => "io",
            Self::Audio(error) => error.code(),
            Self::Ended(Ending::Lost { error: Some(error), .. }) => return Cow::Borrowed(&error.code),
            Self::Ended(Ending::Refused { .. }) => "refused",
            Self::Ended(_) => "ended",
            Self::GaveUp { .. } => "connection_lost",
            Self::CannotGoOn { .. } => "cannot_resume",
            Self::Fault(_) => "protocol",
            Self::OtherAudio { .. } => "md5_differs",
        })
    }
}
