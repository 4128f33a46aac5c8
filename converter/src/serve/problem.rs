//! What can go wrong for a client, and the one place where that becomes an HTTP status, a WebSocket close code and words.
//!
//! Handlers return a [`Failure`]; [`super::request`] puts the request's id in and writes the body (RFC 9457).

use std::fmt::Write as _;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{spool::SpoolError, token::Refusal};
use crate::bytesize::ByteSize;
use crate::convert::{ConvertError, ErrorClass};

/// Seconds after which a client that met a full server may try again.
const RETRY_AFTER: u64 = 10;
/// Seconds after which the server that replaces a stopping one should be reachable.
const RETRY_AFTER_DRAIN: u64 = 2;

/// WebSocket close codes (RFC 6455 §7.4.1; 4000–4999 are the application's).
pub(super) mod close {
    pub const NORMAL: u16 = 1000;
    pub const PROTOCOL: u16 = 1002;
    pub const UNSUPPORTED: u16 = 1003;
    pub const INVALID: u16 = 1007;
    pub const POLICY: u16 = 1008;
    pub const TOO_BIG: u16 = 1009;
    pub const INTERNAL: u16 = 1011;
    pub const RESTART: u16 = 1012;
    pub const TRY_LATER: u16 = 1013;
    pub const IDLE: u16 = 4408;
}

/// What ended a request or stream without a result. The `Display` text is for the client: what is wrong and what to change.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Convert(#[from] ConvertError),
    #[error(
        "the request has no body: send the WAV itself (curl --data-binary @in.wav …) or as the form field `file` (curl -F file=@in.wav …)"
    )]
    EmptyBody,
    #[error("the file in the form field `file` is empty: choose a WAV file")]
    EmptyFile,
    #[error("the form has no field `file`{}: send the WAV as the form field `file` (curl -F file=@in.wav …) or as the body itself", found(.fields))]
    NoFile { fields: Vec<String> },
    #[error("the form holds more than {most} files: send them in several requests")]
    TooManyFiles { most: usize },
    #[error("the form holds more than one file, and ?progressive=true answers with one: leave it out to get a ZIP")]
    ProgressiveFiles,
    #[error("`{name}` is a form field here, where it has no effect: give it in the address, as in /convert?{name}=…")]
    OptionAsField { name: String },
    #[error("the form cannot be read: {0}")]
    MalformedForm(String),
    #[error("the form cannot be read: it holds more than {most} beside the file")]
    FormOverhead { most: ByteSize },
    #[error("the upload is larger than {limit}, the most that this server takes")]
    TooLarge { limit: ByteSize },
    #[error("`{name}` is no option here: known are {known}")]
    UnknownOption { name: String, known: String },
    #[error("the option `{name}` is given twice: give it once")]
    RepeatedOption { name: String },
    #[error("the option `{name}` cannot be `{value}`: {wanted}")]
    InvalidOption { name: String, value: String, wanted: String },
    #[error("the options in the address cannot be read: write them as ?name=value&name=value, percent-encoded")]
    MalformedQuery,
    #[error("the body's Content-Encoding is {0}: send the WAV without compression, FLAC needs its own bytes")]
    ContentEncoding(String),
    #[error("nothing came for {seconds} s: send without such a pause, or ask for a longer --idle-timeout")]
    Idle { seconds: u64 },
    #[error("the upload came at less than {rate} a second: send faster, or ask for a lower --min-upload-rate")]
    TooSlow { rate: ByteSize },
    #[error(
        "the upload took more than {seconds} s: send it faster or in parts, or ask for a longer --conversion-timeout"
    )]
    TookTooLong { seconds: u64 },
    #[error("the server is busy and so is its queue: try again in a few seconds")]
    QueueFull,
    #[error(
        "the body's chunks cannot be read (Transfer-Encoding: chunked): each is its length in hexadecimal, a line end, that many bytes, a line end"
    )]
    MalformedBody,
    #[error("the connection ended before the upload did")]
    ClientGone,
    #[error("the client took nothing of what the server sent")]
    SlowReader,
    #[error("the server's space for results is full: try again in a few seconds")]
    SpoolFull,
    #[error("the server is stopping and takes no new work: try again, another one will answer")]
    Draining,
    #[error("the server is stopping and this stream outlasted its time to finish: connect again and resume it")]
    CutOff,
    #[error("pages of {0} may not open streams here: add that origin to --allowed-origin if they should")]
    Origin(String),
    #[error("this is the address of a WebSocket: {0}")]
    NoUpgrade(String),
    #[error("a text message here is JSON such as {{\"type\":\"start\"}} or {{\"type\":\"end\"}}: {0}")]
    MalformedMessage(String),
    #[error("`start` or `resume` comes once, before the audio")]
    LateStart,
    #[error(
        "a bearer token is needed here: send `Authorization: Bearer …`, or for /ws the subprotocol `flacship.bearer.<base64url of the token>`"
    )]
    Unauthorized,
    #[error("the server has all {limit} streams that it takes: try again in a few seconds")]
    TooManyStreams { limit: u32 },
    #[error("the server is set aside for a while and takes no new streams: try again, another one will answer")]
    Reserved,
    #[error("the stream has lasted {seconds} s, the longest that this server lets one be: begin a new one")]
    StreamTooLong { seconds: u64 },
    #[error("{0}: begin a new stream")]
    Token(#[from] Refusal),
    #[error("a message is larger than {limit}: send smaller ones, they may be split anywhere")]
    MessageTooLarge { limit: ByteSize },
    #[error(
        "there is no memory for so large a message now: try again in a few seconds, or send smaller ones with subprotocol flacship.v1"
    )]
    NoRoom,
    #[error("the connection broke the WebSocket protocol: {0}")]
    Protocol(String),
    #[error("the stream ended without its `end` message, so its last samples are missing")]
    NoEnd,
    #[error("this port speaks HTTPS only: write https:// in the address, or wss:// for a stream")]
    HttpsOnly,
    #[error("the request's head is larger than {limit}: send shorter headers or a shorter address")]
    HeadTooLarge { limit: ByteSize },
    #[error("there is nothing at this address: the page is at /, conversion at POST /convert, streams at /ws")]
    NotFound,
    #[error("this address does not take {0}: the Allow header names what it takes")]
    Method(String),
    /// The server's fault. The detail goes to the log, not to the client.
    #[error("the server failed; its log has the cause under this request's id")]
    Internal(String),
    /// A refusal by the HTTP stack itself.
    #[error("{1}")]
    Http(StatusCode, String),
}

fn found(fields: &[String]) -> String {
    if fields.is_empty() {
        return String::from(", nor any other");
    }
    let mut text = String::from(", only ");
    for (at, field) in fields.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}`{field}`");
    }
    text
}

impl From<SpoolError> for Failure {
    fn from(error: SpoolError) -> Self {
        match error {
            SpoolError::Full => Self::SpoolFull,
            SpoolError::File(_) => Self::Internal(error.to_string()),
        }
    }
}

impl Failure {
    /// Stable name for programs, logs and metrics; one of a fixed set.
    pub(super) fn code(&self) -> &'static str {
        self.row().0
    }

    /// Close code of a stream that ends with this.
    pub(super) fn close_code(&self) -> u16 {
        self.row().2
    }

    fn status(&self) -> StatusCode {
        self.row().1
    }

    /// The mapping: code, status, close code.
    fn row(&self) -> (&'static str, StatusCode, u16) {
        use StatusCode as S;
        match self {
            Self::Convert(error) => {
                let (status, close) = match error.class() {
                    ErrorClass::Malformed => (S::BAD_REQUEST, close::INVALID),
                    ErrorClass::NotWav | ErrorClass::Unsupported => (S::UNSUPPORTED_MEDIA_TYPE, close::UNSUPPORTED),
                    ErrorClass::Contradiction => (S::UNPROCESSABLE_ENTITY, close::INVALID),
                    ErrorClass::Input | ErrorClass::Output | ErrorClass::Internal => {
                        (S::INTERNAL_SERVER_ERROR, close::INTERNAL)
                    }
                };
                (error.code(), status, close)
            }
            Self::EmptyBody | Self::EmptyFile => ("empty_input", S::BAD_REQUEST, close::INVALID),
            Self::NoFile { .. } => ("no_file", S::BAD_REQUEST, close::INVALID),
            Self::TooManyFiles { .. } | Self::ProgressiveFiles => ("too_many_files", S::BAD_REQUEST, close::INVALID),
            Self::OptionAsField { .. } => ("option_as_field", S::BAD_REQUEST, close::INVALID),
            Self::MalformedForm(_) | Self::FormOverhead { .. } => ("malformed_form", S::BAD_REQUEST, close::INVALID),
            Self::TooLarge { .. } => ("too_large", S::PAYLOAD_TOO_LARGE, close::TOO_BIG),
            Self::UnknownOption { .. } => ("unknown_option", S::BAD_REQUEST, close::INVALID),
            Self::RepeatedOption { .. } => ("repeated_option", S::BAD_REQUEST, close::INVALID),
            Self::InvalidOption { .. } => ("invalid_option", S::BAD_REQUEST, close::INVALID),
            Self::MalformedQuery => ("malformed_query", S::BAD_REQUEST, close::INVALID),
            Self::ContentEncoding(_) => ("content_encoding", S::UNSUPPORTED_MEDIA_TYPE, close::UNSUPPORTED),
            Self::Idle { .. } => ("idle", S::REQUEST_TIMEOUT, close::IDLE),
            Self::TooSlow { .. } => ("too_slow", S::REQUEST_TIMEOUT, close::IDLE),
            Self::TookTooLong { .. } => ("took_too_long", S::REQUEST_TIMEOUT, close::POLICY),
            Self::QueueFull => ("queue_full", S::TOO_MANY_REQUESTS, close::TRY_LATER),
            Self::MalformedBody => ("malformed_body", S::BAD_REQUEST, close::INVALID),
            Self::ClientGone => ("client_gone", S::BAD_REQUEST, close::POLICY),
            Self::SlowReader => ("slow_reader", S::REQUEST_TIMEOUT, close::POLICY),
            Self::SpoolFull => ("spool_full", S::SERVICE_UNAVAILABLE, close::TRY_LATER),
            Self::Draining | Self::CutOff => ("draining", S::SERVICE_UNAVAILABLE, close::RESTART),
            Self::Origin(_) => ("origin", S::FORBIDDEN, close::POLICY),
            Self::NoUpgrade(_) => ("no_upgrade", S::UPGRADE_REQUIRED, close::POLICY),
            Self::MalformedMessage(_) => ("malformed_message", S::BAD_REQUEST, close::INVALID),
            Self::LateStart => ("late_start", S::BAD_REQUEST, close::POLICY),
            Self::Unauthorized => ("unauthorized", S::UNAUTHORIZED, close::POLICY),
            Self::TooManyStreams { .. } => ("too_many_streams", S::SERVICE_UNAVAILABLE, close::TRY_LATER),
            Self::Reserved => ("reserved", S::SERVICE_UNAVAILABLE, close::TRY_LATER),
            Self::StreamTooLong { .. } => ("stream_too_long", S::BAD_REQUEST, close::POLICY),
            Self::Token(refusal) => (refusal.code(), S::BAD_REQUEST, close::POLICY),
            Self::MessageTooLarge { .. } | Self::NoRoom => ("message_too_large", S::PAYLOAD_TOO_LARGE, close::TOO_BIG),
            Self::Protocol(_) => ("protocol", S::BAD_REQUEST, close::PROTOCOL),
            Self::NoEnd => ("no_end", S::BAD_REQUEST, close::NORMAL),
            Self::HttpsOnly => ("https_only", S::BAD_REQUEST, close::POLICY),
            Self::HeadTooLarge { .. } => ("head_too_large", S::REQUEST_HEADER_FIELDS_TOO_LARGE, close::POLICY),
            Self::NotFound => ("not_found", S::NOT_FOUND, close::POLICY),
            Self::Method(_) => ("method", S::METHOD_NOT_ALLOWED, close::POLICY),
            Self::Internal(_) => ("internal", S::INTERNAL_SERVER_ERROR, close::INTERNAL),
            Self::Http(status, _) => ("http", *status, close::POLICY),
        }
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::SpoolFull | Self::QueueFull | Self::TooManyStreams { .. } | Self::Reserved => Some(RETRY_AFTER),
            Self::Draining | Self::CutOff => Some(RETRY_AFTER_DRAIN),
            _ => None,
        }
    }

    /// Whether it is about one file's content, so that other files of the same request are none the worse.
    pub(super) fn is_of_one_file(&self) -> bool {
        match self {
            Self::EmptyFile => true,
            Self::Convert(error) => {
                !matches!(error.class(), ErrorClass::Input | ErrorClass::Output | ErrorClass::Internal)
            }
            _ => false,
        }
    }

    /// What the log should know and the client should not.
    pub(super) fn cause(&self) -> Option<String> {
        match self {
            Self::Internal(cause) => Some(cause.clone()),
            Self::Convert(error) if self.status().is_server_error() => Some(error.to_string()),
            _ => None,
        }
    }
}

/// A failure on its way from the handler to [`super::request`], carried by the response.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub code: &'static str,
    pub detail: String,
    pub cause: Option<String>,
}

impl From<&Failure> for Problem {
    fn from(failure: &Failure) -> Self {
        Self { code: failure.code(), detail: failure.to_string(), cause: failure.cause() }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(Problem::from(&self));
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// The body (RFC 9457 §3.1), with two members of our own: `code`, and `error` for clients of older services.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub(super) struct Body<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    request_id: &'a str,
    error: &'a str,
}

impl Problem {
    /// Writes the body for `request_id` into `response`, whose status and headers stay.
    pub(super) fn write(&self, response: Response, request_id: &str) -> Response {
        let (mut parts, _) = response.into_parts();
        let title = self.code.replace('_', " ");
        let body = Body {
            kind: format!("urn:flacship:problem:{}", self.code),
            title: &title,
            status: parts.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            request_id,
            error: &self.detail,
        };
        let json = serde_json::to_vec(&body).unwrap_or_default();
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Response::from_parts(parts, axum::body::Body::from(json))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wav::WavError;

    #[test]
    fn classes_of_conversion_errors_have_their_status_and_close_code() {
        for (error, status, close) in [
            (WavError::Empty, 400, close::INVALID),
            (WavError::NotWav { found: "is text" }, 415, close::UNSUPPORTED),
            (WavError::UnsupportedChannels { channels: 9 }, 415, close::UNSUPPORTED),
            (WavError::Contradiction { what: String::from("block align") }, 422, close::INVALID),
        ] {
            let failure = Failure::Convert(ConvertError::Wav(error));
            assert_eq!((failure.status().as_u16(), failure.close_code()), (status, close), "{failure}");
        }
    }

    #[test]
    fn the_server_keeps_its_own_faults_to_its_log() {
        let failure = Failure::Internal(String::from("/secret/path: permission denied"));
        assert!(!failure.to_string().contains("secret"));
        assert_eq!(failure.cause().as_deref(), Some("/secret/path: permission denied"));
    }

    #[test]
    fn a_form_without_the_file_names_what_it_had() {
        let failure = Failure::NoFile { fields: vec![String::from("upload"), String::from("note")] };
        assert!(failure.to_string().contains("only `upload`, `note`"), "{failure}");
    }

    #[tokio::test]
    async fn the_body_has_every_member() {
        let failure = Failure::SpoolFull;
        let problem = Problem::from(&failure);
        let response = problem.write(failure.into_response(), "r-1");
        assert_eq!(response.headers()[header::RETRY_AFTER], "10");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["type"], "urn:flacship:problem:spool_full");
        assert_eq!(body["title"], "spool full");
        assert_eq!(body["status"], 503);
        assert_eq!(body["request_id"], "r-1");
        assert_eq!(body["detail"], body["error"]);
    }
}
