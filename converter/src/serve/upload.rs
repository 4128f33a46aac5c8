//! The WAV in a request: the body itself, or the field `file` of a multipart form. Both come out as pieces of the file.

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

/// A WAV on its way in.
pub(super) struct Upload {
    source: Source,
    seen: Arc<Seen>,
    filename: Option<String>,
    /// Bytes of the file handed out.
    bytes: u64,
    limit: ByteSize,
}

enum Source {
    Raw(Intake),
    Form(Form),
}

struct Form {
    multipart: Multipart<'static>,
    field: Option<Field<'static>>,
    /// Whether the current field is the file.
    in_file: bool,
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
        let (limit, patience) = (args.max_upload_size, args.idle_timeout);
        // Every other type is taken as the WAV itself: clients label WAVs in a dozen ways, and curl's --data-binary
        // calls anything a form. The first bytes tell what it is.
        if !essence.eq_ignore_ascii_case("multipart/form-data") {
            let intake = Intake::raw(body, limit, patience);
            intake.check_declared(declared)?;
            let filename = headers.get(header::CONTENT_DISPOSITION).and_then(filename::from_disposition);
            return Ok(Self { seen: intake.seen(), source: Source::Raw(intake), filename, bytes: 0, limit });
        }
        let intake = Intake::form(body, limit, patience);
        intake.check_declared(declared)?;
        let boundary = multer::parse_boundary(kind).map_err(|error| Failure::MalformedForm(error.to_string()))?;
        let seen = intake.seen();
        let form = Form {
            multipart: Multipart::new(intake, boundary),
            field: None,
            in_file: false,
            files: 0,
            others: Vec::new(),
        };
        Ok(Self { source: Source::Form(form), seen, filename: None, bytes: 0, limit })
    }

    /// The next piece of the file; `None` at its end, when all of the request has been read. Safe to drop while waiting.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let piece = match &mut self.source {
            Source::Raw(intake) => intake.next().await.transpose()?,
            Source::Form(form) => form.next(&self.seen, &mut self.filename).await?,
        };
        match &piece {
            Some(piece) => {
                self.bytes += piece.len() as u64;
                if self.bytes > self.limit.0 {
                    return Err(Failure::TooLarge { limit: self.limit });
                }
            }
            None if self.bytes == 0 => {
                return Err(match self.source {
                    Source::Raw(_) => Failure::EmptyBody,
                    Source::Form(_) => Failure::EmptyFile,
                });
            }
            None => {}
        }
        Ok(piece)
    }

    /// The file's name as the client gave it, as far as it has come.
    pub(super) fn filename(&self) -> Option<&str> {
        self.filename.as_deref()
    }

    /// What is known of the body.
    pub(super) fn seen(&self) -> Arc<Seen> {
        Arc::clone(&self.seen)
    }
}

impl Form {
    async fn next(&mut self, seen: &Seen, filename: &mut Option<String>) -> Result<Option<Bytes>, Failure> {
        loop {
            if let Some(field) = &mut self.field {
                match field.chunk().await.map_err(|error| form_failure(error, seen)) {
                    Ok(Some(piece)) if self.in_file => {
                        seen.in_file();
                        return Ok(Some(piece));
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => self.field = None,
                    // So much under other names is most likely the file itself.
                    Err(Failure::FormOverhead { .. }) if self.files == 0 => {
                        return Err(Failure::NoFile { fields: std::mem::take(&mut self.others) });
                    }
                    Err(failure) => return Err(failure),
                }
            } else if let Some(field) = self.multipart.next_field().await.map_err(|error| form_failure(error, seen))? {
                let name = field.name().unwrap_or_default();
                self.in_file = name == FIELD;
                if self.in_file {
                    self.files += 1;
                    if self.files > 1 {
                        return Err(Failure::TooManyFiles);
                    }
                    *filename = field.headers().get(header::CONTENT_DISPOSITION).and_then(filename::from_disposition);
                } else if options::is_convert_option(name) {
                    return Err(Failure::OptionAsField { name: name.to_owned() });
                } else if self.others.len() < NAMED_FIELDS {
                    self.others.push(short(name));
                }
                self.field = Some(field);
            } else if self.files == 0 {
                return Err(Failure::NoFile { fields: std::mem::take(&mut self.others) });
            } else {
                // What follows the form's last boundary is no part of it, but has to be read to answer in peace.
                return Ok(None);
            }
        }
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
