//! Genres, which ID3 may tell by number.

/// ID3v1's genres and those that Winamp added.
#[rustfmt::skip]
const GENRES: [&str; 126] = [
    "Blues", "Classic Rock", "Country", "Dance", "Disco", "Funk", "Grunge", "Hip-Hop", "Jazz", "Metal", "New Age",
    "Oldies", "Other", "Pop", "R&B", "Rap", "Reggae", "Rock", "Techno", "Industrial", "Alternative", "Ska",
    "Death Metal", "Pranks", "Soundtrack", "Euro-Techno", "Ambient", "Trip-Hop", "Vocal", "Jazz+Funk", "Fusion",
    "Trance", "Classical", "Instrumental", "Acid", "House", "Game", "Sound Clip", "Gospel", "Noise", "AlternRock",
    "Bass", "Soul", "Punk", "Space", "Meditative", "Instrumental Pop", "Instrumental Rock", "Ethnic", "Gothic",
    "Darkwave", "Techno-Industrial", "Electronic", "Pop-Folk", "Eurodance", "Dream", "Southern Rock", "Comedy",
    "Cult", "Gangsta", "Top 40", "Christian Rap", "Pop/Funk", "Jungle", "Native American", "Cabaret", "New Wave",
    "Psychedelic", "Rave", "Showtunes", "Trailer", "Lo-Fi", "Tribal", "Acid Punk", "Acid Jazz", "Polka", "Retro",
    "Musical", "Rock & Roll", "Hard Rock", "Folk", "Folk-Rock", "National Folk", "Swing", "Fast Fusion", "Bebop",
    "Latin", "Revival", "Celtic", "Bluegrass", "Avantgarde", "Gothic Rock", "Progressive Rock", "Psychedelic Rock",
    "Symphonic Rock", "Slow Rock", "Big Band", "Chorus", "Easy Listening", "Acoustic", "Humour", "Speech",
    "Chanson", "Opera", "Chamber Music", "Sonata", "Symphony", "Booty Bass", "Primus", "Porn Groove", "Satire",
    "Slow Jam", "Club", "Tango", "Samba", "Folklore", "Ballad", "Power Ballad", "Rhythmic Soul", "Freestyle",
    "Duet", "Punk Rock", "Drum Solo", "A capella", "Euro-House", "Dance Hall",
];

/// The genres of a text: "Rock", "17", "(17)", "(17)(18)Own words", "((text in brackets)".
pub(super) fn names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text.trim();
    while let Some((reference, after)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        let Some(name) = name_of(reference) else {
            break;
        };
        names.push(name);
        rest = after;
    }
    let rest = if rest.starts_with("((") { rest.get(1..).unwrap_or_default() } else { rest };
    let own = name_of(rest).unwrap_or_else(|| rest.to_owned());
    // "(17)Rock" says the same twice
    if !own.is_empty() && !names.contains(&own) {
        names.push(own);
    }
    names
}

fn name_of(reference: &str) -> Option<String> {
    match reference {
        "RX" => Some("Remix".to_owned()),
        "CR" => Some("Cover".to_owned()),
        number => GENRES.get(number.parse::<usize>().ok()?).map(|name| (*name).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_names() {
        for (text, expected) in [
            ("Rock", &["Rock"][..]),
            ("17", &["Rock"]),
            ("(17)", &["Rock"]),
            ("(17)Rock", &["Rock"]),
            ("(17)(8)Own", &["Rock", "Jazz", "Own"]),
            ("(RX)", &["Remix"]),
            ("((odd)", &["(odd)"]),
            ("(odd)", &["(odd)"]),
            ("999", &["999"]),
            ("", &[]),
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
        assert_eq!(GENRES[125], "Dance Hall");
    }
}
