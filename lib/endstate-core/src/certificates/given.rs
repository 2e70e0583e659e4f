//! Whom the holder of a certificate trusts, and certificates that a user keeps.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An authority that is trusted.
///
/// ```
/// assert_eq!(endstate_core::Trusted::from("demo-ca"), endstate_core::Trusted::Authority("demo-ca".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trusted {
    /// One of the operator's own, by its secret.
    Authority(String),
    /// Those in a user's secret.
    Given(Bundle),
}

impl From<String> for Trusted {
    fn from(secret: String) -> Self {
        Self::Authority(secret)
    }
}

impl From<&str> for Trusted {
    fn from(secret: &str) -> Self {
        Self::Authority(secret.to_owned())
    }
}

/// A key of a secret, under which the certificates of authorities are.
///
/// ```
/// assert_eq!(endstate_core::Bundle::new("mine", "ca.crt").to_string(), "ca.crt of secret mine");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Bundle {
    /// The secret.
    pub secret: String,
    /// The key.
    pub key: String,
}

impl Bundle {
    /// This key of this secret.
    pub fn new(secret: impl Into<String>, key: impl Into<String>) -> Self {
        Self { secret: secret.into(), key: key.into() }
    }
}

impl std::fmt::Display for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of secret {}", self.key, self.secret)
    }
}

/// The keys of a user's secret.
///
/// ```
/// assert_eq!(endstate_core::GivenFiles::default().authorities, "ca.crt");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenFiles {
    /// Of the certificate, by default `tls.crt`.
    pub certificate: String,
    /// Of its key, by default `tls.key`.
    pub key: String,
    /// Of the authorities that its holder trusts, by default `ca.crt`.
    pub authorities: String,
}

impl Default for GivenFiles {
    fn default() -> Self {
        let [certificate, key, authorities] = ["tls.crt", "tls.key", "ca.crt"].map(str::to_owned);
        Self { certificate, key, authorities }
    }
}

/// Why a user's certificate cannot be used.
///
/// ```
/// let fault = endstate_core::CertificateFault::Untrusted;
/// assert_eq!(fault.to_string(), "no authority in the same secret vouches for it and its use");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CertificateFault {
    /// The secret is not there, or holds no certificate with its key.
    Missing,
    /// No authority of the same secret has signed it for this use.
    Untrusted,
    /// It is not for this name.
    Name(String),
    /// It has ended.
    Ended(Timestamp),
}

impl std::fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str("it is not there, or holds no certificate with its key"),
            Self::Untrusted => {
                f.write_str("no authority in the same secret vouches for it and its use")
            }
            Self::Name(name) => write!(f, "it is not for {name}"),
            Self::Ended(at) => write!(f, "it ended at {at}"),
        }
    }
}
