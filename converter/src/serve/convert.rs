//! `POST /convert`: a WAV in the body becomes a FLAC in the answer. It is encoded while it arrives and held in a spool
//! until it is whole, since its head can only be written at the end.

use std::{collections::VecDeque, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;

use super::{
    encode::Encoder,
    filename,
    metrics::{Kind, Outcome, Volume},
    options::{self, ConvertOptions},
    problem::Failure,
    request::WholeBodyRead,
    spool::{Complete, Spool},
    state::{App, Running, outcome_of},
    upload::Upload,
};
use crate::convert::{Summary, Warning};

/// Bytes read ahead of the encoder. Beyond it the client's connection waits.
const READ_AHEAD: usize = 256 * 1024;

/// One header a warning: its code, a colon, its words.
pub(super) const WARNING: HeaderName = HeaderName::from_static("flacship-warning");

/// Handles `POST /convert`.
pub(super) async fn convert(State(app): State<Arc<App>>, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let asked = options::convert(&parts.uri, &app.args)?;
    let mut upload = Upload::new(&parts.headers, body, &app.args)?;
    let mut running = app.begin(Kind::Upload)?;
    let seen = upload.seen();
    match encode(&app, &asked, &mut upload).await {
        Ok((summary, complete)) => {
            let volume = Volume { bytes_in: seen.bytes(), bytes_out: complete.len(), audio_seconds: seconds(&summary) };
            running.end(Outcome::Converted, volume);
            let name = filename::flac_name(asked.filename.as_deref().or(upload.filename()));
            Ok(answer(&summary, complete, &name, volume, running))
        }
        Err(failure) => {
            let volume = Volume { bytes_in: seen.bytes(), ..Volume::default() };
            running.end(outcome_of(&failure), volume);
            let mut response = failure.into_response();
            response.extensions_mut().insert(volume);
            if seen.ended() {
                response.extensions_mut().insert(WholeBodyRead);
            }
            Ok(response)
        }
    }
}

/// Encodes the upload while it arrives.
async fn encode(app: &App, asked: &ConvertOptions, upload: &mut Upload) -> Result<(Summary, Complete), Failure> {
    let mut encoder = Encoder::new(&asked.options, Spool::new(&app.spools), &app.cores);
    match feed(&mut encoder, upload).await {
        Ok(()) => {}
        Err(failure) => return Err(spool_failure(encoder.into_output()).unwrap_or(failure)),
    }
    let (result, spool) = encoder.finish().await;
    let mut summary = match result {
        Ok(summary) => summary,
        Err(failure) => return Err(spool_failure(spool).unwrap_or(failure)),
    };
    let spool = spool.ok_or_else(|| Failure::Internal(String::from("the spool was lost")))?;
    let head = std::mem::take(&mut summary.head);
    let complete = tokio::task::spawn_blocking(move || spool.complete(head))
        .await
        .map_err(|error| Failure::Internal(error.to_string()))??;
    Ok((summary, complete))
}

/// Reads and encodes at the same time, so that neither waits for the other while there is room.
async fn feed(encoder: &mut Encoder<Spool>, upload: &mut Upload) -> Result<(), Failure> {
    let mut ahead: VecDeque<Bytes> = VecDeque::new();
    let mut ahead_bytes = 0;
    let mut ended = false;
    loop {
        if !encoder.is_busy() {
            if !ahead.is_empty() {
                ahead_bytes = 0;
                encoder.start(std::mem::take(&mut ahead).into()).await?;
            } else if ended {
                return Ok(());
            }
        }
        tokio::select! {
            biased;
            // Also while nothing comes: a refused upload is answered at once, not with its next byte.
            settled = encoder.settle(), if encoder.is_busy() => settled?,
            piece = upload.next(), if !ended && ahead_bytes < READ_AHEAD => match piece? {
                Some(piece) => {
                    ahead_bytes += piece.len();
                    ahead.push_back(piece);
                }
                None => ended = true,
            },
        }
    }
}

/// The reason behind an output error, which the conversion passes on only as words.
fn spool_failure(spool: Option<Spool>) -> Option<Failure> {
    spool.and_then(|mut spool| spool.take_failure()).map(Failure::from)
}

/// Playing time in seconds.
#[allow(clippy::cast_precision_loss, reason = "a playing time is for people: 2^53 samples are enough")]
pub(super) fn seconds(summary: &Summary) -> f64 {
    summary.samples as f64 / f64::from(summary.format.sample_rate.max(1))
}

fn answer(summary: &Summary, complete: Complete, name: &str, volume: Volume, running: Running) -> Response {
    let length = complete.len();
    let mut response = Response::new(complete.into_body(running));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("audio/flac"));
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::CONTENT_DISPOSITION, filename::attachment(name));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for warning in &summary.warnings {
        headers.append(WARNING, warning_value(warning));
    }
    response.extensions_mut().insert(volume);
    response
}

fn warning_value(warning: &Warning) -> HeaderValue {
    let text: String = format!("{}: {warning}", warning.code())
        .chars()
        .map(|c| if matches!(c, ' '..='~') { c } else { '?' })
        .collect();
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("warning"))
}
