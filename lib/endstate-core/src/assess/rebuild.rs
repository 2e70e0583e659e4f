//! A record that was lost is made again of what the members say.
//!
//! Somebody deleted the status. The members know who they are: a list that a quorum of its own voters gives is as good
//! as the record was, if no member here says that it belongs to another cluster. What nobody says is taken as bad as it
//! can be: more names may have been used, the spec in force is that of the pods, and a volume that no listed member has
//! may hold anything, so it is kept.

use std::collections::BTreeSet;

use crate::app::App;
use crate::claim::Claim;
use crate::id::{MemberId, MemberName, RoleName};
use crate::limits::quorum;
use crate::planner::serial_of;
use crate::pod::Pod;
use crate::record::{Accepted, MemberRecord, Record};
use crate::snapshot::Snapshot;
use crate::topology::{IdSource, Topology};
use crate::view::{Entry, Membership};
use crate::waiting::RecordLack;

/// So many names more than the highest that is seen may have been used.
const NAMES_UNSEEN: u64 = 1_000;

/// No cluster has used so many names; a name of a higher number is somebody else's.
const NAMES_MAX: u64 = 100_000;

/// So many ids more than the highest that is seen may have been listed.
const IDS_UNSEEN: u64 = 8;

/// Whether nothing is recorded of a cluster, and something of one is there.
pub(crate) fn is_lost<S>(snapshot: &Snapshot<S>) -> bool {
    let record = &snapshot.status.record;
    let there = snapshot.pods.as_ref().is_some_and(|it| !it.is_empty());
    record.cluster_id.is_none()
        && record.bootstrap.is_none()
        && (there || !snapshot.claims.is_empty())
}

/// Makes a lost record again, if the members say enough; whether it did.
pub(super) fn rebuild<A: App>(
    app: &A,
    snapshot: &Snapshot<A::Spec>,
    record: &mut Record<A::Spec>,
) -> bool {
    if !is_lost(snapshot) || snapshot.object.deleting {
        return false;
    }
    let Ok((list, spec)) = testimony(app, snapshot) else { return false };
    let topology = app.topology(spec);
    let own = |it: &&Entry| is_own(snapshot, &it.name);
    let members = list.members.iter().filter(own);
    let mut members: Vec<_> = members.filter_map(|it| member(snapshot, &topology, it)).collect();
    members.sort_by(|a, b| a.name.cmp(&b.name));
    let unlisted = |it: &&Claim| members.iter().all(|member| member.name != it.member);
    let kept = snapshot.claims.iter().filter(unlisted).map(|it| it.member.clone());
    let kept: BTreeSet<_> = kept.collect();
    let kept = kept.into_iter().collect();
    *record = Record {
        epoch: record.epoch,
        names: names_used(snapshot, list).max(record.names),
        ids: ids_used(&topology, list).max(record.ids),
        accepted: Some(Accepted { generation: 0, spec: spec.clone() }),
        cluster_id: Some(list.cluster.clone()),
        consent: snapshot.consent.clone(),
        kept,
        members,
        ..Record::default()
    };
    true
}

/// What the members say of a cluster of which nothing is recorded, and the spec that they run by.
pub(crate) fn testimony<'s, A: App>(
    app: &A,
    snapshot: &'s Snapshot<A::Spec>,
) -> Result<(&'s Membership, &'s A::Spec), RecordLack> {
    let list = snapshot.view.membership.as_ref();
    let answers = snapshot.view.targets.iter().filter_map(|it| it.status.as_ref());
    let mut clusters = answers.map(|it| &it.cluster).chain(list.map(|it| &it.cluster));
    let first = clusters.next();
    if clusters.any(|it| Some(it) != first) {
        return Err(RecordLack::TwoClusters);
    }
    let needed = |it: &Membership| quorum(it.voters().count());
    let list = list.filter(|it| it.agreed >= needed(it)).ok_or(RecordLack::NoQuorum)?;
    let spec = spec_in_force(snapshot).ok_or(RecordLack::NoSpec)?;
    if app.topology(spec).roles.iter().any(|it| it.is_led()) {
        return Err(RecordLack::Groups);
    }
    let pods = list.voters().filter_map(|it| snapshot.pod(&it.name));
    let marked = pods.filter(|it| it.marks.started.is_some()).count();
    if marked < needed(list) {
        return Err(RecordLack::NoMarks);
    }
    Ok((list, spec))
}

/// The spec that most pods are made from.
fn spec_in_force<S: PartialEq>(snapshot: &Snapshot<S>) -> Option<&S> {
    let pods: Vec<&Pod<S>> = snapshot.pods.iter().flatten().collect();
    let alike = |spec: &S| pods.iter().filter(|it| it.spec.as_ref() == Some(spec)).count();
    let specs = pods.iter().filter_map(|it| it.spec.as_ref().map(|spec| (&it.name, spec)));
    let most = specs.max_by(|a, b| alike(a.1).cmp(&alike(b.1)).then(b.0.cmp(a.0)));
    most.map(|it| it.1)
}

/// Whether a listed member is one of this object's, and not somebody else's.
fn is_own<S>(snapshot: &Snapshot<S>, name: &MemberName) -> bool {
    let claimed = snapshot.claims.iter().any(|it| it.member == *name);
    claimed || snapshot.pod(name).is_some() || serial(snapshot, name).is_some()
}

/// One that is listed without the vote that its role has is on its way, and begins it again.
fn member<S>(snapshot: &Snapshot<S>, topology: &Topology, entry: &Entry) -> Option<MemberRecord> {
    let claim = snapshot.claims.iter().find(|it| it.member == entry.name);
    let by_vote = || topology.roles.iter().find(|it| it.votes == entry.votes);
    let role = claim.and_then(|it| it.role.as_ref()).and_then(|it| topology.role(it));
    let role = role.or_else(by_vote).filter(|it| it.votes == entry.votes)?;
    Some(MemberRecord {
        id: Some(entry.id.clone()),
        votes: entry.votes,
        pod: snapshot.pod(&entry.name).map(|it| it.uid.clone()),
        ..MemberRecord::new(entry.name.clone(), RoleName::clone(&role.name))
    })
}

fn serial<S>(snapshot: &Snapshot<S>, name: &str) -> Option<u64> {
    serial_of(&snapshot.object.name, snapshot.seed, name).filter(|it| *it < NAMES_MAX)
}

fn names_used<S>(snapshot: &Snapshot<S>, list: &Membership) -> u64 {
    let pods = snapshot.pods.iter().flatten().map(|it| &it.name);
    let claims = snapshot.claims.iter().map(|it| &it.member);
    let seen = list.members.iter().map(|it| &it.name).chain(pods).chain(claims);
    let last = seen.filter_map(|it| serial(snapshot, it)).max();
    last.map_or(0, |it| it + 1) + NAMES_UNSEEN
}

fn ids_used(topology: &Topology, list: &Membership) -> u64 {
    let allocated = |it: &IdSource| matches!(it, IdSource::Allocated { .. });
    if !topology.roles.iter().any(|it| allocated(&it.identity)) {
        return 0;
    }
    let number = |it: &MemberId| it.parse::<u64>().ok();
    let last = list.members.iter().filter_map(|it| number(&it.id)).max();
    last.unwrap_or(0) + IDS_UNSEEN
}
