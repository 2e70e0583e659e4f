//! What is told to those who ask that the pods of members go.

use jiff::SignedDuration;

use crate::app::App;
use crate::assess::{Assessed, Situation};
use crate::exit::Words;
use crate::limits::{HEARTBEAT_SECONDS, is_recent};
use crate::plan::Heartbeat;
use crate::pod::Eviction;
use crate::record::Record;
use crate::snapshot::Snapshot;

/// Says that the operator is at work on each eviction that it can do something for. Of what it cannot do anything for
/// it says nothing, so that Kubernetes passes it on.
pub(super) fn heartbeats<A: App>(assessed: &Assessed<'_, A>) -> Vec<Heartbeat> {
    let Some(cluster) = assessed.cluster.as_ref() else { return vec![] };
    if assessed.situation != Situation::Quorum || is_held_up(&assessed.record, assessed.snapshot) {
        return vec![];
    }
    let members = cluster.members.iter().filter(|it| it.vacates);
    let asked = members.filter_map(|member| {
        let eviction = assessed.snapshot.pod(&member.name)?.eviction.as_ref()?;
        is_due(assessed, eviction).then(|| {
            let message = format!("{} leaves when another member works in its place", member.name);
            Heartbeat { eviction: eviction.name.clone(), message: Words::of(&message) }
        })
    });
    asked.collect()
}

/// Whether who is coming does not come: its pod does not get to run, or the last try came to nothing.
pub(super) fn is_held_up<S>(record: &Record<S>, snapshot: &Snapshot<S>) -> bool {
    let pod = record.step.as_ref().and_then(|it| snapshot.pod(it.member()));
    record.backoff.is_some() || pod.is_some_and(|it| it.trouble.is_some())
}

fn is_due<A: App>(assessed: &Assessed<'_, A>, eviction: &Eviction) -> bool {
    let pause = SignedDuration::from_secs(HEARTBEAT_SECONDS);
    !eviction.heartbeat.is_some_and(|it| is_recent(it, assessed.snapshot.now, pause))
}
