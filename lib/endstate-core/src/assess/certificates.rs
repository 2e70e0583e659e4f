//! What is to be done about the certificates that the operator keeps.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Assessed;
use crate::app::App;
use crate::certificates::{Certificate, CertificateFacts, Due, authority_warning};
use crate::problem::Problem;

/// What a person does about the end of an authority that is not the operator's.
const RENEW_AUTHORITY: &str = "bring in another: put it beside this one into the secrets, and start members anew, \
                               since they read whom they trust then (spec.tls.*.authority counts, where the kind has it)";

/// The same of one that cert-manager renews, beneath members who do not notice.
const RESTART: &str = "members read it only at their start, so count spec.tls.*.authority up after it was renewed; let \
                       it be good for ten years, by the same key for ever (privateKey.rotationPolicy: Never)";

impl<A: App> Assessed<'_, A> {
    /// Every certificate that the spec in force asks for, and those beside that members who run by another have, or may
    /// get again, and the user's that members are to get; and what is due of each.
    pub(crate) fn certificates(&self) -> Vec<(Certificate, Due)> {
        let mut wanted: Vec<Certificate> = vec![];
        let pods = self.snapshot.pods.iter().flatten().filter_map(|it| it.spec.as_ref());
        for spec in self.record.in_force().into_iter().chain(&self.record.proven).chain(pods) {
            let known: BTreeSet<_> = wanted.iter().map(|it| it.secret.clone()).collect();
            let (object, beside) = (&self.snapshot.object, &self.snapshot.beside);
            let others = self.app.all_certificates(object, spec, beside);
            wanted.extend(others.into_iter().filter(|it| !known.contains(&it.secret)));
        }
        let accepted = self.record.accepted.iter();
        let coming = accepted.flat_map(|it| self.app.certificates(&self.snapshot.object, &it.spec));
        for it in coming.filter(|it| it.given.is_some()) {
            if wanted.iter().all(|known| known.secret != it.secret) {
                wanted.push(it);
            }
        }
        let due = |it: &Certificate| it.due(&self.snapshot.certificates, self.snapshot.now);
        wanted.into_iter().map(|it| (it.clone(), due(&it))).collect()
    }

    /// What ends soon or has ended, and only a person can renew: certificates of a user's, and authorities.
    pub(super) fn ending(&self) -> Vec<Problem> {
        let (seen, now) = (&self.snapshot.certificates, self.snapshot.now);
        let told = self.certificates().into_iter().flat_map(|(it, _)| {
            let facts = seen.iter().find(|seen| seen.secret == it.secret);
            let facts = facts.and_then(|it| it.facts.as_ref());
            facts.map_or_else(Vec::new, |facts| endings(&it, facts, now))
        });
        // A secret may be named for several connections.
        let told: BTreeSet<_> = told.collect();
        told.into_iter().map(|it| Problem::warning("spec.tls", it)).collect()
    }

    /// Why cert-manager is not asked for anything now.
    pub(super) fn unasked(&self) -> Option<Problem> {
        let why = self.snapshot.unasked.as_ref()?;
        let why =
            format!("cert-manager is not asked now, because its objects cannot be read: {why}");
        Some(Problem::warning("spec.tls", why))
    }
}

/// What a person does where cert-manager does not do what it should.
fn unrenewed(secret: &str) -> String {
    format!("cert-manager should have renewed it, and Certificate {secret} says why it did not")
}

/// What is to be told of the end of a certificate and of the authority that vouches for it.
fn endings(it: &Certificate, facts: &CertificateFacts, now: Timestamp) -> Vec<String> {
    let (secret, is_given) = (&it.secret, it.given.is_some());
    let is_own_authority = !is_given && it.issuer.is_none();
    let own = is_own_authority.then_some((facts.not_before, facts.not_after));
    let authority = facts.authority.filter(|_| is_given);
    let leaf = is_given.then(|| {
        let what = format!("the certificate in secret {secret}");
        let remedy = match it.requested {
            Some(_) => unrenewed(secret),
            None => "put a new one there".to_owned(),
        };
        (facts.warning(), facts.not_after, what, remedy)
    });
    let own = own.map(|life| {
        let what = format!("the authority in secret {secret}");
        (authority_warning(life), life.1, what, "count its number up".to_owned())
    });
    let authority = authority.map(|life| {
        let what = format!("the authority of the certificate in secret {secret}");
        let remedy = if it.requested.is_some() { RESTART } else { RENEW_AUTHORITY };
        (it.authority_warning(life), life.1, what, remedy.to_owned())
    });
    let due = leaf.into_iter().chain(own).chain(authority).filter(|(warning, ..)| *warning <= now);
    let told = due.map(|(_, at, what, remedy)| {
        let ends = if at <= now { "ended" } else { "ends" };
        format!("{what} {ends} at {at}: {remedy}")
    });
    told.collect()
}
