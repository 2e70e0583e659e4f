//! Keys: a folder of files, as a secret of Kubernetes is mounted.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::error::ArchiveError;
use crate::ini;

/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A shorter line of a secret, such as a brace, is none by itself.
const LINE_BYTES_MIN: usize = 16;

/// The files that count; others may lie beside them.
const FILES: [&str; 14] = [
    "access-key-id",
    "secret-access-key",
    "session-token",
    "credentials",
    "config",
    "service-account.json",
    "storage-account",
    "storage-key",
    "ca.crt",
    // As the secrets of older operators have them.
    "accessKeyID",
    "accessKeySecret",
    "credentials.json",
    "access-token",
    "cloud",
];

/// What an archive's client authenticates with. Nothing prints it.
#[derive(Default)]
pub(crate) struct Keys {
    folder: String,
    files: BTreeMap<&'static str, String>,
}

/// Keys of S3 and of what speaks its protocol.
pub(crate) struct AccessKey {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

impl Keys {
    /// Reads those files of a folder that count.
    pub(crate) fn read(folder: &Path) -> Result<Self, ArchiveError> {
        let mut files = BTreeMap::new();
        for name in FILES {
            if let Some(text) = read_file(&folder.join(name))? {
                files.insert(name, text);
            }
        }
        Ok(Self { folder: folder.display().to_string(), files })
    }

    /// A file's text without white space around it.
    pub(crate) fn get(&self, file: &str) -> Option<&str> {
        self.files.get(file).map(|it| it.trim()).filter(|it| !it.is_empty())
    }

    /// A file's text, which must be there.
    pub(crate) fn need(&self, file: &str) -> Result<&str, ArchiveError> {
        self.get(file).ok_or_else(|| self.missing(file))
    }

    /// The keys of S3: from a file for each, or else from Amazon's `credentials` file.
    pub(crate) fn access_key(&self) -> Result<AccessKey, ArchiveError> {
        if self.get("access-key-id").is_none() && self.get("credentials").is_some() {
            return self.of_credentials();
        }
        let of = |file: &str, other: &str| match self.get(other) {
            Some(it) if self.get(file).is_none() => Ok(it.to_owned()),
            _ => self.need(file).map(str::to_owned),
        };
        Ok(AccessKey {
            id: of("access-key-id", "accessKeyID")?,
            secret: of("secret-access-key", "accessKeySecret")?,
            token: self.get("session-token").map(str::to_owned),
        })
    }

    fn of_credentials(&self) -> Result<AccessKey, ArchiveError> {
        let mut default = self.section("credentials", "default")?;
        let mut need = |key: &str| {
            default
                .remove(key)
                .ok_or_else(|| self.missing(&format!("credentials, [default] {key}")))
        };
        let (id, secret) = (need("aws_access_key_id")?, need("aws_secret_access_key")?);
        Ok(AccessKey { id, secret, token: default.remove("aws_session_token") })
    }

    /// The region that Amazon's `config` file names.
    pub(crate) fn region(&self) -> Result<Option<String>, ArchiveError> {
        Ok(self.section("config", "default")?.remove("region"))
    }

    fn section(&self, file: &str, section: &str) -> Result<BTreeMap<String, String>, ArchiveError> {
        let text = self.get(file).unwrap_or_default();
        ini::section(text, section).map_err(|line| {
            let folder = &self.folder;
            ArchiveError::settings(format!(
                "{folder}/{file}: line {line} is neither [section] nor key = value"
            ))
        })
    }

    fn missing(&self, what: &str) -> ArchiveError {
        ArchiveError::settings(format!(
            "the keys in {} lack {what}: add it to the secret",
            self.folder
        ))
    }

    /// What no text may show.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let files = [
            "secret-access-key",
            "session-token",
            "storage-key",
            "service-account.json",
            "accessKeySecret",
            "credentials.json",
            "access-token",
        ];
        let mut secrets: Vec<_> =
            files.iter().filter_map(|it| self.get(it)).map(str::to_owned).collect();
        if let Ok(AccessKey { secret, token, .. }) = self.access_key() {
            secrets.push(secret);
            secrets.extend(token);
        }
        // A store may repeat one line of many.
        let lines: Vec<_> = secrets.iter().flat_map(|it| it.lines()).map(str::to_owned).collect();
        secrets.extend(lines.into_iter().filter(|it| it.len() >= LINE_BYTES_MIN));
        secrets
    }
}

/// Its text, or `None` if there is no such file.
fn read_file(file: &Path) -> Result<Option<String>, ArchiveError> {
    let no = |what: String| ArchiveError::settings(format!("{}: {what}", file.display()));
    match std::fs::metadata(file) {
        Ok(it) if it.len() > FILE_BYTES_MAX => return Err(no("too large for a key".to_owned())),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(no(format!("cannot be read: {error}"))),
    }
    std::fs::read_to_string(file).map(Some).map_err(|it| no(format!("cannot be read: {it}")))
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.files.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(files: &[(&str, &str)]) -> Keys {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("writes");
        }
        Keys::read(folder.path()).expect("reads")
    }

    #[test]
    fn a_file_for_each() {
        let keys = keys(&[("access-key-id", "me\n"), ("secret-access-key", " hush\n"), ("x", "y")]);
        let key = keys.access_key().expect("all there");
        assert_eq!((key.id.as_str(), key.secret.as_str(), key.token), ("me", "hush", None));
        assert_eq!(format!("{keys:?}"), r#"{"access-key-id", "secret-access-key"}"#);
    }

    #[test]
    fn files_as_the_secrets_of_older_operators_have_them() {
        let keys = keys(&[("accessKeyID", "me\n"), ("accessKeySecret", "hush\n")]);
        let key = keys.access_key().expect("all there");
        assert_eq!((key.id.as_str(), key.secret.as_str()), ("me", "hush"));
        assert!(keys.secrets().contains(&"hush".to_owned()));
    }

    #[test]
    fn amazons_own_files() {
        let keys = keys(&[
            ("credentials", "[default]\naws_access_key_id = me\naws_secret_access_key=hu=sh\n"),
            ("config", "[default]\nregion = eu-west-1\n"),
        ]);
        let key = keys.access_key().expect("all there");
        assert_eq!((key.id.as_str(), key.secret.as_str()), ("me", "hu=sh"));
        assert_eq!(keys.region().expect("a region").as_deref(), Some("eu-west-1"));
        assert_eq!(keys.secrets(), ["hu=sh"]);
    }

    #[test]
    fn what_is_missing_is_named_and_no_secret_is() {
        let cases: [(&[(&str, &str)], &str); 4] = [
            (&[], "lack access-key-id"),
            (&[("access-key-id", "me")], "lack secret-access-key"),
            (
                &[("credentials", "[default]\naws_secret_access_key = hush")],
                "[default] aws_access_key_id",
            ),
            (&[("credentials", "hush hush")], "line 1 is neither"),
        ];
        for (files, expected) in cases {
            let error = keys(files).access_key().err().expect("something is missing").to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
