//! One request on one resource: everything that its handlers need to know.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use machinery::error::ApiError;
use machinery::pretty::Pretty;
use registry::{Registry, Resource};
use serde_json::Value;
use store::{Draft, Key, Object, Prefix, Revision};

use crate::ApiServer;
use crate::authn::Identity;
use crate::encode::View;
use crate::negotiate::{Form, Format, Shape};
use crate::outgoing::{Outgoing, Pending, Pieces};
use crate::query::Query;
use crate::request::{Target, Verb};
use crate::respond::{self, Response};
use crate::show::Shower;
use crate::{encode, show};

/// A request on a resource that exists, by somebody who may make it, and what is noted while it is answered.
pub(crate) struct Call {
    parts: Parts,
    pub(crate) now: Timestamp,
    warnings: Mutex<Vec<String>>,
    /// Whether a write sees to what follows from it. Not when it is itself what follows.
    follows_up: bool,
}

/// What a call is made of. Its members are read as the call's own.
pub(crate) struct Parts {
    pub(crate) server: ApiServer,
    pub(crate) registry: Arc<Registry>,
    pub(crate) resource: Arc<Resource>,
    pub(crate) target: Target,
    pub(crate) verb: Verb,
    pub(crate) identity: Identity,
    pub(crate) headers: HeaderMap,
    pub(crate) query: Query,
    pub(crate) form: Form,
    /// Where what is made for the answer counts.
    pub(crate) outgoing: Outgoing,
}

impl std::ops::Deref for Call {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl Call {
    pub(crate) fn new(parts: Parts) -> Self {
        let warnings = Mutex::new(parts.resource.deprecation_warning.iter().cloned().collect());
        Self { parts, now: Timestamp::now(), warnings, follows_up: true }
    }

    /// The same, for use by what sees to the consequences of writes.
    pub(crate) fn without_follow_up(self) -> Self {
        Self { follows_up: false, ..self }
    }

    /// Sees to what follows from a write of this call.
    pub(crate) async fn follow_up(&self) {
        if self.follows_up {
            self.server.after_write(&self.resource).await;
        }
    }

    /// The same request on another resource (a dependent, or another object), without a client's wishes.
    pub(crate) fn elsewhere(&self, resource: Arc<Resource>, target: Target) -> Self {
        let parts = Parts {
            server: self.server.clone(),
            registry: self.registry.clone(),
            resource,
            target,
            verb: self.verb,
            identity: self.identity.clone(),
            headers: HeaderMap::new(),
            query: Query::default(),
            form: Form { format: Format::Json, shape: Shape::Object },
            outgoing: self.outgoing.clone(),
        };
        Self { parts, now: self.now, warnings: Mutex::default(), follows_up: self.follows_up }
    }

    pub(crate) fn store(&self) -> &dyn store::Store {
        self.server.store()
    }

    /// The name in the path; empty for a collection.
    pub(crate) fn name(&self) -> &str {
        self.target.name.as_deref().unwrap_or("")
    }

    /// The store key of an object of this resource, in the namespace of the path.
    pub(crate) fn key(&self, name: &str) -> Result<Key, ApiError> {
        let namespace = self.target.namespace.as_deref();
        key(&self.resource, namespace, name).ok_or_else(|| self.not_found(name))
    }

    /// Where the objects of the path are.
    pub(crate) fn prefix(&self) -> Result<Prefix, ApiError> {
        let group = storage_group(&self.resource);
        let plural = self.resource.plural.as_str();
        let prefix = match self.target.namespace.as_deref() {
            Some(namespace) => Prefix::new(&[group, plural, namespace]),
            None => Prefix::new(&[group, plural]),
        };
        prefix.ok_or_else(|| ApiError::bad_request("the namespace in the path is no valid name"))
    }

    pub(crate) fn not_found(&self, name: &str) -> ApiError {
        ApiError::not_found(&self.resource.group, &self.resource.plural, name)
    }

    pub(crate) fn invalid(
        &self,
        name: &str,
        errors: Vec<machinery::error::FieldError>,
    ) -> ApiError {
        ApiError::invalid(&self.resource.group, &self.resource.kind, name, errors)
    }

    pub(crate) fn method_not_allowed(&self) -> ApiError {
        ApiError::new(
            405,
            machinery::error::Reason::MethodNotAllowed,
            "the server does not allow this method on the requested resource",
        )
    }

    /// The stored state of an object.
    pub(crate) async fn get(&self, name: &str) -> Result<Arc<Object>, ApiError> {
        let object = self.store().get(&self.key(name)?).await.map_err(crate::errors::store)?;
        object.ok_or_else(|| self.not_found(name))
    }

    /// A stored object as a value of the version asked for.
    pub(crate) fn parse(&self, object: &Object) -> Result<Value, ApiError> {
        self.view().value(object)
    }

    /// How this call's resource shows what is stored.
    pub(crate) fn view(&self) -> View {
        let since = self.server.shared().lifecycle.since(&self.resource);
        View::new(self.resource.clone(), since)
    }

    /// How this call shows objects in a form.
    pub(crate) fn shower(&self, form: Form) -> Shower {
        Shower { resource: self.resource.clone(), view: self.view(), form, now: self.now }
    }

    /// The encoding of an object of the version asked for.
    pub(crate) fn draft(&self, object: &Value) -> Draft {
        let resource = &self.resource;
        let same_group = resource.group == resource.storage_group;
        if same_group && resource.version == resource.storage_version {
            return encode::draft(resource, object);
        }
        let mut object = object.clone();
        resource.to_storage(&mut object);
        // Objects of one storage are found by the same fields, whichever form they came in.
        let stored = self.registry.by_plural(&resource.storage_group, &resource.plural);
        encode::draft(stored.as_ref().filter(|_| !same_group).unwrap_or(resource), &object)
    }

    pub(crate) fn warn(&self, warning: impl Into<String>) {
        let mut warnings = self.warnings.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let warning = warning.into();
        // A change may be made more than once.
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// Whether nothing is to be written.
    pub(crate) fn dry_run(&self) -> Result<bool, ApiError> {
        dry_run(self.query.all("dryRun"))
    }

    /// An object that is not stored (a dry run, a last state), as if it were.
    pub(crate) fn unstored(&self, key: Key, object: &Value) -> Arc<Object> {
        let version = object["metadata"]["resourceVersion"].as_str();
        let revision = version.and_then(|text| text.parse().ok()).unwrap_or(0);
        Arc::new(Object::new(key, Revision(revision), self.draft(object)))
    }

    /// The answer that shows a stored object.
    pub(crate) fn answer(&self, code: StatusCode, object: &Object) -> Result<Response, ApiError> {
        let mut bytes = self.view().bytes(object)?;
        if object.revision() == Revision(0) {
            // A dry run of a create: there is no version of what is not stored.
            let mut value = encode::parse_bytes(&bytes)?;
            if let Some(metadata) = value["metadata"].as_object_mut() {
                metadata.remove("resourceVersion");
            }
            bytes = value.to_string().into();
        }
        self.answer_bytes(code, bytes)
    }

    /// The answer that shows an encoded object.
    pub(crate) fn answer_bytes(
        &self,
        code: StatusCode,
        bytes: Bytes,
    ) -> Result<Response, ApiError> {
        match (self.form.shape, self.form.format) {
            (Shape::Object, Format::Json | Format::PrettyJson) => self.answer_json(code, bytes),
            _ => self.answer_value(code, encode::parse_bytes(&bytes)?),
        }
    }

    /// The answer that shows an object in the form asked for.
    pub(crate) fn answer_value(
        &self,
        code: StatusCode,
        object: Value,
    ) -> Result<Response, ApiError> {
        let shown = match self.form.shape {
            Shape::Object => object,
            Shape::Metadata => show::metadata(&object),
            Shape::Table(include) => {
                let version = object["metadata"]["resourceVersion"].clone();
                let list = serde_json::json!({"resourceVersion": version});
                let row = show::row(&self.resource, object, include, self.now);
                show::table(&self.resource, list, vec![row])
            }
        };
        match self.form.format {
            Format::Yaml => {
                // What a write did is told whatever it takes.
                let bytes_max = match self.verb {
                    Verb::Get => self.outgoing.room()?,
                    _ => usize::MAX,
                };
                let text = show::to_yaml(&shown, bytes_max)?;
                let bytes = self.outgoing.hold(text.into_bytes());
                Ok(respond::bytes(code, Format::Yaml.content_type(), bytes))
            }
            Format::Json | Format::PrettyJson => {
                self.answer_json(code, self.outgoing.hold(show::to_json(&shown)))
            }
        }
    }

    /// Compact JSON, indented as it goes out if that is asked for.
    fn answer_json(&self, code: StatusCode, bytes: Bytes) -> Result<Response, ApiError> {
        if self.form.format == Format::Json {
            return Ok(respond::bytes(code, Format::Json.content_type(), bytes));
        }
        let mut whole = Some(bytes);
        let fill = move |out: &mut Pending| {
            out.share(whole.take().unwrap_or_default());
            out.share(&b"\n"[..]);
            Ok(false)
        };
        let pieces = Pieces::new(self.outgoing.clone(), Some(Pretty::default()), fill);
        respond::pieces(code, Format::PrettyJson.content_type(), pieces)
    }

    /// The last step of every answer.
    pub(crate) fn finish(&self, result: Result<Response, ApiError>) -> Response {
        let mut response =
            result.unwrap_or_else(|error| respond::failure(self.form.format, &error));
        let warnings = self.warnings.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !warnings.is_empty() {
            respond::warn(response.headers_mut(), &warnings);
        }
        response
    }
}

/// The store key of an object.
pub(crate) fn key(resource: &Resource, namespace: Option<&str>, name: &str) -> Option<Key> {
    let (group, plural) = (storage_group(resource), resource.plural.as_str());
    match namespace {
        Some(namespace) if resource.namespaced => Key::new(&[group, plural, namespace, name]),
        None if resource.namespaced => None,
        _ => Key::new(&[group, plural, name]),
    }
}

fn storage_group(resource: &Resource) -> &str {
    if resource.storage_group.is_empty() { "core" } else { &resource.storage_group }
}

/// Reads the values of `dryRun`.
pub(crate) fn dry_run<'a>(mut values: impl Iterator<Item = &'a str>) -> Result<bool, ApiError> {
    values.try_fold(false, |_, value| match value {
        "All" => Ok(true),
        other => {
            let error = machinery::error::FieldError::not_supported("dryRun", other, &["All"]);
            Err(ApiError::invalid("meta.k8s.io", "WriteOptions", "", vec![error]))
        }
    })
}
