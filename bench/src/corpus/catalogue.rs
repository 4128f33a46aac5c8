//! Every piece of the corpus: which half it belongs to, and what it is made of.
//!
//! The halves share no piece, no voice, no instrument and no seed. Sources are alike in both, so that what is tuned on one
//! half meets its like in the other.

use super::sources::{Collection, Source};
use super::{Category, Half};
use crate::corpus::signals::Signal;

/// One file to be.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    pub half: Half,
    pub category: Category,
    pub name: &'static str,
    pub source: Source,
    pub bits: u8,
    pub rate: u32,
    pub channels: u8,
    /// ffmpeg's audio filter, such as `volume=9dB`; samples beyond full scale are clipped.
    pub filter: &'static str,
}

impl Piece {
    const fn bits(self, bits: u8) -> Self {
        Self { bits, ..self }
    }

    const fn rate(self, rate: u32) -> Self {
        Self { rate, ..self }
    }

    const fn mono(self) -> Self {
        Self { channels: 1, ..self }
    }

    const fn filter(self, filter: &'static str) -> Self {
        Self { filter, ..self }
    }
}

/// Stereo of 16 bits at 44.1 kHz, unless told otherwise.
const fn piece(half: Half, category: Category, name: &'static str, source: Source) -> Piece {
    let channels = if matches!(category, Category::Surround) { 6 } else { 2 };
    Piece { half, category, name, source, bits: 16, rate: 44_100, channels, filter: "anull" }
}

const fn file(collection: &'static Collection, names: &'static [&'static str]) -> Source {
    Source::Files { collection, names, start: 0 }
}

/// From the fifth second on: many pieces fade in.
const fn track(collection: &'static Collection, names: &'static [&'static str]) -> Source {
    Source::Files { collection, names, start: 5 }
}

const fn voice(collection: &'static Collection, folder: &'static str) -> Source {
    Source::Folder { collection, folder }
}

const fn midi(name: &'static str) -> Source {
    Source::Midi { collection: &OPENMSX, name }
}

const fn solo(program: u8, lowest: u8) -> Source {
    Source::Melody { program, lowest }
}

const fn own(signal: Signal, seed: u64) -> Source {
    Source::Own { signal, seed }
}

/// Game music, ogg of 110 to 140 kbit/s: orchestra, band, synthesiser.
const HEDGEWARS: Collection =
    Collection { package: "hedgewars-data", folder: "usr/share/games/hedgewars/Data/Music", ending: "ogg" };
/// Words and short sentences, a folder for each voice, ogg of 110 to 300 kbit/s.
const VOICES: Collection =
    Collection { package: "hedgewars-data", folder: "usr/share/games/hedgewars/Data/Sounds/voices", ending: "ogg" };
/// Ambient music, ogg of 310 to 480 kbit/s.
const HYPERROGUE: Collection =
    Collection { package: "hyperrogue-music", folder: "usr/share/hyperrogue/music", ending: "ogg" };
/// Metal, ogg of 150 kbit/s; the guitar alone and all else.
const MULDJORD: Collection = Collection {
    package: "fretsonfire-songs-muldjord",
    folder: "usr/share/games/fretsonfire/data/songs/muldjord",
    ending: "ogg",
};
/// Recorded instruments and loops, never lossy.
const SONIC_PI: Collection =
    Collection { package: "sonic-pi-samples", folder: "usr/share/sonic-pi/samples", ending: "flac" };
/// MIDI files, rendered with a sound font: never lossy, and true 24 bits.
const OPENMSX: Collection =
    Collection { package: "openttd-openmsx", folder: "usr/share/games/openttd/baseset/openmsx", ending: "mid" };
/// Announcements at 8 kHz, never lossy.
const ALLISON: Collection =
    Collection { package: "asterisk-core-sounds-en-wav", folder: "usr/share/asterisk/sounds", ending: "wav" };
/// Announcements at 16 kHz, G.722.
const RUSSIAN: Collection =
    Collection { package: "asterisk-core-sounds-ru-g722", folder: "usr/share/asterisk/sounds", ending: "g722" };
/// A novel read aloud, 16 kHz, once mp3.
const LIBRIVOX: Collection =
    Collection { package: "pocketsphinx-testdata", folder: "usr/share/pocketsphinx/test/data", ending: "wav" };

const T: Half = Half::Tuning;
const R: Half = Half::Reported;

/// The music of both depths, one source after the other.
const MUSIC: [(Half, &str, Source, u32); 18] = [
    (T, "theme", track(&HEDGEWARS, &["main_theme"]), 44_100),
    (T, "caves", track(&HYPERROGUE, &["hr3-caves"]), 44_100),
    (T, "boogie", midi("boogi_marabi_redfarn"), 44_100),
    (T, "castle", track(&HEDGEWARS, &["Castle"]), 44_100),
    (T, "armygeddon", track(&MULDJORD, &["armygeddon/song"]), 44_100),
    (T, "desert", track(&HYPERROGUE, &["hr3-desert"]), 44_100),
    (T, "oriental", track(&HEDGEWARS, &["oriental"]), 44_100),
    (T, "icyland", track(&HYPERROGUE, &["hr3-icyland"]), 44_100),
    (T, "harmony", midi("harp_harmony"), 48_000),
    (R, "beach", track(&HEDGEWARS, &["Beach"]), 44_100),
    (R, "jungle", track(&HYPERROGUE, &["hr3-jungle"]), 44_100),
    (R, "blues", midi("city_blues_redfarn"), 44_100),
    (R, "rock", track(&HEDGEWARS, &["Rock"]), 44_100),
    (R, "mime", track(&MULDJORD, &["mutilated_mime/song"]), 44_100),
    (R, "hell", track(&HYPERROGUE, &["hr3-hell"]), 44_100),
    (R, "pirate", track(&HEDGEWARS, &["pirate"]), 44_100),
    (R, "rlyeh", track(&HYPERROGUE, &["hr3-rlyeh"]), 44_100),
    (R, "chase", midi("run_for_your_life"), 48_000),
];

const fn music(at: usize) -> Source {
    MUSIC[at].2
}

/// All but the music.
#[rustfmt::skip]
const OTHERS: &[Piece] = {
    use Category::{Clipped, Quiet, Solo, Speech, Surround, Synthetic};
    use Signal::{
        Blue, Brown, Chirps, Clicks, Coarse, Hiss, HissPauses, Modulated, Pink, Plucks, Saw, Sine, SineInNoise, Sines,
        Square, Steps, Sweep, White,
    };
    &[
        piece(T, Speech, "allison-8k", voice(&ALLISON, "en_US_f_Allison")).mono().rate(8000),
        piece(T, Speech, "novel-16k", voice(&LIBRIVOX, "librivox")).mono().rate(16_000),
        piece(T, Speech, "russian", voice(&VOICES, "Default_ru")).mono(),
        piece(T, Speech, "hillbilly", voice(&VOICES, "HillBilly")).mono().bits(24),
        piece(T, Speech, "classic-22k", voice(&VOICES, "Classic")).mono().rate(22_050).bits(24),
        piece(T, Speech, "robot-stereo", voice(&VOICES, "Robot")),
        piece(T, Speech, "synthesised-48k", Source::Flite("slt")).mono().rate(48_000).bits(24),
        piece(R, Speech, "surfer-8k", voice(&VOICES, "Surfer")).mono().rate(8000),
        piece(R, Speech, "operator-16k", voice(&RUSSIAN, "")).mono().rate(16_000),
        piece(R, Speech, "british", voice(&VOICES, "British")).mono(),
        piece(R, Speech, "mobster", voice(&VOICES, "Mobster")).mono().bits(24),
        piece(R, Speech, "ukrainian-22k", voice(&VOICES, "Default_uk")).mono().rate(22_050).bits(24),
        piece(R, Speech, "pirate-stereo", voice(&VOICES, "Pirate")),
        piece(R, Speech, "synthesised-48k", Source::Flite("awb")).mono().rate(48_000).bits(24),

        piece(T, Solo, "guitar", file(&SONIC_PI, &["guit_em9", "guit_harmonics"])),
        piece(T, Solo, "bell", file(&SONIC_PI, &["perc_bell2", "elec_bell"])),
        piece(T, Solo, "drums", file(&SONIC_PI, &["loop_amen_full", "loop_breakbeat", "loop_mika"])),
        piece(T, Solo, "bass-mono", file(&SONIC_PI, &["bass_voxy_c", "bass_thick_c"])).mono(),
        piece(T, Solo, "glass", file(&SONIC_PI, &["ambi_glass_hum"])),
        piece(T, Solo, "piano", solo(0, 45)).bits(24).rate(48_000),
        piece(T, Solo, "violin", solo(40, 57)),
        piece(T, Solo, "trumpet", solo(56, 55)).bits(24),
        piece(T, Solo, "flute-96k", solo(73, 62)).bits(24).rate(96_000),
        piece(T, Solo, "metal-guitar", track(&MULDJORD, &["chaos_god/guitar"])),
        piece(R, Solo, "guitar", file(&SONIC_PI, &["guit_e_fifths", "guit_e_slide"])),
        piece(R, Solo, "bell", file(&SONIC_PI, &["perc_bell"])),
        piece(R, Solo, "tabla", file(&SONIC_PI, &["loop_tabla"])),
        piece(R, Solo, "bass-mono", file(&SONIC_PI, &["bass_woodsy_c", "bass_trance_c", "bass_drop_c"])).mono(),
        piece(R, Solo, "rubbed-glass", file(&SONIC_PI, &["ambi_glass_rub", "ambi_drone"])),
        piece(R, Solo, "harpsichord", solo(6, 48)).bits(24).rate(48_000),
        piece(R, Solo, "cello", solo(42, 38)),
        piece(R, Solo, "saxophone", solo(65, 50)).bits(24),
        piece(R, Solo, "clarinet-96k", solo(71, 52)).bits(24).rate(96_000),
        piece(R, Solo, "metal-guitar", track(&MULDJORD, &["internal_degeneration/guitar"])),

        piece(T, Synthetic, "sine", own(Sine, 1)),
        piece(T, Synthetic, "sines-24", own(Sines, 2)).bits(24).rate(48_000),
        piece(T, Synthetic, "sine-in-noise", own(SineInNoise, 3)),
        piece(T, Synthetic, "sweep", own(Sweep, 4)),
        piece(T, Synthetic, "chirps-24", own(Chirps, 5)).bits(24),
        piece(T, Synthetic, "white", own(White, 6)),
        piece(T, Synthetic, "pink-24", own(Pink, 7)).bits(24),
        piece(T, Synthetic, "brown", own(Brown, 8)),
        piece(T, Synthetic, "blue", own(Blue, 9)).mono(),
        piece(T, Synthetic, "square", own(Square, 10)),
        piece(T, Synthetic, "saw-24", own(Saw, 11)).bits(24),
        piece(T, Synthetic, "clicks", own(Clicks, 12)),
        piece(T, Synthetic, "fm", own(Modulated, 13)),
        piece(T, Synthetic, "plucks", own(Plucks, 14)),
        piece(T, Synthetic, "steps", own(Steps, 15)),
        piece(T, Synthetic, "twelve-bits-in-24", own(Coarse, 16)).bits(24),
        piece(R, Synthetic, "sine", own(Sine, 101)),
        piece(R, Synthetic, "sines-24", own(Sines, 102)).bits(24).rate(48_000),
        piece(R, Synthetic, "sine-in-noise", own(SineInNoise, 103)),
        piece(R, Synthetic, "sweep", own(Sweep, 104)),
        piece(R, Synthetic, "chirps-24", own(Chirps, 105)).bits(24),
        piece(R, Synthetic, "white", own(White, 106)),
        piece(R, Synthetic, "pink-24", own(Pink, 107)).bits(24),
        piece(R, Synthetic, "brown", own(Brown, 108)),
        piece(R, Synthetic, "blue", own(Blue, 109)).mono(),
        piece(R, Synthetic, "square", own(Square, 110)),
        piece(R, Synthetic, "saw-24", own(Saw, 111)).bits(24),
        piece(R, Synthetic, "clicks", own(Clicks, 112)),
        piece(R, Synthetic, "fm", own(Modulated, 113)),
        piece(R, Synthetic, "plucks", own(Plucks, 114)),
        piece(R, Synthetic, "steps", own(Steps, 115)),
        piece(R, Synthetic, "twelve-bits-in-24", own(Coarse, 116)).bits(24),

        piece(T, Quiet, "theme-40dB", music(0)).filter("volume=-40dB"),
        piece(T, Quiet, "desert-50dB", music(5)).filter("volume=-50dB"),
        piece(T, Quiet, "boogie-60dB", music(2)).filter("volume=-60dB"),
        piece(T, Quiet, "castle-50dB-24", music(3)).filter("volume=-50dB").bits(24),
        piece(T, Quiet, "russian-45dB-mono", voice(&VOICES, "Default_ru")).filter("volume=-45dB").mono(),
        piece(T, Quiet, "hiss", own(Hiss, 17)),
        piece(T, Quiet, "hiss-pauses-24", own(HissPauses, 18)).bits(24),
        piece(T, Quiet, "piano-fading", solo(0, 50)).filter("volume='pow(10,-0.2*t)':eval=frame"),
        piece(R, Quiet, "beach-40dB", music(9)).filter("volume=-40dB"),
        piece(R, Quiet, "hell-50dB", music(14)).filter("volume=-50dB"),
        piece(R, Quiet, "blues-60dB", music(11)).filter("volume=-60dB"),
        piece(R, Quiet, "rock-50dB-24", music(12)).filter("volume=-50dB").bits(24),
        piece(R, Quiet, "british-45dB-mono", voice(&VOICES, "British")).filter("volume=-45dB").mono(),
        piece(R, Quiet, "hiss", own(Hiss, 117)),
        piece(R, Quiet, "hiss-pauses-24", own(HissPauses, 118)).bits(24),
        piece(R, Quiet, "harpsichord-fading", solo(6, 52)).filter("volume='pow(10,-0.2*t)':eval=frame"),

        piece(T, Clipped, "theme+6dB", music(0)).filter("volume=6dB"),
        piece(T, Clipped, "armygeddon+9dB", music(4)).filter("volume=9dB"),
        piece(T, Clipped, "icyland+12dB", music(7)).filter("volume=12dB"),
        piece(T, Clipped, "boogie+12dB-24", music(2)).filter("volume=18dB").bits(24),
        piece(T, Clipped, "hillbilly+12dB-mono", voice(&VOICES, "HillBilly")).filter("volume=12dB").mono(),
        piece(R, Clipped, "beach+6dB", music(9)).filter("volume=6dB"),
        piece(R, Clipped, "mime+9dB", music(13)).filter("volume=9dB"),
        piece(R, Clipped, "jungle+12dB", music(10)).filter("volume=12dB"),
        piece(R, Clipped, "blues+12dB-24", music(11)).filter("volume=18dB").bits(24),
        piece(R, Clipped, "mobster+12dB-mono", voice(&VOICES, "Mobster")).filter("volume=12dB").mono(),

        piece(T, Surround, "theme-and-castle", Source::Surround([0, 3])).rate(48_000),
        piece(T, Surround, "desert-and-boogie-24", Source::Surround([5, 2])).rate(48_000).bits(24),
        piece(R, Surround, "beach-and-pirate", Source::Surround([9, 15])).rate(48_000),
        piece(R, Surround, "rlyeh-and-blues-24", Source::Surround([16, 11])).rate(48_000).bits(24),
    ]
};

/// The music that [`Source::Surround`] names by its place.
pub fn in_surround(at: usize) -> Option<Source> {
    MUSIC.get(at).map(|music| music.2)
}

/// All pieces of a half, category by category.
pub fn pieces(half: Half) -> Vec<Piece> {
    let of = |category, bits| {
        move |&(half, name, source, rate): &(Half, &'static str, Source, u32)| {
            piece(half, category, name, source).rate(rate).bits(bits)
        }
    };
    let music_16 = MUSIC.iter().map(of(Category::Music16, 16));
    let music_24 = MUSIC.iter().map(of(Category::Music24, 24));
    music_16.chain(music_24).chain(OTHERS.iter().copied()).filter(|piece| piece.half == half).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_half_has_every_category_and_both_have_as_many_files() {
        let (tuning, reported) = (pieces(T), pieces(R));
        for category in Category::ALL.into_iter().filter(|category| category.counts()) {
            let count = |pieces: &[Piece]| pieces.iter().filter(|piece| piece.category == category).count();
            assert!(count(&tuning) >= 2, "{category:?}");
            assert_eq!(count(&tuning), count(&reported), "{category:?}");
        }
    }

    /// What a piece is made of, so that a cut or a louder version of the same counts as the same.
    fn origins(source: Source) -> Vec<String> {
        match source {
            Source::Files { collection, names, .. } => {
                names.iter().map(|name| format!("{} {name}", collection.package)).collect()
            }
            Source::Folder { collection, folder } => vec![format!("{} {folder}", collection.package)],
            Source::Midi { name, .. } => vec![name.to_owned()],
            Source::Melody { program, .. } => vec![format!("instrument {program}")],
            Source::Flite(voice) => vec![format!("flite {voice}")],
            Source::Own { seed, .. } => vec![format!("seed {seed}")],
            Source::Surround(both) => both.into_iter().filter_map(in_surround).flat_map(origins).collect(),
        }
    }

    #[test]
    fn the_halves_share_nothing() {
        let all = |half| pieces(half).into_iter().flat_map(|piece| origins(piece.source)).collect::<HashSet<_>>();
        assert_eq!(all(T).intersection(&all(R)).collect::<Vec<_>>(), Vec::<&String>::new());
    }

    #[test]
    fn names_are_unique_in_their_category() {
        for half in [T, R] {
            let mut seen = HashSet::new();
            for piece in pieces(half) {
                assert!(seen.insert((piece.category, piece.name)), "{piece:?}");
            }
        }
    }
}
