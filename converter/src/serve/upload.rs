//! The WAVs in a request: the body itself, or the fields `file` of a multipart form. Both come out as pieces of one file
//! after the other.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::Bytes;
use futures::StreamExt;
use multer::{Field, Multipart};

use super::{
    args::Args,
    filename,
    limits::{Intake, Seen},
    options,
    problem::Failure,
};
use crate::bytesize::ByteSize;

/// The form field that holds the WAV.
const FIELD: &str = "file";
/// Names of other fields that an error repeats: so many, so long.
const NAMED_FIELDS: usize = 5;
const NAMED_LENGTH: usize = 40;
/// Most files in one form: what is known of each is held in memory.
const MOST_FILES: usize = 1000;

/// WAVs on their way in.
pub(super) struct Upload {
    source: Source,
    seen: Arc<Seen>,
    /// The current file's.
    filename: Option<String>,
    /// Bytes of the current file handed out, and of those before it.
    bytes: u64,
    bytes_before: u64,
    limit: ByteSize,
}

enum Source {
    /// The flag tells whether the one file has begun.
    Raw(Intake, bool),
    /// A form that still waits for its turn, and its boundary.
    Waiting(Intake, String),
    Form(Form),
    /// Between the two: a form was opened and that failed halfway. Never seen.
    Gone,
}

/// How the files come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// One, which is the body.
    Raw,
    /// Any number, in a form.
    Form,
}

struct Form {
    multipart: Multipart<'static>,
    field: Option<Field<'static>>,
    files: usize,
    others: Vec<String>,
}

impl Upload {
    /// Looks at the headers only; refuses what they already show to be too large or compressed.
    pub(super) fn new(headers: &HeaderMap, body: Body, args: &Args) -> Result<Self, Failure> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        match text(header::CONTENT_ENCODING) {
            None => {}
            Some(coding) if coding.is_empty() || coding.eq_ignore_ascii_case("identity") => {}
            Some(coding) => return Err(Failure::ContentEncoding(short(coding))),
        }
        let declared = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        let kind = text(header::CONTENT_TYPE).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        // Every other type is taken as the WAV itself: clients label WAVs in a dozen ways, and curl's --data-binary
        // calls anything a form. The first bytes tell what it is.
        let is_form = essence.eq_ignore_ascii_case("multipart/form-data");
        let intake = if is_form { Intake::form(body, args) } else { Intake::raw(body, args) };
        intake.check_declared(declared)?;
        let seen = intake.seen();
        let mut filename = None;
        let source = if is_form {
            let boundary = multer::parse_boundary(kind).map_err(|error| Failure::MalformedForm(error.to_string()))?;
            Source::Waiting(intake, boundary)
        } else {
            filename = headers.get(header::CONTENT_DISPOSITION).and_then(filename::from_disposition);
            Source::Raw(intake, false)
        };
        Ok(Self { source, seen, filename, bytes: 0, bytes_before: 0, limit: args.max_upload_size })
    }

    /// Waits until the client has left: for an upload whose turn has not come. Safe to drop while waiting.
    pub(super) async fn left(&mut self) -> Failure {
        match &mut self.source {
            Source::Raw(intake, _) | Source::Waiting(intake, _) => intake.left().await,
            Source::Form(_) | Source::Gone => std::future::pending().await,
        }
    }

    /// How the files come.
    pub(super) fn way(&self) -> Way {
        if matches!(self.source, Source::Raw(..)) { Way::Raw } else { Way::Form }
    }

    /// Goes to the next file. `false`: there is none, and all of the request has
    /// been read. Without any file it is an error.
    pub(super) async fn next_file(&mut self) -> Result<bool, Failure> {
        self.skip().await?;
        self.bytes_before += std::mem::take(&mut self.bytes);
        self.source = match std::mem::replace(&mut self.source, Source::Gone) {
            Source::Waiting(intake, boundary) => Source::Form(Form {
                multipart: Multipart::new(intake, boundary),
                field: None,
                files: 0,
                others: Vec::new(),
            }),
            source => source,
        };
        match &mut self.source {
            Source::Raw(_, begun) => Ok(!std::mem::replace(begun, true)),
            Source::Form(form) => form.next_file(&self.seen, &mut self.filename).await,
            Source::Waiting(..) | Source::Gone => Ok(false),
        }
    }

    /// Throws away what is left of the current file.
    pub(super) async fn skip(&mut self) -> Result<(), Failure> {
        while self.next_piece().await?.is_some() {}
        Ok(())
    }

    /// The next piece of the current file; `None` at its end. Safe to drop while waiting.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let piece = self.next_piece().await?;
        match (&piece, &self.source) {
            (None, Source::Raw(..)) if self.bytes == 0 => Err(Failure::EmptyBody),
            (None, _) if self.bytes == 0 => Err(Failure::EmptyFile),
            _ => Ok(piece),
        }
    }

    /// The next piece, never an empty one: a file without bytes never reaches an encoder.
    async fn next_piece(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let piece = match &mut self.source {
                // The end of the body is the end of the file, so whoever has begun it reads it to there.
                Source::Raw(intake, true) => intake.next().await.transpose()?,
                Source::Form(form) => form.next_piece(&self.seen).await?,
                _ => None,
            };
            self.bytes += piece.as_ref().map_or(0, |piece| piece.len() as u64);
            if self.bytes_before.saturating_add(self.bytes) > self.limit.0 {
                return Err(Failure::TooLarge { limit: self.limit });
            }
            if piece.as_ref().is_none_or(|piece| !piece.is_empty()) {
                return Ok(piece);
            }
        }
    }

    /// The current file's name as the client gave it.
    pub(super) fn filename(&self) -> Option<&str> {
        self.filename.as_deref()
    }

    /// Bytes of the current file so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What is known of the body.
    pub(super) fn seen(&self) -> Arc<Seen> {
        Arc::clone(&self.seen)
    }
}

impl Form {
    /// The next piece of the current field.
    async fn next_piece(&mut self, seen: &Seen) -> Result<Option<Bytes>, Failure> {
        let Some(field) = &mut self.field else { return Ok(None) };
        let piece = field.chunk().await.map_err(|error| form_failure(error, seen))?;
        match piece {
            Some(_) => seen.in_file(),
            None => self.field = None,
        }
        Ok(piece)
    }

    /// Goes to the next field that is a file.
    async fn next_file(&mut self, seen: &Seen, filename: &mut Option<String>) -> Result<bool, Failure> {
        loop {
            // What follows the form's last boundary is no part of it, but has to be read to answer in peace.
            let Some(mut field) = self.multipart.next_field().await.map_err(|error| form_failure(error, seen))? else {
                return if self.files == 0 { Err(self.no_file()) } else { Ok(false) };
            };
            let name = field.name().unwrap_or_default();
            if name == FIELD {
                self.files += 1;
                if self.files > MOST_FILES {
                    return Err(Failure::TooManyFiles { most: MOST_FILES });
                }
                // What has come beside its headers is the file's own.
                seen.in_file();
                *filename = field.headers().get(header::CONTENT_DISPOSITION).and_then(filename::from_disposition);
                self.field = Some(field);
                return Ok(true);
            }
            if options::is_convert_option(name) {
                return Err(Failure::OptionAsField { name: name.to_owned() });
            }
            if self.others.len() < NAMED_FIELDS {
                self.others.push(short(name));
            }
            loop {
                match field.chunk().await.map_err(|error| form_failure(error, seen)) {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    // So much under other names is most likely the file itself.
                    Err(Failure::FormOverhead { .. }) if self.files == 0 => return Err(self.no_file()),
                    Err(failure) => return Err(failure),
                }
            }
        }
    }

    fn no_file(&mut self) -> Failure {
        Failure::NoFile { fields: std::mem::take(&mut self.others) }
    }
}

/// A client's word, cut and without control characters, for an error that repeats it.
pub(super) fn short(text: &str) -> String {
    let mut word: String = text.chars().filter(|c| !c.is_control()).take(NAMED_LENGTH).collect();
    if text.chars().nth(NAMED_LENGTH).is_some() {
        word.push('…');
    }
    word
}

/// Our own bounds come back out of multer as the error of the stream it reads.
fn form_failure(error: multer::Error, seen: &Seen) -> Failure {
    match error {
        multer::Error::StreamReadFailed(inner) => match inner.downcast::<Failure>() {
            Ok(failure) => *failure,
            Err(other) => Failure::MalformedForm(other.to_string()),
        },
        multer::Error::IncompleteStream if seen.bytes() == 0 => Failure::NoFile { fields: Vec::new() },
        multer::Error::IncompleteStream | multer::Error::IncompleteFieldData { .. } => Failure::MalformedForm(
            String::from("it ends before its last boundary, or its boundary is not the one that Content-Type names"),
        ),
        other => Failure::MalformedForm(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use futures::stream;

    use super::*;
    use crate::serve::args::tests::defaults;

    /// A client that is faster than the server: the next piece is always there, however large the first one was.
    #[tokio::test]
    async fn a_file_that_comes_in_large_pieces_is_no_overhead() {
        let head = b"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n".to_vec();
        let pieces = [
            [head, vec![0; 200_000]].concat(),
            vec![1; 200_000],
            [vec![2; 200_000], b"\r\n--b--\r\n".to_vec()].concat(),
        ];
        let body = Body::from_stream(stream::iter(pieces.map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)))));
        let kind = HeaderValue::from_static("multipart/form-data; boundary=b");
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]);
        let mut upload = Upload::new(&headers, body, &defaults()).unwrap();
        assert!(upload.next_file().await.unwrap());
        let mut bytes = 0;
        while let Some(piece) = upload.next().await.unwrap() {
            bytes += piece.len();
        }
        assert_eq!(bytes, 600_000);
        assert!(!upload.next_file().await.unwrap());
    }
}
