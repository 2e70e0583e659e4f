//! Resource quantities: `100m`, `1.5Gi`, `2e3`. Parsed into an exact count of nano-units.
//!
//! Invariants: parsing never loses digits silently: anything finer than a nano-unit is rounded up, away from zero, and
//! anything beyond the range of nano-units in an `i128` is refused.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

/// The text of the error for what is no quantity.
pub const FORMAT_ERROR: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// The longest text accepted.
const LENGTH_MAX: usize = 64;
const NANO: i128 = 1_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{FORMAT_ERROR}")]
pub struct QuantityError;

/// How the quantity was written, which decides how it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Powers of 1000: `m`, `k`, `M`.
    Decimal,
    /// Powers of 1024: `Ki`, `Mi`.
    Binary,
    /// `e3`.
    Exponent,
}

/// A number with a unit.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

impl Quantity {
    pub fn zero() -> Self {
        Self { nanos: 0, format: Format::Decimal }
    }

    pub fn from_units(units: i64) -> Self {
        Self { nanos: i128::from(units) * NANO, format: Format::Decimal }
    }

    pub fn from_millis(millis: i64) -> Self {
        Self { nanos: i128::from(millis) * (NANO / 1_000), format: Format::Decimal }
    }

    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        parse(text).ok_or(QuantityError)
    }

    /// Reads a JSON text or number.
    pub fn from_value(value: &Value) -> Result<Self, QuantityError> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => Self::parse(&number.to_string()),
            _ => Err(QuantityError),
        }
    }

    pub fn nanos(self) -> i128 {
        self.nanos
    }

    /// Whole units, rounded up away from zero.
    pub fn units(self) -> i64 {
        saturate(ceiling(self.nanos, NANO))
    }

    /// Thousandths, rounded up away from zero: how CPU is counted.
    pub fn millis(self) -> i64 {
        saturate(ceiling(self.nanos, NANO / 1_000))
    }

    pub fn is_negative(self) -> bool {
        self.nanos < 0
    }

    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self { nanos: self.nanos.saturating_add(other.nanos), format: self.format }
    }

    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self { nanos: self.nanos.saturating_sub(other.nanos), format: self.format }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

const DECIMAL: [(&str, i32); 10] = [
    ("E", 18),
    ("P", 15),
    ("T", 12),
    ("G", 9),
    ("M", 6),
    ("k", 3),
    ("", 0),
    ("m", -3),
    ("u", -6),
    ("n", -9),
];
const BINARY: [(&str, u32); 6] =
    [("Ei", 60), ("Pi", 50), ("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];

/// The canonical text: the largest unit that leaves a whole number.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return write!(f, "0");
        }
        let binary = self.format == Format::Binary
            && self.nanos % NANO == 0
            && self.nanos.abs() >= 1024 * NANO;
        if binary {
            let units = self.nanos / NANO;
            for (suffix, bits) in BINARY {
                if units % (1i128 << bits) == 0 {
                    return write!(f, "{}{suffix}", units >> bits);
                }
            }
            return write!(f, "{units}");
        }
        for (suffix, exponent) in DECIMAL {
            let scale = 10i128.pow(u32::try_from(exponent + 9).expect("at least -9"));
            if self.nanos % scale == 0 {
                let number = self.nanos / scale;
                return match (self.format, exponent) {
                    (Format::Exponent, 0) => write!(f, "{number}"),
                    (Format::Exponent, _) => write!(f, "{number}e{exponent}"),
                    _ => write!(f, "{number}{suffix}"),
                };
            }
        }
        unreachable!("every count of nanos is whole in nanos")
    }
}

fn parse(text: &str) -> Option<Quantity> {
    if text.is_empty() || text.len() > LENGTH_MAX {
        return None;
    }
    let (negative, rest) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (number, suffix) = rest.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let mantissa: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    let places = i32::try_from(fraction.len()).ok()?;
    let (format, exponent, bits) = unit(suffix)?;
    let scaled = mantissa.checked_mul(1i128.checked_shl(bits)?)?;
    let nanos = scale(scaled, exponent.checked_sub(places)?.checked_add(9)?)?;
    Some(Quantity { nanos: if negative { -nanos } else { nanos }, format })
}

/// A suffix as its format, its power of ten and its power of two.
fn unit(suffix: &str) -> Option<(Format, i32, u32)> {
    if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((Format::Decimal, *exponent, 0));
    }
    if let Some((_, bits)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return Some((Format::Binary, 0, *bits));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    Some((Format::Exponent, exponent.parse::<i8>().ok()?.into(), 0))
}

/// `value * 10^exponent`, rounded up.
fn scale(value: i128, exponent: i32) -> Option<i128> {
    if value == 0 {
        return Some(0);
    }
    let power = exponent.unsigned_abs();
    if exponent >= 0 {
        return value.checked_mul(10i128.checked_pow(power)?);
    }
    Some(10i128.checked_pow(power).map_or(1, |divisor| ceiling(value, divisor)))
}

/// Division rounding away from zero.
fn ceiling(value: i128, divisor: i128) -> i128 {
    let rest = value % divisor;
    value / divisor + rest.signum()
}

fn saturate(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Quantity::parse(text).unwrap().to_string()
    }

    #[test]
    fn canonical_text() {
        for (text, canonical) in [
            ("0", "0"),
            ("100m", "100m"),
            ("0.1", "100m"),
            ("1000m", "1"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("1000", "1k"),
            ("1500", "1500"),
            ("2e3", "2e3"),
            ("-1.5", "-1500m"),
            ("0.5Ki", "512"),
            ("123456789", "123456789"),
            ("1E", "1E"),
            ("1e1", "10"),
            ("0.0000000001", "1n"),
        ] {
            assert_eq!(shown(text), canonical, "{text}");
        }
    }

    #[test]
    fn comparison_and_counts() {
        let parse = |text| Quantity::parse(text).unwrap();
        assert_eq!(parse("1Gi"), parse("1024Mi"));
        assert!(parse("999m") < parse("1"));
        assert_eq!(parse("1500m").units(), 2);
        assert_eq!(parse("0.0001").millis(), 1);
        assert_eq!(parse("2").millis(), 2000);
        assert_eq!(Quantity::from_value(&serde_json::json!(1.5)).unwrap().millis(), 1500);
        let sum = parse("1Gi").saturating_add(parse("512Mi"));
        assert_eq!(sum.to_string(), "1536Mi");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["", ".", "-", "1x", "1 Gi", "1.2.3", "Gi", "1e", "1e999", "ki", "1ki", "9e99", "1ee3"]
        {
            Quantity::parse(text).unwrap_err();
        }
        Quantity::parse(&"9".repeat(65)).unwrap_err();
    }
}
