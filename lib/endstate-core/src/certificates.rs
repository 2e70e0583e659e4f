//! The certificates that an operator makes and keeps for a cluster: which are wanted, and when one is made anew.
//!
//! What is there comes as typed facts, read at the border; `now` comes from the snapshot. A process reads its own
//! certificate again, and the authorities that it trusts only when it starts. So a certificate is made anew in place,
//! as often as is needed, but only by an authority that the one before trusts already: whoever was started with that
//! one believes the next.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

mod given;

pub use given::{Bundle, CertificateFault, GivenFiles, Trusted};

/// For how long a certificate is good.
pub const CERTIFICATE_DAYS: i64 = 90;

/// For how long an authority is good. One is never made anew under its name: another takes its place in two passes.
pub const AUTHORITY_DAYS: i64 = 3650;

/// A certificate and its key, in a secret as `tls.crt` and `tls.key`, with those of the authorities that its holder
/// trusts as `ca.crt`.
///
/// ```
/// use endstate_core::{Certificate, Usage};
/// let authority = Certificate::authority("demo-ca");
/// let server = Certificate::signed_by("demo-ca", "demo-server").named(["localhost"]).for_use([Usage::Server]);
/// assert!(authority.issuer.is_none() && server.trusts == ["demo-ca".into()]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Certificate {
    /// The name of the secret.
    pub secret: String,
    /// The secret of the authority that signs it; `None` for an authority itself.
    pub issuer: Option<String>,
    /// The authorities that its holder trusts.
    pub trusts: Vec<Trusted>,
    /// Whom it names.
    pub common_name: String,
    /// DNS names, which may begin with `*.`, and addresses.
    pub names: BTreeSet<String>,
    /// What it may be used for.
    pub usages: BTreeSet<Usage>,
    /// How its files are called, if it is a user's: such a one is looked at, and never made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<GivenFiles>,
}

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

impl Certificate {
    /// An authority of the cluster's own.
    pub fn authority(secret: impl Into<String>) -> Self {
        let secret = secret.into();
        Self {
            common_name: secret.clone(),
            issuer: None,
            trusts: vec![],
            names: BTreeSet::new(),
            usages: BTreeSet::new(),
            given: None,
            secret,
        }
    }

    /// A user's, in a secret with these files.
    pub fn given(secret: impl Into<String>, files: GivenFiles) -> Self {
        Self { given: Some(files), ..Self::authority(secret) }
    }

    /// A certificate in a secret, signed by an authority, which is also the one that its holder trusts.
    pub fn signed_by(authority: impl Into<String>, secret: impl Into<String>) -> Self {
        let authority = authority.into();
        let own = Self::authority(secret);
        Self { issuer: Some(authority.clone()), trusts: vec![authority.into()], ..own }
    }

    /// The same, whose holder trusts these authorities.
    #[must_use]
    pub fn trusting(self, trusts: Vec<Trusted>) -> Self {
        Self { trusts, ..self }
    }

    /// The same, of somebody of this name.
    #[must_use]
    pub fn of(self, common_name: impl Into<String>) -> Self {
        Self { common_name: common_name.into(), ..self }
    }

    /// The same, for these DNS names and addresses.
    #[must_use]
    pub fn named<T: Into<String>>(self, names: impl IntoIterator<Item = T>) -> Self {
        Self { names: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// The same, to be used for this.
    #[must_use]
    pub fn for_use(self, usages: impl IntoIterator<Item = Usage>) -> Self {
        Self { usages: usages.into_iter().collect(), ..self }
    }

    /// For how many days it is good.
    pub fn days(&self) -> i64 {
        if self.issuer.is_none() { AUTHORITY_DAYS } else { CERTIFICATE_DAYS }
    }

    /// What is to be done about it, by what was seen of it and of the authorities.
    ///
    /// ```
    /// use endstate_core::{Certificate, Due, IssueReason, SeenCertificate};
    /// let authority = Certificate::authority("demo-ca");
    /// let now = "2026-01-01T00:00:00Z".parse().unwrap();
    /// assert_eq!(authority.due(&[], now), Due::Unknown, "nobody looked");
    /// let seen = [SeenCertificate::new("demo-ca", None)];
    /// assert_eq!(authority.due(&seen, now), Due::Now(IssueReason::Missing));
    /// ```
    pub fn due(&self, seen: &[SeenCertificate], now: Timestamp) -> Due {
        let Some(it) = seen.iter().find(|it| it.secret == self.secret) else { return Due::Unknown };
        if self.given.is_some() {
            return self.fault(it.facts.as_ref(), now).map_or_else(Due::Unusable, Due::At);
        }
        match (&self.issuer, &it.facts) {
            (None, Some(_)) => Due::Never,
            // Who was signed by it, or trusts it, would not believe another of its name.
            (None, None) if is_in_use(seen, &self.secret) => Due::Held,
            (None, None) => Due::Now(IssueReason::Missing),
            (Some(issuer), facts) => self.leaf_due((issuer, facts.as_ref()), seen, now),
        }
    }

    /// Why a user's cannot be used, or until when nothing else is to be said of it.
    fn fault(
        &self,
        facts: Option<&CertificateFacts>,
        now: Timestamp,
    ) -> Result<Timestamp, CertificateFault> {
        let facts = facts.ok_or(CertificateFault::Missing)?;
        if facts.not_after <= now {
            return Err(CertificateFault::Ended(facts.not_after));
        }
        if !self.usages.is_subset(&facts.usages) {
            return Err(CertificateFault::Untrusted);
        }
        match self.names.difference(&facts.names).next() {
            Some(name) => Err(CertificateFault::Name(name.clone())),
            None if facts.ends_soon(now) => Ok(facts.not_after),
            None => Ok(facts.warning()),
        }
    }

    fn leaf_due(
        &self,
        (issuer, facts): (&str, Option<&CertificateFacts>),
        seen: &[SeenCertificate],
        now: Timestamp,
    ) -> Due {
        let authority = |name: &str| match seen.iter().find(|it| it.secret == *name) {
            // It is made before, in the same pass.
            Some(it) if it.facts.is_none() && is_in_use(seen, name) => Err(Due::Held),
            Some(it) => Ok(it.facts.as_ref().map(|it| it.key.clone())),
            None => Err(Due::Unknown),
        };
        let trusted = |it: &Trusted| match it {
            Trusted::Authority(name) => Ok([authority(name)?].into()),
            Trusted::Given(Bundle { secret, .. }) => {
                match seen.iter().find(|it| it.secret == *secret) {
                    Some(it) => it.facts.as_ref().map(given_keys).ok_or(Due::Held),
                    None => Err(Due::Unknown),
                }
            }
        };
        let trusts: Result<Vec<BTreeSet<_>>, _> = self.trusts.iter().map(trusted).collect();
        let (issuer, trusts) = match (authority(issuer), trusts) {
            (Ok(issuer), Ok(trusts)) => (issuer, trusts),
            (Err(due), _) | (_, Err(due)) => return due,
        };
        let Some(facts) = facts else { return Due::Now(IssueReason::Missing) };
        let trusts: Option<BTreeSet<_>> = trusts.into_iter().flatten().collect();
        match (issuer, trusts) {
            (Some(issuer), _) if !facts.trusts.contains(&issuer) => Due::Held,
            (Some(issuer), _) if facts.issuer != issuer => Due::Now(IssueReason::Issuer),
            (Some(_), Some(trusts)) if facts.trusts == trusts => self.content_due(facts, now),
            (Some(_), _) => Due::Now(IssueReason::Trust),
            (None, _) => Due::Held,
        }
    }

    fn content_due(&self, facts: &CertificateFacts, now: Timestamp) -> Due {
        let same = facts.names == self.names
            && facts.usages == self.usages
            && facts.common_name == self.common_name;
        match facts.renewal() {
            _ if !same => Due::Now(IssueReason::Names),
            at if at <= now => Due::Now(IssueReason::Expires),
            at => Due::At(at),
        }
    }
}

/// The authorities in a user's secret, all of which are there.
fn given_keys(facts: &CertificateFacts) -> BTreeSet<Option<String>> {
    facts.trusts.iter().cloned().map(Some).collect()
}

/// Whether somebody trusts an authority that is not there. A holder tells by key whom it trusts, so any key that none
/// of the authorities has, the user's among them, may be the missing one's.
fn is_in_use(seen: &[SeenCertificate], authority: &str) -> bool {
    let of = |given: bool| {
        let those = seen.iter().filter(move |it| it.given == given && it.secret != *authority);
        those.filter_map(|it| it.facts.as_ref())
    };
    let given = of(true).flat_map(|it| &it.trusts);
    let keys: BTreeSet<_> = of(false).map(|it| &it.key).chain(given).collect();
    of(false).flat_map(|it| &it.trusts).any(|it| !keys.contains(it))
}

/// What is to be done about a certificate.
///
/// ```
/// assert_ne!(endstate_core::Due::Never, endstate_core::Due::Unknown);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Due {
    /// It was not looked for.
    Unknown,
    /// Nothing, for ever.
    Never,
    /// Nothing until then.
    At(Timestamp),
    /// It is made, or made anew.
    Now(IssueReason),
    /// It cannot be made: the authority is gone, or is one that nobody who runs trusts.
    Held,
    /// It is a user's, and cannot be used.
    Unusable(CertificateFault),
}

impl Due {
    /// Whether members may be started with it.
    pub fn is_usable(&self) -> bool {
        !matches!(self, Self::Unknown | Self::Held | Self::Unusable(_))
    }
}

/// Why a certificate is made.
///
/// ```
/// assert_ne!(endstate_core::IssueReason::Missing, endstate_core::IssueReason::Expires);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IssueReason {
    /// There is none, or none that can be read.
    Missing,
    /// Less than a third of its life is left.
    Expires,
    /// It is for other names or another use.
    Names,
    /// Its holder trusts others.
    Trust,
    /// Another authority signs.
    Issuer,
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
}

impl SeenCertificate {
    /// What was found under this name.
    pub fn new(secret: impl Into<String>, facts: Option<CertificateFacts>) -> Self {
        Self { secret: secret.into(), facts, given: false }
    }

    /// The same, of a user's.
    #[must_use]
    pub fn given(self) -> Self {
        Self { given: true, ..self }
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        format!("{text}T00:00:00Z").parse().unwrap()
    }

    fn server() -> Certificate {
        Certificate::signed_by("ca", "server").of("demo").named(["localhost"])
    }

    /// An authority and a server's certificate of it, as they were made on the first of January.
    fn seen() -> [SeenCertificate; 2] {
        let since = time("2026-01-01");
        let authority = CertificateFacts::new("k", "k", (since, time("2036-01-01")));
        let mut facts = CertificateFacts::new("s", "k", (since, time("2026-04-01")));
        facts.common_name = "demo".into();
        facts.names.insert("localhost".into());
        facts.trusts.insert("k".into());
        [SeenCertificate::new("ca", Some(authority)), SeenCertificate::new("server", Some(facts))]
    }

    /// What is due of the server's certificate on a day, if what was seen differs so.
    fn due(day: &str, change: impl FnOnce(&mut [SeenCertificate; 2])) -> Due {
        let mut seen = seen();
        change(&mut seen);
        server().due(&seen, time(day))
    }

    #[test]
    fn a_certificate_is_made_anew_when_a_third_of_its_life_is_left() {
        assert_eq!(due("2026-02-01", |_| {}), Due::At(time("2026-03-02")));
        assert_eq!(due("2026-03-02", |_| {}), Due::Now(IssueReason::Expires));
        assert_eq!(due("2027-03-02", |_| {}), Due::Now(IssueReason::Expires));
    }

    #[test]
    fn one_that_is_not_as_wanted_is_made_anew_and_unknown_is_not_absent() {
        let day = "2026-02-01";
        assert_eq!(due(day, |it| it[1].facts = None), Due::Now(IssueReason::Missing));
        assert_eq!(due(day, |it| it[1].secret = "other".into()), Due::Unknown);
        assert_eq!(due(day, |it| it[0].secret = "other".into()), Due::Unknown);
        for change in [
            |it: &mut CertificateFacts| it.common_name = "other".into(),
            |it: &mut CertificateFacts| it.names.clear(),
            |it: &mut CertificateFacts| it.usages = [Usage::Client].into(),
        ] {
            let due = due(day, |it| it[1].facts.iter_mut().for_each(change));
            assert_eq!(due, Due::Now(IssueReason::Names));
        }
    }

    #[test]
    fn nobody_is_given_a_certificate_of_an_authority_that_those_who_run_do_not_trust() {
        let (day, now) = ("2026-02-01", time("2026-02-01"));
        let other_key = |it: &mut [SeenCertificate; 2]| {
            it[0].facts.iter_mut().for_each(|it| it.key = "other".into());
        };
        assert_eq!(due(day, other_key), Due::Held);
        let mut seen = seen();
        seen[0].facts = None;
        let authority = Certificate::authority("ca");
        assert_eq!([&authority, &server()].map(|it| it.due(&seen, now)), [Due::Held, Due::Held]);
        seen[1].facts = None;
        let fresh = Due::Now(IssueReason::Missing);
        assert_eq!([&authority, &server()].map(|it| it.due(&seen, now)), [fresh.clone(), fresh]);
    }

    /// Both are trusted first; then the new one signs; then it alone is trusted.
    #[test]
    fn another_authority_takes_over_in_two_passes() {
        let now = time("2026-02-01");
        let [old, server] = seen();
        let since = (time("2026-02-01"), time("2036-02-01"));
        let new = SeenCertificate::new("new", Some(CertificateFacts::new("n", "n", since)));
        let mut seen = [old, server, new];
        let signed = |by: &str| Certificate { issuer: Some(by.into()), ..self::server() };
        let both = || vec!["ca".into(), "new".into()];
        let alone = signed("new").trusting(vec!["new".into()]);
        assert_eq!(alone.due(&seen, now), Due::Held, "nobody trusts it yet");
        let first = signed("ca").trusting(both());
        assert_eq!(first.due(&seen, now), Due::Now(IssueReason::Trust));
        seen[1].facts.iter_mut().for_each(|it| it.trusts.extend(["n".into()]));
        let second = signed("new").trusting(both());
        assert_eq!(second.due(&seen, now), Due::Now(IssueReason::Issuer));
        seen[1].facts.iter_mut().for_each(|it| it.issuer = "n".into());
        assert_eq!(second.due(&seen, now), Due::At(time("2026-03-02")));
        assert_eq!(alone.due(&seen, now), Due::Now(IssueReason::Trust));
    }
}
