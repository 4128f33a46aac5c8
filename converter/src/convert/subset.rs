//! What of a stream lies outside the streamable subset (RFC 9639 §7). Linear predictor and partition orders are kept
//! within it by [`crate::flac`] itself.

use super::summary::Warning;
use crate::flac::{mask_to_tell, tells_depth, tells_rate};
use crate::wav::Format;

/// Every reason why this audio in blocks of this size is outside the subset.
pub(super) fn reasons(format: &Format, block_size: u16) -> Vec<Warning> {
    let Format { sample_rate, bits_per_sample, .. } = *format;
    let largest = if sample_rate <= 48_000 { 4608 } else { 16_384 };
    let mask = mask_to_tell(format.channels, format.channel_mask);
    let rate = (!tells_rate(sample_rate)).then_some(Warning::RateOutsideSubset { sample_rate });
    let bits = (!tells_depth(bits_per_sample)).then_some(Warning::BitsOutsideSubset { bits_per_sample });
    let block = (block_size > largest).then_some(Warning::BlockOutsideSubset { block_size, largest });
    let mask = mask.map(|mask| Warning::MaskOutsideSubset { mask });
    [mask, rate, bits, block].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wav::PcmFormat;

    #[test]
    fn each_bound_has_its_reason() {
        let codes = |rate, bits, block_size| {
            let format = Format::from(PcmFormat::new(rate, 2, bits).unwrap());
            reasons(&format, block_size).iter().map(Warning::code).collect::<Vec<_>>()
        };
        assert!(codes(44_100, 16, 4096).is_empty());
        assert!(codes(48_000, 24, 4608).is_empty());
        assert!(codes(192_000, 32, 16_384).is_empty());
        assert_eq!(codes(48_000, 24, 4609), ["block_outside_subset"]);
        assert_eq!(codes(96_000, 24, 16_385), ["block_outside_subset"]);
        assert_eq!(codes(65_537, 20, 4096), ["rate_outside_subset"]);
        assert_eq!(codes(700_000, 15, 4096), ["rate_outside_subset", "bits_outside_subset"]);
    }
}
