//! Garbage collection: objects whose owners are gone, go.
//!
//! The [`Graph`] is data: who exists, and who names whom as an owner. [`plan`] says what to do about one object. An
//! owner that the graph does not know is not gone: its absence must first be proven at the API, by uid.
//!
//! Invariants: an object with an owner that exists, or of which nothing is known, is never deleted; foreground deletion
//! waits only for dependents that block; cycles come to an end.

mod graph;

use std::collections::BTreeMap;

use machinery::Propagation;

pub use graph::{Graph, Node, Object, Owner, Uid};

/// Holds an object that is deleted in the foreground until its blocking dependents are gone.
pub const FOREGROUND: &str = "foregroundDeletion";
/// Holds an object until its dependents no longer name it.
pub const ORPHAN: &str = "orphan";

/// What is known of owners that the graph lacks, from asking the API.
pub type Checked = BTreeMap<Uid, Presence>;

/// What the API said about an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// There is an object of that kind, name and uid.
    Exists,
    /// There is none.
    Absent,
    /// Its kind is not served, or its place is not one where the owner of this object can be.
    Unknown,
}

/// What to do about one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Owners whose presence must be asked for before anything else can be planned.
    pub check: Vec<Owner>,
    pub actions: Vec<Action>,
    /// Other objects to plan for next.
    pub visit: Vec<Uid>,
}

/// A write. All are guarded by the object's uid and resource version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Delete {
        object: Object,
        policy: Propagation,
    },
    /// Leaves these owners only.
    SetOwners {
        object: Object,
        owners: Vec<Owner>,
    },
    /// Leaves these finalizers only.
    SetFinalizers {
        object: Object,
        finalizers: Vec<String>,
    },
}

/// Plans for one object.
pub fn plan(graph: &Graph, uid: &Uid, checked: &Checked) -> Plan {
    let Some(node) = graph.get(uid) else { return Plan::default() };
    if node.is_deleting && node.has_finalizer(ORPHAN) {
        return orphan_dependents(graph, node);
    }
    if node.is_deleting && node.has_finalizer(FOREGROUND) {
        return await_dependents(graph, node);
    }
    if node.is_deleting || node.owners.is_empty() {
        return Plan::default();
    }
    judge(graph, node, checked)
}

/// Takes the object out of its dependents' owners, then lets it go.
fn orphan_dependents(graph: &Graph, node: &Node) -> Plan {
    let mut plan = Plan::default();
    for dependent in graph.dependents(&node.object.uid) {
        let owners =
            dependent.owners.iter().filter(|it| it.uid != node.object.uid).cloned().collect();
        plan.actions.push(Action::SetOwners { object: dependent.object.clone(), owners });
    }
    plan.actions.push(without_finalizer(node, ORPHAN));
    plan
}

/// Lets the object go once no dependent blocks; else sees to the dependents.
fn await_dependents(graph: &Graph, node: &Node) -> Plan {
    let uid = &node.object.uid;
    let blocks = |it: &&Node| it.owners.iter().any(|owner| owner.uid == *uid && owner.blocks);
    if !graph.dependents(uid).any(|it| blocks(&it)) {
        return Plan { actions: vec![without_finalizer(node, FOREGROUND)], ..Plan::default() };
    }
    Plan {
        visit: graph.dependents(uid).map(|it| it.object.uid.clone()).collect(),
        ..Plan::default()
    }
}

fn without_finalizer(node: &Node, finalizer: &str) -> Action {
    let finalizers = node.finalizers.iter().filter(|it| *it != finalizer).cloned().collect();
    Action::SetFinalizers { object: node.object.clone(), finalizers }
}

/// Sorts the owners of an object into those that hold it, those that are gone, and those that wait for it to go.
fn judge(graph: &Graph, node: &Node, checked: &Checked) -> Plan {
    let (mut solid, mut gone, mut waiting, mut check) = (vec![], vec![], vec![], vec![]);
    for owner in &node.owners {
        match graph.owner_of(node, owner) {
            Some(it) if it.is_deleting && it.has_finalizer(FOREGROUND) => {
                waiting.push(owner.clone())
            }
            Some(_) => solid.push(owner.clone()),
            None => match checked.get(&owner.uid) {
                Some(Presence::Exists | Presence::Unknown) => solid.push(owner.clone()),
                Some(Presence::Absent) => gone.push(owner.clone()),
                None => check.push(owner.clone()),
            },
        }
    }
    if !check.is_empty() {
        return Plan { check, ..Plan::default() };
    }
    if !solid.is_empty() {
        let is_mixed = !gone.is_empty() || waiting.iter().any(|it| it.blocks);
        // An owner that waits but is not blocked by this object may stay named until it is gone.
        let keeps =
            |owner: &&Owner| solid.contains(owner) || (!owner.blocks && waiting.contains(owner));
        let owners = node.owners.iter().filter(keeps).cloned().collect();
        let strip = Action::SetOwners { object: node.object.clone(), owners };
        return Plan {
            actions: is_mixed.then_some(strip).into_iter().collect(),
            ..Plan::default()
        };
    }
    delete(graph, node, waiting.is_empty())
}

fn delete(graph: &Graph, node: &Node, nobody_waits: bool) -> Plan {
    let object = node.object.clone();
    let has_dependents = graph.dependents(&object.uid).next().is_some();
    let policy = match () {
        () if node.has_finalizer(ORPHAN) => Propagation::Orphan,
        () if node.has_finalizer(FOREGROUND) => Propagation::Foreground,
        () if !nobody_waits && has_dependents => Propagation::Foreground,
        () => Propagation::Background,
    };
    let mut plan = Plan::default();
    // Part of a cycle: a dependent is itself waiting for its dependents, perhaps for this object. Stop blocking.
    let is_cyclic = policy == Propagation::Foreground
        && graph.dependents(&object.uid).any(|it| it.is_deleting && it.has_finalizer(FOREGROUND));
    if is_cyclic && node.owners.iter().any(|it| it.blocks) {
        let owners = node.owners.iter().map(|it| Owner { blocks: false, ..it.clone() }).collect();
        plan.visit.push(object.uid.clone());
        plan.actions.push(Action::SetOwners { object, owners });
        return plan;
    }
    plan.actions.push(Action::Delete { object, policy });
    plan
}

#[cfg(test)]
mod tests;
