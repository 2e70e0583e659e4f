//! Secrets: made of randomness, and handed to the driver.

use std::collections::BTreeMap;
use std::fmt;

use endstate_core::Origin;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::DynamicObject;

use super::Generated;
use super::origin::origin;
use super::wanted::Derived;
use crate::Error;
use crate::client::TlsFiles;

/// The contents of secrets. They print as names.
///
/// ```
/// let secrets = endstate::operator::Secrets::default();
/// assert_eq!(secrets.get("demo-admin", "password"), None);
/// ```
#[derive(Clone, Default)]
pub struct Secrets {
    by_name: BTreeMap<String, BTreeMap<String, ByteString>>,
    origins: BTreeMap<String, Origin>,
}

impl Secrets {
    /// The value of a key of a secret.
    pub fn get(&self, name: &str, key: &str) -> Option<&[u8]> {
        Some(&self.by_name.get(name)?.get(key)?.0)
    }

    /// The same as text that is not empty.
    pub fn text(&self, name: &str, key: &str) -> Option<String> {
        String::from_utf8(self.get(name, key)?.to_vec()).ok().filter(|it| !it.is_empty())
    }

    /// The same, with one more value.
    ///
    /// ```
    /// let secrets = endstate::operator::Secrets::default().with("demo-admin", "password", "x");
    /// assert_eq!(secrets.get("demo-admin", "password"), Some(&b"x"[..]));
    /// ```
    #[must_use]
    pub fn with(mut self, name: &str, key: &str, value: impl Into<Vec<u8>>) -> Self {
        let data = self.by_name.entry(name.to_owned()).or_default();
        data.insert(key.to_owned(), ByteString(value.into()));
        self
    }

    /// The files of a certificate, if all are there.
    pub fn tls(&self, files: &endstate_core::tls::Files) -> Option<TlsFiles> {
        let content = |key: &str| Some(self.get(&files.secret, key)?.to_vec());
        let authorities = match &files.elsewhere {
            Some(it) => self.get(&it.secret, &it.key)?.to_vec(),
            None => content(&files.authorities)?,
        };
        Some(TlsFiles {
            certificate: content(&files.certificate)?,
            key: content(&files.key)?,
            authorities,
        })
    }

    pub(super) fn put(&mut self, name: &str, data: BTreeMap<String, ByteString>) {
        self.by_name.insert(name.to_owned(), data);
    }

    pub(super) fn add(&mut self, name: &str, secret: Option<Secret>) {
        let Some(secret) = secret else { return };
        let origin = origin(&secret.metadata.annotations.unwrap_or_default());
        self.origins.insert(name.to_owned(), origin);
        self.by_name.extend(secret.data.map(|data| (name.to_owned(), data)));
    }

    /// Who filled a secret, if it is there.
    pub(super) fn origin(&self, name: &str) -> Origin {
        self.origins.get(name).cloned().unwrap_or_default()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.by_name.iter().map(|(name, data)| (name, data.keys().collect::<Vec<_>>()));
        f.debug_map().entries(keys).finish()
    }
}

/// Puts random values into a secret.
pub(super) fn fill(
    secret: &mut DynamicObject,
    keys: &[Generated],
    derived: &[Derived],
) -> Result<(), Error> {
    let mut values = BTreeMap::new();
    for Generated { key, random_bytes } in keys {
        let mut bytes = vec![0; *random_bytes];
        getrandom::fill(&mut bytes).map_err(|error| Error::other(error.to_string()))?;
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        values.insert(key.clone(), text);
    }
    let made: Vec<_> = derived.iter().map(|it| (it.key.clone(), (it.of)(&values))).collect();
    values.extend(made);
    let data = values.into_iter().map(|(key, text)| (key, ByteString(text.into_bytes())));
    let data: BTreeMap<_, _> = data.collect();
    secret.data["data"] = serde_json::to_value(data).map_err(Error::other)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::objects::wanted::Content;
    use crate::operator::{Ownership, Wanted};

    #[test]
    fn values_are_random_and_are_not_printed() {
        let keys = vec![Generated::new("password", 16)];
        let wanted = Wanted::generated("admin", keys, Ownership::Owned)
            .derived("option", |values| format!("--{}", values["password"]));
        let Content::Generated { keys, derived } = wanted.content() else { panic!("not random") };
        let make = || {
            let mut object = DynamicObject {
                types: None,
                metadata: Default::default(),
                data: serde_json::json!({}),
            };
            fill(&mut object, keys, derived).unwrap();
            let data = serde_json::from_value(object.data["data"].clone()).unwrap();
            let mut secrets = Secrets::default();
            secrets.add("admin", Some(Secret { data: Some(data), ..Secret::default() }));
            secrets
        };
        let (one, other) = (make(), make());
        let value = one.get("admin", "password").unwrap();
        assert_eq!(value.len(), 32);
        assert_eq!(one.get("admin", "option"), Some(&[b"--", value].concat()[..]));
        assert_ne!(Some(value), other.get("admin", "password"));
        assert_eq!(format!("{one:?}"), r#"{"admin": ["option", "password"]}"#);
    }
}
