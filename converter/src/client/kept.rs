//! The latest bytes of an input that cannot be read twice: those that may have to be sent again.

use std::collections::VecDeque;

use bytes::Bytes;

/// A part of a stream of bytes, of bounded length, that moves with it.
#[derive(Debug)]
pub struct Kept {
    pieces: VecDeque<Bytes>,
    /// Where in the stream the first piece begins.
    from: u64,
    /// Where the last one ends.
    to: u64,
    most: u64,
}

impl Kept {
    /// The start of a stream of which up to `most` bytes are kept.
    pub fn new(most: u64) -> Self {
        Self { pieces: VecDeque::new(), from: 0, to: 0, most }
    }

    /// Where what is kept ends.
    pub fn end(&self) -> u64 {
        self.to
    }

    /// Whether the stream can be gone through again from there on.
    pub fn reaches_back_to(&self, place: u64) -> bool {
        (self.from..=self.to).contains(&place)
    }

    /// Takes the stream's next bytes.
    pub fn push(&mut self, piece: Bytes) {
        self.to += piece.len() as u64;
        self.pieces.push_back(piece);
    }

    /// At most `most` bytes from there on; none if that place is not kept or the end is reached.
    pub fn at(&self, place: u64, most: usize) -> Bytes {
        // From the end on: that is where it is nearly always asked for.
        let mut end = self.to;
        for piece in self.pieces.iter().rev() {
            let from = end - piece.len() as u64;
            if (from..end).contains(&place) {
                // Both are within the piece.
                let skipped = usize::try_from(place - from).unwrap_or(piece.len());
                return piece.slice(skipped..piece.len().min(skipped.saturating_add(most)));
            }
            end = from;
        }
        Bytes::new()
    }

    /// What is before that place is never asked for again.
    pub fn forget(&mut self, place: u64) {
        while let Some(first) = self.pieces.front()
            && self.from + first.len() as u64 <= place
        {
            self.from += first.len() as u64;
            self.pieces.pop_front();
        }
    }

    /// Forgets what is more than may be kept, but nothing from that place on, which has not been sent yet.
    pub fn shrink(&mut self, place: u64) {
        self.forget(place.min(self.to.saturating_sub(self.most)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Kept {
        let mut kept = Kept::new(6);
        for piece in ["abc", "defg", "hi"] {
            kept.push(Bytes::from_static(piece.as_bytes()));
        }
        kept
    }

    #[test]
    fn any_part_can_be_had_again() {
        let kept = kept();
        assert_eq!(
            (kept.at(0, 9), kept.at(1, 1), kept.at(3, 2), kept.at(6, 9)),
            ("abc".into(), "b".into(), "de".into(), "g".into())
        );
        assert_eq!((kept.at(8, 9), kept.at(9, 9), kept.at(90, 9)), ("i".into(), Bytes::new(), Bytes::new()));
        assert!(kept.reaches_back_to(0) && kept.reaches_back_to(9) && !kept.reaches_back_to(10));
    }

    #[test]
    fn what_is_safe_goes() {
        let mut kept = kept();
        kept.forget(4);
        assert!(kept.reaches_back_to(4) && !kept.reaches_back_to(2));
        assert_eq!((kept.at(2, 9), kept.at(4, 9)), (Bytes::new(), "efg".into()));
        kept.forget(9);
        assert!(kept.reaches_back_to(9) && !kept.reaches_back_to(8));
        kept.push("jk".into());
        assert_eq!((kept.at(9, 9), kept.end()), ("jk".into(), 11));
    }

    #[test]
    fn what_is_too_much_goes_but_nothing_that_was_not_sent() {
        let mut kept = kept();
        kept.shrink(0);
        assert!(kept.reaches_back_to(0));
        kept.shrink(9);
        assert!(!kept.reaches_back_to(0) && kept.reaches_back_to(3));
    }
}
