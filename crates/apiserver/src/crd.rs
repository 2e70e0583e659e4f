//! The life of custom resource definitions: names accepted, established, served, drained, gone.
//!
//! Invariants: one [`reconcile`] runs at a time, and it works on what is stored, so it can be repeated at any time
//! and after any crash; a definition's resources are served exactly while it is established; a definition goes only
//! after its last object.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};

use machinery::error::ApiError;
use registry::Resource;
use serde_json::Value;
use store::{ListOptions, Object, Prefix, Revision, Write};
use tokio_util::sync::CancellationToken;

use crate::ApiServer;
use crate::call::Call;
use crate::delete::{self, CRD_CLEANUP, DeleteOptions};
use crate::request::Target;
use crate::{encode, errors, own, time};

const GROUP: &str = "apiextensions.k8s.io";
const PLURAL: &str = "customresourcedefinitions";
/// How often statuses are written before the rest is left to the next change.
const PASSES_MAX: usize = 16;

/// What requests need to know about definitions.
#[derive(Default)]
pub(crate) struct Lifecycle {
    running: tokio::sync::Mutex<()>,
    /// The uids of definitions on their way out.
    terminating: RwLock<BTreeSet<String>>,
    any_terminating: AtomicBool,
    /// What is served of each definition, by uid.
    served: RwLock<BTreeMap<String, Served>>,
}

/// One generation of a definition.
#[derive(Clone)]
struct Served {
    generation: i64,
    /// When it was found changed: objects written before may lack its defaults.
    since: Revision,
    /// Cancelled when there is another generation, or none.
    ended: CancellationToken,
}

impl Lifecycle {
    /// Whether a change of an object of this resource has consequences here.
    pub(crate) fn concerns(&self, resource: &Resource) -> bool {
        let definition = resource.group == GROUP && resource.plural == PLURAL;
        definition || self.is_terminating(resource)
    }

    pub(crate) fn is_terminating(&self, resource: &Resource) -> bool {
        self.any_terminating.load(Ordering::Acquire)
            && resource.crd_uid.as_ref().is_some_and(|uid| {
                let set =
                    self.terminating.read().unwrap_or_else(std::sync::PoisonError::into_inner);
                set.contains(uid)
            })
    }

    /// The revision since which the definition behind a resource is as it is; zero for built-in kinds.
    pub(crate) fn since(&self, resource: &Resource) -> Revision {
        self.served(resource).map_or(Revision(0), |served| served.since)
    }

    /// Cancelled when the resource is no longer what it is; never for built-in kinds.
    pub(crate) fn ended(&self, resource: &Resource) -> CancellationToken {
        self.served(resource).map(|served| served.ended).unwrap_or_default()
    }

    fn served(&self, resource: &Resource) -> Option<Served> {
        let uid = resource.crd_uid.as_ref()?;
        let served = self.served.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        served.get(uid).cloned()
    }

    /// Takes over what did not change, and ends what did.
    fn set_served(&self, definitions: &[Definition]) {
        let mut served = self.served.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut before = std::mem::take(&mut *served);
        for definition in definitions {
            let uid = definition.uid();
            let generation = definition.value["metadata"]["generation"].as_i64().unwrap_or(0);
            let known = before.remove(&uid);
            // The mark of a deletion is a generation too, but what is served stays until the last object is gone.
            let same = |it: &Served| it.generation == generation || definition.is_terminating();
            let next = match known {
                Some(known) if same(&known) => Served { generation, ..known },
                other => {
                    other.iter().for_each(|it| it.ended.cancel());
                    let since = definition.object.revision();
                    Served { generation, since, ended: CancellationToken::new() }
                }
            };
            served.insert(uid, next);
        }
        before.values().for_each(|gone| gone.ended.cancel());
    }

    fn set_terminating(&self, uids: BTreeSet<String>) {
        self.any_terminating.store(!uids.is_empty(), Ordering::Release);
        *self.terminating.write().unwrap_or_else(std::sync::PoisonError::into_inner) = uids;
    }
}

struct Definition {
    object: std::sync::Arc<Object>,
    value: Value,
}

impl Definition {
    fn uid(&self) -> String {
        self.value["metadata"]["uid"].as_str().unwrap_or("").to_owned()
    }

    fn is_terminating(&self) -> bool {
        self.value["metadata"].get("deletionTimestamp").is_some_and(|time| !time.is_null())
    }
}

/// Brings statuses, the served resources and the draining of definitions up to date.
pub(crate) async fn reconcile(server: &ApiServer) -> Result<(), ApiError> {
    let lifecycle = &server.shared().lifecycle;
    let _running = lifecycle.running.lock().await;
    for _ in 0..PASSES_MAX {
        let definitions = definitions(server).await?;
        if write_statuses(server, &definitions).await? {
            continue;
        }
        let terminating = definitions.iter().filter(|it| it.is_terminating());
        lifecycle.set_terminating(terminating.map(Definition::uid).collect());
        server.set_registry(server.registry().next(definitions.iter().map(|it| &it.value)));
        lifecycle.set_served(&definitions);
        let mut changed = false;
        for definition in definitions.iter().filter(|it| it.is_terminating()) {
            changed |= drain(server, definition).await?;
        }
        if !changed {
            return Ok(());
        }
    }
    tracing::warn!("definitions still changed after many passes");
    Ok(())
}

async fn definitions(server: &ApiServer) -> Result<Vec<Definition>, ApiError> {
    let prefix = Prefix::new(&[GROUP, PLURAL]).expect("constant segments are valid");
    let page = server.store().list(&prefix, ListOptions::default()).await.map_err(errors::store)?;
    let read =
        |object: std::sync::Arc<Object>| Ok(Definition { value: encode::parse(&object)?, object });
    page.objects.into_iter().map(read).collect()
}

/// Writes the statuses that should be other than they are. Whether there were any.
async fn write_statuses(server: &ApiServer, all: &[Definition]) -> Result<bool, ApiError> {
    let values: Vec<&Value> = all.iter().map(|it| &it.value).collect();
    let now = time::seconds(jiff::Timestamp::now());
    let registry = server.registry();
    let resource = registry.resource(GROUP, "v1", PLURAL).ok_or_else(ApiError::no_such_resource)?;
    for definition in all {
        let status = registry::crd::next_status(&definition.value, &values, &now);
        if status == definition.value["status"] {
            continue;
        }
        let mut value = definition.value.clone();
        value["status"] = status;
        let key = definition.object.key().clone();
        let draft = encode::draft(&resource, &value);
        let expected = definition.object.revision();
        let write = Write::Update { key, draft, expected };
        match server.store().commit(vec![write]).await {
            // Names are accepted one after the other: what the next definition gets depends on this one.
            Ok(_) | Err(store::Error::Conflict { .. } | store::Error::NotFound(_)) => {
                return Ok(true);
            }
            Err(error) => return Err(errors::store(error)),
        }
    }
    Ok(false)
}

/// Deletes the objects of a definition that is on its way out, and then the definition. Whether it is gone.
async fn drain(server: &ApiServer, definition: &Definition) -> Result<bool, ApiError> {
    let spec = &definition.value["spec"];
    let (group, plural) =
        (spec["group"].as_str().unwrap_or(""), spec["names"]["plural"].as_str().unwrap_or(""));
    let established = registry::crd::established(&definition.value);
    if let Some(prefix) = Prefix::new(&[group, plural])
        && established
    {
        let page =
            server.store().list(&prefix, ListOptions::default()).await.map_err(errors::store)?;
        for object in &page.objects {
            delete_instance(server, &Instance { group, plural, object }).await?;
        }
        let options = ListOptions { limit: Some(1), ..ListOptions::default() };
        let page = server.store().list(&prefix, options).await.map_err(errors::store)?;
        if !page.objects.is_empty() {
            return Ok(false);
        }
    }
    remove_finalizer(server, definition).await
}

struct Instance<'a> {
    group: &'a str,
    plural: &'a str,
    object: &'a Object,
}

async fn delete_instance(server: &ApiServer, instance: &Instance<'_>) -> Result<(), ApiError> {
    let value = encode::parse(instance.object)?;
    let registry = server.registry();
    let Some(resource) = registry.by_plural(instance.group, instance.plural) else {
        // No version is served, so nobody could ever clear its finalizers.
        let key = instance.object.key().clone();
        let write = Write::Delete { key, expected: instance.object.revision() };
        return match server.store().commit(vec![write]).await {
            Ok(_) | Err(store::Error::Conflict { .. } | store::Error::NotFound(_)) => Ok(()),
            Err(error) => Err(errors::store(error)),
        };
    };
    let target = Target {
        group: instance.group.to_owned(),
        version: resource.version.clone(),
        plural: instance.plural.to_owned(),
        namespace: value["metadata"]["namespace"].as_str().map(str::to_owned),
        ..Target::default()
    };
    let call: Call = own::call_on(server, resource, target)?.without_follow_up();
    let name = value["metadata"]["name"].as_str().unwrap_or("");
    match delete::delete_named(&call, name, &DeleteOptions::default()).await {
        Ok(_) => Ok(()),
        Err(error) if error.code == 404 => Ok(()),
        Err(error) => Err(error),
    }
}

/// Takes the finalizer off; without others, the definition goes.
async fn remove_finalizer(server: &ApiServer, definition: &Definition) -> Result<bool, ApiError> {
    let mut value = definition.value.clone();
    let finalizers = value["metadata"]["finalizers"].as_array_mut();
    let mut left = false;
    if let Some(list) = finalizers {
        let before = list.len();
        list.retain(|it| it != CRD_CLEANUP);
        left = !list.is_empty();
        if before == list.len() && left {
            return Ok(false);
        }
    }
    let registry = server.registry();
    let resource = registry.resource(GROUP, "v1", PLURAL).ok_or_else(ApiError::no_such_resource)?;
    let (key, expected) = (definition.object.key().clone(), definition.object.revision());
    let write = match left {
        true => Write::Update { key, draft: encode::draft(&resource, &value), expected },
        false => Write::Delete { key, expected },
    };
    match server.store().commit(vec![write]).await {
        Ok(_) | Err(store::Error::Conflict { .. } | store::Error::NotFound(_)) => Ok(true),
        Err(error) => Err(errors::store(error)),
    }
}
