//! Keys of age: public ones to write to, and identities to read with.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::ArchiveError;

/// The largest file of identities that is read.
const IDENTITIES_BYTES_MAX: u64 = 1 << 20;

/// A public key of age (X25519), `age1...`.
///
/// ```
/// use endstate_archive::Recipient;
///
/// let text = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
/// let recipient: Recipient = text.parse()?;
/// assert_eq!(recipient.to_string(), text);
/// # Ok::<(), endstate_archive::ArchiveError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Recipient(String);

impl Recipient {
    pub(crate) fn key(&self) -> Result<age::x25519::Recipient, ArchiveError> {
        self.0.parse().map_err(|_| no_recipient(&self.0))
    }
}

fn no_recipient(text: &str) -> ArchiveError {
    // Somebody may have put the secret half here: the text is not shown.
    let what = match text.starts_with("age1") {
        true => "a recipient is no public key of age: copy it again",
        false => {
            "a recipient is no public key of age: it begins with age1, and age-keygen -y prints it"
        }
    };
    ArchiveError::settings(what)
}

impl FromStr for Recipient {
    type Err = ArchiveError;

    fn from_str(text: &str) -> Result<Self, ArchiveError> {
        match text.parse::<age::x25519::Recipient>() {
            Ok(key) => Ok(Self(key.to_string())),
            Err(_) => Err(no_recipient(text)),
        }
    }
}

impl TryFrom<String> for Recipient {
    type Error = ArchiveError;

    fn try_from(text: String) -> Result<Self, ArchiveError> {
        text.parse()
    }
}

impl From<Recipient> for String {
    fn from(recipient: Recipient) -> Self {
        recipient.0
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The secret keys of somebody who may read: what `age-keygen` writes.
///
/// ```
/// use endstate_archive::Identity;
///
/// let identity = Identity::generate();
/// assert_eq!(identity.recipients().len(), 1);
/// assert_eq!(format!("{identity:?}"), "Identity(1)");
/// ```
#[derive(Clone)]
pub struct Identity(Vec<age::x25519::Identity>);

impl Identity {
    /// A new one, which exists nowhere else.
    pub fn generate() -> Self {
        Self(vec![age::x25519::Identity::generate()])
    }

    /// Reads a file of identities.
    pub async fn read(file: &Path) -> Result<Self, ArchiveError> {
        let no = |what: &str| ArchiveError::settings(format!("{}: {what}", file.display()));
        let metadata = tokio::fs::metadata(file).await;
        let size = metadata.map_err(|it| no(&format!("cannot be read: {it}")))?.len();
        if size > IDENTITIES_BYTES_MAX {
            return Err(no("too large for a file of identities"));
        }
        let text = tokio::fs::read_to_string(file).await;
        text.map_err(|it| no(&format!("cannot be read: {it}")))?.parse()
    }

    /// Whom data must be written to so that this reads it.
    pub fn recipients(&self) -> Vec<Recipient> {
        self.0.iter().map(|it| Recipient(it.to_public().to_string())).collect()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0.iter().map(|it| it as &dyn age::Identity)
    }
}

/// A key a line; empty lines and those that begin with `#` count for nothing.
impl FromStr for Identity {
    type Err = ArchiveError;

    fn from_str(text: &str) -> Result<Self, ArchiveError> {
        let lines = text.lines().map(str::trim).enumerate();
        let keys = lines.filter(|(_, it)| !it.is_empty() && !it.starts_with('#'));
        let key = |(index, line): (usize, &str)| {
            line.parse().map_err(|_| {
                let line = index + 1;
                ArchiveError::settings(format!("line {line} is no identity of age (X25519)"))
            })
        };
        let keys: Vec<_> = keys.map(key).collect::<Result<_, _>>()?;
        match keys.is_empty() {
            true => Err(ArchiveError::settings("there is no identity: age-keygen makes one")),
            false => Ok(Self(keys)),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.0.len())
    }
}
