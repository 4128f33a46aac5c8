//! What the head says at the start, when only the input's beginning (or a scan of it) is known, and at the end.

use super::options::{HeadPlace, MetadataOptions, Options};
use super::scan::Scan;
use crate::flac::{Fit, Head, HeadParts, LeftOut, SeekTable, StreamInfo, build_head, channel_mask_field, mask_to_tell};
use crate::meta::Collected;
use crate::wav::Format;

/// The head that goes out before the frames, if one does.
///
/// Where it is only reserved its words do not matter, but its length does: after a scan it is the final one's.
pub(super) fn first(options: &Options, format: &Format, info: StreamInfo, known: &Collected, scan: Option<&Scan>) -> Vec<u8> {
    let mut parts = parts(&options.metadata, format, info, known);
    let samples = scan.map_or(0, |scan| scan.samples(format));
    if options.head == HeadPlace::Rewritable && samples > 0 {
        parts.seek_table = Some(SeekTable::reserved(format.sample_rate, samples, info.block_size));
        parts.info.total_samples = 0;
    }
    build_head(&parts, Fit::Padding(options.metadata.padding)).bytes
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
    parts.seek_table = Some(seek_table).filter(|table| !table.is_empty());
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
    if !seek_table.is_empty() {
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
    let mask = mask_to_tell(format.channels, format.channel_mask).map(channel_mask_field);
    let tags = collected.tags.iter().filter(|(name, _)| {
        let replaced = options.tags.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        !replaced && mask.as_ref().is_none_or(|(other, _)| !other.eq_ignore_ascii_case(name))
    });
    HeadParts {
        info,
        seek_table: None,
        comments: tags.chain(&options.tags).cloned().chain(mask.clone()).collect(),
        applications: collected.applications.clone(),
        cue_sheet: collected.cue_sheet(info.total_samples),
        pictures: collected.pictures.iter().chain(&options.pictures).cloned().collect(),
    }
}
