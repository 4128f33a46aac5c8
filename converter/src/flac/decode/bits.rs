//! Reads numbers of any width from a slice, the most significant bit first (RFC 9639 §5).

use super::error::FrameError;

/// A place in a slice of bytes, to the bit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The byte that comes into the buffer next.
    next: usize,
    /// The bits ahead, the next one on top. Below the `held` bits lie zeros, or the very bits that follow: to put
    /// those in again changes nothing.
    buffer: u64,
    /// How many bits of the buffer count: at most 63, so that every shift by it is allowed.
    held: u32,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, next: 0, buffer: 0, held: 0 }
    }

    /// The whole bytes read so far; the current one counts.
    pub fn bytes_read(&self) -> usize {
        self.next - (self.held / 8) as usize
    }

    /// Goes to the next whole byte.
    pub fn align(&mut self) {
        self.consume(self.held % 8);
    }

    /// The next `width` bits, 0 to 32 of them.
    pub fn unsigned(&mut self, width: u32) -> Result<u32, FrameError> {
        debug_assert!(width <= 32);
        if self.held < width {
            self.refill();
            if self.held < width {
                return Err(FrameError::Incomplete);
            }
        }
        let value = self.top(width);
        self.consume(width);
        Ok(u32::try_from(value).unwrap_or(u32::MAX))
    }

    /// The next `width` bits as a number in two's complement, 0 to 33 of them.
    pub fn signed(&mut self, width: u32) -> Result<i64, FrameError> {
        let Some(rest) = width.checked_sub(1) else { return Ok(0) };
        let sign = i64::from(self.unsigned(1)?);
        Ok(i64::from(self.unsigned(rest)?) - (sign << rest))
    }

    /// Counts zeros up to the next one, and passes that too.
    pub fn unary(&mut self) -> Result<u32, FrameError> {
        let mut zeros: u32 = 0;
        loop {
            self.refill();
            let more = self.buffer.leading_zeros();
            if more < self.held {
                self.consume(more + 1);
                return Ok(zeros.saturating_add(more));
            }
            if self.held == 0 {
                return Err(FrameError::Incomplete);
            }
            zeros = zeros.saturating_add(self.held);
            self.consume(self.held);
        }
    }

    /// Reads Rice codes with this parameter (§9.2.7), 0 to 30.
    pub fn rice(&mut self, parameter: u32, residuals: &mut [i32]) -> Result<(), FrameError> {
        debug_assert!(parameter <= 30);
        // As many at a time as mostly lie in one filled buffer of 56 bits or more.
        match parameter {
            0..=9 => self.rice_in_groups::<4>(parameter, residuals),
            10..=14 => self.rice_in_groups::<3>(parameter, residuals),
            15..=23 => self.rice_in_groups::<2>(parameter, residuals),
            _ => self.rice_one_by_one(parameter, residuals),
        }
    }

    /// Reads Rice codes with a parameter of up to 25: one that lies in the buffer whole stays below 2^31.
    fn rice_in_groups<const COUNT: usize>(&mut self, parameter: u32, residuals: &mut [i32]) -> Result<(), FrameError> {
        // By value, so that the loop keeps it in registers.
        let mut bits = *self;
        let (groups, rest) = residuals.as_chunks_mut::<COUNT>();
        for group in groups {
            bits.refill();
            for residual in group {
                *residual = if let Some(code) = bits.short_rice(parameter) {
                    unfold(code)
                } else {
                    let code;
                    (bits, code) = bits.long_rice(parameter)?;
                    unfold(code)
                };
            }
        }
        *self = bits;
        self.rice_one_by_one(parameter, rest)
    }

    fn rice_one_by_one(&mut self, parameter: u32, residuals: &mut [i32]) -> Result<(), FrameError> {
        for residual in residuals {
            let code;
            (*self, code) = self.long_rice(parameter)?;
            *residual = unfold(code);
        }
        Ok(())
    }

    /// A Rice code, if it lies in the buffer whole.
    #[inline]
    fn short_rice(&mut self, parameter: u32) -> Option<u32> {
        // The place of the one that ends the quotient, from the right: one operation less than to count the zeros.
        let one = self.buffer.checked_ilog2()?;
        let width = 64 + parameter - one;
        if width > self.held {
            return None;
        }
        // So `one` is above the parameter. From it on stands 2^parameter and the rest, so the quotient less one is added.
        let from_one = self.buffer >> (one - parameter);
        self.consume(width);
        let code = (62_u64.wrapping_sub(one.into()) << parameter).wrapping_add(from_one);
        u32::try_from(code).ok()
    }

    /// A Rice code of any length.
    #[cold]
    fn long_rice(mut self, parameter: u32) -> Result<(Self, u32), FrameError> {
        let quotient = u64::from(self.unary()?);
        let rest = u64::from(self.unsigned(parameter)?);
        // §9.2.7.3: a residual fits 32 bits, and is not the most negative number of that size.
        match u32::try_from(quotient << parameter | rest) {
            Ok(code) if code < u32::MAX => Ok((self, code)),
            _ => Err(FrameError::OutOfRange("a residual")),
        }
    }

    /// The `width` bits on top of the buffer, at most 63.
    #[inline]
    fn top(&self, width: u32) -> u64 {
        (self.buffer >> 1) >> (63 - width)
    }

    /// Drops bits, no more than are held.
    #[inline]
    fn consume(&mut self, width: u32) {
        self.buffer <<= width;
        self.held -= width;
    }

    /// Holds at least 56 bits, or all that are left.
    #[inline]
    fn refill(&mut self) {
        if let Some(word) = self.bytes.get(self.next..).and_then(|rest| rest.first_chunk()) {
            self.buffer |= u64::from_be_bytes(*word) >> self.held;
            self.next += ((63 - self.held) / 8) as usize;
            self.held |= 0b11_1000;
        } else {
            self.refill_at_the_end();
        }
    }

    #[cold]
    fn refill_at_the_end(&mut self) {
        while self.held <= 55
            && let Some(byte) = self.bytes.get(self.next)
        {
            self.buffer |= u64::from(*byte) << (56 - self.held);
            self.next += 1;
            self.held += 8;
        }
    }
}

/// A residual from its code: 0, -1, 1, -2, … (§9.2.7.2).
#[inline]
fn unfold(code: u32) -> i32 {
    (code >> 1).cast_signed() ^ -(code & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_width_come_out_wherever_they_begin() {
        let bytes: Vec<u8> = (0..40_u8).map(|at| at.wrapping_mul(73).wrapping_add(5)).collect();
        let bit = |at: usize| u64::from(bytes[at / 8] >> (7 - at % 8) & 1);
        for start in 0..70 {
            for width in 0..=32 {
                let mut bits = Bits::new(&bytes);
                for _ in 0..start {
                    bits.unsigned(1).unwrap();
                }
                let expected = (0..width).fold(0, |value, offset| value << 1 | bit(start + offset as usize));
                let mut signed = bits;
                assert_eq!(u64::from(bits.unsigned(width).unwrap()), expected);
                let negative = width > 0 && expected >> (width - 1) == 1;
                let expected = i64::try_from(expected).unwrap() - if negative { 1 << width } else { 0 };
                assert_eq!(signed.signed(width).unwrap(), expected);
            }
        }
    }

    #[test]
    fn numbers_have_up_to_33_bits_with_a_sign() {
        let mut bits = Bits::new(&[0x80, 0, 0, 0, 0x3F, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(bits.signed(33), Ok(-(1 << 32)));
        assert_eq!(bits.signed(33), Ok((1 << 32) - 1));
        assert_eq!(bits.signed(7), Err(FrameError::Incomplete));
    }

    #[test]
    fn the_place_is_counted_in_bytes() {
        let mut bits = Bits::new(&[0xFF; 20]);
        for (width, read) in [(1, 1), (7, 1), (1, 2), (32, 6), (31, 9)] {
            bits.unsigned(width).unwrap();
            let mut aligned = bits;
            aligned.align();
            assert_eq!(aligned.bytes_read(), read);
        }
    }

    #[test]
    fn ends_are_told_and_not_passed() {
        assert_eq!(Bits::new(&[]).unsigned(0), Ok(0));
        assert_eq!(Bits::new(&[]).unsigned(1), Err(FrameError::Incomplete));
        assert_eq!(Bits::new(&[0; 100]).unary(), Err(FrameError::Incomplete));
        assert_eq!(Bits::new(&[0; 3]).unsigned(25), Err(FrameError::Incomplete));
        let mut long = [0; 100];
        long[99] = 1;
        let mut bits = Bits::new(&long);
        assert_eq!(bits.unary(), Ok(799));
        assert_eq!((bits.bytes_read(), bits.unary()), (100, Err(FrameError::Incomplete)));
    }

    #[test]
    fn rice_codes_of_any_length_come_out_but_no_residual_beyond_32_bits() {
        // 3 in unary, then 5 in 4 bits; 0 and 0.
        let mut residuals = [9; 2];
        assert_eq!(Bits::new(&[0b0001_0101, 0b1000_0000]).rice(4, &mut residuals), Ok(()));
        assert_eq!(residuals, [-27, 0]);
        let mut long = [0; 101];
        long[99] = 1;
        assert_eq!(Bits::new(&long).rice(3, &mut residuals[..1]), Ok(()));
        assert_eq!(residuals[0], 799 << 2);
        let out_of_range = Err(FrameError::OutOfRange("a residual"));
        assert_eq!(Bits::new(&long).rice(30, &mut residuals[..1]), Err(FrameError::Incomplete));
        assert_eq!(Bits::new(&[long, long].concat()).rice(30, &mut residuals[..1]), out_of_range);
        // The most negative number of 32 bits: 3 in unary, 30 ones.
        assert_eq!(Bits::new(&[0b0001_1111, 0xFF, 0xFF, 0xFF, 0xFF]).rice(30, &mut residuals[..1]), out_of_range);
        let mut most = [0];
        assert_eq!(Bits::new(&[0b0001_1111, 0xFF, 0xFF, 0xFF, 0xBF]).rice(30, &mut most), Ok(()));
        assert_eq!(most, [i32::MAX]);
    }
}
