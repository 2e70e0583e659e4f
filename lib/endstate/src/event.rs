//! Events (`events.k8s.io/v1`) about objects.
//!
//! Recording never waits and never fails a reconcile: notices go through a bounded channel to one task. Equal notices
//! within [`SERIES`] are counted up in one event. Names cannot collide: object name, a per-process random part, a
//! counter.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use endstate_core::EventKind;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::Object;

/// How long after the last one an equal notice counts as the same event.
pub const SERIES: Duration = Duration::from_secs(360);

/// Notices that wait to be posted; more are dropped, with a log line.
const WAITING_MAX: usize = 1_000;

/// Events remembered for counting up.
const REMEMBERED_MAX: usize = 4_000;

/// A notice about an object, for those who look at it.
///
/// ```
/// let notice = endstate::Notice::warning("FailedCreate", "Create", "no such image");
/// assert_eq!(notice.reason, "FailedCreate");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Notice {
    /// Whether it needs attention.
    pub severity: EventKind,
    /// A word in CamelCase that programs can switch on: `ScalingReplicaSet`.
    pub reason: String,
    /// What was done or tried, a word in CamelCase: `Create`.
    pub action: String,
    /// The text for people.
    pub note: String,
}

impl Notice {
    /// An event of a plan, and the action that was taken or tried.
    pub fn of(event: endstate_core::Event, action: impl Into<String>) -> Self {
        let make = match event.kind {
            EventKind::Normal => Self::normal,
            EventKind::Warning => Self::warning,
        };
        make(event.reason, action.into(), event.message)
    }

    /// A notice of the usual course.
    pub fn normal(
        reason: impl Into<String>,
        action: impl Into<String>,
        note: impl Into<String>,
    ) -> Self {
        Self {
            severity: EventKind::Normal,
            reason: reason.into(),
            action: action.into(),
            note: note.into(),
        }
    }

    /// A notice that may need attention.
    pub fn warning(
        reason: impl Into<String>,
        action: impl Into<String>,
        note: impl Into<String>,
    ) -> Self {
        Self { severity: EventKind::Warning, ..Self::normal(reason, action, note) }
    }
}

/// The reference that an event carries to the object that it is about.
///
/// ```
/// let map = k8s_openapi::api::core::v1::ConfigMap::default();
/// assert_eq!(endstate::event::reference(&map, &()).kind.as_deref(), Some("ConfigMap"));
/// ```
pub fn reference<K: Object>(object: &K, kind: &K::DynamicType) -> ObjectReference {
    let meta = object.meta();
    ObjectReference {
        api_version: Some(K::api_version(kind).into_owned()),
        kind: Some(K::kind(kind).into_owned()),
        namespace: meta.namespace.clone(),
        name: meta.name.clone(),
        uid: meta.uid.clone(),
        resource_version: meta.resource_version.clone(),
        field_path: None,
    }
}

/// Where notices go. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Recorder {
    sender: mpsc::Sender<Report>,
    reporter: Arc<str>,
}

/// A notice with its reporter and its object.
struct Report {
    reporter: Arc<str>,
    regarding: ObjectReference,
    notice: Notice,
}

impl Recorder {
    pub(crate) fn record(&self, regarding: ObjectReference, notice: Notice) {
        let report = Report { reporter: self.reporter.clone(), regarding, notice };
        if let Err(error) = self.sender.try_send(report) {
            tracing::warn!(%error, "an event is dropped");
        }
    }

    /// The same recorder under another name.
    pub(crate) fn named(self, reporter: Arc<str>) -> Self {
        Self { reporter, ..self }
    }
}

/// The task's half.
pub(crate) struct Poster {
    receiver: mpsc::Receiver<Report>,
    client: Client,
    nonce: u64,
    counter: u64,
    recent: HashMap<(Arc<str>, Option<String>, Notice), Recent>,
}

/// An event posted lately.
struct Recent {
    namespace: String,
    name: String,
    count: i32,
    last: Instant,
}

/// The two ends of a recorder that signs with the controller's name.
pub(crate) fn recorder(client: Client, controller: &str) -> (Recorder, Poster) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let nonce = RandomState::new().hash_one(std::process::id());
    let poster = Poster { receiver, client, nonce, counter: 0, recent: HashMap::new() };
    (Recorder { sender, reporter: controller.into() }, poster)
}

impl Poster {
    /// Posts notices until the end is announced, and then those that wait.
    pub(crate) async fn run(mut self, deadline: Duration, end: CancellationToken) {
        loop {
            let next = tokio::select! {
                next = self.receiver.recv() => next,
                () = end.cancelled(), if !self.receiver.is_closed() => {
                    self.receiver.close();
                    continue;
                }
            };
            let Some(report) = next else { return };
            match tokio::time::timeout(deadline, self.post(report)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "an event could not be posted"),
                Err(_) => tracing::warn!("the API server did not answer an event in time"),
            }
        }
    }

    async fn post(&mut self, report: Report) -> Result<(), kube::Error> {
        let key = (report.reporter.clone(), report.regarding.uid.clone(), report.notice.clone());
        let now = Instant::now();
        if let Some(recent) = self.recent.get_mut(&key).filter(|it| now - it.last < SERIES) {
            recent.count += 1;
            recent.last = now;
            let patch = Patch::Merge(json!({"series": series(recent.count)}));
            let api = Api::<Event>::namespaced(self.client.clone(), &recent.namespace);
            match api.patch(&recent.name, &PatchParams::default(), &patch).await {
                // It has expired, or its namespace is gone: post it anew.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                answer => return answer.map(drop),
            }
        }
        self.forget_old(now);
        let event = self.event(report);
        let namespace = event.metadata.namespace.clone().unwrap_or_default();
        let name = event.metadata.name.clone().unwrap_or_default();
        Api::<Event>::namespaced(self.client.clone(), &namespace)
            .create(&PostParams::default(), &event)
            .await?;
        self.recent.insert(key, Recent { namespace, name, count: 1, last: now });
        Ok(())
    }

    fn forget_old(&mut self, now: Instant) {
        if self.recent.len() >= REMEMBERED_MAX {
            self.recent.retain(|_, it| now - it.last < SERIES);
        }
        if self.recent.len() >= REMEMBERED_MAX {
            self.recent.clear();
        }
    }

    fn event(&mut self, report: Report) -> Event {
        let Report { reporter, regarding, notice } = report;
        self.counter += 1;
        let object: String =
            regarding.name.as_deref().unwrap_or("none").chars().take(200).collect();
        Event {
            metadata: ObjectMeta {
                name: Some(format!("{object}.{:016x}", self.nonce.wrapping_add(self.counter))),
                namespace: Some(
                    regarding.namespace.clone().unwrap_or_else(|| "default".to_owned()),
                ),
                ..Default::default()
            },
            type_: Some(match notice.severity {
                EventKind::Normal => "Normal".to_owned(),
                EventKind::Warning => "Warning".to_owned(),
            }),
            reason: Some(notice.reason),
            action: Some(notice.action),
            // The API allows 1024 bytes.
            note: Some(notice.note.chars().take(1_000).collect()),
            regarding: Some(regarding),
            reporting_instance: Some(format!("{reporter}-{:016x}", self.nonce)),
            reporting_controller: Some(reporter.to_string()),
            event_time: Some(MicroTime(Timestamp::now())),
            ..Default::default()
        }
    }
}

fn series(count: i32) -> EventSeries {
    EventSeries { count, last_observed_time: MicroTime(Timestamp::now()) }
}
