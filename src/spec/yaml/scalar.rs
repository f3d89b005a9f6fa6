//! What an unquoted scalar means by YAML 1.2's core schema: `on`, `yes` and `08:30` stay text.

use super::{Scalar, Style};

/// The kind of a scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Empty, `~` or `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer,
    /// A decimal number.
    Float,
    /// Anything else, and everything in quotes.
    Text,
}

impl Scalar {
    /// The kind.
    pub(crate) fn kind(&self) -> Kind {
        if self.style != Style::Plain {
            return Kind::Text;
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
            "true" | "True" | "TRUE" => Kind::Boolean(true),
            "false" | "False" | "FALSE" => Kind::Boolean(false),
            text if integer(text).is_some() || all_digits(text.strip_prefix(['-', '+']).unwrap_or(text)) => {
                Kind::Integer
            }
            text if is_float(text) => Kind::Float,
            _ => Kind::Text,
        }
    }

    /// The whole number, within 64 bits.
    pub(crate) fn integer(&self) -> Option<i64> {
        (self.style == Style::Plain).then(|| integer(&self.text)).flatten()
    }

    /// The number.
    pub(crate) fn float(&self) -> Option<f64> {
        match self.kind() {
            Kind::Integer | Kind::Float => {
                self.text.parse::<f64>().ok().or_else(|| self.integer().map(|n| n as f64)).filter(|n| n.is_finite())
            }
            _ => None,
        }
    }

    /// As a JSON value.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self.kind() {
            Kind::Null => serde_json::Value::Null,
            Kind::Boolean(b) => b.into(),
            Kind::Integer | Kind::Float => match (self.integer(), self.float()) {
                (Some(n), _) => n.into(),
                (None, Some(n)) => n.into(),
                (None, None) => self.text.clone().into(),
            },
            Kind::Text => self.text.clone().into(),
        }
    }
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn integer(text: &str) -> Option<i64> {
    if let Some(octal) = text.strip_prefix("0o") {
        return i64::from_str_radix(octal, 8).ok().filter(|_| all_digits(octal));
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).ok().filter(|_| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if all_digits(digits) { text.parse().ok() } else { None }
}

fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    if exponent.is_some_and(|e| !all_digits(e.strip_prefix(['-', '+']).unwrap_or(e))) {
        return false;
    }
    match mantissa.split_once('.') {
        Some((whole, part)) => {
            (all_digits(whole) || whole.is_empty())
                && (all_digits(part) || part.is_empty())
                && !(whole.is_empty() && part.is_empty())
        }
        None => all_digits(mantissa) && exponent.is_some(),
    }
}
