//! PICTURE (RFC 9639 §8.8), made from an image's bytes.

use super::block::{LARGEST_BODY, length32};
use super::image::{Image, NoImage, read_image};

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    kind: u32,
    mime: String,
    description: String,
    width: u32,
    height: u32,
    depth: u32,
    colors: u32,
    data: Vec<u8>,
}

/// Why a file cannot be a picture of a FLAC file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// Its format is not known.
    #[error("the picture is no PNG, JPEG, GIF or WebP file: convert it into one of them first")]
    UnknownFormat,
    /// Its header makes no sense.
    #[error("the picture begins like a {format} file, but its header is damaged: save it again")]
    Damaged {
        /// The format.
        format: &'static str,
    },
    /// A block cannot hold it.
    #[error("the picture has {bytes} bytes, and a FLAC file can hold less than 16 MiB of one: make it smaller")]
    TooLarge {
        /// The picture's size.
        bytes: usize,
    },
}

impl PictureError {
    /// A stable name for programs, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownFormat | Self::Damaged { .. } => "bad_picture",
            Self::TooLarge { .. } => "picture_too_large",
        }
    }
}

impl Picture {
    /// The kind that players show: front cover (the list is ID3's, RFC 9639 table 13).
    pub const FRONT_COVER: u32 = 3;

    /// A picture of a file's bytes; what it is and how large is read from them.
    pub fn from_image(kind: u32, description: &str, data: Vec<u8>) -> Result<Self, PictureError> {
        let image = read_image(&data).map_err(|error| match error {
            NoImage::Unknown => PictureError::UnknownFormat,
            NoImage::Damaged(format) => PictureError::Damaged { format },
        })?;
        Self::new(kind, image.mime, description, image, data)
    }

    /// A picture that another container called `mime`. If its header cannot be read, its size stays untold, which
    /// 0 means in PICTURE.
    pub fn from_tag(kind: u32, mime: &str, description: &str, data: Vec<u8>) -> Result<Self, PictureError> {
        let unread = Image { mime: "", width: 0, height: 0, depth: 0, colors: 0 };
        let image = read_image(&data).unwrap_or(unread);
        let mime = if image.mime.is_empty() { mime } else { image.mime };
        Self::new(kind, mime, description, image, data)
    }

    fn new(kind: u32, mime: &str, description: &str, image: Image, data: Vec<u8>) -> Result<Self, PictureError> {
        // The standard wants printable ASCII here.
        let mime = mime.chars().filter(|letter| matches!(letter, ' '..='~')).collect();
        let picture = Self {
            kind,
            mime,
            description: description.to_owned(),
            width: image.width,
            height: image.height,
            depth: image.depth,
            colors: image.colors,
            data,
        };
        if picture.body_bytes() > LARGEST_BODY {
            return Err(PictureError::TooLarge { bytes: picture.data.len() });
        }
        Ok(picture)
    }

    /// What the picture shows, by ID3's numbers.
    pub fn kind(&self) -> u32 {
        self.kind
    }

    /// The image's type.
    pub fn mime(&self) -> &str {
        &self.mime
    }

    /// The image's bytes.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Bytes of the block's body.
    pub(super) fn body_bytes(&self) -> usize {
        32 + self.mime.len() + self.description.len() + self.data.len()
    }

    /// The block's body.
    pub(super) fn to_body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.body_bytes());
        body.extend(self.kind.to_be_bytes());
        for text in [&self.mime, &self.description] {
            body.extend(length32(text.as_bytes()).to_be_bytes());
            body.extend(text.as_bytes());
        }
        for number in [self.width, self.height, self.depth, self.colors] {
            body.extend(number.to_be_bytes());
        }
        body.extend(length32(&self.data).to_be_bytes());
        body.extend(&self.data);
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_images_are_refused_by_name() {
        let refusal = |data: &[u8]| {
            let error = Picture::from_image(3, "", data.to_vec()).unwrap_err();
            (error.code(), error.to_string())
        };
        assert_eq!(refusal(b"hello").0, "bad_picture");
        assert!(refusal(b"GIF89a").1.contains("GIF"));
        let mut huge = b"GIF89a\x01\0\x01\0\x80".to_vec();
        huge.resize(1 << 24, 0);
        assert_eq!(refusal(&huge).0, "picture_too_large");
    }

    #[test]
    fn what_another_container_calls_a_picture_is_kept() {
        let picture = Picture::from_tag(4, "image/x-\u{e4}odd\n", "back", vec![1, 2, 3]).unwrap();
        assert_eq!((picture.kind(), picture.mime(), picture.data()), (4, "image/x-odd", &[1, 2, 3][..]));
        assert_eq!(picture.to_body().len(), picture.body_bytes());
        let named_wrongly = Picture::from_tag(3, "image/png", "", b"GIF89a\x02\0\x03\0\x80".to_vec()).unwrap();
        assert_eq!((named_wrongly.mime(), named_wrongly.width, named_wrongly.height), ("image/gif", 2, 3));
    }
}
