//! What follows from the members alone: who may be removed, who has to move, what is missing.

use crate::id::MemberName;
use crate::limits::quorum;
use crate::member::{Cluster, Health, Member};
use crate::problem::Change;
use crate::topology::{Edge, Lead, Role, Topology};
use crate::view::Corruption;

/// A group of a role.
pub(crate) type Unit<'t> = (&'t Role, u32);

/// Whether nothing is certain about whose data is good: who joined now might copy what is corrupt, and who left might
/// take what is good along.
pub(crate) fn is_in_doubt(cluster: &Cluster) -> bool {
    let corrupt = cluster.voters().any(|it| it.health == Health::Corrupt);
    corrupt && !cluster.has_good_majority()
        || cluster.corruption.contains(&Corruption::Undetermined)
        || cluster.members.iter().any(|it| it.leads && is_ill_and_corrupt(cluster, it))
}

/// Whether a member whose data is corrupt is ill in another way, too: it cannot be replaced as one that is corrupt.
fn is_ill_and_corrupt(cluster: &Cluster, member: &Member) -> bool {
    let named = cluster.corruption.contains(&Corruption::Of(member.id.clone()));
    named && member.health != Health::Corrupt
}

/// Whether a member is replaced because its data is corrupt.
pub(crate) fn is_replaced(cluster: &Cluster, member: &Member) -> bool {
    member.health == Health::Corrupt && cluster.has_good_majority()
}

/// The corrupt member that leads: who joins copies from who leads.
pub(crate) fn corrupt_leader(cluster: &Cluster) -> Option<&Member> {
    cluster.leader().filter(|it| is_replaced(cluster, it))
}

/// The same, where it can hand over.
pub(crate) fn hands_over<'c>(cluster: &'c Cluster, target: &Topology) -> Option<&'c Member> {
    let leader = corrupt_leader(cluster)?;
    (can_transfer(target, leader) && heir(cluster, leader).is_some()).then_some(leader)
}

/// Whether a member's role hands its lead over.
pub(crate) fn can_transfer(target: &Topology, member: &Member) -> bool {
    target
        .role(&member.role)
        .or_else(|| target.voting())
        .is_some_and(|it| matches!(it.lead, Lead::Transfers | Lead::Appointed(_)))
}

/// Who can take the lead over: the voter that works and has the most.
pub(crate) fn heir<'c>(cluster: &'c Cluster, from: &Member) -> Option<&'c Member> {
    let able = |it: &&Member| it.name != from.name && it.health.is_healthy();
    let entries = |it: &Member| it.position.as_ref().map(crate::Position::count);
    cluster.voters().filter(able).max_by_key(|it| (!it.outdated, entries(it)))
}

/// Whether a member's change stops its process and goes on with the same data: another image in its pod, or another
/// pod on its claim.
pub(crate) fn restarts(member: &Member) -> bool {
    match member.change {
        Change::Restart => true,
        Change::Recreate => member.durable,
        Change::Nothing | Change::Live | Change::Refuse(_) => false,
    }
}

/// Whether a member has to be replaced: because its data is corrupt, because its pod must be another and its data goes
/// with it, or because so few members cannot spare one for a restart.
pub(crate) fn must_move(cluster: &Cluster, member: &Member) -> bool {
    let voters = cluster.voters().count();
    let spare = !member.votes || voters > quorum(voters) || !member.health.is_healthy();
    is_replaced(cluster, member)
        || member.change == Change::Recreate && !member.durable
        || restarts(member) && !spare
}

/// Whether there is a member without a vote that nobody waits for, or a voter given up that can be taken off the list.
pub(crate) fn needs_repair(cluster: &Cluster, target: &Topology) -> bool {
    cluster.members.iter().any(|it| is_half_joined(target, it)) || has_given_up(cluster)
}

/// Whether a member of a voting role has no vote: it is on its way, or nobody's. One whose role is not asked for any
/// more is complete.
pub(crate) fn is_half_joined(target: &Topology, member: &Member) -> bool {
    let votes = target.role(&member.role).map_or(!member.recorded, |it| it.votes);
    !member.votes && votes
}

/// Whether there is a voter given up that can be taken off the list.
pub(crate) fn has_given_up(cluster: &Cluster) -> bool {
    let given_up = |it: &&Member| it.recorded && it.health.is_given_up();
    cluster.voters().filter(given_up).any(|it| may_remove(cluster, it))
}

/// Whether a member still has a reason to leave.
pub(crate) fn is_to_leave(cluster: &Cluster, target: &Topology, member: &Member) -> bool {
    let surplus = unit_of(target, member).is_none_or(|it| has_surplus(cluster, it));
    surplus || member.health.is_given_up()
}

/// Whether those who stay and work are a majority of those who stay. One without a vote never counted.
pub(crate) fn may_remove(cluster: &Cluster, member: &Member) -> bool {
    let stays = |it: &&Member| it.name != member.name;
    let working = cluster.voters().filter(stays).filter(|it| it.health.is_healthy()).count();
    !member.votes || working >= quorum(cluster.voters().count() - 1)
}

/// The members of a unit that count for its size: in a voting role those who vote, and nowhere the one that joins.
pub(crate) fn counted<'c>(
    cluster: &'c Cluster,
    (role, group): Unit<'c>,
    joining: Option<&'c MemberName>,
) -> impl Iterator<Item = &'c Member> {
    let complete = move |it: &&Member| it.votes == role.votes && Some(&it.name) != joining;
    cluster.own(&role.name, group).filter(complete)
}

/// All units, those that others are started after first.
pub(crate) fn units(target: &Topology, edge: Edge) -> Vec<Unit<'_>> {
    let groups = |role| (0..).map(move |group| (role, group));
    let roles = target.in_order(edge).into_iter();
    roles.flat_map(|role| groups(role).take(role.groups as usize)).collect()
}

/// Whether another member of this unit is wanted: to make up the number, or as the successor of a member that
/// cannot be brought up to date in place.
pub(crate) fn wants_another(
    cluster: &Cluster,
    unit: Unit<'_>,
    joining: Option<&MemberName>,
) -> bool {
    let has = counted(cluster, unit, joining).count();
    let moves = || counted(cluster, unit, joining).any(|it| must_move(cluster, it));
    is_short(cluster, unit, joining) || has == unit.0.size && moves()
}

/// Whether a unit has fewer members than it should.
pub(crate) fn is_short(cluster: &Cluster, unit: Unit<'_>, joining: Option<&MemberName>) -> bool {
    counted(cluster, unit, joining).count() < unit.0.size
}

/// Whether a unit has more members than it should.
pub(crate) fn has_surplus(cluster: &Cluster, unit: Unit<'_>) -> bool {
    counted(cluster, unit, None).count() > unit.0.size
}

/// The unit that a member belongs to; `None` if its role is not asked for any more.
pub(crate) fn unit_of<'t>(target: &'t Topology, member: &Member) -> Option<Unit<'t>> {
    let role = target.role(&member.role)?;
    (member.group < role.groups).then_some((role, member.group))
}
