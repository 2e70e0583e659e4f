//! What an operator would do next and why, for people: asked for while it runs, by the look that it would take anyway.
//!
//! Who asks names an object, and may bring a spec that is looked at in place of the object's own. Nothing is done and
//! nothing is written for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use endstate_core::{
    App, Assessed, Change, Plan, Severity, Situation, Snapshot, Violation, WaitRow, assess, lint,
    plan,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::oneshot;

use super::operand::{Operand, SpecOf};
use crate::ObjectKey;

/// What would be done, and why.
///
/// ```
/// let nothing = endstate::operator::Explanation::default();
/// assert!(nothing.next.is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Explanation {
    /// How things stand, in a sentence.
    pub situation: String,
    /// What is known, a line each: who agrees, who leads, how each member is, what is recorded.
    pub evidence: Vec<String>,
    /// What is wrong with the spec, or worth a warning.
    pub problems: Vec<String>,
    /// What it takes to bring members to the spec, a line for each that is not.
    pub changes: Vec<String>,
    /// What would be done now.
    pub next: Vec<String>,
    /// What is waited for.
    pub waiting: Vec<WaitRow>,
    /// Why the plan would not be carried out: a bug.
    pub violations: Vec<String>,
}

/// Whoever waits for an explanation.
type Asked = (Option<Value>, oneshot::Sender<Result<Explanation, String>>);

/// Questions about objects, answered by the next look at each.
#[derive(Clone, Default)]
pub(crate) struct Questions(Arc<Mutex<HashMap<ObjectKey, Vec<Asked>>>>);

impl Questions {
    /// Asks; the answer comes with the next look, which has to be woken.
    pub(crate) fn ask(
        &self,
        key: ObjectKey,
        spec: Option<Value>,
    ) -> oneshot::Receiver<Result<Explanation, String>> {
        let (answer, waits) = oneshot::channel();
        let mut asked = self.lock();
        let asked = asked.entry(key).or_default();
        // A replica that does not lead looks at nothing, and nobody waits for ever.
        asked.retain(|it| !it.1.is_closed());
        asked.push((spec, answer));
        waits
    }

    /// Answers everybody who asked about this object.
    pub(super) fn answer<O: Operand>(
        &self,
        key: &ObjectKey,
        operand: &O,
        snapshot: &Snapshot<SpecOf<O>>,
    ) {
        let asked = self.lock().remove(key).unwrap_or_default();
        for (spec, answer) in asked {
            // Who asked may have gone.
            let _ = answer.send(explain(operand, snapshot, spec.as_ref()));
        }
    }

    /// There is no such object.
    pub(super) fn forget(&self, key: &ObjectKey) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, Vec<Asked>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn explain<O: Operand>(
    operand: &O,
    seen: &Snapshot<SpecOf<O>>,
    spec: Option<&Value>,
) -> Result<Explanation, String> {
    let mut snapshot = seen.clone();
    if let Some(spec) = spec {
        snapshot.spec =
            operand.spec(spec).map_err(|it| format!("the spec cannot be read: {it}"))?;
        snapshot.object.generation += 1;
        // The API was not asked about this one.
        snapshot.rejected = None;
    }
    let assessed = assess(operand.app(), &snapshot);
    let plan = plan(operand.app(), &snapshot);
    let violations = lint(&snapshot, &plan);
    Ok(explanation(&assessed, &plan, &violations))
}

fn explanation<A: App>(
    assessed: &Assessed<'_, A>,
    plan: &Plan<A::Spec>,
    violations: &[Violation],
) -> Explanation {
    let problem = |it: &endstate_core::Problem| {
        let refused = if it.severity == Severity::Refused { "refused: " } else { "warning: " };
        format!("{refused}{it}")
    };
    Explanation {
        situation: situation(&assessed.situation).to_owned(),
        evidence: evidence(assessed),
        problems: assessed.problems.iter().map(problem).collect(),
        changes: changes(assessed),
        next: plan.actions.iter().map(ToString::to_string).collect(),
        waiting: plan.waits.iter().map(WaitRow::from).collect(),
        violations: violations.iter().map(ToString::to_string).collect(),
    }
}

fn situation(it: &Situation) -> &'static str {
    match it {
        Situation::Deleting => "the object is being deleted",
        Situation::NotAccepted => "no spec was accepted yet",
        Situation::Paused => "the cluster is paused",
        Situation::NameTaken => "others have objects of names that the cluster needs",
        Situation::PodsUnknown => "the pods could not be listed",
        Situation::Hibernating => "no member is to run",
        Situation::PodsRefused => "the API refused pods",
        Situation::Forming => "there is no cluster yet",
        Situation::Formed => "the cluster is being recorded",
        Situation::Quorum => "a quorum proves who the members are",
        Situation::NoQuorum(_) => "nothing proves who the members are",
    }
}

fn evidence<A: App>(assessed: &Assessed<'_, A>) -> Vec<String> {
    let record = &assessed.record;
    let mut lines = vec![];
    if let Some(id) = &record.cluster_id {
        lines.push(format!("cluster {id} with {} members is recorded", record.members.len()));
    }
    if let Some(step) = &record.step {
        lines.push(format!("a step about {} is under way", step.member()));
    }
    if !record.kept.is_empty() {
        let names: Vec<_> = record.kept.iter().map(|it| it.as_str()).collect();
        lines.push(format!("volumes of {} belong to no member and are kept", names.join(", ")));
    }
    if let Some(list) = assessed.list() {
        let (voters, all) = (list.voters().count(), list.members.len());
        lines.push(format!("{} of {voters} voters give the same list of {all}", list.agreed));
    }
    if let Some(leader) = assessed.cluster.as_ref().and_then(|it| it.leader()) {
        lines.push(format!("{} leads", leader.name));
    }
    lines.extend(record.members.iter().map(|it| {
        let health = assessed.health(it);
        match health.cause() {
            Some(cause) => format!("{}: {cause}", it.name),
            None => format!("{}: healthy", it.name),
        }
    }));
    lines
}

fn changes<A: App>(assessed: &Assessed<'_, A>) -> Vec<String> {
    let members = assessed.cluster.iter().flat_map(|it| &it.members);
    let changed = members.filter(|it| it.change != Change::Nothing);
    let words = |it: &endstate_core::Member| match it.change {
        Change::Nothing => "stays as it is",
        Change::Live => "gets other labels or another size of its volume, and runs on",
        Change::Restart => "restarts in place",
        Change::Recreate if it.durable => "gets another pod on its volume",
        // Another pod, or another volume.
        _ => "is replaced: a successor joins, then it leaves",
    };
    changed.map(|it| format!("{} {}", it.name, words(it))).collect()
}
