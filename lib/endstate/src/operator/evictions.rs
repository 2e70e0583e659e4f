//! Evictions that the operator is asked to see to, as a responder of Kubernetes' `Eviction` objects
//! ([KEP-4563](https://kep.k8s.io/4563)). Nothing is decided here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use endstate_core::{Eviction, Heartbeat};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Cache, Context, Engine, ObjectKey, Scope};

/// The priority that Kubernetes gives the controller of a pod.
const PRIORITY: u32 = 10_000;

/// How long a refused answer rests. Kubernetes asks for no more than one answer in that time.
const PAUSE: SignedDuration = SignedDuration::from_secs(20);

/// The evictions for which this operator is a responder. Where the API does not serve them there are none.
#[derive(Clone)]
pub(super) struct Evictions {
    cache: Cache<DynamicObject>,
    responder: String,
    /// When an answer was refused last, by the uid of the eviction. Losing it in a restart costs one try.
    refused: Arc<Mutex<HashMap<String, Timestamp>>>,
}

/// What is read of an eviction.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Seen {
    spec: Spec,
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    target: Target,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Target {
    pod: Option<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    name: String,
    uid: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    target_responders: Vec<Turn>,
    responders: Vec<Value>,
}

/// Whose turn it is.
#[derive(Deserialize)]
struct Turn {
    name: String,
    state: String,
}

impl Evictions {
    pub(super) fn open(engine: &mut Engine, group: &str) -> Self {
        let responder = format!("{group}/operator");
        let cache = engine.cache_of(kind(), Scope::all().optional());
        Self { cache, responder, refused: Arc::default() }
    }

    pub(super) fn cache(&self) -> &Cache<DynamicObject> {
        &self.cache
    }

    /// Says on a new pod who responds to its eviction, where evictions are served: who does not know the field may
    /// refuse it.
    pub(super) fn respond(&self, pod: &mut Value) {
        if self.are_served() {
            let responder = json!({ "name": self.responder, "priority": PRIORITY });
            pod["spec"]["evictionResponders"] = json!([responder]);
        }
    }

    /// Those of the pods of a namespace that are this operator's turn, by uid.
    pub(super) fn of(&self, namespace: &str) -> HashMap<String, Eviction> {
        // What was seen before they were no longer served is nobody's wish any more.
        let all = if self.are_served() { self.cache.in_namespace(namespace) } else { vec![] };
        all.iter().filter_map(|it| active(it, &self.responder)).collect()
    }

    fn are_served(&self) -> bool {
        self.cache.is_synced() && !self.cache.is_refused()
    }

    /// Says that the operator is at work on it. What is no longer there, or no longer its turn, needs no answer; and an
    /// answer that is refused holds nothing up: it is tried again later.
    pub(super) async fn answer(&self, namespace: &str, heartbeat: &Heartbeat, ctx: &Context) {
        let (key, now) = (ObjectKey::namespaced(namespace, &*heartbeat.eviction), ctx.now());
        let Some(object) = self.cache.get(&key) else { return };
        let uid = object.uid().unwrap_or_default();
        if self.refused().get(&uid).is_some_and(|it| now.duration_since(*it) < PAUSE) {
            return;
        }
        let wanted = answered(&object, &self.responder, heartbeat, now);
        match ctx.of::<DynamicObject>(kind()).update_status(&object, &wanted).await {
            Err(error) if !error.is_not_found() && !error.is_conflict() => {
                tracing::warn!(%key, why = %error.answer(), "an eviction could not be answered");
                let mut refused = self.refused();
                refused.retain(|_, it| now.duration_since(*it) < PAUSE);
                refused.insert(uid, now);
            }
            _ => {}
        }
    }

    fn refused(&self) -> MutexGuard<'_, HashMap<String, Timestamp>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kind() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("lifecycle.k8s.io", "v1alpha1", "Eviction"))
}

/// The pod that an eviction is about.
pub(super) fn pod_of(eviction: &DynamicObject) -> Option<ObjectKey> {
    let pod = seen(eviction).spec.target.pod?;
    Some(ObjectKey::namespaced(eviction.namespace().unwrap_or_default(), pod.name))
}

fn seen(eviction: &DynamicObject) -> Seen {
    Seen::deserialize(&eviction.data).unwrap_or_default()
}

/// The uid of the pod, and the eviction, if it is this responder's turn.
fn active(object: &DynamicObject, responder: &str) -> Option<(String, Eviction)> {
    let seen = seen(object);
    let own = |it: &Turn| it.name == responder && it.state == "Active";
    seen.status.target_responders.iter().any(own).then_some(())?;
    let answers = seen.status.responders.iter().find(|it| it["name"] == *responder);
    let mut eviction = Eviction::new(object.name_any());
    eviction.heartbeat = answers.and_then(|it| time(&it["heartbeatTime"]));
    Some((seen.spec.target.pod?.uid, eviction))
}

/// An eviction with the answer of a responder.
fn answered(
    object: &DynamicObject,
    responder: &str,
    heartbeat: &Heartbeat,
    now: Timestamp,
) -> DynamicObject {
    let mut wanted = object.clone();
    let responders = wanted.data["status"]["responders"].as_array_mut();
    for answer in responders.into_iter().flatten().filter(|it| it["name"] == *responder) {
        // The API refuses one before the start or the last, which another's clock may have told.
        let told = [&answer["startTime"], &answer["heartbeatTime"]].into_iter().filter_map(time);
        answer["heartbeatTime"] = format!("{:.0}", told.fold(now, Timestamp::max)).into();
        answer["message"] = heartbeat.message.to_string().into();
    }
    wanted
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use endstate_core::Words;

    use super::*;

    const OWN: &str = "example.endstate.dev/operator";

    fn eviction(state: &str, answer: Value) -> DynamicObject {
        let other = json!({ "name": "imperative-eviction.k8s.io/evictor", "state": "Inactive" });
        serde_json::from_value(json!({
            "metadata": { "name": "e", "namespace": "default" },
            "spec": { "target": { "pod": { "name": "demo-a", "uid": "9b1d" } } },
            "status": {
                "targetResponders": [other, { "name": OWN, "state": state }],
                "responders": [{ "name": other["name"] }, answer],
            },
        }))
        .unwrap()
    }

    fn started() -> Value {
        json!({ "name": OWN, "startTime": "2026-01-01T00:00:10Z" })
    }

    #[test]
    fn only_the_active_responder_responds() {
        let (uid, seen) = active(&eviction("Active", started()), OWN).unwrap();
        assert_eq!((&*uid, &*seen.name, seen.heartbeat), ("9b1d", "e", None));
        for state in ["Inactive", "Interrupted", "Canceled", "Completed"] {
            assert_eq!(active(&eviction(state, started()), OWN), None, "{state}");
        }
        assert_eq!(active(&eviction("Active", started()), "example.com/other"), None);
        let new: DynamicObject = serde_json::from_value(json!({ "metadata": {} })).unwrap();
        assert_eq!(active(&new, OWN), None, "its controller has not seen it yet");
        let key = pod_of(&eviction("Active", started())).unwrap();
        assert_eq!(key, ObjectKey::namespaced("default", "demo-a"));
    }

    #[test]
    fn an_answer_is_read_again_and_is_not_before_the_start() {
        let message = Words::of("another joins");
        let heartbeat = Heartbeat { eviction: "e".into(), message };
        for (now, expected) in [
            ("2026-01-01T00:00:09.2Z", "2026-01-01T00:00:10Z"),
            ("2026-01-01T00:01:00.7Z", "2026-01-01T00:01:00Z"),
        ] {
            let object = eviction("Active", started());
            let told = answered(&object, OWN, &heartbeat, now.parse().unwrap());
            let (_, seen) = active(&told, OWN).unwrap();
            assert_eq!(seen.heartbeat, Some(expected.parse().unwrap()));
            let responders = &told.data["status"]["responders"];
            assert_eq!(responders[1]["message"], "another joins");
            assert_eq!(responders[0], object.data["status"]["responders"][0], "not its own");
        }
    }
}
