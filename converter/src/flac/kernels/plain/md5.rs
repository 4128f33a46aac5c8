//! MD5's compression function (RFC 1321 §3.4).
//!
//! Each step waits for the one before, so what counts is how many operations follow one another from the latest word to
//! the next: four or five. All else of a step is added before that word is known.

use std::hint::black_box;

/// 2^32 times |sin(step + 1)|.
pub(in crate::flac::kernels) static SINES: [u32; 64] = [
    0xD76A_A478,
    0xE8C7_B756,
    0x2420_70DB,
    0xC1BD_CEEE,
    0xF57C_0FAF,
    0x4787_C62A,
    0xA830_4613,
    0xFD46_9501,
    0x6980_98D8,
    0x8B44_F7AF,
    0xFFFF_5BB1,
    0x895C_D7BE,
    0x6B90_1122,
    0xFD98_7193,
    0xA679_438E,
    0x49B4_0821,
    0xF61E_2562,
    0xC040_B340,
    0x265E_5A51,
    0xE9B6_C7AA,
    0xD62F_105D,
    0x0244_1453,
    0xD8A1_E681,
    0xE7D3_FBC8,
    0x21E1_CDE6,
    0xC337_07D6,
    0xF4D5_0D87,
    0x455A_14ED,
    0xA9E3_E905,
    0xFCEF_A3F8,
    0x676F_02D9,
    0x8D2A_4C8A,
    0xFFFA_3942,
    0x8771_F681,
    0x6D9D_6122,
    0xFDE5_380C,
    0xA4BE_EA44,
    0x4BDE_CFA9,
    0xF6BB_4B60,
    0xBEBF_BC70,
    0x289B_7EC6,
    0xEAA1_27FA,
    0xD4EF_3085,
    0x0488_1D05,
    0xD9D4_D039,
    0xE6DB_99E5,
    0x1FA2_7CF8,
    0xC4AC_5665,
    0xF429_2244,
    0x432A_FF97,
    0xAB94_23A7,
    0xFC93_A039,
    0x655B_59C3,
    0x8F0C_CC92,
    0xFFEF_F47D,
    0x8584_5DD1,
    0x6FA8_7E4F,
    0xFE2C_E6E0,
    0xA301_4314,
    0x4E08_11A1,
    0xF753_7E82,
    0xBD3A_F235,
    0x2AD7_D2BB,
    0xEB86_D391,
];

/// What a step adds to the first word, itself included: the sine and the message's word first. The halves of G have no
/// bit in common, so each can be added on its own.
macro_rules! mixed {
    (F $a:ident $b:ident $c:ident $d:ident $known:expr) => {
        (($c ^ $d) & $b ^ $d).wrapping_add($a.wrapping_add($known))
    };
    (G $a:ident $b:ident $c:ident $d:ident $known:expr) => {
        ($d & $b).wrapping_add((!$d & $c).wrapping_add($a.wrapping_add($known)))
    };
    (H $a:ident $b:ident $c:ident $d:ident $known:expr) => {
        ($c ^ $d ^ $b).wrapping_add($a.wrapping_add($known))
    };
    (I $a:ident $b:ident $c:ident $d:ident $known:expr) => {
        ($c ^ ($b | !$d)).wrapping_add($a.wrapping_add($known))
    };
}

/// A round: 16 steps with one mixing function. The first takes the word `first` of the message, each next one `apart`
/// further; the words of the state change places, and four rotations recur.
macro_rules! round {
    ($mix:ident, $round:literal, $state:ident, $message:ident, $sines:ident, $first:literal, $apart:literal, $turns:expr) => {
        let [mut a, mut b, mut c, mut d] = $state;
        let known = |step: usize| $sines[$round * 16 + step].wrapping_add($message[($first + $apart * step) % 16]);
        for four in 0..4 {
            a = mixed!($mix a b c d known(4 * four)).rotate_left($turns[0]).wrapping_add(b);
            d = mixed!($mix d a b c known(4 * four + 1)).rotate_left($turns[1]).wrapping_add(a);
            c = mixed!($mix c d a b known(4 * four + 2)).rotate_left($turns[2]).wrapping_add(d);
            b = mixed!($mix b c d a known(4 * four + 3)).rotate_left($turns[3]).wrapping_add(c);
        }
        $state = [a, b, c, d];
    };
}

pub(super) fn md5(state: &mut [u32; 4], blocks: &[[u8; 64]]) {
    // Numbers that it knows the compiler would add last, where they cost a cycle a step.
    let sines: &[u32; 64] = black_box(&SINES);
    let mut now = *state;
    for block in blocks {
        let mut message = [0; 16];
        for (word, bytes) in message.iter_mut().zip(block.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        let before = now;
        round!(F, 0, now, message, sines, 0, 1, [7, 12, 17, 22]);
        round!(G, 1, now, message, sines, 1, 5, [5, 9, 14, 20]);
        round!(H, 2, now, message, sines, 5, 3, [4, 11, 16, 23]);
        round!(I, 3, now, message, sines, 0, 7, [6, 10, 15, 21]);
        for (now, before) in now.iter_mut().zip(before) {
            *now = now.wrapping_add(before);
        }
    }
    *state = now;
}
