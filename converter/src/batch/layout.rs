//! Where FLACs go below the destination: the choice. The name that it gives a file is [`RecordPath::flac`].
//!
//! [`RecordPath::flac`]: super::path::RecordPath::flac

use serde::{Deserialize, Serialize};

/// Where FLACs go below the destination
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum Layout {
    /// Into the same subfolders as their sources
    #[default]
    Mirror,
    /// All into the destination folder itself
    Flat,
}

#[cfg(test)]
mod tests {
    use super::Layout;
    use clap::ValueEnum;

    #[test]
    fn spelled_as_in_the_api() {
        for (text, value) in [("Mirror", Layout::Mirror), ("Flat", Layout::Flat)] {
            assert_eq!(Layout::from_str(text, false), Ok(value));
            assert_eq!(serde_json::to_value(value).unwrap(), text);
        }
    }
}
