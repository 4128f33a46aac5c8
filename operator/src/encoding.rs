//! How a spec's `encoding` is told to the converter: the same flags for services and jobs.

use crds::shared::{Encoding, Float, Metadata};

/// Flags of the converter and their values, without dashes. What is the converter's own default is left out, but for the
/// level: so pods stay as they are when a later operator knows more settings.
pub fn settings(encoding: &Encoding) -> Vec<(&'static str, String)> {
    let Encoding { compression_level, block_size, metadata, float } = encoding;
    let mut settings = vec![("level", compression_level.to_string())];
    settings.extend(block_size.map(|block_size| ("block-size", block_size.to_string())));
    match metadata {
        Metadata::Tags => {}
        Metadata::Foreign => settings.push(("metadata", "foreign".to_owned())),
    }
    match float {
        Float::Refuse => {}
        Float::To16 => settings.push(("float", "16".to_owned())),
        Float::To24 => settings.push(("float", "24".to_owned())),
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_from_the_converters_defaults_is_told() {
        let told = |yaml: &str| settings(&serde_yaml::from_str(yaml).unwrap());
        assert_eq!(told("{}"), [("level", "5".to_owned())]);
        let all = told("{compressionLevel: 0, blockSize: 1152, metadata: Foreign, float: 24}");
        let flags: Vec<_> = all.iter().map(|(flag, value)| format!("{flag}={value}")).collect();
        assert_eq!(flags, ["level=0", "block-size=1152", "metadata=foreign", "float=24"]);
        assert_eq!(told("{float: '16'}").last(), Some(&("float", "16".to_owned())));
        assert!(serde_yaml::from_str::<Encoding>("{float: 32}").is_err());
    }
}
