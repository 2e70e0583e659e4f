//! String formats that are enforced. Unknown formats accept everything.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::{DecodeError, Engine};
use serde_json::Value;

use crate::{duration, quantity};

pub(super) fn accepts(format: &str, value: &Value) -> bool {
    if format == "quantity" {
        return quantity::Quantity::from_value(value).is_ok();
    }
    match value {
        Value::String(text) => accepts_text(format, text),
        Value::Number(number) => match (format, number.as_i64()) {
            ("int32", Some(number)) => i32::try_from(number).is_ok(),
            ("int32" | "int64", None) => number.as_f64().is_some_and(|number| {
                let limit = if format == "int32" { 2_147_483_648.0 } else { 9.3e18 };
                number >= -limit && number < limit
            }),
            _ => true,
        },
        _ => true,
    }
}

pub(super) fn accepts_text(format: &str, text: &str) -> bool {
    match format {
        "date-time" | "datetime" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => is_date(text),
        "duration" => duration::parse(text).is_ok(),
        "byte" => base64_error(text).is_none(),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "ip" => text.parse::<std::net::IpAddr>().is_ok(),
        "cidr" => is_cidr(text),
        "mac" => is_mac(text),
        "hostname" => is_hostname(text),
        "email" => is_email(text),
        "uri" => is_uri(text),
        "uuid" => is_uuid(text, None),
        "uuid3" => is_uuid(text, Some('3')),
        "uuid4" => is_uuid(text, Some('4')),
        "uuid5" => is_uuid(text, Some('5')),
        "hexcolor" => is_hexcolor(text),
        "rgbcolor" => is_rgbcolor(text),
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "isbn10" => is_isbn10(text),
        "isbn13" => is_isbn13(text),
        "isbn" => is_isbn10(text) || is_isbn13(text),
        "creditcard" => is_creditcard(text),
        "ssn" => is_grouped(text, &[3, 2, 4], &['-', ' ']),
        "k8s-short-name" => crate::names::dns_label(text).is_empty(),
        "k8s-long-name" => crate::names::dns_subdomain(text).is_empty(),
        _ => true,
    }
}

/// Where a text stops being base64. Line breaks are allowed in it, as YAML blocks have them.
pub(super) fn base64_error(text: &str) -> Option<usize> {
    let engine = base64::engine::general_purpose::STANDARD;
    let decoded = match text.contains(['\r', '\n']) {
        true => engine.decode(text.replace(['\r', '\n'], "")),
        false => engine.decode(text),
    };
    Some(match decoded.err()? {
        DecodeError::InvalidByte(position, _) | DecodeError::InvalidLastSymbol(position, _) => {
            position
        }
        DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => text.len() / 4 * 4,
    })
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let Ok(length_max) =
        address.parse::<std::net::IpAddr>().map(|ip| if ip.is_ipv4() { 32 } else { 128 })
    else {
        return false;
    };
    length.bytes().all(|byte| byte.is_ascii_digit())
        && length.parse::<u8>().is_ok_and(|length| length <= length_max)
}

fn is_mac(text: &str) -> bool {
    let separated = |separator: char| {
        let mut parts = text.split(separator);
        parts.clone().count() == 6
            && parts.all(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    separated(':') || separated('-')
}

fn is_hostname(text: &str) -> bool {
    let label = |label: &str| {
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

fn is_email(text: &str) -> bool {
    let Some((user, host)) = text.rsplit_once('@') else { return false };
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
    !user.is_empty() && user.len() <= 64 && user.bytes().all(allowed) && is_hostname(host)
}

fn is_uri(text: &str) -> bool {
    if text.starts_with('/') {
        return !text.contains(char::is_whitespace);
    }
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        && !rest.is_empty()
        && !rest.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn is_uuid(text: &str, version: Option<char>) -> bool {
    let compact: String = text.chars().filter(|c| *c != '-').collect();
    let grouped = text.len() == 32 || (text.len() == 36 && is_hyphenated(text));
    grouped
        && compact.len() == 32
        && compact.bytes().all(|byte| byte.is_ascii_hexdigit())
        && version.is_none_or(|version| compact.chars().nth(12) == Some(version))
}

fn is_hyphenated(text: &str) -> bool {
    text.char_indices().all(|(at, c)| (c == '-') == matches!(at, 8 | 13 | 18 | 23))
}

fn is_hexcolor(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or(text);
    matches!(digits.len(), 3 | 6) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_rgbcolor(text: &str) -> bool {
    let inner = text.strip_prefix("rgb(").and_then(|rest| rest.strip_suffix(')'));
    let Some(inner) = inner else { return false };
    let parts: Vec<&str> = inner.split(',').map(str::trim).collect();
    parts.len() == 3 && parts.iter().all(|part| part.parse::<u8>().is_ok())
}

fn is_isbn10(text: &str) -> bool {
    let digits: Vec<u32> = text
        .chars()
        .filter(|c| !matches!(c, '-' | ' '))
        .enumerate()
        .map(|(at, c)| if at == 9 && c == 'X' { 10 } else { c.to_digit(10).unwrap_or(99) })
        .collect();
    let sum = digits.iter().zip(1u32..).map(|(digit, weight)| digit * weight).sum::<u32>();
    digits.len() == 10 && digits.iter().all(|digit| *digit <= 10) && sum % 11 == 0
}

fn digits_of(text: &str) -> Option<Vec<u32>> {
    text.chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| c.to_digit(10)).collect()
}

fn is_isbn13(text: &str) -> bool {
    let Some(digits) = digits_of(text) else { return false };
    let weighted = digits.iter().zip([1, 3].iter().cycle()).map(|(digit, weight)| digit * weight);
    digits.len() == 13 && weighted.sum::<u32>() % 10 == 0
}

fn is_creditcard(text: &str) -> bool {
    let Some(digits) = digits_of(text) else { return false };
    let doubled = |(at, digit): (usize, &u32)| match at % 2 {
        0 => *digit,
        _ if *digit > 4 => digit * 2 - 9,
        _ => digit * 2,
    };
    (13..=19).contains(&digits.len())
        && digits.iter().rev().enumerate().map(doubled).sum::<u32>() % 10 == 0
}

fn is_grouped(text: &str, groups: &[usize], separators: &[char]) -> bool {
    let parts: Vec<&str> = text.split(separators).collect();
    parts.len() == groups.len()
        && parts.iter().zip(groups).all(|(part, length)| {
            part.len() == *length && part.bytes().all(|byte| byte.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_accepts_and_refuses() {
        for (format, good, bad) in [
            ("date-time", "2026-01-01T00:00:00Z", "2026-01-01"),
            ("date", "2026-01-31", "2026-02-31"),
            ("duration", "1h5m", "soon"),
            ("byte", "aGk=", "a"),
            ("ipv4", "10.0.0.1", "10.0.0"),
            ("ipv6", "fe80::1", "10.0.0.1"),
            ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
            ("mac", "00:1b:44:11:3a:b7", "00:1b:44"),
            ("hostname", "a-b.example", "a_b"),
            ("email", "a@b.c", "a"),
            ("uri", "https://x/y", "no scheme"),
            ("uuid", "fe91f936-ddbe-4ba7-9e25-c81c7b66962c", "fe91f936"),
            (
                "uuid4",
                "fe91f936-ddbe-4ba7-9e25-c81c7b66962c",
                "fe91f936-ddbe-3ba7-9e25-c81c7b66962c",
            ),
            ("hexcolor", "#fff", "#ffff"),
            ("rgbcolor", "rgb(1, 2, 3)", "rgb(1,2,999)"),
            ("bsonobjectid", "507f1f77bcf86cd799439011", "507f"),
            ("isbn10", "0-306-40615-2", "0-306-40615-3"),
            ("isbn13", "978-0-306-40615-7", "978-0-306-40615-8"),
            ("creditcard", "4111 1111 1111 1111", "4111 1111 1111 1112"),
            ("ssn", "111-22-3333", "1112-2-3333"),
        ] {
            assert!(accepts(format, &good.into()), "{format} should accept {good}");
            assert!(!accepts(format, &bad.into()), "{format} should refuse {bad}");
        }
        assert!(accepts("unheard-of", &"x".into()));
        assert!(!accepts("int32", &3_000_000_000i64.into()));
        assert!(accepts("quantity", &serde_json::json!(1.5)));
    }
}
