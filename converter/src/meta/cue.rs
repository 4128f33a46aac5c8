//! Cue points and their labels: the chunks `cue ` and LIST/adtl.

use super::tags::Tag;
use super::text::{Fields, decode_text};

/// The most chapters that comments can number.
const MAX_CHAPTERS: usize = 999;

/// A cue point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CuePoint {
    /// Samples per channel before it.
    pub sample: u64,
    /// What it is called.
    pub label: Option<String>,
}

/// A label of LIST/adtl: which cue point, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    pub id: u32,
    pub text: String,
}

/// The points of a `cue ` chunk's body: number and sample. How many there are, its bytes say better than its header.
pub(super) fn read_cue(body: &[u8]) -> Vec<(u32, u64)> {
    let mut fields = Fields(body);
    let claimed = fields.u32().unwrap_or(0);
    let mut points = Vec::new();
    while let Some(point) = fields.array::<24>() {
        if points.len() as u64 == u64::from(claimed) {
            break;
        }
        // number, position in the play list, chunk's name, chunk's start, block's start, sample
        let mut point = Fields(&point);
        let id = point.u32().unwrap_or(0);
        point.up_to(16);
        points.push((id, point.u32().unwrap_or(0).into()));
    }
    points
}

/// The labels of a LIST/adtl chunk's body, after its type; where a point has no label, its note.
pub(super) fn read_adtl(body: &[u8]) -> Vec<Label> {
    let mut fields = Fields(body);
    let (mut labels, mut notes) = (Vec::new(), Vec::new());
    while let Some((name, body)) = fields.sub_chunk() {
        let mut body = Fields(body);
        let Some(id) = body.u32() else {
            continue;
        };
        let label = Label { id, text: decode_text(body.0) };
        match &name {
            _ if label.text.is_empty() => {}
            b"labl" => labels.push(label),
            b"note" => notes.push(label),
            _ => {}
        }
    }
    labels.extend(notes);
    labels
}

/// Points and labels put together: in order, each sample once.
pub(super) fn cue_points(points: &[(u32, u64)], labels: &[Label]) -> Vec<CuePoint> {
    let mut by_id: std::collections::HashMap<u32, &str> = std::collections::HashMap::new();
    for label in labels {
        by_id.entry(label.id).or_insert(&label.text);
    }
    let mut points: Vec<_> = points
        .iter()
        .map(|(id, sample)| CuePoint { sample: *sample, label: by_id.get(id).map(|text| (*text).to_owned()) })
        .collect();
    // of two at one sample, one that has a label
    points.sort_by_key(|point| (point.sample, point.label.is_none()));
    points.dedup_by_key(|point| point.sample);
    points
}

/// The labels as chapters (the Vorbis comments' chapter extension), if there are any: a cue sheet has no names.
pub(super) fn chapters(points: &[CuePoint], sample_rate: u32) -> Vec<Tag> {
    if points.iter().all(|point| point.label.is_none()) {
        return Vec::new();
    }
    let mut tags = Vec::new();
    for (number, point) in (1..=MAX_CHAPTERS).zip(points) {
        let milliseconds = u128::from(point.sample) * 1000 / u128::from(sample_rate.max(1));
        let (seconds, milliseconds) = (milliseconds / 1000, milliseconds % 1000);
        let (minutes, seconds) = (seconds / 60, seconds % 60);
        let (hours, minutes) = (minutes / 60, minutes % 60);
        let name = format!("CHAPTER{number:03}");
        tags.push((name.clone(), format!("{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}")));
        if let Some(label) = &point.label {
            tags.push((format!("{name}NAME"), label.clone()));
        }
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cue(points: &[(u32, u32)]) -> Vec<u8> {
        let mut body = u32::try_from(points.len()).unwrap().to_le_bytes().to_vec();
        for (id, sample) in points {
            body.extend(id.to_le_bytes());
            body.extend([0; 4]);
            body.extend(b"data");
            body.extend([0; 8]);
            body.extend(sample.to_le_bytes());
        }
        body
    }

    #[test]
    fn points_are_sorted_and_named() {
        let points = read_cue(&cue(&[(2, 88_200), (1, 0), (3, 88_200)]));
        let labels = read_adtl(b"note\x08\0\0\0\x02\0\0\0why\0labl\x07\0\0\0\x03\0\0\0Two\0file\x04\0\0\0\x01\0\0\0");
        let points = cue_points(&points, &labels);
        let expected =
            [CuePoint { sample: 0, label: None }, CuePoint { sample: 88_200, label: Some("why".to_owned()) }];
        assert_eq!(points, expected);
        let tags = chapters(&points, 44_100);
        let expected = [("CHAPTER001", "00:00:00.000"), ("CHAPTER002", "00:00:02.000"), ("CHAPTER002NAME", "why")];
        assert_eq!(tags, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(chapters(&points[..1], 44_100).is_empty());
    }

    #[test]
    fn a_claimed_count_is_not_believed() {
        let mut body = cue(&[(1, 5)]);
        body[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(read_cue(&body), [(1, 5)]);
        body[..4].copy_from_slice(&[0; 4]);
        assert!(read_cue(&body).is_empty());
        assert!(read_cue(&[1]).is_empty());
        assert!(read_adtl(b"labl\x02\0\0\0ab").is_empty());
    }

    #[test]
    fn late_chapters_have_hours() {
        let point = CuePoint { sample: 3_725_042, label: Some("x".to_owned()) };
        assert_eq!(chapters(&[point], 1000)[0].1, "01:02:05.042");
    }
}
