//! Tags of several sources put together.

use crate::flac::check_field_name;

/// A name and a value.
pub(super) type Tag = (String, String);

/// Tags that only this converter may write: another's would say which speakers the channels belong to, wrongly.
const RESERVED: &str = "WAVEFORMATEXTENSIBLE_CHANNEL_MASK";

/// Merges sources, the one that is believed most first. Of a name that several sources have, only the first one's values
/// are kept; a value that a source repeats is kept once. Names differ without regard to case (RFC 9639 §8.6).
pub(super) fn merge(sources: impl IntoIterator<Item = Vec<Tag>>) -> Vec<Tag> {
    let mut merged: Vec<Tag> = Vec::new();
    for source in sources {
        let known = merged.len();
        for (name, value) in source {
            let same = |tag: &Tag| tag.0.eq_ignore_ascii_case(&name);
            let (earlier, own) = merged.split_at(known);
            let told = earlier.iter().any(same) || own.iter().any(|tag| same(tag) && tag.1 == value);
            let usable = !value.is_empty() && check_field_name(&name).is_ok() && !name.eq_ignore_ascii_case(RESERVED);
            if usable && !told {
                merged.push((name, value));
            }
        }
    }
    merged
}

/// Tags with the user's own: each name that the user gives loses the values that it had. The user's come first, as
/// given.
pub fn with_user_tags(tags: &[(String, String)], user: &[(String, String)]) -> Vec<(String, String)> {
    let replaced = |tag: &&Tag| user.iter().any(|given| given.0.eq_ignore_ascii_case(&tag.0));
    user.iter().chain(tags.iter().filter(|tag| !replaced(tag))).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Vec<Tag> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_first_source_of_a_name_is_believed() {
        let merged = merge([
            tags(&[("ARTIST", "a"), ("artist", "b"), ("Artist", "a"), ("EMPTY", "")]),
            tags(&[("artist", "c"), ("TITLE", "t"), ("BAD=", "x"), ("waveformatextensible_channel_mask", "0x3")]),
            tags(&[("TITLE", "u"), ("EMPTY", "e")]),
        ]);
        assert_eq!(merged, tags(&[("ARTIST", "a"), ("artist", "b"), ("TITLE", "t"), ("EMPTY", "e")]));
    }

    #[test]
    fn the_users_tags_replace_a_name() {
        let merged = with_user_tags(
            &tags(&[("ARTIST", "a"), ("ARTIST", "b"), ("TITLE", "t")]),
            &tags(&[("artist", "x"), ("artist", "y")]),
        );
        assert_eq!(merged, tags(&[("artist", "x"), ("artist", "y"), ("TITLE", "t")]));
    }
}
