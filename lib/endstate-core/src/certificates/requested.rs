//! Certificates that cert-manager is asked for: of whom, and what it noted where it put one.

use std::fmt::{Display, Formatter, Result};

use serde::{Deserialize, Serialize};

/// An issuer of cert-manager's.
///
/// ```
/// let issuer = endstate_core::IssuerRef::new("our-ca");
/// assert_eq!(issuer.to_string(), "Issuer our-ca");
/// assert_eq!(issuer.group, "cert-manager.io");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuerRef {
    /// Its name.
    pub name: String,
    /// Its kind: `Issuer`, one of the same namespace, or `ClusterIssuer`.
    pub kind: String,
    /// The group of its kind.
    pub group: String,
}

impl IssuerRef {
    /// The kind of an issuer that names none.
    pub const KIND: &str = "Issuer";
    /// The group of an issuer that names none.
    pub const GROUP: &str = "cert-manager.io";

    /// The issuer of this name in the same namespace.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), kind: Self::KIND.into(), group: Self::GROUP.into() }
    }

    /// The same, of this kind and group; what is empty is as cert-manager takes it.
    ///
    /// ```
    /// use endstate_core::IssuerRef;
    /// assert_eq!(IssuerRef::new("ca").of("", ""), IssuerRef::new("ca"));
    /// assert_eq!(IssuerRef::new("ca").of("ClusterIssuer", "").kind, "ClusterIssuer");
    /// ```
    #[must_use]
    pub fn of(self, kind: &str, group: &str) -> Self {
        let or = |it: &str, usual: &str| if it.is_empty() { usual } else { it }.to_owned();
        Self { kind: or(kind, Self::KIND), group: or(group, Self::GROUP), ..self }
    }
}

impl Display for IssuerRef {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &*self.group {
            Self::GROUP => write!(f, "{} {}", self.kind, self.name),
            group => write!(f, "{}.{group} {}", self.kind, self.name),
        }
    }
}

/// Who put into a secret what is in it.
///
/// ```
/// use endstate_core::Origin;
/// assert!(Origin::Absent.is_free_for("mine") && !Origin::Other.is_free_for("mine"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// Nobody: it is not there.
    #[default]
    Absent,
    /// Somebody else than cert-manager.
    Other,
    /// cert-manager.
    CertManager {
        /// The object by which it was asked.
        request: String,
        /// Who signed it, if that is noted.
        issuer: Option<IssuerRef>,
    },
}

impl Origin {
    /// Whether nobody loses anything when cert-manager fills the secret as it is asked by an object of this name.
    pub fn is_free_for(&self, name: &str) -> bool {
        match self {
            Self::Absent => true,
            Self::Other => false,
            Self::CertManager { request, .. } => request == name,
        }
    }

    /// Who signed it, if cert-manager had it signed and noted that.
    pub fn issuer(&self) -> Option<&IssuerRef> {
        match self {
            Self::CertManager { issuer, .. } => issuer.as_ref(),
            Self::Absent | Self::Other => None,
        }
    }
}

impl Display for Origin {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Absent => f.write_str("nothing is in it"),
            Self::Other => f.write_str("cert-manager did not put there what is in it"),
            Self::CertManager { request, .. } => {
                write!(f, "cert-manager put there what Certificate {request} asks for")
            }
        }
    }
}
