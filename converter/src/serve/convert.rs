//! `POST /convert`: the WAV in the body, or those in a form, become the FLAC or the archive of FLACs in the answer. They are
//! encoded while they arrive and held in a spool until all is whole, since a head can only be written at the end.

use std::sync::Arc;

use axum::{
    extract::{Extension, Request, State},
    http::Version,
    response::{IntoResponse, Response},
};
use tracing::Span;

use super::{
    answer::{self, Converted, Digest, Whole},
    encode::Encoder,
    feed::{feed, in_time},
    filename,
    limits::Seen,
    metrics::{Kind, Outcome, Volume},
    options::{self, Answer, ConvertOptions},
    problem::Failure,
    progressive,
    queue::Place,
    request::{RequestId, WholeBodyRead},
    spool::{Spool, Stored},
    state::{App, outcome_of},
    trace::{self, Traced},
    upload::{Upload, Way},
};
use crate::convert::{HeadPlace, Options, Summary};

/// Handles `POST /convert`. Whatever the headers show is refused before any of the body is asked for.
pub(super) async fn convert(
    State(app): State<Arc<App>>,
    Extension(RequestId(id)): Extension<RequestId>,
    Extension(Traced(span)): Extension<Traced>,
    request: Request,
) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let mut asked = options::convert(&parts.uri, &app.args)?;
    let mut upload = Upload::new(&parts.headers, body, &app.args)?;
    let digest = Digest::wanted(&parts.headers);
    let mut running = app.begin(Kind::Upload)?;
    let seen = upload.seen();
    let refused = |failure: &Failure| (outcome_of(failure), Volume { bytes_in: seen.bytes(), ..Volume::default() });
    let place = match turn(&app, &mut upload, &span).await {
        Ok(place) => place,
        Err(failure) => {
            let (outcome, volume) = refused(&failure);
            running.end(outcome, volume);
            return Ok(refusal(failure, &seen));
        }
    };
    // An old client cannot tell an answer of unknown length that was broken off from a whole one.
    if parts.version < Version::HTTP_11 {
        (asked.answer, asked.options.head) = (Answer::Whole, HeadPlace::Held);
    }
    if asked.answer == Answer::Progressive {
        let answer = progressive::convert(app, asked, upload, place, running, id, span).await;
        return Ok(answer.unwrap_or_else(|failure| refusal(failure, &seen)));
    }
    let conversion = trace::conversion(&span);
    let result = whole(&app, &asked, &mut upload, digest).await;
    drop(place);
    match result {
        Ok(whole) => {
            let volume = Volume { bytes_in: seen.bytes(), ..whole.volume };
            trace::ended(&conversion, Outcome::Converted, "", volume);
            running.end(Outcome::Converted, volume);
            Ok(whole.into_response(running))
        }
        Err(failure) => {
            let (outcome, volume) = refused(&failure);
            trace::ended(&conversion, outcome, failure.code(), volume);
            running.end(outcome, volume);
            Ok(refusal(failure, &seen))
        }
    }
}

/// Waits for this upload's turn, unless its client leaves.
async fn turn(app: &App, upload: &mut Upload, span: &Span) -> Result<Place, Failure> {
    tokio::select! {
        biased;
        place = app.place(span) => place,
        gone = upload.left() => Err(gone),
    }
}

fn refusal(failure: Failure, seen: &Seen) -> Response {
    let mut response = failure.into_response();
    response.extensions_mut().insert(Volume { bytes_in: seen.bytes(), ..Volume::default() });
    if seen.ended() {
        response.extensions_mut().insert(WholeBodyRead);
    }
    response
}

async fn whole(app: &App, asked: &ConvertOptions, upload: &mut Upload, digest: Digest) -> Result<Whole, Failure> {
    let (mut files, spool) = in_time(app.args.conversion_timeout, files(app, &asked.options, upload)).await?;
    let name = asked.filename.as_deref();
    match (files.pop(), files.is_empty()) {
        (Some(only), true) => answer::single(only, spool, name, digest, &app.cores).await,
        (last, _) => {
            files.extend(last);
            answer::archive(files, spool, name, digest, &app.cores).await
        }
    }
}

/// Converts all files of the request into one spool. A file that cannot be converted is no failure of its request, unless
/// it is the only one there can be.
async fn files(app: &App, options: &Options, upload: &mut Upload) -> Result<(Vec<Converted>, Spool), Failure> {
    let mut spool = Spool::new(&app.spools);
    let mut files = Vec::new();
    while upload.next_file().await? {
        let (result, back) = file(app, options, upload, spool).await;
        spool = match (back, result.as_ref().err()) {
            (Some(back), None) => back,
            (Some(back), Some(failure)) if failure.is_of_one_file() && upload.way() == Way::Form => back,
            (_, Some(_)) => {
                result?;
                return Err(lost());
            }
            (None, None) => return Err(lost()),
        };
        if let Err(failure) = &result {
            tracing::debug!(code = failure.code(), "a file of a form could not be converted");
            upload.skip().await?;
        }
        let name = upload.filename().map(filename::kept);
        files.push(Converted { name, bytes_in: upload.bytes(), result });
    }
    for file in &files {
        if let (Err(failure), true) = (&file.result, files.len() > 1) {
            app.metrics.error(failure.code());
        }
    }
    Ok((files, spool))
}

/// Converts the upload's current file. The spool comes back unless it is of no more use.
async fn file(
    app: &App,
    options: &Options,
    upload: &mut Upload,
    spool: Spool,
) -> (Result<(Summary, Stored), Failure>, Option<Spool>) {
    let mut encoder = Encoder::new(options, spool, &app.cores);
    let fed = feed(&mut encoder, upload).await;
    spooled(encoder, fed).await
}

/// Ends a result in its spool, or throws it away where it could not be `fed` or made. The spool comes back unless it is of
/// no more use.
pub(super) async fn spooled(
    encoder: Encoder<Spool>,
    fed: Result<(), Failure>,
) -> (Result<(Summary, Stored), Failure>, Option<Spool>) {
    let (result, spool) = match fed {
        Ok(()) => encoder.finish().await,
        Err(failure) => (Err(failure), encoder.into_output()),
    };
    let Some(mut spool) = spool else {
        return (Err(result.err().unwrap_or_else(lost)), None);
    };
    if let Some(reason) = spool.take_failure() {
        return (Err(reason.into()), None);
    }
    // Both ends of a result may wait for the disk.
    let job = tokio::task::spawn_blocking(move || match result {
        Ok(mut summary) => match spool.end_result(&std::mem::take(&mut summary.head)) {
            Ok(stored) => (Ok((summary, stored)), Some(spool)),
            Err(error) => (Err(error.into()), None),
        },
        Err(failure) => match spool.drop_result() {
            Ok(()) => (Err(failure), Some(spool)),
            Err(error) => (Err(error.into()), None),
        },
    });
    job.await.unwrap_or_else(|error| (Err(Failure::Internal(error.to_string())), None))
}

pub(super) fn lost() -> Failure {
    Failure::Internal(String::from("the spool was lost"))
}
