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
mod requested;
mod seen;

pub use given::{Bundle, CertificateFault, GivenFiles, Trusted};
pub use requested::{IssuerRef, Origin};
pub(crate) use seen::authority_warning;
pub use seen::{CertificateFacts, SeenCertificate, Usage};

/// For how long a certificate is good.
pub const CERTIFICATE_DAYS: i64 = 90;

/// For how long an authority is good. One is never made anew under its name: another takes its place in two passes.
pub const AUTHORITY_DAYS: i64 = 3650;

/// For how long the authority should be good that vouches for what cert-manager is asked for.
const REQUESTED_DAYS_MIN: i64 = 365;

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
    /// By whom cert-manager is asked to have it signed. Such a one is a user's in all else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<IssuerRef>,
    /// Whose holders have to believe it, by the authorities that they trust: others of the user's.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub believers: BTreeSet<Bundle>,
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
            requested: None,
            believers: BTreeSet::new(),
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

    /// The same, which the holders of those beside these authorities have to believe.
    #[must_use]
    pub fn believed_by(self, believers: impl IntoIterator<Item = Bundle>) -> Self {
        Self { believers: believers.into_iter().collect(), ..self }
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
            return self.next_look((it, seen), now).map_or_else(Due::Unusable, Due::At);
        }
        match (&self.issuer, &it.facts) {
            (None, Some(_)) => Due::Never,
            // Who was signed by it, or trusts it, would not believe another of its name.
            (None, None) if is_in_use(seen, &self.secret) => Due::Held,
            (None, None) => Due::Now(IssueReason::Missing),
            (Some(issuer), facts) => self.leaf_due((issuer, facts.as_ref()), seen, now),
        }
    }

    /// Whether cert-manager may be asked to fill the secret: nobody else did.
    pub fn may_be_requested(&self, seen: &[SeenCertificate]) -> bool {
        let it = seen.iter().find(|it| it.secret == self.secret);
        let free = |it: &SeenCertificate| it.origin.is_free_for(&self.secret);
        self.requested.is_some() && it.is_some_and(free)
    }

    /// Why a user's cannot be used, or when to look at it again.
    fn next_look(
        &self,
        (it, all): (&SeenCertificate, &[SeenCertificate]),
        now: Timestamp,
    ) -> Result<Timestamp, CertificateFault> {
        let facts = self.found(it)?;
        let next = || facts.next_look(now, |life| self.authority_warning(life));
        self.fault((facts, all), now).map_or_else(|| Ok(next()), Err)
    }

    /// From when on it is told that the authority ends which vouches for it. One that cert-manager renews may be
    /// another long before, and nobody who runs would notice: one of less than a year is told all the time.
    pub(crate) fn authority_warning(&self, life: (Timestamp, Timestamp)) -> Timestamp {
        match self.requested {
            Some(_) => life.1 - SignedDuration::from_hours(REQUESTED_DAYS_MIN * 24),
            None => authority_warning(life),
        }
    }

    /// What is in a user's secret, if it is there by whoever was asked for it: one of another issuer may have been
    /// there before, and is replaced at any moment.
    fn found<'a>(
        &self,
        seen: &'a SeenCertificate,
    ) -> Result<&'a CertificateFacts, CertificateFault> {
        let Some(issuer) = &self.requested else {
            return seen.facts.as_ref().ok_or(CertificateFault::Missing);
        };
        if !seen.origin.is_free_for(&self.secret) {
            return Err(CertificateFault::Occupied(seen.origin.clone()));
        }
        let (request, ready) = (self.secret.clone(), seen.ready.clone());
        match (seen.origin.issuer(), &seen.facts) {
            (Some(by), Some(facts)) if by == issuer => Ok(facts),
            (by, Some(_)) => {
                let (wanted, by) = (Box::new(issuer.clone()), by.cloned().map(Box::new));
                Err(CertificateFault::Issuer { wanted, by, request, ready })
            }
            (_, None) => Err(CertificateFault::NotIssued { request, ready }),
        }
    }

    /// What is wrong with it.
    fn fault(
        &self,
        (facts, all): (&CertificateFacts, &[SeenCertificate]),
        now: Timestamp,
    ) -> Option<CertificateFault> {
        let authority_end = facts.authority.map(|it| it.1).filter(|it| *it <= now);
        let name = self.names.difference(&facts.names).next();
        if facts.not_after <= now {
            Some(CertificateFault::Ended(facts.not_after))
        } else if !self.usages.is_subset(&facts.usages) {
            Some(CertificateFault::Untrusted)
        } else if self.requested.is_some() && facts.trusts.contains(&facts.key) {
            Some(CertificateFault::SelfSigned)
        } else if let Some(end) = authority_end {
            Some(CertificateFault::AuthorityEnded(end))
        } else if let Some(by) = self.disbeliever((facts, all)) {
            Some(CertificateFault::Disbelieved { by: by.clone() })
        } else {
            name.cloned().map(CertificateFault::Name)
        }
    }

    /// Whose authorities do not vouch for it, though they have to. What is not there is told apart.
    fn disbeliever(
        &self,
        (facts, all): (&CertificateFacts, &[SeenCertificate]),
    ) -> Option<&Bundle> {
        let is_there =
            |it: &Bundle| all.iter().any(|of| of.secret == it.secret && of.facts.is_some());
        let mut others = self.believers.iter().filter(|it| !facts.believed_by.contains(*it));
        others.find(|it| is_there(it))
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
