//! What is to be done about the certificates that the operator keeps.

use std::collections::BTreeSet;

use super::Assessed;
use crate::app::App;
use crate::certificates::{Certificate, Due};
use crate::problem::Problem;

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

    /// Those of a user's that end soon or have ended: only their user can renew them.
    pub(super) fn ending(&self) -> Vec<Problem> {
        let (seen, now) = (&self.snapshot.certificates, self.snapshot.now);
        let users = self.certificates().into_iter().map(|it| it.0).filter(|it| it.given.is_some());
        let facts = |it: &Certificate| {
            seen.iter().find(|seen| seen.secret == it.secret).and_then(|it| it.facts.clone())
        };
        let told = users.filter_map(|it| {
            let facts = facts(&it).filter(|it| it.ends_soon(now))?;
            let ends = if facts.not_after <= now { "ended" } else { "ends" };
            let why =
                format!("the certificate in secret {} {ends} at {}", it.secret, facts.not_after);
            Some(Problem::warning("spec.tls", format!("{why}: put a new one there")))
        });
        // A secret may be named for several connections.
        let told: BTreeSet<_> = told.collect();
        told.into_iter().collect()
    }
}
