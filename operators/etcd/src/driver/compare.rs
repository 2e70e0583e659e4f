//! Comparing the data of members by its hash at one revision.

use std::collections::BTreeSet;

use endstate::client::Endpoint;
use endstate::driver::Target;
use endstate_core::{Comparison, Digest, MemberId, Membership, Version};
use etcd_plan::EtcdClusterSpec;

use super::{Answer, EtcdDriver, first_open, hex};
use crate::client::{Connection, Login, Status};

impl EtcdDriver {
    /// What the data of the voters came to when it was compared now and then; anew where that is wanted, or an alarm
    /// stands.
    pub(super) async fn compare(
        &self,
        target: &Target<'_, EtcdClusterSpec>,
        (answers, list): (&[Answer], &Membership),
        wanted: bool,
    ) -> Vec<Comparison> {
        let voters: BTreeSet<MemberId> = list.voters().map(|it| it.id.clone()).collect();
        let answered = answers.iter().filter_map(|it| {
            let (status, corrupt) = it.status.as_ref()?;
            let id = MemberId::from(hex(status.member));
            voters.contains(&id).then_some((id, target.address(&it.name)?, status, corrupt))
        });
        let answered: Vec<_> = answered.collect();
        let alarmed = answered.iter().any(|it| !it.3.is_empty());
        let comparable = runs_one_minor(answered.iter().map(|it| it.2));
        let revision = answered.iter().map(|it| it.2.revision).min().unwrap_or_default();
        let ways = answered.into_iter().filter_map(|(id, address, ..)| {
            let endpoints = self.endpoints(target, address).ok()?;
            let login = self.login(target, endpoints.first()?);
            Some((id, hash(endpoints, login, revision)))
        });
        let digests =
            (u64::try_from(revision).unwrap_or_default(), ways.filter(|_| comparable).collect());
        self.comparisons.look(&target.object.uid, (&voters, wanted || alarmed), digests).await
    }
}

async fn hash(endpoints: Vec<Endpoint>, login: Login, revision: i64) -> Option<Digest> {
    let endpoint = first_open(endpoints).await?;
    let digest = Connection::login(&endpoint, &login).await.ok()?.hash(revision).await;
    digest.inspect_err(|error| tracing::debug!(endpoint = endpoint.url(), %error, "no hash")).ok()
}

/// Whether all of these run one minor, and none is on the way to an older one: another has other keys of its own.
fn runs_one_minor<'a>(statuses: impl Iterator<Item = &'a Status>) -> bool {
    let minor = |it: &Status| Some(it.version.parse::<Version>().ok()?.minor);
    let minors: Option<BTreeSet<_>> =
        statuses.map(|it| minor(it).filter(|_| it.downgrade.is_none())).collect();
    minors.is_some_and(|it| it.len() == 1)
}
