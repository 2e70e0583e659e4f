//! What was seen of certificates, as typed facts.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::given::Bundle;
use super::requested::Origin;
use crate::exit::Words;

/// What a certificate may be used for.
///
/// ```
/// assert_ne!(endstate_core::Usage::Server, endstate_core::Usage::Client);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Usage {
    /// To be connected to.
    Server,
    /// To connect.
    Client,
}

/// A secret that was looked for.
///
/// ```
/// assert!(endstate_core::SeenCertificate::new("demo-ca", None).facts.is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SeenCertificate {
    /// Its name.
    pub secret: String,
    /// What is in it; `None` if it is not there, or holds no certificate with its key.
    pub facts: Option<CertificateFacts>,
    /// Whether it is a user's.
    #[serde(default)]
    pub given: bool,
    /// Who put into it what is there.
    #[serde(default)]
    pub origin: Origin,
    /// What cert-manager says of it in its condition `Ready`, if it was asked for it and says anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Words>,
}

impl SeenCertificate {
    /// What was found under this name.
    pub fn new(secret: impl Into<String>, facts: Option<CertificateFacts>) -> Self {
        Self { secret: secret.into(), facts, given: false, origin: Origin::Absent, ready: None }
    }

    /// The same, of a user's.
    #[must_use]
    pub fn given(self) -> Self {
        Self { given: true, ..self }
    }

    /// The same, whose content is from there.
    #[must_use]
    pub fn from(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// The same, of which cert-manager says this.
    #[must_use]
    pub fn said(self, ready: Option<Words>) -> Self {
        Self { ready, ..self }
    }
}

/// What a certificate says. Keys are known by the digests that certificates carry.
///
/// ```
/// use endstate_core::CertificateFacts;
/// let (from, until) = ("2026-01-01T00:00:00Z".parse().unwrap(), "2026-04-01T00:00:00Z".parse().unwrap());
/// let facts = CertificateFacts::new("k1", "k0", (from, until));
/// assert_eq!(facts.renewal().to_string(), "2026-03-02T00:00:00Z", "when a third of its life is left");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CertificateFacts {
    /// Its key.
    pub key: String,
    /// The key that signed it.
    pub issuer: String,
    /// Since when it is good.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
    /// Whom it names.
    pub common_name: String,
    /// Its DNS names and addresses.
    pub names: BTreeSet<String>,
    /// What it may be used for; of a user's certificate, what it is good for by the authorities in the same secret.
    pub usages: BTreeSet<Usage>,
    /// The keys of the authorities in the same secret.
    pub trusts: BTreeSet<String>,
    /// Since when and until when the authority is good that vouches for a user's; of several the one that ends last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<(Timestamp, Timestamp)>,
    /// Of a user's certificate: the authorities in other secrets that vouch for it and its use.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub believed_by: BTreeSet<Bundle>,
}

impl CertificateFacts {
    /// A certificate of this key, signed by that one, good for this time.
    pub fn new(
        key: impl Into<String>,
        issuer: impl Into<String>,
        (not_before, not_after): (Timestamp, Timestamp),
    ) -> Self {
        Self {
            key: key.into(),
            issuer: issuer.into(),
            not_before,
            not_after,
            common_name: String::new(),
            names: BTreeSet::new(),
            usages: BTreeSet::new(),
            trusts: BTreeSet::new(),
            authority: None,
            believed_by: BTreeSet::new(),
        }
    }

    /// When it is made anew: when a third of its life is left.
    pub fn renewal(&self) -> Timestamp {
        let life: SignedDuration = self.not_after.duration_since(self.not_before);
        self.not_after - life / 3
    }

    /// From when on it is told that one which a user keeps ends: a week before, or when a quarter of its life is left
    /// if that is later.
    ///
    /// ```
    /// use endstate_core::CertificateFacts;
    /// let (from, until) = ("2026-01-01T00:00:00Z".parse().unwrap(), "2026-04-01T00:00:00Z".parse().unwrap());
    /// let facts = CertificateFacts::new("k1", "k0", (from, until));
    /// assert_eq!(facts.warning().to_string(), "2026-03-25T00:00:00Z");
    /// ```
    pub fn warning(&self) -> Timestamp {
        let life: SignedDuration = self.not_after.duration_since(self.not_before);
        self.not_after - (life / 4).min(SignedDuration::from_hours(7 * 24))
    }

    /// Whether this is to be told, or it has ended.
    pub fn ends_soon(&self, now: Timestamp) -> bool {
        self.warning() <= now
    }

    /// When to look at a user's again: when something is to be told of it, or of its authority, or one of them ends.
    pub(super) fn next_look(
        &self,
        now: Timestamp,
        warning: impl Fn((Timestamp, Timestamp)) -> Timestamp,
    ) -> Timestamp {
        let authority = self.authority.into_iter().flat_map(|it| [warning(it), it.1]);
        let all = [self.warning(), self.not_after].into_iter().chain(authority);
        all.filter(|it| *it > now).min().unwrap_or(self.not_after)
    }
}

/// From when on it is told that an authority ends, which is good for this time: 30 days before, or when a third of its
/// life is left if that is later. Another takes longer to be trusted than another certificate.
pub(crate) fn authority_warning((not_before, not_after): (Timestamp, Timestamp)) -> Timestamp {
    let life: SignedDuration = not_after.duration_since(not_before);
    not_after - (life / 3).min(SignedDuration::from_hours(30 * 24))
}
