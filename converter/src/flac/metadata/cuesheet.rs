//! CUESHEET (RFC 9639 §8.7), for what is no CD: one track a cue point, each at its exact sample, and the lead-out.

/// The most cue points that fit: a block has at most 255 tracks, and the last one is the lead-out.
pub const MAX_CUE_TRACKS: usize = 254;
/// The lead-out's track number where the source is no CD.
const LEAD_OUT: u8 = 255;
/// The catalogue number (128 bytes), the lead-in (8), and the flag "is a CD" with what is reserved (259).
const BEFORE_TRACKS: usize = 128 + 8 + 259;
/// ISRC (12), the flags for audio and pre-emphasis with what is reserved (14).
const IN_TRACK: usize = 12 + 14;

/// Cue points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CueSheet {
    /// The cue points, in samples per channel from the start, in order; at most [`MAX_CUE_TRACKS`] are written.
    pub tracks: Vec<u64>,
    /// Samples per channel of the whole stream.
    pub lead_out: u64,
}

impl CueSheet {
    /// The block's body.
    pub(super) fn to_body(&self) -> Vec<u8> {
        let mut body = vec![0; BEFORE_TRACKS];
        let count = self.tracks.len().min(MAX_CUE_TRACKS);
        body.push(u8::try_from(count + 1).unwrap_or(LEAD_OUT));
        for (offset, number) in self.tracks.iter().zip(1..LEAD_OUT) {
            push_track(&mut body, *offset, number, 1);
            // its only index point: at the track's start, with the number of a start
            body.extend([0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
        }
        push_track(&mut body, self.lead_out, LEAD_OUT, 0);
        body
    }
}

fn push_track(body: &mut Vec<u8>, offset: u64, number: u8, index_points: u8) {
    body.extend(offset.to_be_bytes());
    body.push(number);
    body.resize(body.len() + IN_TRACK, 0);
    body.push(index_points);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_a_track_for_each_point_and_the_lead_out() {
        let body = CueSheet { tracks: vec![0, 44_100], lead_out: 88_200 }.to_body();
        assert_eq!(body.len(), 396 + 2 * (36 + 12) + 36);
        assert_eq!(body[395], 3);
        assert_eq!(&body[396 + 48..][..9], [0, 0, 0, 0, 0, 0, 0xAC, 0x44, 2]);
        assert_eq!(&body[396 + 96..][..9], [0, 0, 0, 0, 0, 1, 0x58, 0x88, 255]);
        assert_eq!(body.last(), Some(&0));
    }

    #[test]
    fn more_points_than_fit_are_not_written() {
        let body = CueSheet { tracks: (0..1000).collect(), lead_out: 2000 }.to_body();
        assert_eq!(body[395], 255);
        assert_eq!(body.len(), 396 + 254 * 48 + 36);
    }
}
