//! What an input has said before its audio, as it is handed to whoever goes on with the input later: read already, without
//! pictures, and within a bound.

use super::MetaWarning;
use super::cue::Label;
use super::tags::Tag;
use crate::flac::LeftOut;

/// What an input has said up to its audio.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Tags of ID3v2, of LIST/INFO, and of `bext`.
    pub tags: [Vec<Tag>; 3],
    /// Cue points: number and sample, as the file has them, which may be in disorder.
    pub points: Vec<(u32, u64)>,
    /// What cue points are called.
    pub labels: Vec<Label>,
    /// What the user should know.
    pub warnings: Vec<MetaWarning>,
}

/// Bytes that are left for what is to be kept, and what was not.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    left: usize,
    left_out: Vec<LeftOut>,
}

/// What tells the length of a text takes no more.
const LENGTH: usize = 2;

impl Room {
    /// Room for so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { left: bytes, left_out: Vec::new() }
    }

    /// Adds something that was left out.
    pub fn leave_out(&mut self, what: LeftOut) {
        if !self.left_out.contains(&what) {
            self.left_out.push(what);
        }
    }

    /// What was left out.
    pub fn left_out(self) -> Vec<LeftOut> {
        self.left_out
    }

    fn takes(&mut self, bytes: usize) -> bool {
        let left = self.left.checked_sub(bytes);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    /// Keeps those tags that there is room for.
    pub fn keep_tags(&mut self, tags: &mut Vec<Tag>) {
        let before = tags.len();
        tags.retain(|(name, value)| self.takes(2 * LENGTH + name.len() + value.len()));
        if tags.len() < before {
            self.leave_out(LeftOut::Tags);
        }
    }

    /// Keeps what there is room for: rather tags than cue points, and these all or none.
    pub fn keep(&mut self, said: &mut Said) {
        for tags in &mut said.tags {
            self.keep_tags(tags);
        }
        let points = said.points.iter().map(|(id, sample)| number_bytes((*id).into()) + number_bytes(*sample));
        if !self.takes(points.sum()) {
            said.points.clear();
            said.labels.clear();
            self.leave_out(LeftOut::CueSheet);
        }
        let before = said.labels.len();
        said.labels.retain(|label| self.takes(number_bytes(label.id.into()) + LENGTH + label.text.len()));
        if said.labels.len() < before {
            // They become tags.
            self.leave_out(LeftOut::Tags);
        }
        said.warnings.retain(|warning| match warning {
            MetaWarning::TooLarge { chunk, limit } => self.takes(1 + LENGTH + chunk.len() + number_bytes(*limit)),
            MetaWarning::Unreadable { chunk, what } => self.takes(1 + 2 * LENGTH + chunk.len() + what.len()),
            MetaWarning::CuePoints { .. } => false,
        });
    }
}

/// Bytes that hold a number, with seven bits in each.
fn number_bytes(number: u64) -> usize {
    number.checked_ilog2().map_or(1, |highest| highest as usize / 7 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(name: &str, length: usize) -> Tag {
        (name.to_owned(), "v".repeat(length))
    }

    #[test]
    fn what_has_no_room_is_left_out_and_told() {
        let mut said = Said { tags: [vec![tag("A", 300), tag("B", 5)], vec![], vec![tag("C", 20)]], ..Said::default() };
        said.points = (0..10).map(|number| (number, 5)).collect();
        said.labels = vec![Label { id: 1, text: "one".to_owned() }];
        let all = said.clone();
        let mut room = Room::new(600);
        room.keep(&mut said);
        assert_eq!(said, all);
        assert!(room.left_out().is_empty());
        let mut room = Room::new(50);
        room.keep(&mut said);
        assert_eq!(said.tags, [vec![tag("B", 5)], vec![], vec![tag("C", 20)]]);
        assert!(said.points.is_empty() && said.labels.is_empty());
        assert_eq!(room.left_out(), [LeftOut::Tags, LeftOut::CueSheet]);
        for (bytes, labels, left_out) in [(366, 1, &[][..]), (365, 0, &[LeftOut::Tags])] {
            let (mut said, mut room) = (all.clone(), Room::new(bytes));
            room.keep(&mut said);
            assert_eq!((said.points.len(), said.labels.len()), (10, labels));
            assert_eq!(room.left_out(), left_out);
        }
    }
}
