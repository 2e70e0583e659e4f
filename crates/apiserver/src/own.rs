//! Objects that the server makes itself.

use std::sync::Arc;

use machinery::error::ApiError;
use registry::Resource;
use serde_json::{Value, json};
use store::Write;

use crate::ApiServer;
use crate::authn::Identity;
use crate::call::{Call, Parts};
use crate::negotiate::{Form, Format, Shape};
use crate::outgoing::Outgoing;
use crate::query::Query;
use crate::request::{Target, Verb};
use crate::write::Endpoint;
use crate::{admission, fields, receive, time};

/// The account that pods run as which name none: every namespace has it.
pub(crate) fn default_account(namespace: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": namespace}})
}

/// A call of the server on itself, about the place of an object.
pub(crate) fn call(server: &ApiServer, plural: &str, object: &Value) -> Result<Call, ApiError> {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
    let resource = server
        .registry()
        .resource(group, version, plural)
        .ok_or_else(ApiError::no_such_resource)?;
    let target = Target {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: plural.to_owned(),
        namespace: object["metadata"]["namespace"].as_str().map(str::to_owned),
        ..Target::default()
    };
    call_on(server, resource, target)
}

/// A call of the server on itself.
pub(crate) fn call_on(
    server: &ApiServer,
    resource: Arc<Resource>,
    target: Target,
) -> Result<Call, ApiError> {
    let query = Query::parse("fieldManager=kube-apiserver").map_err(ApiError::internal)?;
    Ok(Call::new(Parts {
        server: server.clone(),
        registry: server.registry(),
        resource,
        target,
        verb: Verb::Create,
        identity: Identity::masters("system:apiserver"),
        headers: http::HeaderMap::new(),
        query,
        form: Form { format: Format::Json, shape: Shape::Object },
        outgoing: Outgoing::uncounted(),
    }))
}

/// The write that makes an object, complete and checked. Its namespace is not asked for, because it may be made by the
/// same commit.
pub(crate) async fn create(call: &Call, mut object: Value) -> Result<Write, ApiError> {
    receive::tidy_metadata(call, &mut object);
    object["metadata"]["uid"] = call.server.uid()?.into();
    object["metadata"]["creationTimestamp"] = time::seconds(call.now).into();
    call.resource.defaults(&mut object);
    call.resource.prepare_create(&mut object);
    fields::track(call, None, &mut object, Endpoint::Main)?;
    let name = object["metadata"]["name"].as_str().unwrap_or("").to_owned();
    let errors = call.resource.validate_create(&object);
    if !errors.is_empty() {
        return Err(call.invalid(&name, errors));
    }
    let _allocated = admission::allocate(call, None, &mut object).await?;
    Ok(Write::Create { key: call.key(&name)?, draft: call.draft(&object) })
}

/// Makes an object at once.
#[cfg(test)]
pub(crate) async fn make(server: &ApiServer, plural: &str, object: Value) -> Result<(), ApiError> {
    let call = call(server, plural, &object)?;
    let write = create(&call, object).await?;
    server.store().commit(vec![write]).await.map(drop).map_err(crate::errors::store)
}
