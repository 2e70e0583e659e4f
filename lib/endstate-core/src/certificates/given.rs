//! Whom the holder of a certificate trusts, and certificates that a user keeps.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::requested::{IssuerRef, Origin};
use crate::exit::Words;

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
    /// cert-manager was asked for it, and it is not there yet.
    NotIssued {
        /// The object by which it was asked.
        request: String,
        /// What the condition `Ready` of that object says.
        ready: Option<Words>,
    },
    /// cert-manager would have to overwrite what it did not put there, or what another asked it for: it is not asked.
    Occupied(Origin),
    /// cert-manager was asked for it, and what is there is of another issuer.
    Issuer {
        /// Who was asked for it.
        wanted: Box<IssuerRef>,
        /// Of whom it is, if that is noted.
        by: Option<Box<IssuerRef>>,
        /// The object by which it was asked.
        request: String,
        /// What the condition `Ready` of that object says.
        ready: Option<Words>,
    },
    /// No authority of the same secret has signed it for this use.
    Untrusted,
    /// It is its own authority, and cert-manager will make another.
    SelfSigned,
    /// Those do not vouch for it who have to believe it.
    Disbelieved {
        /// Where their authorities are.
        by: Bundle,
    },
    /// It is not for this name.
    Name(String),
    /// It has ended.
    Ended(Timestamp),
    /// Its authority has ended.
    AuthorityEnded(Timestamp),
}

const NOT_ISSUED: &str = "no certificate with its key and its authority (ca.crt)";

const SELF_SIGNED: &str = "it is its own authority, so nobody would believe the next one: an issuer of the type \
                           SelfSigned makes authorities, and one of the type CA makes certificates of such a one";

impl std::fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str("it is not there, or holds no certificate with its key"),
            Self::NotIssued { request, ready } => {
                write!(f, "{NOT_ISSUED} is in it{}", said(request, ready.as_ref()))
            }
            Self::Occupied(origin) => write!(
                f,
                "{origin}, so cert-manager is not asked to overwrite it: name a secret that is not there yet"
            ),
            Self::Issuer { wanted, by, request, ready } => {
                let by =
                    by.as_ref().map_or_else(|| "an unknown issuer".into(), |it| it.to_string());
                write!(
                    f,
                    "what is in it is of {by}, not of {wanted}{}",
                    said(request, ready.as_ref())
                )
            }
            Self::Untrusted => {
                f.write_str("no authority in the same secret vouches for it and its use")
            }
            Self::SelfSigned => f.write_str(SELF_SIGNED),
            Self::Disbelieved { by } => {
                write!(f, "{by} does not vouch for it: both have to be of one authority")
            }
            Self::Name(name) => write!(f, "it is not for {name}"),
            Self::Ended(at) => write!(f, "it ended at {at}"),
            Self::AuthorityEnded(at) => write!(f, "its authority ended at {at}"),
        }
    }
}

/// What cert-manager says of what it is asked for.
fn said(request: &str, ready: Option<&Words>) -> String {
    match ready {
        Some(ready) => format!("; Certificate {request} says Ready={ready}"),
        None => format!(", and cert-manager says nothing of Certificate {request}: does it run?"),
    }
}
