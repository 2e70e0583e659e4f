//! Where members are, how evenly, and who is not to stay there.

use crate::member::{Cluster, Member};
use crate::place::{Place, Room};
use crate::record::Unevenness;
use crate::snapshot::Snapshot;

/// Whether a member's node is being emptied.
pub(crate) fn is_on_emptied<S>(snapshot: &Snapshot<S>, node: Option<&str>) -> bool {
    node.and_then(|it| place(&snapshot.places, it)).is_some_and(|it| it.room == Room::Emptied)
}

/// Whether somebody wants a member off its node: it is being emptied, or the member's pod evicted.
pub(crate) fn is_wanted_off<S>(snapshot: &Snapshot<S>, member: &str, node: Option<&str>) -> bool {
    let evicted = || snapshot.pod(member).is_some_and(|it| it.eviction.is_some());
    is_on_emptied(snapshot, node) || evicted()
}

/// Whether a node takes new members, as far as is known. Where none does nobody can be moved.
pub(crate) fn has_room<S>(snapshot: &Snapshot<S>) -> bool {
    snapshot.places.iter().any(|it| it.room == Room::Open)
}

/// The first of these members, and of those that are as dispensable as it, the one that stands where most stand.
pub(crate) fn most_crowded<'c>(
    (cluster, places): (&Cluster, &[Place]),
    order: impl Iterator<Item = &'c Member>,
) -> Option<&'c Member> {
    let alike = |it: &Member| (it.health.is_healthy(), it.ready, it.votes, it.outdated);
    let mut order = order.peekable();
    let first = alike(order.peek()?);
    let equals: Vec<_> = order.take_while(|it| alike(it) == first).collect();
    let most = equals.iter().map(|it| crowd(cluster, places, it)).max()?;
    equals.into_iter().find(|it| crowd(cluster, places, it) == most)
}

/// How many members of a member's unit are on its node, and in its zone.
fn crowd(cluster: &Cluster, places: &[Place], member: &Member) -> (usize, usize) {
    let Some(node) = &member.node else { return (0, 0) };
    let stand = Stand::of(cluster, places, member);
    (stand.on(node), stand.in_zone_of(node))
}

/// The members of one unit on their nodes.
struct Stand<'a> {
    places: &'a [Place],
    nodes: Vec<&'a str>,
}

impl<'a> Stand<'a> {
    fn of(cluster: &'a Cluster, places: &'a [Place], member: &'a Member) -> Self {
        let own = cluster.own(&member.role, member.group);
        Self { places, nodes: own.filter_map(|it| it.node.as_deref()).collect() }
    }

    fn on(&self, node: &str) -> usize {
        self.nodes.iter().filter(|it| **it == node).count()
    }

    fn in_zone_of(&self, node: &str) -> usize {
        let Some(zone) = self.zone(node) else { return 0 };
        self.nodes.iter().filter(|it| self.zone(it) == Some(zone)).count()
    }

    fn zone(&self, node: &str) -> Option<&'a str> {
        place(self.places, node)?.zone.as_deref()
    }

    /// Whether the unit would be spread better if one were on another node instead of its own: over nodes first, as the
    /// scheduler does it, then over zones.
    fn improves(&self, from: &str, to: &str) -> bool {
        let gain = |here: usize, there: usize| {
            i64::try_from(here).unwrap_or(0) - i64::try_from(there).unwrap_or(0) - 1
        };
        let apart = self.zone(from) != self.zone(to);
        let zones = if apart { gain(self.in_zone_of(from), self.in_zone_of(to)) } else { 0 };
        match gain(self.on(from), self.on(to)) {
            0 => zones > 0,
            nodes => nodes > 0,
        }
    }
}

fn place<'p>(places: &'p [Place], node: &str) -> Option<&'p Place> {
    places.iter().find(|it| it.node == node)
}

/// Whether a unit is spread better with a member on another node, which takes it.
pub(crate) fn is_crowded(cluster: &Cluster, places: &[Place], member: &Member) -> bool {
    let Some(node) = member.node.as_deref() else { return false };
    let stand = Stand::of(cluster, places, member);
    let mut open = places.iter().filter(|it| it.room == Room::Open);
    open.any(|it| it.node != node && stand.improves(node, &it.node))
}

/// How uneven a whole cluster is: smaller is better, and each move that improves it makes it smaller.
pub(crate) fn unevenness(cluster: &Cluster, places: &[Place]) -> Unevenness {
    let crowds = || cluster.members.iter().map(|it| crowd(cluster, places, it));
    let sum = |all: usize| u32::try_from(all).unwrap_or(u32::MAX);
    Unevenness {
        on_nodes: sum(crowds().map(|it| it.0).sum()),
        in_zones: sum(crowds().map(|it| it.1).sum()),
    }
}

/// What every reader of JSON takes for the number that it is.
const EXACT: u64 = (1 << 52) - 1;

/// A number made of the names of the nodes that take members, whatever their order (FNV-1a of each).
pub(crate) fn fingerprint(places: &[Place]) -> u64 {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let open = places.iter().filter(|it| it.room == Room::Open);
    open.map(|it| it.node.bytes().fold(0xcbf2_9ce4_8422_2325, fold)).fold(0, u64::wrapping_add)
        & EXACT
}
