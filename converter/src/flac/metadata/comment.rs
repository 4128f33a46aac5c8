//! VORBIS_COMMENT (RFC 9639 §8.6): the tags, and what a field's name may be.

use super::block::length32;

/// What the Vorbis comment names as the writer.
pub(super) const VENDOR: &str = concat!("Flacship ", env!("CARGO_PKG_VERSION"));

/// Why a text cannot be a field's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} cannot be a tag's name: use letters, digits and other printable ASCII but `=`, at least one of them")]
pub struct FieldNameError {
    /// The text.
    pub name: String,
}

/// Refuses a name that no field may have.
pub fn check_field_name(name: &str) -> Result<(), FieldNameError> {
    if !name.is_empty() && name.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=') {
        Ok(())
    } else {
        Err(FieldNameError { name: name.to_owned() })
    }
}

/// Bytes that a field takes in the block.
pub(super) fn field_bytes(name: &str, value: &str) -> usize {
    4 + name.len() + 1 + value.len()
}

/// The block's body, with `spaces` after the vendor's name. Lengths are little-endian, unlike everything else in FLAC.
pub(super) fn vorbis_comment(fields: &[(String, String)], spaces: usize) -> Vec<u8> {
    let mut body = Vec::new();
    push_counted(&mut body, &format!("{VENDOR}{:spaces$}", ""));
    body.extend(u32::try_from(fields.len()).unwrap_or(u32::MAX).to_le_bytes());
    for (name, value) in fields {
        push_counted(&mut body, &format!("{name}={value}"));
    }
    body
}

fn push_counted(body: &mut Vec<u8>, text: &str) {
    body.extend(length32(text.as_bytes()).to_le_bytes());
    body.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_printable_ascii_without_equals() {
        for good in ["TITLE", "a", " ~}", "WAVEFORMATEXTENSIBLE_CHANNEL_MASK", "ENCODED-BY"] {
            assert_eq!(check_field_name(good), Ok(()));
        }
        for bad in ["", "A=B", "TIT\u{e9}", "A\n", "\u{7f}", "A\0"] {
            assert_eq!(check_field_name(bad), Err(FieldNameError { name: bad.to_owned() }));
        }
    }

    #[test]
    fn the_body_is_counted_texts() {
        let fields = [("A".to_owned(), "\u{e4}=b".to_owned())];
        let body = vorbis_comment(&fields, 2);
        let vendor = format!("{VENDOR}  ");
        let mut expected = u32::try_from(vendor.len()).unwrap().to_le_bytes().to_vec();
        expected.extend(vendor.as_bytes());
        expected.extend([1, 0, 0, 0, 6, 0, 0, 0]);
        expected.extend("A=\u{e4}=b".as_bytes());
        assert_eq!(body, expected);
        assert_eq!(field_bytes("A", "\u{e4}=b"), 10);
    }
}
