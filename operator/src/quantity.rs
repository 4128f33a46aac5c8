//! Kubernetes quantities (`100m`, `1.5Gi`, `2e3`) as numbers, to compare two spellings.
//!
//! Source: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.

use std::cmp::Ordering;

/// Nano-units in a unit: the finest that a quantity can say.
const NANO: i128 = 1_000_000_000;

/// The quantity in nano-units, or `None` for a text that is none or is out of range.
pub fn parse(text: &str) -> Option<i128> {
    let end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (mul, div): (i128, i128) = match suffix {
        "" => (NANO, 1),
        "n" => (1, 1),
        "u" => (1_000, 1),
        "m" => (1_000_000, 1),
        "k" => (NANO * 1_000, 1),
        "M" => (NANO * 1_000_000, 1),
        "G" => (NANO * NANO, 1),
        "T" => (NANO * NANO * 1_000, 1),
        "P" => (NANO * NANO * 1_000_000, 1),
        "E" => (NANO * NANO * NANO, 1),
        "Ki" => (NANO << 10, 1),
        "Mi" => (NANO << 20, 1),
        "Gi" => (NANO << 30, 1),
        "Ti" => (NANO << 40, 1),
        "Pi" => (NANO << 50, 1),
        "Ei" => (NANO << 60, 1),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            let ten = 10_i128.checked_pow(power.unsigned_abs())?;
            if power < 0 { (NANO, ten) } else { (NANO.checked_mul(ten)?, 1) }
        }
    };
    decimal(number, mul, div)
}

/// `number` (a plain decimal) times `mul`, by `div`, rounded towards zero.
fn decimal(number: &str, mul: i128, div: i128) -> Option<i128> {
    let (negative, digits) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !plain(whole) || !plain(fraction) || fraction.len() > 18 {
        return None;
    }
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?.checked_mul(div)?;
    let value = mantissa.checked_mul(mul)?.checked_div(scale)?;
    Some(if negative { -value } else { value })
}

/// How two quantities compare; `None` if one of them is none.
pub fn compare(a: &str, b: &str) -> Option<Ordering> {
    Some(parse(a)?.cmp(&parse(b)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_quantity_are_equal() {
        for (a, b) in [
            ("1000m", "1"),
            ("0.1", "100m"),
            ("1Gi", "1024Mi"),
            ("1.5Gi", "1536Mi"),
            ("2e3", "2k"),
            ("1E", "1000P"),
            ("1E3", "1k"),
            ("128974848", "123Mi"),
            ("5e-1", "500m"),
            ("0", "0m"),
        ] {
            assert_eq!(compare(a, b), Some(Ordering::Equal), "{a} {b}");
        }
    }

    #[test]
    fn different_quantities_are_ordered() {
        assert_eq!(compare("100m", "1"), Some(Ordering::Less));
        assert_eq!(compare("1Gi", "1G"), Some(Ordering::Greater));
    }

    #[test]
    fn what_is_no_quantity_is_none() {
        for text in ["", "Gi", "1Zi", "1.2.3", "--1", "abc", "1 Gi", "1e", "1e99"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
