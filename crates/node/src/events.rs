//! Events about pods, as `kubectl describe` shows them. A repeated one is counted, not repeated.

use std::collections::BTreeMap;
use std::sync::Mutex;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::mpsc;

use crate::volumes::{namespace, uid};

/// The name under which clients expect a node's events.
const COMPONENT: &str = "kubelet";
/// Events that wait to be written; more are dropped, since events are a courtesy.
const QUEUE: usize = 256;
/// Events whose count is remembered.
const REMEMBERED: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Normal,
    Warning,
}

/// What happened to a pod.
struct Happening {
    pod: ObjectReference,
    node: String,
    kind: Kind,
    reason: &'static str,
    message: String,
}

#[derive(Clone)]
pub(crate) struct Events {
    queue: mpsc::Sender<Happening>,
}

impl Events {
    pub(crate) fn start(client: Client) -> Self {
        let (queue, inbox) = mpsc::channel(QUEUE);
        tokio::spawn(write_all(client, inbox));
        Self { queue }
    }

    /// `container` is empty for what concerns the whole pod.
    pub(crate) fn emit(
        &self,
        about: (&Pod, &str),
        kind: Kind,
        reason: &'static str,
        message: String,
    ) {
        let (pod, container) = about;
        let spec = pod.spec.as_ref();
        let is_init = spec.is_some_and(|spec| {
            spec.init_containers.iter().flatten().any(|init| init.name == container)
        });
        let list = if is_init { "initContainers" } else { "containers" };
        let field = (!container.is_empty()).then(|| format!("spec.{list}{{{container}}}"));
        let reference = ObjectReference {
            kind: Some("Pod".to_owned()),
            api_version: Some("v1".to_owned()),
            name: pod.metadata.name.clone(),
            namespace: Some(namespace(pod).to_owned()),
            uid: Some(uid(pod).to_owned()),
            resource_version: pod.metadata.resource_version.clone(),
            field_path: field,
        };
        let node = spec.and_then(|spec| spec.node_name.clone()).unwrap_or_default();
        let happening = Happening { pod: reference, node, kind, reason, message };
        let _ = self.queue.try_send(happening);
    }
}

type Known = BTreeMap<(String, &'static str, String), (String, i32)>;

async fn write_all(client: Client, mut inbox: mpsc::Receiver<Happening>) {
    let known = Mutex::new(Known::new());
    while let Some(happening) = inbox.recv().await {
        if let Err(error) = write(&client, &known, happening).await {
            tracing::debug!(%error, "cannot write an event");
        }
    }
}

async fn write(client: &Client, known: &Mutex<Known>, it: Happening) -> Result<(), kube::Error> {
    let place = it.pod.namespace.clone().unwrap_or_default();
    let api: Api<Event> = Api::namespaced(client.clone(), &place);
    let about = format!(
        "{}{}",
        it.pod.uid.clone().unwrap_or_default(),
        it.pod.field_path.clone().unwrap_or_default()
    );
    let key = (about, it.reason, it.message.clone());
    let before = known.lock().expect("no panic while held").get(&key).cloned();
    let now = Timestamp::now();
    if let Some((name, count)) = before {
        let patch = json!({"count": count + 1, "lastTimestamp": Time(now)});
        let done = api.patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await;
        if done.is_ok() {
            known.lock().expect("no panic while held").insert(key, (name, count + 1));
            return Ok(());
        }
    }
    let pod = it.pod.name.clone().unwrap_or_default();
    let name = format!("{pod}.{:x}", now.as_nanosecond());
    let event = Event {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: Some(place),
            ..ObjectMeta::default()
        },
        involved_object: it.pod,
        type_: Some(if it.kind == Kind::Normal { "Normal" } else { "Warning" }.to_owned()),
        reason: Some(it.reason.to_owned()),
        message: Some(it.message),
        source: Some(EventSource {
            component: Some(COMPONENT.to_owned()),
            host: Some(it.node.clone()),
        }),
        reporting_component: Some(COMPONENT.to_owned()),
        reporting_instance: Some(it.node),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        count: Some(1),
        ..Event::default()
    };
    api.create(&PostParams::default(), &event).await?;
    let mut known = known.lock().expect("no panic while held");
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(key, (name, 1));
    Ok(())
}
