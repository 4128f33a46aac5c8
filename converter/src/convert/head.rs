//! What the head says at the start, when only the input's beginning (or a scan of it) is known, and at the end.

use super::options::{HeadPlace, MetadataOptions, Options};
use super::scan::Scan;
use crate::flac::{
    Fit, Head, HeadParts, LeftOut, SeekTable, StreamInfo, build_head, mask_tag, mask_to_tell, points_for,
    seek_table_bytes,
};
use crate::meta::{Collected, with_user_tags};
use crate::wav::Format;

/// The head that goes out before the frames, if one does.
///
/// Where it is only reserved its words do not matter, but its length does: after a scan it is the final one's.
pub(super) fn first(
    options: &Options,
    format: &Format,
    info: StreamInfo,
    known: &Collected,
    scan: Option<&Scan>,
) -> Vec<u8> {
    let head = build_head(&parts(&options.metadata, format, info, known), Fit::Padding(options.metadata.padding)).bytes;
    let samples = scan.map_or(0, |scan| scan.samples(format));
    if options.head != HeadPlace::Rewritable || samples == 0 {
        return head;
    }
    let points = points_for(format.sample_rate, samples, info.block_size);
    let parts = parts(&options.metadata, format, info, known);
    build_head(&parts, Fit::Exactly(head.len() + seek_table_bytes(points))).bytes
}

/// The head that tells everything; `sent` is the length of the one that went out.
pub(super) fn last(
    options: &Options,
    format: &Format,
    info: StreamInfo,
    seek_table: SeekTable,
    collected: &Collected,
    sent: usize,
) -> Head {
    let mut parts = parts(&options.metadata, format, info, collected);
    parts.seek_table = Some(seek_table).filter(|table| !table.points().is_empty());
    let padded = || build_head(&parts, Fit::Padding(options.metadata.padding));
    match options.head {
        HeadPlace::Held => padded(),
        HeadPlace::Reserved | HeadPlace::Final => build_head(&parts, Fit::Exactly(sent)),
        HeadPlace::Rewritable => {
            // A file is only written anew if something would be lost otherwise.
            let fitting = build_head(&parts, Fit::Exactly(sent));
            if fitting.left_out.is_empty() { fitting } else { padded() }
        }
    }
}

/// Fields and metadata that a head which went out first cannot tell.
pub(super) fn untold(first: &Collected, last: &Collected, seek_table: &SeekTable) -> Vec<&'static str> {
    let mut untold = vec!["frame_sizes", "total_samples", "md5"];
    if !seek_table.points().is_empty() {
        untold.push(LeftOut::SeekTable.as_str());
    }
    if first.tags != last.tags {
        untold.push(LeftOut::Tags.as_str());
    }
    if first.pictures != last.pictures {
        untold.push(LeftOut::Pictures.as_str());
    }
    if first.cue_points != last.cue_points {
        untold.push(LeftOut::CueSheet.as_str());
    }
    untold
}

fn parts(options: &MetadataOptions, format: &Format, info: StreamInfo, collected: &Collected) -> HeadParts {
    let Collected { tags, pictures, foreign, .. } = collected;
    let stored = foreign.as_ref().and_then(|foreign| foreign.channel_mask);
    // First, since the last ones go where there is no room.
    let mask = stored.or(mask_to_tell(format.channels, format.channel_mask)).map(mask_tag);
    HeadParts {
        info,
        seek_table: None,
        comments: mask.into_iter().chain(with_user_tags(tags, &options.tags)).collect(),
        applications: foreign.as_ref().map(|foreign| foreign.applications.clone()).unwrap_or_default(),
        cue_sheet: collected.cue_sheet(info.total_samples),
        pictures: pictures.iter().chain(&options.pictures).cloned().collect(),
    }
}
