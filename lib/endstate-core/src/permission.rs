//! What a role permits in a store of ordered keys: reads, writes or both, of one key, a prefix or a range.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads, writes or both.
///
/// ```
/// assert_eq!(serde_json::to_string(&endstate_core::Access::ReadWrite).unwrap(), "\"readWrite\"");
/// ```
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Access {
    /// Reads.
    Read,
    /// Writes.
    Write,
    /// Both.
    ReadWrite,
}

/// What a role permits, as a store has it.
///
/// ```
/// use endstate_core::{Access, Permission};
/// let one = Permission { key: b"a".to_vec(), end: vec![], access: Access::Read };
/// assert!(one.end.is_empty(), "the key alone");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Permission {
    /// The first key.
    pub key: Vec<u8>,
    /// The key behind the last; empty for the first alone, a zero byte for all that follow.
    pub end: Vec<u8>,
    /// What of them.
    pub access: Access,
}

/// What may be done with some keys: those of `key`, `prefix` or `range`.
///
/// ```
/// use endstate_core::Keys;
/// let keys: Keys = serde_json::from_str(r#"{"access": "read", "prefix": "a/"}"#).unwrap();
/// assert_eq!(keys.permission().unwrap().end, b"a0");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.key), has(self.prefix), has(self.range)].filter(it, it).size() == 1",
    "message": "name one of key, prefix and range"
}]))]
pub struct Keys {
    /// What may be done.
    pub access: Access,
    /// One key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub key: Option<String>,
    /// All keys that begin with this; all there are if it is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub prefix: Option<String>,
    /// All keys from one to another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<KeyRange>,
}

/// All keys from one to another.
///
/// ```
/// let range = endstate_core::KeyRange { from: "a".into(), to: "c".into() };
/// assert!(range.from < range.to);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.from < self.to", "message": "a range begins with a key that is smaller than its end"
}]))]
pub struct KeyRange {
    /// The first.
    #[schemars(length(min = 1, max = 4096))]
    pub from: String,
    /// The one behind the last.
    #[schemars(length(min = 1, max = 4096))]
    pub to: String,
}

/// What stands for "to the last of all", and as the key before all others.
const OPEN: [u8; 1] = [0];

impl Keys {
    /// As a store has it, or what is wrong.
    pub fn permission(&self) -> Result<Permission, &'static str> {
        let access = self.access;
        let of = |key: &[u8], end: Vec<u8>| Permission { key: key.to_vec(), end, access };
        match (&self.key, &self.prefix, &self.range) {
            (Some(key), None, None) if !key.is_empty() => Ok(of(key.as_bytes(), vec![])),
            (None, Some(prefix), None) if prefix.is_empty() => Ok(of(&OPEN, OPEN.to_vec())),
            (None, Some(prefix), None) => Ok(of(prefix.as_bytes(), behind(prefix.as_bytes()))),
            (None, None, Some(range)) if !range.from.is_empty() && range.from < range.to => {
                Ok(of(range.from.as_bytes(), range.to.clone().into_bytes()))
            }
            (None, None, Some(_)) => Err("a range begins with a key that is smaller than its end"),
            _ => Err("a permission names a key, a prefix or a range"),
        }
    }
}

/// The first key that does not begin with a prefix and is larger.
fn behind(prefix: &[u8]) -> Vec<u8> {
    let Some(last) = prefix.iter().rposition(|it| *it < 0xff) else { return OPEN.to_vec() };
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Result<(Vec<u8>, Vec<u8>), &'static str> {
        let mut keys: serde_json::Value = serde_json::from_str(text).unwrap();
        keys["access"] = "readWrite".into();
        let keys: Keys = serde_json::from_value(keys).unwrap();
        keys.permission().map(|it| (it.key, it.end))
    }

    #[test]
    fn keys_are_written_by_their_bounds() {
        let of = |key: &str, end: &str| Ok((key.into(), end.into()));
        assert_eq!(keys(r#"{"key": "a"}"#), of("a", ""));
        assert_eq!(keys(r#"{"prefix": "a/"}"#), of("a/", "a0"));
        assert_eq!(keys(r#"{"prefix": ""}"#), of("\0", "\0"));
        assert_eq!(keys(r#"{"range": {"from": "a", "to": "c"}}"#), of("a", "c"));
        assert!(keys(r#"{"range": {"from": "c", "to": "a"}}"#).is_err());
        assert!(keys(r#"{"key": "a", "prefix": "b"}"#).is_err() && keys("{}").is_err());
        assert_eq!(behind(&[b'a', 0xff]), b"b");
        assert_eq!(behind(&[0xff]), OPEN);
    }
}
