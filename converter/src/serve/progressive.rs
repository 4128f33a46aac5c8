//! `POST /convert?progressive=true`: the answer begins with the first frame, while the upload still comes. What only the end
//! tells (length, MD5, seek table) stays unknown in it. Once it has begun, a failure can only break the connection off,
//! so that no client takes half a file for a whole one.

use std::sync::Arc;

use axum::{
    http::{HeaderValue, header},
    response::Response,
};
use tracing::Span;

use super::{
    backlog::{Backlog, Begun, Writer},
    encode::Encoder,
    feed::{feed, in_time},
    filename,
    metrics::{Outcome, Volume},
    options::ConvertOptions,
    problem::Failure,
    queue::Place,
    state::{App, Running, outcome_of},
    trace,
    upload::Upload,
};
use crate::convert::{Options, Summary};

/// Answers as soon as the audio's format is known. Counts the conversion itself, whatever becomes of it.
pub(super) async fn convert(
    app: Arc<App>,
    asked: ConvertOptions,
    mut upload: Upload,
    place: Place,
    mut running: Running,
    request_id: String,
    span: Span,
) -> Result<Response, Failure> {
    let limit = app.args.conversion_timeout;
    let seen = upload.seen();
    if let Err(failure) = in_time(limit, upload.next_file()).await {
        running.end(outcome_of(&failure), Volume { bytes_in: seen.bytes(), ..Volume::default() });
        return Err(failure);
    }
    let name = filename::flac_name(asked.filename.as_deref().or(upload.filename()));
    let (backlog, writer, reader, begun) = Backlog::new(&app.spools);
    tokio::spawn(async move {
        let conversion = trace::conversion(&span);
        let result = in_time(limit, encode(&app, &asked.options, &mut upload, writer)).await;
        drop(place);
        let bytes_in = seen.bytes();
        let (outcome, volume, result) = match result {
            Ok(summary) => {
                let volume = Volume { bytes_in, bytes_out: summary.bytes_out, audio_seconds: summary.seconds() };
                (Outcome::Converted, volume, Ok(()))
            }
            Err(failure) => {
                let failure = backlog.take_failure().unwrap_or(failure);
                (outcome_of(&failure), Volume { bytes_in, ..Volume::default() }, Err(failure))
            }
        };
        running.end(outcome, volume);
        let told = result.as_ref().err().map(|failure| (failure.code(), failure.to_string(), failure.cause()));
        let code = told.as_ref().map_or("", |(code, ..)| code);
        trace::ended(&conversion, outcome, code, volume);
        let begun = backlog.end(result, running);
        if begun != Begun::No {
            trace::ended(&span, outcome, code, volume);
        }
        match told {
            // The refusal has a log line and a count of its own.
            Some(_) if begun == Begun::No => {}
            Some((code, reason, cause)) => {
                app.metrics.error(code);
                tracing::warn!(request_id, code, reason, cause, "an answer that had begun is broken off");
            }
            None => tracing::info!(
                request_id,
                bytes_in = volume.bytes_in,
                bytes_out = volume.bytes_out,
                audio_seconds = volume.audio_seconds,
                "an answer that had begun is whole"
            ),
        }
    });
    begun.await.unwrap_or_else(|_| Err(Failure::Internal(String::from("a progressive conversion was lost"))))?;
    let mut response = Response::new(reader.into_body());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("audio/flac"));
    headers.insert(header::CONTENT_DISPOSITION, filename::attachment(&name));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn encode(app: &App, options: &Options, upload: &mut Upload, writer: Writer) -> Result<Summary, Failure> {
    let mut encoder = Encoder::new(options, writer, &app.cores);
    feed(&mut encoder, upload).await?;
    if upload.next_file().await? {
        return Err(Failure::ProgressiveFiles);
    }
    encoder.finish().await.0
}
