//! Melodies for one instrument, as MIDI files.

/// Ticks of a quarter note, of which there are two a second.
const QUARTER: u8 = 96;
const CHANNEL: u8 = 0;
const NOTE_ON: u8 = 0x90 | CHANNEL;
const PROGRAM_CHANGE: u8 = 0xC0 | CHANNEL;

/// The steps of the melody above its lowest note in semitones, and each note's length in eighths. It has leaps and runs,
/// single notes and chords (a length of 0: the next note starts at once).
const MELODY: [(u8, u8); 32] = [
    (0, 2),
    (4, 1),
    (7, 1),
    (12, 3),
    (11, 1),
    (9, 2),
    (7, 2),
    (5, 1),
    (7, 1),
    (9, 1),
    (5, 1),
    (4, 0),
    (0, 4),
    (2, 1),
    (4, 1),
    (5, 1),
    (7, 1),
    (14, 2),
    (12, 2),
    (16, 0),
    (7, 0),
    (0, 4),
    (19, 1),
    (17, 1),
    (16, 1),
    (14, 1),
    (12, 2),
    (11, 2),
    (5, 0),
    (2, 2),
    (4, 0),
    (0, 6),
];

/// A file of one track (Standard MIDI Files 1.0): the melody over and over, with loudness that changes.
pub fn melody(program: u8, lowest: u8, times: u8) -> Vec<u8> {
    let mut track = vec![0, PROGRAM_CHANGE, program & 0x7F];
    let mut sounding: Vec<u8> = Vec::new();
    for time in 0..times {
        for (at, (step, eighths)) in (0_u8..).zip(MELODY) {
            let note = (lowest + step + time % 3).min(127);
            // From piano to forte and back.
            let loudness = 48 + at.wrapping_mul(7).wrapping_add(time.wrapping_mul(13)) % 72;
            track.extend([0, NOTE_ON, note, loudness]);
            sounding.push(note);
            if eighths > 0 {
                let mut ticks = u16::from(eighths) * u16::from(QUARTER) / 2;
                for note in sounding.drain(..) {
                    track.extend(delta(ticks));
                    track.extend([NOTE_ON, note, 0]);
                    ticks = 0;
                }
            }
        }
    }
    track.extend(b"\0\xFF\x2F\0");
    let mut file = b"MThd\0\0\0\x06\0\0\0\x01\0".to_vec();
    file.push(QUARTER);
    file.extend(b"MTrk");
    file.extend(u32::try_from(track.len()).unwrap_or(u32::MAX).to_be_bytes());
    file.extend(track);
    file
}

/// Time that passes before an event, below 2^14 ticks: seven bits a byte, all but the last with the top bit.
fn delta(ticks: u16) -> [u8; 2] {
    let [high, low] = (ticks << 1).to_be_bytes();
    [high | 0x80, low >> 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_written_in_seven_bits_a_byte() {
        assert_eq!(
            [delta(0), delta(0x7F), delta(0x80), delta(288)],
            [[0x80, 0], [0x80, 0x7F], [0x81, 0], [0x82, 0x20]]
        );
    }

    #[test]
    fn the_track_is_as_long_as_it_says_and_every_note_ends() {
        let file = melody(40, 57, 2);
        let (head, track) = file.split_at(22);
        assert_eq!(head[18..], u32::try_from(track.len()).unwrap().to_be_bytes());
        let notes = 2 * MELODY.len();
        let starts = 4 * notes;
        let ends = 5 * notes;
        assert_eq!(track.len(), 3 + starts + ends + 4);
    }
}
