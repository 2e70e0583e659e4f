//! What is to be done about the certificates that the operator keeps.

use std::collections::BTreeSet;

use super::Assessed;
use crate::app::App;
use crate::certificates::{Certificate, Due};

impl<A: App> Assessed<'_, A> {
    /// Every certificate that the spec in force asks for, and those beside that members who run by another have, or may
    /// get again, and the user's that members are to get; and what is due of each.
    pub(crate) fn certificates(&self) -> Vec<(Certificate, Due)> {
        let mut wanted: Vec<Certificate> = vec![];
        let pods = self.snapshot.pods.iter().flatten().filter_map(|it| it.spec.as_ref());
        for spec in self.record.in_force().into_iter().chain(&self.record.proven).chain(pods) {
            let known: BTreeSet<_> = wanted.iter().map(|it| it.secret.clone()).collect();
            let others = self.app.certificates(&self.snapshot.object, spec);
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
}
