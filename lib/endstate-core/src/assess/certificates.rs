//! What is to be done about the certificates that the operator keeps.

use super::Assessed;
use crate::app::App;
use crate::certificates::{Certificate, Due};

impl<A: App> Assessed<'_, A> {
    /// Every certificate that the spec in force asks for, and what is due of it.
    pub(crate) fn certificates(&self) -> Vec<(Certificate, Due)> {
        let Some(spec) = self.record.in_force() else { return vec![] };
        let wanted = self.app.certificates(&self.snapshot.object, spec);
        let due = |it: &Certificate| it.due(&self.snapshot.certificates, self.snapshot.now);
        wanted.into_iter().map(|it| (it.clone(), due(&it))).collect()
    }
}
