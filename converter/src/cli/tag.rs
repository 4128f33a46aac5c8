//! `--tag NAME=VALUE`: one field of a Vorbis comment.

use std::str::FromStr;

/// A field of a Vorbis comment (RFC 9639 §8.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its name: printable ASCII without `=` and `~`, in any case.
    pub name: String,
    /// Its value, which may be empty.
    pub value: String,
}

/// Text that is no tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// No `=`.
    #[error("write it as NAME=VALUE, for example TITLE=Dawn")]
    Form,
    /// A name that a Vorbis comment cannot have.
    #[error("a tag's name has one or more printable ASCII characters without ~ and =, such as TITLE")]
    Name,
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or(TagError::Form)?;
        if name.is_empty() || !name.bytes().all(|byte| (0x20..=0x7d).contains(&byte)) {
            return Err(TagError::Name);
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags() {
        for (text, name, value) in [
            ("TITLE=Dawn", "TITLE", "Dawn"),
            ("my tag=a=b", "my tag", "a=b"),
            ("EMPTY=", "EMPTY", ""),
            ("ARTIST=Björk\nand others", "ARTIST", "Björk\nand others"),
        ] {
            assert_eq!(text.parse(), Ok(Tag { name: name.into(), value: value.into() }));
        }
        assert_eq!("TITLE".parse::<Tag>(), Err(TagError::Form));
        for text in ["=x", "a~b=x", "Künstler=x", "a\nb=x", "\u{7f}=x"] {
            assert_eq!(text.parse::<Tag>(), Err(TagError::Name), "{text}");
        }
    }
}
