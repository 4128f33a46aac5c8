//! The old way over `/ws`: one message that holds a whole WAV, answered by one that holds the FLAC. Services before this
//! one knew no other, and their clients name no subprotocol.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use tracing::Span;

use super::{
    allowance::Held,
    convert::{lost, spooled},
    encode::Encoder,
    options::StreamOptions,
    problem::Failure,
    shutdown::Phase,
    spool::Spool,
    state::App,
    wire::Wire,
};
use crate::convert::{HeadPlace, Options, Summary};

/// Audio a job of the encoder.
const SLICE: usize = 256 * 1024;

/// Whether a message holds a WAV to its end, going by its header. One whose header does not tell its length is the start of
/// a stream, unless it is larger than a stream's messages may be (`stream_limit`).
pub(super) fn is_whole(bytes: &[u8], stream_limit: u64) -> bool {
    let length = bytes.len() as u64;
    length > stream_limit || declared(bytes).is_some_and(|declared| declared <= length)
}

/// Length of the file that this header begins.
fn declared(bytes: &[u8]) -> Option<u64> {
    const UNKNOWN: u32 = u32::MAX;
    let u32_at = |at: usize| bytes.get(at..)?.first_chunk().map(|four| u32::from_le_bytes(*four));
    let u64_at = |at: usize| bytes.get(at..)?.first_chunk().map(|eight| u64::from_le_bytes(*eight));
    match bytes.first_chunk::<4>()? {
        b"RIFF" => u32_at(4).filter(|size| !matches!(*size, 0 | UNKNOWN)).map(|size| u64::from(size) + 8),
        // The chunk `ds64` comes first, with the real size at its start (EBU Tech 3306).
        b"RF64" | b"BW64" if bytes.get(12..16)? == b"ds64" => {
            u64_at(20).filter(|size| !matches!(*size, 0 | u64::MAX)).map(|size| size.saturating_add(8))
        }
        // Wave64: a GUID that begins so, then the size of all.
        b"riff" => u64_at(16).filter(|size| !matches!(*size, 0 | u64::MAX)),
        _ => None,
    }
}

/// Converts the WAV, with the head written last as in `/convert`, and sends the FLAC as one message.
pub(super) async fn answer(
    app: &Arc<App>,
    asked: &StreamOptions,
    wav: (Bytes, Held),
    wire: &mut Wire,
) -> Result<Summary, Failure> {
    let options = Options { head: HeadPlace::Held, ..asked.resolve(&app.args)? };
    // It waits in line with the uploads, and holds its place as they do until the FLAC is made.
    // The stream's own span is all that a trace has of it.
    let untraced = Span::none();
    let place = tokio::select! {
        biased;
        place = app.place(&untraced) => place?,
        () = app.shutdown.reached(Phase::Over) => return Err(Failure::CutOff),
    };
    let mut encoder = Encoder::new(&options, Spool::new(&app.spools), &app.cores);
    let fed = feed(app, &mut encoder, wav).await;
    let (result, spool) = spooled(encoder, fed).await;
    let (summary, stored) = result?;
    let spool = spool.ok_or_else(lost)?;
    let complete = tokio::task::spawn_blocking(move || spool.complete(stored.parts()))
        .await
        .map_err(|error| Failure::Internal(error.to_string()))??;
    drop(place);
    let pieces = complete.into_body(()).into_data_stream();
    wire.pieces(pieces.map(|piece| piece.map_err(|error| Failure::Internal(error.to_string())))).await?;
    Ok(summary)
}

async fn feed(app: &App, encoder: &mut Encoder<Spool>, (mut wav, held): (Bytes, Held)) -> Result<(), Failure> {
    while !wav.is_empty() {
        if app.shutdown.phase() == Phase::Over {
            return Err(Failure::CutOff);
        }
        encoder.start(vec![wav.split_to(wav.len().min(SLICE))]).await?;
        encoder.settle().await?;
    }
    drop(held);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(parts: &[&[u8]]) -> bool {
        is_whole(&parts.concat(), 1000)
    }

    #[test]
    fn the_header_tells_whether_all_is_there() {
        let rest = [0; 12];
        assert!(whole(&[b"RIFF", &12u32.to_le_bytes(), &rest]));
        assert!(whole(&[b"RIFF", &11u32.to_le_bytes(), &rest]));
        assert!(!whole(&[b"RIFF", &13u32.to_le_bytes(), &rest]));
        for unknown in [0, u32::MAX] {
            assert!(!whole(&[b"RIFF", &unknown.to_le_bytes(), &rest]));
        }
        let rf64 = |size: u64| whole(&[b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0", &size.to_le_bytes(), &rest]);
        assert!(rf64(32) && !rf64(33) && !rf64(0) && !rf64(u64::MAX));
        let wave64 = |size: u64| whole(&[b"riff", &rest, &size.to_le_bytes(), &rest]);
        assert!(wave64(36) && !wave64(37));
    }

    #[test]
    fn what_is_no_stream_s_message_is_a_whole_file() {
        assert!(is_whole(&[b"RIFF\0\0\0\0".to_vec(), vec![0; 993]].concat(), 1000));
        assert!(!is_whole(&[b"RIFF\0\0\0\0".to_vec(), vec![0; 992]].concat(), 1000));
        for bytes in [&b""[..], b"R", b"RIFF", b"RF64\xff\xff", b"OggS\x01\0\0\0", b"riff"] {
            assert!(!is_whole(bytes, 1000));
        }
    }
}
