//! Answers that are whole before they begin: one FLAC, or an archive of several, with their lengths and digests.

use std::sync::Arc;

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::Semaphore;

use super::{
    filename,
    messages::Note,
    metrics::Volume,
    problem::Failure,
    spool::{Complete, Part, Spool, Stored},
    zip,
};
use crate::convert::{Summary, Warning, md5_text};

/// One header a warning: its code, a colon, its words.
pub(super) const WARNING: HeaderName = HeaderName::from_static("flacship-warning");
/// MD5 of the samples, as the FLAC's head has it.
pub(super) const MD5: HeaderName = HeaderName::from_static("flacship-md5");
/// Samples of each channel.
pub(super) const SAMPLES: HeaderName = HeaderName::from_static("flacship-samples");
/// Files in an archive, and how many could not be converted.
pub(super) const FILES: HeaderName = HeaderName::from_static("flacship-files");
pub(super) const FAILED: HeaderName = HeaderName::from_static("flacship-failed");
/// RFC 9530.
pub(super) const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
pub(super) const WANT_REPR_DIGEST: HeaderName = HeaderName::from_static("want-repr-digest");

/// The archive's table of contents.
const MANIFEST: &str = "manifest.json";

/// A file of the request, and what became of it.
pub(super) struct Converted {
    /// Its name as the client gave it, cut to a length.
    pub name: Option<String>,
    /// Its length.
    pub bytes_in: u64,
    pub result: Result<(Summary, Stored), Failure>,
}

/// Whether an answer carries its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digest {
    Yes,
    No,
}

impl Digest {
    /// An answer has one unless the client says that it has no use for it (`Want-Repr-Digest: sha-256=0`, RFC 9530 §4).
    pub(super) fn wanted(request: &HeaderMap) -> Self {
        let unwanted = request
            .get_all(WANT_REPR_DIGEST)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|member| member.trim().split_once('=') == Some(("sha-256", "0"))));
        if unwanted { Self::No } else { Self::Yes }
    }
}

/// A finished answer, before its body has an owner.
pub(super) struct Whole {
    headers: HeaderMap,
    complete: Complete,
    pub volume: Volume,
}

impl Whole {
    /// The answer; `hold` lives until it has been sent or dropped.
    pub(super) fn into_response<T: Send + 'static>(self, hold: T) -> Response {
        let length = self.complete.len();
        let mut response = Response::new(self.complete.into_body(hold));
        *response.headers_mut() = self.headers;
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(self.volume);
        response
    }
}

/// The answer to one file; `asked` is the name that the address gives.
pub(super) async fn single(
    file: Converted,
    spool: Spool,
    asked: Option<&str>,
    digest: Digest,
    cores: &Arc<Semaphore>,
) -> Result<Whole, Failure> {
    let (summary, stored) = file.result?;
    let volume = Volume { bytes_in: file.bytes_in, bytes_out: stored.len(), audio_seconds: summary.seconds() };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("audio/flac"));
    let name = filename::flac_name(asked.or(file.name.as_deref()));
    headers.insert(header::CONTENT_DISPOSITION, filename::attachment(&name));
    headers.insert(SAMPLES, summary.samples.into());
    if let Ok(md5) = HeaderValue::try_from(md5_text(summary.md5)) {
        headers.insert(MD5, md5);
    }
    for warning in &summary.warnings {
        headers.append(WARNING, warning_value(warning));
    }
    let complete = complete(spool, stored.parts().collect(), digest, &mut headers, cores).await?;
    Ok(Whole { headers, complete, volume })
}

/// The answer to several: a ZIP with a FLAC for each that could be converted, and last a manifest of all.
pub(super) async fn archive(
    files: Vec<Converted>,
    spool: Spool,
    asked: Option<&str>,
    digest: Digest,
    cores: &Arc<Semaphore>,
) -> Result<Whole, Failure> {
    let mut names = filename::Names::default();
    let mut volume = Volume::default();
    let (mut entries, mut contents, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for file in files {
        volume.bytes_in += file.bytes_in;
        let mut row = Row { name: file.name.clone().unwrap_or_default(), bytes_in: file.bytes_in, ..Row::default() };
        match file.result {
            Ok((summary, stored)) => {
                let flac = names.unique(&filename::flac_name(file.name.as_deref()));
                volume.audio_seconds += summary.seconds();
                row.describe(&summary, &stored, &flac);
                entries.push(zip::Entry { name: flac, crc32: stored.crc32, len: stored.len() });
                contents.push(stored.parts().collect::<Vec<_>>());
            }
            Err(failure) => {
                row.status = "failed";
                (row.code, row.detail) = (Some(failure.code()), Some(failure.to_string()));
            }
        }
        rows.push(row);
    }
    let (count, converted) = (rows.len(), entries.len());
    let manifest = Manifest { converted, failed: count - converted, files: rows };
    let manifest = serde_json::to_vec_pretty(&manifest).map_err(|error| Failure::Internal(error.to_string()))?;
    let crc32 = crc32fast::hash(&manifest);
    entries.push(zip::Entry { name: MANIFEST.to_owned(), crc32, len: manifest.len() as u64 });
    contents.push(vec![Part::Given(manifest.into())]);

    let frame = zip::frame(&entries, jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).datetime());
    let mut parts = Vec::new();
    for (header, content) in frame.headers.into_iter().zip(contents) {
        parts.push(Part::Given(header.into()));
        parts.extend(content);
    }
    parts.push(Part::Given(Bytes::from(frame.directory)));

    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    headers.insert(header::CONTENT_DISPOSITION, filename::attachment(&filename::zip_name(asked)));
    headers.insert(FILES, count.into());
    headers.insert(FAILED, (count - converted).into());
    let complete = complete(spool, parts, digest, &mut headers, cores).await?;
    volume.bytes_out = complete.len();
    Ok(Whole { headers, complete, volume })
}

/// Ends the spool and, where it is wanted, digests what will be sent: work for a core.
async fn complete(
    spool: Spool,
    parts: Vec<Part>,
    digest: Digest,
    headers: &mut HeaderMap,
    cores: &Arc<Semaphore>,
) -> Result<Complete, Failure> {
    let lost = |error: &dyn std::fmt::Display| Failure::Internal(format!("an answer was lost: {error}"));
    let core = Arc::clone(cores).acquire_owned().await.map_err(|error| lost(&error))?;
    let job = tokio::task::spawn_blocking(move || {
        let complete = spool.complete(parts)?;
        let digest = match digest {
            Digest::Yes => Some(complete.sha256()?),
            Digest::No => None,
        };
        drop(core);
        Ok::<_, super::spool::SpoolError>((complete, digest))
    });
    let (complete, digest) = job.await.map_err(|error| lost(&error))??;
    if let Some(digest) = digest
        && let Ok(value) = HeaderValue::try_from(format!("sha-256=:{}:", STANDARD.encode(digest)))
    {
        headers.insert(REPR_DIGEST, value);
    }
    Ok(complete)
}

/// The last entry of a ZIP: what became of each file.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Manifest {
    converted: usize,
    failed: usize,
    /// In the order of the form.
    files: Vec<Row>,
}

#[derive(Default, Serialize, utoipa::ToSchema)]
#[schema(as = ManifestFile)]
struct Row {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    flac: Option<String>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    bytes_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_out: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    md5: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Note>,
}

impl Row {
    fn describe(&mut self, summary: &Summary, stored: &Stored, flac: &str) {
        self.status = "converted";
        self.flac = Some(flac.to_owned());
        self.bytes_out = Some(stored.len());
        self.md5 = Some(md5_text(summary.md5));
        self.samples = Some(summary.samples);
        self.warnings = summary.warnings.iter().map(Note::from).collect();
    }
}

fn warning_value(warning: &Warning) -> HeaderValue {
    let text: String = format!("{}: {warning}", warning.code())
        .chars()
        .map(|c| if matches!(c, ' '..='~') { c } else { '?' })
        .collect();
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("warning"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_left_out_only_where_it_is_unwanted() {
        for (wish, digest) in [
            (None, Digest::Yes),
            (Some("sha-256=10"), Digest::Yes),
            (Some("sha-512=3, sha-256=1"), Digest::Yes),
            (Some("sha-256=0"), Digest::No),
            (Some("sha-512=0, sha-256=0"), Digest::No),
            (Some("nonsense"), Digest::Yes),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(wish) = wish {
                headers.insert(WANT_REPR_DIGEST, HeaderValue::from_static(wish));
            }
            assert_eq!(Digest::wanted(&headers), digest, "{wish:?}");
        }
    }
}
