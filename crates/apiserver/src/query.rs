//! Paths and queries, decoded.

/// Decodes `%XX`. `None` for a broken escape or what is not UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = (digit()?, digit()?);
        decoded.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits fit in a byte"));
    }
    String::from_utf8(decoded).ok()
}

/// The parameters of a query, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Parses a query; a parameter that cannot be decoded is an error that names it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let decode = |part: &str| percent_decode(&part.replace('+', " "));
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            decode(name)
                .zip(decode(value))
                .ok_or_else(|| format!("invalid URL escape in query parameter {name:?}"))
        };
        text.split('&')
            .filter(|part| !part.is_empty())
            .map(pair)
            .collect::<Result<_, _>>()
            .map(Query)
    }

    /// The first value of a parameter; an empty one counts as absent, as it does upstream.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        value.filter(|value| !value.is_empty())
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A boolean as Go's `strconv.ParseBool` reads it; anything else is false.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(parse_bool).unwrap_or(false)
    }

    /// Present without a value counts as true (`?pretty`, `?verbose`).
    pub(crate) fn switch(&self, name: &str) -> bool {
        self.0.iter().any(|(key, value)| {
            key == name && (value.is_empty() || value == "true" || value == "1")
        })
    }
}

pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_once_and_broken_ones_refused() {
        assert_eq!(percent_decode("a%2Fb%252F").as_deref(), Some("a/b%2F"));
        for broken in ["%", "%2", "%zz", "%ff", "a%"] {
            assert_eq!(percent_decode(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_query_keeps_repeated_parameters_and_reads_plus_as_space() {
        let query = Query::parse("command=ls&command=-l&x=a+b%2B&watch&e=").unwrap();
        assert_eq!(query.all("command").collect::<Vec<_>>(), ["ls", "-l"]);
        assert_eq!(query.get("x"), Some("a b+"));
        assert_eq!(query.get("e"), None);
        assert!(query.switch("watch") && !query.flag("watch"));
        assert!(Query::parse("a=%zz").is_err());
    }
}
