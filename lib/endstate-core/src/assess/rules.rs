//! What follows from the members alone: who may be removed, who has to move, what is missing.

use super::groups;
use crate::comparison::Corruption;
use crate::id::MemberName;
use crate::limits::quorum;
use crate::member::{Cluster, Health, Member};
use crate::problem::Change;
use crate::topology::{Edge, Lead, Role, Topology, Unit};

/// Whether nothing is certain about whose data is good: who joined now might copy what is corrupt, and who left might
/// take what is good along.
pub(crate) fn is_in_doubt(cluster: &Cluster, target: &Topology) -> bool {
    let holds = |it: &&Member| it.votes || target.is_led(&it.role);
    let corrupt = |it: &&Member| it.health == Health::Corrupt;
    let mut corrupt = cluster.members.iter().filter(holds).filter(corrupt);
    corrupt.any(|it| !has_good_data_beside(cluster, target, it))
        || cluster.corruption.contains(&Corruption::Undetermined)
        || cluster.members.iter().any(|it| it.leads && is_ill_and_corrupt(cluster, it))
}

/// Whether a member whose data is corrupt is ill in another way, too: it cannot be replaced as one that is corrupt.
fn is_ill_and_corrupt(cluster: &Cluster, member: &Member) -> bool {
    is_accused(cluster, member) && member.health != Health::Corrupt
}

/// Whether an alarm says that a member's data is corrupt.
pub(crate) fn is_accused(cluster: &Cluster, member: &Member) -> bool {
    cluster.corruption.contains(&Corruption::Of(member.id.clone()))
}

/// Whether it is certain who has good data in place of one whose data is corrupt.
fn has_good_data_beside(cluster: &Cluster, target: &Topology, corrupt: &Member) -> bool {
    match target.is_led(&corrupt.role) {
        true => groups::has_copy_beside(cluster, corrupt),
        false => {
            let by_word = cluster.blamed.as_ref() == Some(&corrupt.id);
            cluster.has_good_majority() || by_word && leaves_quorum(cluster, corrupt)
        }
    }
}

/// Whether somebody's data is corrupt, and it is not certain who has good data in its place.
pub(crate) fn lacks_good_data(cluster: &Cluster, target: &Topology) -> bool {
    let mut corrupt = cluster.voters().filter(|it| it.health == Health::Corrupt);
    corrupt.any(|it| !has_good_data_beside(cluster, target, it))
}

/// Whether a member is replaced because its data is corrupt.
pub(crate) fn is_replaced(cluster: &Cluster, target: &Topology, member: &Member) -> bool {
    member.health == Health::Corrupt && has_good_data_beside(cluster, target, member)
}

/// The corrupt member that leads: who joins copies from who leads.
pub(crate) fn corrupt_leader<'c>(cluster: &'c Cluster, target: &Topology) -> Option<&'c Member> {
    cluster.members.iter().find(|it| it.leads && is_replaced(cluster, target, it))
}

/// Who is taken off the list before another comes, who leads first: who joins copies from who leads, and a corrupt
/// voter may come to lead at any time. Where each group has a leader of its own only that one would be copied from.
pub(crate) fn leaves_first<'c>(cluster: &'c Cluster, target: &Topology) -> Option<&'c Member> {
    let goes =
        |it: &&Member| it.votes && !target.is_led(&it.role) && is_replaced(cluster, target, it);
    corrupt_leader(cluster, target).or_else(|| cluster.members.iter().find(goes))
}

/// The same of a leader, where it can hand over.
pub(crate) fn hands_over<'c>(cluster: &'c Cluster, target: &Topology) -> Option<&'c Member> {
    let leader = corrupt_leader(cluster, target)?;
    (can_transfer(target, leader) && heir(cluster, target, leader).is_some()).then_some(leader)
}

/// Whether a member's role hands its lead over. Nobody knows who follows whom in groups of a role that is not asked for
/// any more.
pub(crate) fn can_transfer(target: &Topology, member: &Member) -> bool {
    target
        .role(&member.role)
        .or_else(|| target.voting().filter(|it| !it.is_led()))
        .is_some_and(|it| matches!(it.lead, Lead::Transfers | Lead::Appointed(_)))
}

/// Who can take the lead over: the voter that works and has the most; where each group has a leader of its own, one of
/// the same group that has what it has.
pub(crate) fn heir<'c>(
    cluster: &'c Cluster,
    target: &Topology,
    from: &Member,
) -> Option<&'c Member> {
    let able = |it: &&Member| match target.is_led(&from.role) {
        true => groups::is_beside(it, from) && it.has_copy(),
        false => it.votes && it.name != from.name && it.health.is_healthy(),
    };
    let entries = |it: &Member| it.position.as_ref().map(crate::Position::count);
    cluster
        .members
        .iter()
        .filter(able)
        .max_by_key(|it| (!it.volume_deleting, !leaves_soon(it), !it.outdated, entries(it)))
}

/// Whether a member's change stops its process and goes on with the same data: another image in its pod, or another
/// pod on its claim.
pub(crate) fn restarts(member: &Member) -> bool {
    match member.change {
        Change::Restart => true,
        Change::Recreate => member.durable,
        Change::Nothing | Change::Live | Change::Move => false,
    }
}

/// Whether a member that works goes all the same: its node is being emptied, its pod evicted, or an operation wants
/// another in its place.
fn leaves_soon(member: &Member) -> bool {
    member.vacates || member.dismissed
}

/// Whether a member has to be replaced: because its data is corrupt, because its volume is being deleted, because its
/// node is being emptied or an operation asks for it, because its pod must be another and its data goes with it, or
/// because so few members cannot spare one for a restart.
pub(crate) fn must_move(cluster: &Cluster, target: &Topology, member: &Member) -> bool {
    let voters = cluster.voters().count();
    let spare = match target.is_led(&member.role) {
        true => target.role(&member.role).is_some_and(|it| it.size > 1),
        false => !member.votes || voters > quorum(voters),
    };
    let spare = spare || !member.health.is_healthy();
    is_replaced(cluster, target, member)
        || member.volume_deleting
        || leaves_soon(member)
        || member.change.takes_another(member.durable)
        || restarts(member) && !spare
}

/// Whether there is a member without a vote that nobody waits for, or a voter given up that can be taken off the list.
pub(crate) fn needs_repair(cluster: &Cluster, target: &Topology) -> bool {
    cluster.members.iter().any(|it| is_half_joined(target, it)) || has_given_up(cluster, target)
}

/// Whether a member of a role whose members vote has no vote: it is on its way, or nobody's. One whose role is not
/// asked for any more is complete.
pub(crate) fn is_half_joined(target: &Topology, member: &Member) -> bool {
    let votes = target.role(&member.role).map_or(!member.recorded, |it| it.votes);
    !member.votes && votes && !(member.recorded && target.is_led(&member.role))
}

/// Whether there is a voter given up that can be taken off the list, or one of a group that has a leader of its own.
pub(crate) fn has_given_up(cluster: &Cluster, target: &Topology) -> bool {
    let given_up = |it: &&Member| it.recorded && it.health.is_given_up();
    let holds = |it: &&Member| it.votes || target.is_led(&it.role);
    let mut lost = cluster.members.iter().filter(holds).filter(given_up);
    lost.any(|it| may_remove(cluster, target, it))
}

/// Whether a member still has a reason to leave.
pub(crate) fn is_to_leave(cluster: &Cluster, target: &Topology, member: &Member) -> bool {
    let surplus = unit_of(target, member).is_none_or(|it| has_surplus(cluster, it));
    surplus || member.health.is_given_up()
}

/// Whether a member can be taken off the list: without it there is a quorum, and its group has what it had. A group
/// that is not asked for any more is drained before.
pub(crate) fn may_remove(cluster: &Cluster, target: &Topology, member: &Member) -> bool {
    let drains = unit_of(target, member).is_none();
    leaves_quorum(cluster, member) && (drains || groups::leaves_a_copy(cluster, target, member))
}

/// Whether those who stay and work are a majority of those who stay. One without a vote never counted.
pub(crate) fn leaves_quorum(cluster: &Cluster, member: &Member) -> bool {
    let stays = |it: &&Member| it.name != member.name;
    let working = cluster.voters().filter(stays).filter(|it| it.health.is_healthy()).count();
    !member.votes || working >= quorum(cluster.voters().count() - 1)
}

/// Whether a member is what its role wants it to be: in a role whose members vote, one that does. One that somebody
/// gave a vote against its role counts for it all the same, and is told.
pub(crate) fn is_complete(role: &Role, member: &Member) -> bool {
    role.is_led() || member.votes || !role.votes
}

/// The members of a unit that count for its size: those that are complete, and nowhere the one that joins.
pub(crate) fn counted<'c>(
    cluster: &'c Cluster,
    (role, group): Unit<'c>,
    joining: Option<&'c MemberName>,
) -> impl Iterator<Item = &'c Member> {
    let complete = move |it: &&Member| is_complete(role, it) && Some(&it.name) != joining;
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
    target: &Topology,
    unit: Unit<'_>,
    joining: Option<&MemberName>,
) -> bool {
    let has = counted(cluster, unit, joining).count();
    let moves = || counted(cluster, unit, joining).any(|it| must_move(cluster, target, it));
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
