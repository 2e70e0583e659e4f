//! Guarded writes of one kind.

use std::sync::Arc;

use either::Either;
use http::Request as HttpRequest;
use kube::api::{
    DeleteParams, ListParams, ObjectList, Patch, PatchParams, PostParams, Preconditions,
};
use kube::core::Request;
use serde_json::{Value, json};

use super::{Context, Propagation};
use crate::cache::ManagedFields;
use crate::crash::{Begun, broken};
use crate::patch::merge_diff;
use crate::{Error, Object, ObjectKey};

/// How many objects are read at a time.
const PAGE: u32 = 500;

/// Writes objects of one kind. Made by [`Context::of`]; for kinds known at compile time [`Context`] has the same
/// methods.
pub struct Writer<'c, K: Object> {
    ctx: &'c Context,
    kind: K::DynamicType,
}

impl Context {
    /// The writer for a kind that is known only at run time.
    pub fn of<K: Object>(&self, kind: K::DynamicType) -> Writer<'_, K> {
        Writer { ctx: self, kind }
    }
}

impl<K: Object> Writer<'_, K> {
    /// Reads one object from the API itself, past the caches. `None` if there is none.
    pub async fn get_live(&self, key: &ObjectKey) -> Result<Option<K>, Error> {
        let request = self.request(key).get(key.name(), &Default::default());
        match self.send("get", key, request).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads all objects of a namespace from the API itself, past the caches.
    pub async fn list_live(&self, namespace: &str) -> Result<Vec<K>, Error> {
        let key = ObjectKey::namespaced(namespace, "");
        let mut params = ListParams::default().limit(PAGE);
        let mut all = vec![];
        loop {
            let request = self.built("list", &key, self.request(&key).list(&params))?;
            let page = self.ctx.client.request::<ObjectList<K>>(request);
            let page = self.bounded("list", &key, page).await?;
            all.extend(page.items);
            match page.metadata.continue_.filter(|it| !it.is_empty()) {
                Some(next) => params = params.continue_token(&next),
                None => return Ok(all),
            }
        }
    }

    /// Creates an object; fails if the name is taken.
    pub async fn create(&self, object: &K) -> Result<Arc<K>, Error> {
        self.create_with(object, |_| ()).await
    }

    /// The same with fields that its type does not have: those of a newer API.
    pub async fn create_with(
        &self,
        object: &K,
        amend: impl FnOnce(&mut Value) + Send,
    ) -> Result<Arc<K>, Error> {
        let key = ObjectKey::of(object);
        let mut body = self.encode(&key, object)?;
        amend(&mut body);
        let body = body.to_string().into_bytes();
        let params =
            PostParams { field_manager: Some(self.ctx.field_manager.to_string()), dry_run: false };
        self.write("create", &key, self.request(&key).create(&params, body)).await
    }

    /// Asks the API whether it would create an object; nothing is stored.
    pub async fn would_create(&self, object: &K) -> Result<(), Error> {
        let key = ObjectKey::of(object);
        let body = self.encode(&key, object)?.to_string().into_bytes();
        let params =
            PostParams { field_manager: Some(self.ctx.field_manager.to_string()), dry_run: true };
        self.fenced("try to create", &key)?;
        self.send("try to create", &key, self.request(&key).create(&params, body)).await.map(drop)
    }

    /// Server-side apply of the **full intent**: what the object no longer has and this field manager set earlier is
    /// removed. It creates the object if there is none; an intent with a `uid` never does, and one with a
    /// `resourceVersion` fails if the object has changed since.
    pub async fn apply(&self, intent: &K) -> Result<Arc<K>, Error> {
        let key = ObjectKey::of(intent);
        let mut body = self.encode(&key, intent)?;
        if let Some(meta) = body["metadata"].as_object_mut() {
            meta.remove("managedFields");
        }
        let request =
            self.request(&key).patch(key.name(), &self.apply_params(), &Patch::Apply(&body));
        self.write("apply", &key, request).await
    }

    /// Server-side apply of the full intent for the status; everything else in the intent but name, namespace, uid and
    /// resource version is left out.
    pub async fn apply_status(&self, intent: &K) -> Result<Arc<K>, Error> {
        let key = ObjectKey::of(intent);
        let body = self.encode(&key, intent)?;
        let meta = intent.meta();
        let mut identity = json!({"name": meta.name, "namespace": meta.namespace,
            "uid": meta.uid, "resourceVersion": meta.resource_version});
        if let Some(identity) = identity.as_object_mut() {
            identity.retain(|_, value| !value.is_null());
        }
        let body = json!({"apiVersion": K::api_version(&self.kind), "kind": K::kind(&self.kind),
            "metadata": identity, "status": body["status"]});
        let request = self.request(&key).patch_subresource(
            "status",
            key.name(),
            &self.apply_params(),
            &Patch::Apply(&body),
        );
        self.write("apply the status of", &key, request).await
    }

    /// Turns an observed object into the wanted one with the smallest merge patch, guarded by the observed uid and
    /// resource version. Sends nothing if they are equal; the status is not changed (see
    /// [`update_status`](Writer::update_status)).
    pub async fn update(&self, observed: &K, wanted: &K) -> Result<Arc<K>, Error> {
        let key = ObjectKey::of(observed);
        let Some(patch) = self.guarded_diff(&key, observed, wanted)? else {
            return Ok(Arc::new(observed.clone()));
        };
        let params = PatchParams {
            field_manager: Some(self.ctx.field_manager.to_string()),
            ..Default::default()
        };
        let request = self.request(&key).patch(key.name(), &params, &Patch::Merge(&patch));
        self.write("update", &key, request).await
    }

    /// The same for the status subresource.
    pub async fn update_status(&self, observed: &K, wanted: &K) -> Result<Arc<K>, Error> {
        let key = ObjectKey::of(observed);
        let Some(patch) = self.guarded_diff(&key, observed, wanted)? else {
            return Ok(Arc::new(observed.clone()));
        };
        let params = PatchParams {
            field_manager: Some(self.ctx.field_manager.to_string()),
            ..Default::default()
        };
        let request = self.request(&key).patch_subresource(
            "status",
            key.name(),
            &params,
            &Patch::Merge(&patch),
        );
        self.write("update the status of", &key, request).await
    }

    /// Deletes an observed object, guarded by its uid and resource version. An object that is gone already is success.
    pub async fn delete(&self, observed: &K, propagation: Propagation) -> Result<(), Error> {
        let params = DeleteParams {
            propagation_policy: Some(propagation),
            preconditions: Some(Preconditions {
                uid: observed.meta().uid.clone(),
                resource_version: observed.meta().resource_version.clone(),
            }),
            ..Default::default()
        };
        self.delete_with(observed, &params).await
    }

    /// Deletes an object with any options; prefer [`delete`](Writer::delete), which cannot forget the guards.
    pub async fn delete_with(&self, observed: &K, params: &DeleteParams) -> Result<(), Error> {
        let key = ObjectKey::of(observed);
        self.fenced("delete", &key)?;
        let request = self.built("delete", &key, self.request(&key).delete(key.name(), params))?;
        let call = self.begin("delete", &key);
        let answer = self.ctx.client.request_status::<K>(request);
        let answer = self.bounded("delete", &key, answer).await;
        match call.answered(answer, || self.lost("delete", &key)) {
            Ok(Either::Left(object)) if is_held(&object) => drop(self.show(object)),
            Ok(_) => self.erase(observed),
            Err(error) if error.is_not_found() => self.erase(observed),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn request(&self, key: &ObjectKey) -> Request {
        Request::new(K::url_path(&self.kind, key.namespace()))
    }

    fn apply_params(&self) -> PatchParams {
        PatchParams::apply(&self.ctx.field_manager).force()
    }

    fn encode(&self, key: &ObjectKey, object: &K) -> Result<Value, Error> {
        let mut value = serde_json::to_value(object)
            .map_err(|source| Error::Encode { target: self.target(key), source })?;
        // Typed objects from a list do not carry their type.
        value["apiVersion"] = K::api_version(&self.kind).into();
        value["kind"] = K::kind(&self.kind).into();
        Ok(value)
    }

    fn guarded_diff(
        &self,
        key: &ObjectKey,
        observed: &K,
        wanted: &K,
    ) -> Result<Option<Value>, Error> {
        let diff = merge_diff(&self.encode(key, observed)?, &self.encode(key, wanted)?);
        Ok(diff.map(|mut patch| {
            patch["metadata"]["uid"] = json!(observed.meta().uid);
            patch["metadata"]["resourceVersion"] = json!(observed.meta().resource_version);
            patch
        }))
    }

    async fn write(
        &self,
        verb: &'static str,
        key: &ObjectKey,
        request: Built,
    ) -> Result<Arc<K>, Error> {
        self.fenced(verb, key)?;
        let call = self.begin(verb, key);
        let answer = self.send(verb, key, request).await;
        let object = call.answered(answer, || self.lost(verb, key))?;
        Ok(self.show(object))
    }

    fn begin(&self, verb: &'static str, key: &ObjectKey) -> Begun {
        self.ctx.calls.begin(format_args!("{verb} {}", self.target(key)))
    }

    /// What a write gets whose answer is lost.
    fn lost<T>(&self, verb: &'static str, key: &ObjectKey) -> Result<T, Error> {
        let source = Box::new(kube::Error::Service(broken().into()));
        Err(Error::Request { verb, target: self.target(key), source })
    }

    /// Only the leader writes.
    fn fenced(&self, verb: &'static str, key: &ObjectKey) -> Result<(), Error> {
        let not_leading = || Error::NotLeading { verb, target: self.target(key) };
        self.ctx.fence.is_open().then_some(()).ok_or_else(not_leading)
    }

    async fn send(&self, verb: &'static str, key: &ObjectKey, request: Built) -> Result<K, Error> {
        let request = self.built(verb, key, request)?;
        self.bounded(verb, key, self.ctx.client.request::<K>(request)).await
    }

    fn built(
        &self,
        verb: &'static str,
        key: &ObjectKey,
        request: Built,
    ) -> Result<HttpRequest<Vec<u8>>, Error> {
        request.map_err(|error| Error::Request {
            verb,
            target: self.target(key),
            source: Box::new(kube::Error::BuildRequest(error)),
        })
    }

    async fn bounded<T>(
        &self,
        verb: &'static str,
        key: &ObjectKey,
        answer: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Error> {
        let after = self.ctx.request_deadline;
        let result = match tokio::time::timeout(after, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                Err(Error::Request { verb, target: self.target(key), source: Box::new(error) })
            }
            Err(_) => Err(Error::Deadline { verb, target: self.target(key), after }),
        };
        self.count(verb, result.as_ref().err());
        result
    }

    fn count(&self, verb: &'static str, error: Option<&Error>) {
        let result = match error {
            None => "ok".to_owned(),
            Some(Error::Deadline { .. }) => "deadline".to_owned(),
            Some(error) => error.code().map_or("unreachable".to_owned(), |it| it.to_string()),
        };
        self.ctx.metrics.requested(verb, &K::kind(&self.kind), result);
    }

    fn target(&self, key: &ObjectKey) -> String {
        format!("{} {key}", K::kind(&self.kind))
    }

    fn show(&self, mut object: K) -> Arc<K> {
        let fields: ManagedFields = object.meta_mut().managed_fields.take();
        let object = Arc::new(object);
        self.ctx
            .caches
            .each(&self.kind, |cache| cache.wrote(&object, &fields, self.ctx.origin.clone()));
        object
    }

    fn erase(&self, observed: &K) {
        self.ctx
            .caches
            .each::<K>(&self.kind, |cache| cache.erased(observed, self.ctx.origin.clone()));
    }
}

type Built = Result<HttpRequest<Vec<u8>>, kube::core::request::Error>;

/// Whether an object that a delete returned still exists: held by finalizers, or by its grace period.
fn is_held<K: Object>(object: &K) -> bool {
    let meta = object.meta();
    let is_graceful = meta.deletion_timestamp.is_some()
        && meta.deletion_grace_period_seconds.is_some_and(|it| it > 0);
    is_graceful || meta.finalizers.as_ref().is_some_and(|it| !it.is_empty())
}
