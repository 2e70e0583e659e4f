//! What a pod and its containers may use: their control groups, changes of them, and what the node has given away.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Container as Spec, Pod, PodSpec};

use super::{LiveContainer, Shared, Worker};
use crate::config::Limits;
use crate::doctor::not_enforced;
use crate::launch::Bounds;
use crate::limits::{Amounts, Quality, Settings, requested};
use crate::plan::Room;
use crate::runtime::Group;
use crate::volumes::uid;

const RETRY: SignedDuration = SignedDuration::from_secs(5);

/// What pods request of each node, by uid: the node, thousandths of a processor, bytes.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pods: Mutex<BTreeMap<String, (u16, i64, i64)>>,
}

impl Ledger {
    fn set(&self, uid: &str, node: u16, amounts: (i64, i64)) {
        let entry = (node, amounts.0, amounts.1);
        self.pods.lock().expect("no panic while held").insert(uid.to_owned(), entry);
    }

    pub(super) fn remove(&self, uid: &str) {
        self.pods.lock().expect("no panic while held").remove(uid);
    }

    fn others(&self, uid: &str, node: u16) -> (i64, i64) {
        let pods = self.pods.lock().expect("no panic while held");
        let others = pods.iter().filter(|(other, entry)| *other != uid && entry.0 == node);
        others.fold((0, 0), |sum: (i64, i64), (_, entry)| {
            (sum.0.saturating_add(entry.1), sum.1.saturating_add(entry.2))
        })
    }
}

impl Worker {
    pub(super) fn room(&self) -> Room {
        let allocatable = self.shared.config.share().allocatable;
        let cpus = i64::try_from(allocatable.cpus).unwrap_or(i64::MAX);
        let not_enforced = match &self.shared.config.limits {
            Limits::Enforced(_) => None,
            Limits::NotEnforced { why } => Some(not_enforced(why)),
        };
        Room {
            not_enforced,
            allocatable: (cpus.saturating_mul(1000), allocatable.memory_bytes()),
            others: self.shared.ledger.others(uid(&self.pod), self.node),
        }
    }

    /// Enters what the pod is given, as long as it runs.
    pub(super) fn account(&self) {
        match self.published.phase.as_deref() {
            Some("Succeeded" | "Failed") => self.shared.ledger.remove(uid(&self.pod)),
            _ => self.shared.ledger.set(uid(&self.pod), self.node, requested(&self.allocated)),
        }
    }

    pub(super) fn make_group(&self) -> std::io::Result<()> {
        let Some(groups) = self.shared.config.limits.groups() else { return Ok(()) };
        groups.set_pod(uid(&self.pod), &Settings::of_pod(&self.allocated))
    }

    /// Gives a running container what the spec now asks for.
    pub(super) async fn resize(&mut self, name: &str) {
        let Some(spec) = self.spec_of(name) else { return };
        let done = self.change(&spec).await;
        let Some(record) = self.containers.get_mut(name) else { return };
        match done {
            Ok(()) => {
                record.resources = Some(spec.resources.unwrap_or_default());
                record.resize_failed = None;
            }
            Err(message) => record.resize_failed = Some((message, Timestamp::now() + RETRY)),
        }
    }

    async fn change(&self, spec: &Spec) -> Result<(), String> {
        let Some(live) = self.live.get(&spec.name) else { return Ok(()) };
        let id = &live.commands.container;
        let Some(group) = self.bounds(spec, run_of(&self.pod, live)).group else { return Ok(()) };
        // A group of the older hierarchies is never wider than its parent: the pod's grows before the container's and
        // shrinks after it. So the first of the two tries may fail.
        let _ = self.make_group();
        let updated = self.shared.runtime.update(id, &group.changes()).await;
        updated.map_err(|error| crate::chain(&error))?;
        self.make_group().map_err(|error| error.to_string())
    }

    pub(super) fn bounds(&self, spec: &Spec, run: &str) -> Bounds {
        let config = &self.shared.config;
        let group = config.limits.groups().map(|groups| Group {
            path: groups.container(uid(&self.pod), run),
            version: groups.version,
            settings: Settings::of_container(spec.resources.as_ref()),
        });
        let amounts = Amounts::of(spec.resources.as_ref());
        let request = amounts.memory_request.unwrap_or(0);
        let capacity = self.shared.config.share().capacity.memory_bytes();
        Bounds {
            oom_score_adj: config.oom.container(Quality::of(&self.pod), (request, capacity)),
            processes_max: group.is_none().then_some(config.processes.container),
            group,
        }
    }
}

/// The run's name among those of its pod.
fn run_of<'a>(pod: &Pod, live: &'a LiveContainer) -> &'a str {
    let id = live.commands.container.as_str();
    id.strip_prefix(uid(pod)).and_then(|rest| rest.get(1..)).unwrap_or_default()
}

/// Puts the requests and limits that containers are given into a spec.
pub(super) fn give(spec: &mut PodSpec, allocated: &PodSpec) {
    let inits = spec.init_containers.iter_mut().flatten();
    for container in inits.chain(&mut spec.containers) {
        let mut all = allocated.init_containers.iter().flatten().chain(&allocated.containers);
        if let Some(given) = all.find(|it| it.name == container.name) {
            container.resources.clone_from(&given.resources);
        }
    }
}

/// Removes the run's control group. Returns whether a process in it was killed because it was out of memory, by the
/// kernel's own count.
pub(super) async fn leave_group(shared: &Arc<Shared>, pod: &Pod, live: &LiveContainer) -> bool {
    let Some(groups) = shared.config.limits.groups() else { return false };
    let run = run_of(pod, live);
    let starved = groups.out_of_memory(uid(pod), run);
    if let Err(error) = groups.remove_container(uid(pod), run).await {
        tracing::warn!(%error, pod = uid(pod), run, "cannot remove a container's control group");
    }
    starved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_pods_request_is_summed_up_to_the_largest_number() {
        let ledger = Ledger::default();
        for (uid, node, amounts) in
            [("a", 0, (i64::MAX, 1)), ("b", 0, (1, i64::MAX)), ("c", 0, (1, 2)), ("d", 1, (4, 4))]
        {
            ledger.set(uid, node, amounts);
        }
        assert_eq!(ledger.others("c", 0), (i64::MAX, i64::MAX));
        assert_eq!(ledger.others("b", 0), (i64::MAX, 3));
        assert_eq!(ledger.others("c", 1), (4, 4));
    }
}
