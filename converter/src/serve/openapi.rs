//! The contract of the public port: `GET /openapi.json` for programs, from the types that serve it, and `GET /docs`, a
//! page that shows it to people. A test holds the running server against it (`converter/tests/serve/contract.rs`).
#![allow(dead_code, reason = "the functions and types here are descriptions: only the derived code is used")]

use std::sync::LazyLock;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use utoipa::{
    IntoParams, Modify, OpenApi, ToSchema,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{admin::Status, answer::Manifest, problem};

/// The body of every error.
type Problem = problem::Body<'static>;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Flacship converter",
        description = "WAV in, FLAC out: whole files over HTTP, live audio over a WebSocket. Nothing that is not lossless is ever done unasked: what FLAC cannot hold is refused, with a word on what to change.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(convert, stream, status, health, openapi, docs, page),
    components(schemas(Problem, Manifest, Metadata, Float, Length, ValidBits, Subset)),
    modifiers(&Bearer),
    tags(
        (name = "conversion", description = "Files and live streams"),
        (name = "service", description = "How the server is, and what it offers")
    )
)]
struct Contract;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, contract: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("Asked for where the server was started with --token-file."))
            .build();
        contract.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

static JSON: LazyLock<String> = LazyLock::new(|| Contract::openapi().to_pretty_json().unwrap_or_default());

/// Handles `GET /openapi.json`.
pub(super) async fn json() -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")];
    (headers, JSON.as_str()).into_response()
}

/// What `/convert` may be asked.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ConvertQuery {
    /// How hard the encoder tries: 0 (fastest) to 8 (smallest). The server's own default if left out.
    #[param(minimum = 0, maximum = 8, required = false)]
    level: u8,
    /// Samples of each channel in a frame.
    #[param(minimum = 16, maximum = 65535, required = false)]
    block_size: u16,
    /// Decode every frame and compare it with the input before it goes out.
    #[param(required = false)]
    verify: bool,
    /// What is kept beside the audio: its tags, or every byte of the WAV.
    #[param(required = false)]
    metadata: Metadata,
    /// What becomes of floating-point samples, which FLAC cannot hold.
    #[param(required = false)]
    float: Float,
    /// Where the audio ends if the header contradicts the file: where the header says, or at the file's end.
    #[param(required = false)]
    length: Length,
    /// Which bits of a sample count if the header contradicts the samples.
    #[param(required = false)]
    valid_bits: ValidBits,
    /// Whether FLAC outside the streamable subset (RFC 9639, section 7) is made with a warning, or refused.
    #[param(required = false)]
    subset: Subset,
    /// Bytes of padding behind the metadata, for programs that add tags later.
    #[param(required = false, maximum = 1_048_576)]
    padding: u32,
    /// A tag for the FLAC, as NAME=value; may be given several times.
    #[param(required = false)]
    tag: Vec<String>,
    /// The body is raw PCM: its rate, channels and bits, as 48000:2:16.
    #[param(required = false)]
    pcm: String,
    /// Answer while the upload still comes: the length and MD5 in the FLAC's head stay unknown, and there is no seek table.
    #[param(required = false)]
    progressive: bool,
    /// Name of the answer, for browsers that save it. The upload's own name if left out.
    #[param(required = false)]
    filename: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Metadata {
    Tags,
    Foreign,
}

#[derive(ToSchema)]
enum Float {
    #[schema(rename = "refuse")]
    Refuse,
    #[schema(rename = "16")]
    To16,
    #[schema(rename = "24")]
    To24,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Length {
    Auto,
    Header,
    Eof,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum ValidBits {
    Declared,
    Container,
    Low,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Subset {
    Prefer,
    Strict,
}

/// The WAV as a form: as many fields `file` as there are files.
#[derive(ToSchema)]
struct Form {
    #[schema(value_type = Vec<String>, format = Binary, min_items = 1)]
    file: Vec<Vec<u8>>,
}

#[utoipa::path(
    post,
    path = "/convert",
    tag = "conversion",
    summary = "Convert one or more WAV files",
    description = "The WAV is the body itself, whatever its Content-Type, or the field `file` of a multipart form. It is encoded while it arrives. One file comes back as FLAC, complete with its length, MD5, tags and seek table; several as a ZIP whose last entry, manifest.json, tells what became of each. Which encodings are taken: RIFF, RF64, BW64 and Wave64 with PCM of 4 to 32 bits, 1 to 8 channels; floating point only where `float` says how it may be rounded.",
    params(ConvertQuery),
    request_body(
        description = "A WAV file, or a form with files",
        content(
            (Vec<u8> = "audio/wav"),
            (Vec<u8> = "application/octet-stream"),
            (Form = "multipart/form-data")
        )
    ),
    responses(
        (status = 200, description = "The FLAC, or a ZIP of several", content(
            (Vec<u8> = "audio/flac"),
            (Vec<u8> = "application/zip")
        ), headers(
            ("Content-Disposition" = String, description = "The name to save it under"),
            ("Repr-Digest" = String, description = "SHA-256 of the answer (RFC 9530), where the whole is known before it is sent"),
            ("Flacship-Md5" = String, description = "MD5 of the samples, as the FLAC's head has it"),
            ("Flacship-Samples" = u64, description = "Samples of each channel"),
            ("Flacship-Warning" = String, description = "What is worth knowing of this file: a code, a colon, words")
        )),
        (status = 400, description = "The request or the WAV is malformed, or an option is unknown", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "A bearer token is asked for", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The upload stood still, or took too long", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The upload is larger than the server takes", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "No WAV, or an encoding that FLAC cannot hold without loss", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A WAV that contradicts itself", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "All places are taken, and the queue is full: Retry-After tells when to come again", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The server is stopping, or its space for results is full", body = Problem, content_type = "application/problem+json")
    ),
    security((), ("token" = []))
)]
fn convert() {}

#[utoipa::path(
    get,
    path = "/ws",
    tag = "conversion",
    summary = "Convert live audio",
    description = "A WebSocket, subprotocol `flacship.v1`. Text messages are JSON with a `type`: the client says `start` (optional), `resume` with a token, and `end`; the server says `ready`, `format`, `checkpoint` (a token with which any server of the same key goes on after a lost connection), `done` and `error`. Binary messages are audio in, split anywhere, and FLAC out: the head, then whole frames, each as soon as it is made.",
    responses(
        (status = 101, description = "The WebSocket is open"),
        (status = 400, description = "The handshake is malformed", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "A page of another origin asks", body = Problem, content_type = "application/problem+json"),
        (status = 426, description = "The request asks for no upgrade", body = Problem, content_type = "application/problem+json")
    ),
    security((), ("token" = []))
)]
fn stream() {}

#[utoipa::path(get, path = "/status", tag = "service", summary = "How the server is", responses(
    (status = 200, description = "What it does and has done", body = Status),
    (status = 401, description = "A bearer token is asked for", body = Problem, content_type = "application/problem+json")
), security((), ("token" = [])))]
fn status() {}

#[utoipa::path(get, path = "/healthz", tag = "service", summary = "Whether the server answers", responses(
    (status = 200, description = "It does", body = String, content_type = "text/plain; charset=utf-8")
))]
fn health() {}

#[utoipa::path(get, path = "/openapi.json", tag = "service", summary = "This contract", responses(
    (status = 200, description = "OpenAPI 3.1", body = serde_json::Value, content_type = "application/json")
))]
fn openapi() {}

#[utoipa::path(get, path = "/docs", tag = "service", summary = "This contract for people", responses(
    (status = 200, description = "A page", body = String, content_type = "text/html; charset=utf-8")
))]
fn docs() {}

#[utoipa::path(get, path = "/", tag = "service", summary = "The page on which people convert and record", responses(
    (status = 200, description = "A page", body = String, content_type = "text/html; charset=utf-8")
))]
fn page() {}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::serve::options;

    #[test]
    fn every_option_of_convert_is_told_and_no_other() {
        let contract: Value = serde_json::from_str(&JSON).unwrap();
        let parameters = contract["paths"]["/convert"]["post"]["parameters"].as_array().unwrap();
        let mut told: Vec<_> = parameters.iter().map(|parameter| parameter["name"].as_str().unwrap()).collect();
        told.sort_unstable();
        let mut known = options::CONVERT.to_vec();
        known.sort_unstable();
        assert_eq!(told, known);
    }

    #[test]
    fn what_has_fixed_words_is_told_as_the_parsers_take_it() {
        let contract: Value = serde_json::from_str(&JSON).unwrap();
        let words = |name: &str| -> Vec<String> {
            let words = contract["components"]["schemas"][name]["enum"].as_array().unwrap();
            words.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
        };
        assert!(words("Metadata").iter().all(|word| word.parse::<crate::convert::Metadata>().is_ok()));
        assert!(words("Float").iter().all(|word| word.parse::<crate::convert::Float>().is_ok()));
        assert!(words("Length").iter().all(|word| word.parse::<crate::convert::Length>().is_ok()));
        assert!(words("ValidBits").iter().all(|word| word.parse::<crate::convert::ValidBits>().is_ok()));
        assert!(words("Subset").iter().all(|word| word.parse::<crate::convert::Subset>().is_ok()));
    }
}
