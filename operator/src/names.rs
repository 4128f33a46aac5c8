//! Names of children: the resource's own name, shortened with a hash where a limit asks for it, never an error.

use sha2::{Digest, Sha256};

/// Longest name of most objects: a DNS subdomain (RFC 1123).
pub const MAX_SUBDOMAIN: usize = 253;
/// Longest DNS label (RFC 1123, RFC 1035) and longest label value.
pub const MAX_LABEL: usize = 63;
/// Longest Deployment name: its ReplicaSets append a dash and a hash of up to ten characters to it.
pub const MAX_DEPLOYMENT: usize = MAX_SUBDOMAIN - 11;

/// Whether an object can have this name: a DNS subdomain (RFC 1123), lower-case letters, digits, dashes and dots. A name
/// of a spec that is none is never asked for: nothing has it, and in a URL it may be no name any more, or another.
pub fn is_subdomain(name: &str) -> bool {
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let label = |label: &[u8]| {
        label.first().is_some_and(alphanumeric)
            && label.last().is_some_and(alphanumeric)
            && label.iter().all(|b| alphanumeric(b) || *b == b'-')
    };
    name.len() <= MAX_SUBDOMAIN && name.as_bytes().split(|b| *b == b'.').all(label)
}

/// The first `digits` hexadecimal digits (64 at most) of the SHA-256 of `text`.
pub fn short_hash(text: &str, digits: usize) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let nibbles = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.take(digits).filter_map(|nibble| char::from_digit(u32::from(nibble), 16)).collect()
}

/// `owner` with `suffix` (which brings its own dash), in at most `limit` bytes. A name that fits stays as it is; else
/// the owner's part is cut and gets a hash of the whole, so that two long names never meet.
pub fn child(owner: &str, suffix: &str, limit: usize) -> String {
    if owner.len() + suffix.len() <= limit {
        return format!("{owner}{suffix}");
    }
    apart(owner, suffix, limit)
}

/// As [`child`], with the hash even where the name fits: where the plain name is somebody else's.
pub fn apart(owner: &str, suffix: &str, limit: usize) -> String {
    format!("{}{suffix}", hashed(owner, limit.saturating_sub(suffix.len())))
}

/// A label's value that stands for `owner`: at most 63 characters.
pub fn label_value(owner: &str) -> String {
    child(owner, "", MAX_LABEL)
}

/// A Service's name (DNS-1035: lower-case letters, digits and dashes, a letter first, at most 63) that stands for
/// `owner`, with `suffix` (which brings its own dash). A name that is one already stays; any other gets a hash, so that
/// `a.b` and `a-b` never meet.
pub fn service(owner: &str, suffix: &str) -> String {
    let plain = owner.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if begins_with_letter(owner) && plain && owner.len() + suffix.len() <= MAX_LABEL {
        return format!("{owner}{suffix}");
    }
    service_apart(owner, suffix)
}

/// As [`service`], always with the hash: what has a suffix would else have the name of another owner's that has none.
pub fn service_apart(owner: &str, suffix: &str) -> String {
    let dashed: String =
        owner.chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' }).collect();
    let prefixed = if begins_with_letter(owner) { dashed } else { format!("x{dashed}") };
    format!("{}{suffix}", with_hash(&prefixed, owner, MAX_LABEL.saturating_sub(suffix.len())))
}

fn begins_with_letter(name: &str) -> bool {
    name.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
}

fn hashed(name: &str, limit: usize) -> String {
    with_hash(name, name, limit)
}

/// `name` cut so that a dash and eight digits of the hash of `source` fit into `limit` bytes.
fn with_hash(name: &str, source: &str, limit: usize) -> String {
    let room = limit.saturating_sub(9);
    let cut = name.char_indices().map(|(start, c)| start + c.len_utf8()).take_while(|end| *end <= room).last();
    let kept = name.get(..cut.unwrap_or(0)).unwrap_or_default();
    let kept = kept.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    format!("{kept}-{}", short_hash(source, 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_fits_stays() {
        assert_eq!(child("tape-archive", "-plan", 63), "tape-archive-plan");
        assert_eq!(service("tape-archive", ""), "tape-archive");
        assert_eq!(service("tape-archive", "-metrics"), "tape-archive-metrics");
        assert_eq!(label_value("a.b"), "a.b");
        assert_eq!(apart("a", "-plan", 63), format!("a-{}-plan", short_hash("a", 8)));
    }

    #[test]
    fn what_no_object_can_have_is_no_name() {
        for name in ["a", "0", "tape-1.reel", "a--b", &"a".repeat(253)] {
            assert!(is_subdomain(name), "{name}");
        }
        for name in
            ["", "my tapes", "Tapes", "tapes?x", "a/b", "..", ".", "a.", ".a", "-a", "a-", "a.-b", "a%20", "ä", "a\n"]
        {
            assert!(!is_subdomain(name), "{name}");
        }
        assert!(!is_subdomain(&"a".repeat(254)));
    }

    #[test]
    fn a_long_name_is_cut_and_stays_distinct() {
        let (long, other) = ("a".repeat(253), format!("{}b", "a".repeat(252)));
        for limit in [20, 58, 63, 242] {
            let name = child(&long, "-convert", limit);
            assert_eq!(name.len(), limit);
            assert!(name.ends_with("-convert"));
            assert_ne!(name, child(&other, "-convert", limit));
        }
    }

    #[test]
    fn a_cut_never_ends_in_a_dot_or_dash() {
        let name = child(&format!("{}.-.{}", "a".repeat(52), "b".repeat(50)), "", 63);
        let hash = name.strip_prefix(&"a".repeat(52)).unwrap();
        assert_eq!((hash.len(), hash.starts_with('-')), (9, true), "{name}");
    }

    #[test]
    fn a_service_name_is_a_dns_1035_label() {
        for owner in
            ["a.b", "0tape", "7", "x.y.z-1", &"a".repeat(64), &"9.".repeat(100), &format!("{}1", "b.".repeat(126))]
        {
            for suffix in ["", "-metrics"] {
                let name = service(owner, suffix);
                assert!(name.len() <= 63 && name.ends_with(suffix), "{name}");
                assert!(name.starts_with(|c: char| c.is_ascii_lowercase()), "{name}");
                assert!(name.ends_with(|c: char| c.is_ascii_alphanumeric()), "{name}");
                assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{name}");
            }
        }
        assert_ne!(service("a.b", ""), service("a-b", ""));
        assert_eq!(service_apart("a", "-metrics"), format!("a-{}-metrics", short_hash("a", 8)));
        assert_eq!(service_apart("a.b", "-metrics"), service("a.b", "-metrics"));
        assert_ne!(service("0a", ""), service("x0a", ""));
    }
}
