//! Comparing the data of members by its hash at one revision.

use std::collections::BTreeSet;

use endstate::client::Endpoint;
use endstate::driver::{Asked, Target};
use endstate_core::{Comparison, Digest, MemberId, Membership, Version};
use etcd_plan::EtcdClusterSpec;

use super::{Answer, EtcdDriver, first_open, hex};
use crate::client::{Connection, Login, Status};

impl EtcdDriver {
    /// What the data of the voters came to when it was compared, and what somebody has to know that for.
    pub(super) async fn compare(
        &self,
        target: &Target<'_, EtcdClusterSpec>,
        (answers, list): (&[Answer], &Membership),
        reason: Option<String>,
    ) -> Vec<Comparison> {
        let voters: BTreeSet<MemberId> = list.voters().map(|it| it.id.clone()).collect();
        let votes = |it: &&Status| voters.contains(&*hex(it.member));
        let told = answers.iter().filter_map(|it| it.status.as_ref());
        let alarms = told.clone().flat_map(|it| &it.1.corrupt).map(|it| format!("alarm {it:x}"));
        let reasons = alarms.chain(reason).collect();
        let statuses: Vec<_> = told.map(|it| &it.0).filter(votes).collect();
        let revision = statuses.iter().map(|it| it.revision).min().unwrap_or_default();
        let mut asked: Vec<_> = answers.iter().filter(|_| runs_one_minor(&statuses)).collect();
        // Who leads comes last: it has the most to do.
        asked.sort_by_key(|it| it.leads());
        let digests = asked.into_iter().filter_map(|it| {
            let status = it.status.as_ref().map(|it| &it.0).filter(votes)?;
            let endpoints = self.endpoints(target, target.address(&it.name)?).ok()?;
            let login = self.login(target, endpoints.first()?);
            let of = (status.cluster, status.member);
            Some((hex(status.member).into(), hash(endpoints, login, (of, revision))))
        });
        let digests = digests.collect();
        let revision = u64::try_from(revision).unwrap_or_default();
        let asked = Asked { voters, reasons, revision, digests };
        self.comparisons.look(&target.object.uid, asked).await
    }
}

async fn hash(
    endpoints: Vec<Endpoint>,
    login: Login,
    (of, revision): ((u64, u64), i64),
) -> Option<Digest> {
    let endpoint = first_open(endpoints).await?;
    let digest = Connection::login(&endpoint, &login).await.ok()?.hash(of, revision).await;
    digest.inspect_err(|error| tracing::debug!(endpoint = endpoint.url(), %error, "no hash")).ok()
}

/// Whether all of these run one minor, and none is on the way to an older one: another has other keys of its own.
fn runs_one_minor(statuses: &[&Status]) -> bool {
    let minor = |it: &&Status| Some(it.version.parse::<Version>().ok()?.minor);
    let minors: Option<BTreeSet<_>> =
        statuses.iter().map(|it| minor(it).filter(|_| it.downgrade.is_none())).collect();
    minors.is_some_and(|it| it.len() == 1)
}
