//! Subframes: one channel's part of a frame (RFC 9639 §9.2).

use super::bits::Bits;
use super::error::FrameError;
use super::linear::{Linear, MAX_ORDER};
use super::predict::{Predictor, Sample, restore};
use super::residual;

/// What a subframe's header tells (§9.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Constant,
    Verbatim,
    /// With this order.
    Fixed(usize),
    /// With this order.
    Linear(usize),
}

/// Decodes a subframe of samples of `depth` bits, 4 to 33. `residuals` is as long as `samples`; what it holds does not
/// matter.
pub(super) fn decode<S: Sample>(
    bits: &mut Bits<'_>,
    depth: u32,
    residuals: &mut [i32],
    samples: &mut [S],
) -> Result<(), FrameError> {
    if bits.unsigned(1)? != 0 {
        return Err(FrameError::Reserved("a subframe's first bit"));
    }
    let kind = kind(bits.unsigned(6)?)?;
    // §9.2.2: the low bits that are zero in the whole block.
    let wasted = if bits.unsigned(1)? == 1 { bits.unary()?.saturating_add(1) } else { 0 };
    let depth = match depth.checked_sub(wasted) {
        Some(depth) if depth > 0 => depth,
        _ => return Err(FrameError::Contradiction("one of its subframes wastes all bits")),
    };
    match kind {
        Kind::Constant => samples.fill(S::truncated(bits.signed(depth)?)),
        Kind::Verbatim => plain(bits, depth, samples)?,
        Kind::Fixed(order) => {
            plain(bits, depth, warm_up(order, samples)?)?;
            predicted(bits, &Predictor::Fixed(order), depth, residuals, samples)?;
        }
        Kind::Linear(order) => {
            plain(bits, depth, warm_up(order, samples)?)?;
            let predictor = linear(bits, order)?;
            predicted(bits, &predictor, depth, residuals, samples)?;
        }
    }
    if wasted > 0 {
        for sample in samples {
            *sample = S::truncated((*sample).into() << wasted);
        }
    }
    Ok(())
}

fn kind(code: u32) -> Result<Kind, FrameError> {
    let order = (code & 31) as usize;
    match code {
        0 => Ok(Kind::Constant),
        1 => Ok(Kind::Verbatim),
        8..=12 => Ok(Kind::Fixed(order - 8)),
        32.. => Ok(Kind::Linear(order + 1)),
        _ => Err(FrameError::Reserved("a subframe's type")),
    }
}

/// Samples as they are.
fn plain<S: Sample>(bits: &mut Bits<'_>, depth: u32, samples: &mut [S]) -> Result<(), FrameError> {
    for sample in samples {
        *sample = S::truncated(bits.signed(depth)?);
    }
    Ok(())
}

/// The samples that a predictor of this order begins with.
fn warm_up<S: Sample>(order: usize, samples: &mut [S]) -> Result<&mut [S], FrameError> {
    samples.get_mut(..order).ok_or(FrameError::Contradiction("its block is shorter than the predictor's order"))
}

/// A linear predictor as the stream has it (§9.2.6).
fn linear(bits: &mut Bits<'_>, order: usize) -> Result<Predictor, FrameError> {
    let precision = bits.unsigned(4)? + 1;
    if precision == 16 {
        return Err(FrameError::Reserved("the precision of a linear predictor"));
    }
    let shift = bits.unsigned(5)?;
    if shift > 15 {
        return Err(FrameError::Reserved("the (negative) shift of a linear predictor"));
    }
    let mut coefficients = [0; MAX_ORDER];
    let coefficients = coefficients.get_mut(..order).unwrap_or_default();
    for coefficient in &mut *coefficients {
        *coefficient = i32::truncated(bits.signed(precision)?);
    }
    Ok(Predictor::Linear(Linear::new(coefficients, shift)))
}

fn predicted<S: Sample>(
    bits: &mut Bits<'_>,
    predictor: &Predictor,
    depth: u32,
    residuals: &mut [i32],
    samples: &mut [S],
) -> Result<(), FrameError> {
    residual::decode(bits, predictor.order(), residuals)?;
    restore(predictor, depth, residuals, samples)
}
