//! Rules for names, label keys and label values. Each check returns why a text is not allowed, empty when it is.

const DNS_LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const DNS_SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const DNS_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const NAME_PART: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

pub const LABEL_LENGTH_MAX: usize = 63;
pub const SUBDOMAIN_LENGTH_MAX: usize = 253;

/// The characters of generated suffixes: no vowels, so no words.
const SUFFIX_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH: usize = 5;
const GENERATED_LENGTH_MAX: usize = 63;

/// `base` (shortened to 58 bytes) with five characters chosen by `random`, as `generateName` asks for.
pub fn generate(base: &str, random: [u8; SUFFIX_LENGTH]) -> String {
    let mut end = base.len().min(GENERATED_LENGTH_MAX - SUFFIX_LENGTH);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{}", &base[..end], suffix(random))
}

/// Five characters safe in any name, chosen by `random`.
pub fn suffix(random: [u8; SUFFIX_LENGTH]) -> String {
    let pick = |byte: u8| char::from(SUFFIX_ALPHABET[usize::from(byte) % SUFFIX_ALPHABET.len()]);
    random.into_iter().map(pick).collect()
}

/// The text for a name longer than `bytes_max`.
fn too_long(bytes_max: usize) -> String {
    format!("must be no more than {bytes_max} bytes")
}

fn is_lower_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_dns_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    is_lower_alphanumeric(*first)
        && is_lower_alphanumeric(*last)
        && bytes.iter().all(|byte| is_lower_alphanumeric(*byte) || *byte == b'-')
}

/// An RFC 1123 label: namespaces, container names.
pub fn dns_label(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > LABEL_LENGTH_MAX {
        out.push(too_long(LABEL_LENGTH_MAX));
    }
    if !is_dns_label(text) {
        out.push(DNS_LABEL.to_owned());
    }
    out
}

/// An RFC 1035 label: services.
pub fn dns_1035_label(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > LABEL_LENGTH_MAX {
        out.push(too_long(LABEL_LENGTH_MAX));
    }
    if !is_dns_label(text) || text.as_bytes()[0].is_ascii_digit() {
        out.push(DNS_1035.to_owned());
    }
    out
}

/// An RFC 1123 subdomain: most object names, API groups.
pub fn dns_subdomain(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > SUBDOMAIN_LENGTH_MAX {
        out.push(too_long(SUBDOMAIN_LENGTH_MAX));
    }
    if !text.split('.').all(is_dns_label) {
        out.push(DNS_SUBDOMAIN.to_owned());
    }
    out
}

/// A name that only has to be one segment of a path: RBAC objects.
pub fn path_segment(text: &str) -> Vec<String> {
    match text {
        "." => return vec!["may not be '.'".to_owned()],
        ".." => return vec!["may not be '..'".to_owned()],
        _ => {}
    }
    let bad = ["/", "%"].into_iter().filter(|part| text.contains(part));
    bad.map(|part| format!("may not contain '{part}'")).collect()
}

fn is_name_part(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

/// A qualified name `prefix/name`: label keys, annotation keys, finalizers.
pub fn qualified_name(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut parts = text.split('/');
    let (first, second) = (parts.next().unwrap_or(""), parts.next());
    let name = match (second, parts.next()) {
        (None, _) => first,
        (Some(name), None) => {
            if first.is_empty() {
                out.push("prefix part must be non-empty".to_owned());
            } else {
                out.extend(
                    dns_subdomain(first).into_iter().map(|why| format!("prefix part {why}")),
                );
            }
            name
        }
        (Some(_), Some(_)) => {
            out.push(format!("a qualified name {NAME_PART} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"));
            return out;
        }
    };
    if name.is_empty() {
        out.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_LENGTH_MAX {
        out.push(format!("name part {}", too_long(LABEL_LENGTH_MAX)));
    }
    if !is_name_part(name) {
        out.push(format!("name part {NAME_PART}"));
    }
    out
}

/// A label's value; empty is allowed.
pub fn label_value(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > LABEL_LENGTH_MAX {
        out.push(too_long(LABEL_LENGTH_MAX));
    }
    if !text.is_empty() && !is_name_part(text) {
        out.push(LABEL_VALUE.to_owned());
    }
    out
}

/// A key of a ConfigMap or Secret, which becomes a file name.
pub fn config_key(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > SUBDOMAIN_LENGTH_MAX {
        out.push(too_long(SUBDOMAIN_LENGTH_MAX));
    }
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    if text.is_empty() || !text.as_bytes().iter().all(allowed) {
        out.push(CONFIG_KEY.to_owned());
    }
    if text == "." {
        out.push("must not be '.'".to_owned());
    } else if text.starts_with("..") {
        out.push("must not start with '..'".to_owned());
    }
    out
}

/// A port's name (an IANA service name).
pub fn port_name(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > 15 {
        out.push(too_long(15));
    }
    if !text.bytes().all(|byte| is_lower_alphanumeric(byte) || byte == b'-') {
        out.push(
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned(),
        );
    }
    if !text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        out.push("must contain at least one letter (a-z)".to_owned());
    }
    if text.contains("--") {
        out.push("must not contain consecutive hyphens".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        out.push("must not begin or end with a hyphen".to_owned());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_bad_name() {
        assert_eq!(dns_subdomain("B_"), [DNS_SUBDOMAIN]);
        assert!(dns_subdomain("a.b-c.9").is_empty());
        assert!(!dns_subdomain("a..b").is_empty());
        assert!(!dns_subdomain("").is_empty());
        assert_eq!(dns_subdomain(&"a".repeat(254)), ["must be no more than 253 bytes"]);
    }

    #[test]
    fn labels_and_services() {
        assert!(dns_label("0a").is_empty());
        assert_eq!(dns_label("a.b"), [DNS_LABEL]);
        assert_eq!(dns_1035_label("0a"), [DNS_1035]);
        assert_eq!(dns_1035_label(""), [DNS_1035]);
        assert!(dns_1035_label("a-0").is_empty());
    }

    #[test]
    fn keys_and_values() {
        assert!(qualified_name("app.kubernetes.io/name").is_empty());
        assert!(qualified_name("A_b.c").is_empty());
        assert_eq!(qualified_name("/x"), ["prefix part must be non-empty"]);
        assert_eq!(qualified_name("a/b/c").len(), 1);
        assert!(label_value("").is_empty());
        assert_eq!(label_value("-x"), [LABEL_VALUE]);
        assert!(config_key("ca.crt").is_empty());
        assert_eq!(config_key("..x"), ["must not start with '..'"]);
        assert!(port_name("http-2").is_empty());
        assert_eq!(port_name("80"), ["must contain at least one letter (a-z)"]);
        assert_eq!(path_segment("a/b"), ["may not contain '/'"]);
        assert!(path_segment("system:admin").is_empty());
    }

    #[test]
    fn generated_names_fit() {
        assert_eq!(generate("g-", [0, 1, 26, 27, 255]), "g-bc9bq");
        let long = generate(&"é".repeat(40), [0; 5]);
        assert!(long.len() <= 63 && long.ends_with("bbbbb"));
    }
}
