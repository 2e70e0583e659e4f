//! What comes and goes in the default namespace while a workload goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::StreamExt;
use futures::stream::BoxStream;
use harness::Up;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::Api;
use kube::runtime::watcher::{Config, Error, Event, watcher};
use kube::{Resource, ResourceExt};
use tokio::task::JoinHandle;

use super::etcd::{List, Lists};

/// How long watches may take to begin, and how often that is looked at.
const SYNC_MAX: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(10);
/// What a member's pod was told to be.
const LAUNCH: &str = "endstate.dev/spec";

/// An object that was seen, or an entry in the list of members.
#[derive(Clone, Debug, Default)]
pub(super) struct Thing {
    pub(super) name: String,
    /// Whether it was there before the workload began.
    pub(super) old: bool,
    pub(super) gone: bool,
    /// How often the pod was told to be another.
    pub(super) changes: u32,
    launch: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Pod,
    Claim,
    /// In etcd's list.
    Entry,
}

/// All that was seen, by its uid or its id.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) things: BTreeMap<(Kind, String), Thing>,
    /// What happened, for people.
    pub(super) events: Vec<String>,
    /// How many of the watches have told what there was.
    synced: BTreeSet<Kind>,
    /// What was told of each kind since its watch began, or began again.
    told: BTreeMap<Kind, BTreeSet<String>>,
    /// The workload has begun.
    begun: bool,
}

/// Sees them come and go until it is dropped.
pub(super) struct Watch {
    seen: Arc<Mutex<Seen>>,
    tasks: Vec<JoinHandle<()>>,
    begin: Instant,
}

impl Watch {
    /// Returns once all that is there was seen: the workload may begin.
    pub(super) async fn start(up: &Up, cluster: &str, runs: bool) -> Result<Self> {
        let client = up.client().await?;
        let mut watch = Self { seen: Arc::default(), tasks: vec![], begin: Instant::now() };
        let pods = Api::<Pod>::default_namespaced(client.clone());
        watch.objects(Kind::Pod, watcher(pods, Config::default()).boxed());
        let claims = Api::<PersistentVolumeClaim>::default_namespaced(client);
        watch.objects(Kind::Claim, watcher(claims, Config::default()).boxed());
        let end = Instant::now() + SYNC_MAX;
        while watch.lock().synced.len() < watch.tasks.len() {
            ensure!(Instant::now() < end, "the watches do not begin");
            tokio::time::sleep(LOOK).await;
        }
        let lists = Lists::of(up, cluster).await?;
        if runs {
            let list = lists.now().await?;
            watch.lock().list(watch.begin, &list);
        }
        watch.lock().begun = true;
        let (seen, begin) = (Arc::clone(&watch.seen), watch.begin);
        let told = async move { Box::pin(lists.each(|it| lock(&seen).list(begin, it))).await };
        watch.tasks.push(tokio::spawn(told));
        Ok(watch)
    }

    fn objects<K: Resource + Send + 'static>(
        &mut self,
        kind: Kind,
        mut events: BoxStream<'static, Result<Event<K>, Error>>,
    ) {
        let (seen, begin) = (Arc::clone(&self.seen), self.begin);
        self.tasks.push(tokio::spawn(async move {
            while let Some(event) = events.next().await {
                // After an error the watch begins again.
                if let Ok(event) = event {
                    lock(&seen).object(kind, begin, event);
                }
            }
        }));
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    /// Takes a note among the events.
    pub(super) fn note(&self, what: &str) {
        self.lock().note(self.begin, what);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seen {
    fn note(&mut self, begin: Instant, what: &str) {
        self.events.push(format!("{:6.2} {what}", begin.elapsed().as_secs_f64()));
    }

    fn object<K: Resource>(&mut self, kind: Kind, begin: Instant, event: Event<K>) {
        match event {
            Event::Init => drop(self.told.insert(kind, BTreeSet::new())),
            Event::InitDone => self.whole(kind, begin),
            Event::InitApply(object) => {
                let uid = object.meta().uid.clone().unwrap_or_default();
                self.told.entry(kind).or_default().insert(uid);
                self.there(kind, begin, &object);
            }
            Event::Apply(object) => self.there(kind, begin, &object),
            Event::Delete(object) => {
                let key = (kind, object.meta().uid.clone().unwrap_or_default());
                self.note(begin, &format!("{kind:?} {} is gone", object.name_any()));
                self.things.entry(key).or_default().gone = true;
            }
        }
    }

    /// All that there is was told. What went while the watch was broken is gone.
    fn whole(&mut self, kind: Kind, begin: Instant) {
        self.synced.insert(kind);
        let told = self.told.remove(&kind).unwrap_or_default();
        let mut gone = vec![];
        for ((of, uid), thing) in &mut self.things {
            if *of == kind && !told.contains(uid) && !thing.gone {
                thing.gone = true;
                gone.push(format!("{kind:?} {} is gone", thing.name));
            }
        }
        gone.iter().for_each(|it| self.note(begin, it));
    }

    fn there(&mut self, kind: Kind, begin: Instant, object: &impl Resource) {
        let key = (kind, object.meta().uid.clone().unwrap_or_default());
        let (name, launch) = (object.name_any(), object.annotations().get(LAUNCH).cloned());
        let (is_new, mut changed, old) = (!self.things.contains_key(&key), false, !self.begun);
        let thing = self.things.entry(key).or_default();
        if is_new {
            *thing = Thing { name: name.clone(), old, launch, ..Thing::default() };
        } else if thing.launch != launch {
            (thing.launch, changed) = (launch, true);
            thing.changes += 1;
        }
        match (is_new, changed) {
            (true, _) => self
                .note(begin, &format!("{kind:?} {name} is {}", if old { "there" } else { "new" })),
            (_, true) => self.note(begin, &format!("{kind:?} {name} is changed")),
            _ => {}
        }
    }

    /// What a member said of the list.
    fn list(&mut self, begin: Instant, list: &List) {
        for (id, (name, learns)) in list {
            let key = (Kind::Entry, format!("{id:x}"));
            let (is_new, old) = (!self.things.contains_key(&key), !self.begun);
            let thing = self.things.entry(key).or_default();
            thing.old |= is_new && old;
            if !name.is_empty() {
                thing.name.clone_from(name);
            }
            if is_new {
                self.note(begin, &format!("{name} {id:x} is listed, learner: {learns}"));
            }
        }
        let mut gone = vec![];
        for ((kind, id), thing) in &mut self.things {
            let is_listed = list.keys().any(|it| format!("{it:x}") == *id);
            if *kind == Kind::Entry && !is_listed && !thing.gone {
                thing.gone = true;
                gone.push(format!("{} {id} is no longer listed", thing.name));
            }
        }
        gone.iter().for_each(|it| self.note(begin, it));
    }
}
