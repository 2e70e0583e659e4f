//! Publishing a pod's status, and what comes back.

use k8s_openapi::api::core::v1::{Pod, PodCondition, PodStatus};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::Worker;
use crate::events::Kind;
use crate::plan::{OWN_CONDITIONS, Plan};
use crate::volumes::namespace;

impl Worker {
    /// Writes the status if it is new. Returns whether the API has it.
    pub(super) async fn publish(&mut self, status: &PodStatus) -> bool {
        if self.gone || self.finished || *status == self.published {
            return true;
        }
        let api: Api<Pod> = Api::namespaced(self.shared.client.clone(), namespace(&self.pod));
        let name = self.pod.metadata.name.as_deref().unwrap_or_default();
        let patch = json!({"metadata": {"uid": self.pod.metadata.uid}, "status": explicit(status)});
        match api.patch_status(name, &PatchParams::default(), &Patch::Merge(&patch)).await {
            Ok(pod) => {
                self.written = revision(&pod);
                self.published = status.clone();
                true
            }
            // Gone, or another pod under this name: the watch tells.
            Err(kube::Error::Api(error)) if matches!(error.code, 404 | 409) => {
                self.published = status.clone();
                true
            }
            Err(error) => {
                tracing::debug!(%error, pod = name, "cannot publish a pod's status");
                false
            }
        }
    }
}

/// The status with explicit nulls, so that a merge removes what is no more.
fn explicit(status: &PodStatus) -> Value {
    let mut value = json!(status);
    for field in ["reason", "message", "podIP", "podIPs", "initContainerStatuses"] {
        if value.get(field).is_none() {
            value[field] = Value::Null;
        }
    }
    value
}

/// The version of an object that the API server gave; 0 if that is no number.
pub(super) fn revision(pod: &Pod) -> u64 {
    pod.metadata.resource_version.as_deref().and_then(|it| it.parse().ok()).unwrap_or_default()
}

/// Takes over what others wrote into the status: foreign conditions, a terminal phase (an eviction's), and, if it is
/// newer than what was `written` here, what they made of our own conditions (the pods of a node that seemed lost are
/// not ready): they are then published anew.
pub(super) fn absorb(published: &mut PodStatus, pod: &Pod, written: u64) {
    let Some(theirs) = &pod.status else { return };
    let is_own = |it: &&PodCondition| OWN_CONDITIONS.contains(&it.type_.as_str());
    let ours = published.conditions.take().unwrap_or_default();
    let all = theirs.conditions.as_deref().unwrap_or_default();
    let own = if revision(pod) > written { all } else { &ours };
    let own = own.iter().filter(is_own);
    let foreign = all.iter().filter(|it| !is_own(it));
    published.conditions = Some(own.chain(foreign).cloned().collect());
    published.qos_class.clone_from(&theirs.qos_class);
    let terminal =
        |status: &PodStatus| matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    if terminal(theirs) && !terminal(published) {
        published.phase.clone_from(&theirs.phase);
        published.reason.clone_from(&theirs.reason);
        published.message.clone_from(&theirs.message);
    }
}

/// Tells about containers that wait for a restart.
pub(super) fn backoffs(worker: &Worker, plan: &Plan) {
    for (container, hold) in &plan.holds {
        let text = hold.message.clone().unwrap_or_default();
        let known = worker.published.container_statuses.iter().flatten().any(|status| {
            let waiting = status.state.as_ref().and_then(|state| state.waiting.as_ref());
            status.name == *container
                && waiting.is_some_and(|it| it.reason.as_deref() == Some(hold.reason))
        });
        if !known && matches!(hold.reason, "CrashLoopBackOff" | "ImagePullBackOff") {
            worker.emit(container, Kind::Warning, "BackOff", text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_may_add_conditions_and_end_the_pod() {
        let status = |value: Value| serde_json::from_value::<PodStatus>(value).unwrap();
        let mut ours = status(json!({"phase": "Running", "conditions": [
            {"type": "Ready", "status": "True"}, {"type": "X", "status": "False"}]}));
        let theirs = status(json!({"phase": "Failed", "reason": "Evicted", "conditions": [
            {"type": "Ready", "status": "False"}, {"type": "X", "status": "True"}]}));
        let mut theirs = Pod { status: Some(theirs), ..Pod::default() };
        theirs.metadata.resource_version = Some("7".to_owned());
        absorb(&mut ours, &theirs, 7);
        assert_eq!(
            json!(ours),
            json!({"phase": "Failed", "reason": "Evicted", "conditions": [
                {"type": "Ready", "status": "True"}, {"type": "X", "status": "True"}]})
        );
        absorb(&mut ours, &theirs, 6);
        assert_eq!(ours.conditions.unwrap()[0].status, "False", "newer than what we wrote");
    }

    #[test]
    fn what_is_no_more_is_removed() {
        let value = explicit(&PodStatus::default());
        assert_eq!(value["podIP"], Value::Null);
        assert!(value.as_object().unwrap().contains_key("podIP"));
    }
}
