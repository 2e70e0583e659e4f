//! etcd as an operand of the generic operator, for each of the two kinds that declare a cluster.

use std::marker::PhantomData;

use endstate::Error;
use endstate::operator::{Form, ObjectsOf, Operand, Wanted, requests};
use endstate_core::tls::{Files, Holder};
use endstate_core::{App, Beside, Facts, Identity, Password, Status};
use etcd_plan::auth::{Declared, USER_KIND};
use etcd_plan::{APPLICATION, Etcd, EtcdClusterSpec, METRICS_PORT, PORTS, RESTORE_KIND, TASK_KIND};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret};
use kube::Resource;
use kube::api::ApiResource;
use kube::core::object::HasSpec;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::crd::{self, EtcdTaskSpec, historical};
use crate::driver::EtcdDriver;

/// A kind that declares an etcd cluster, and how its status looks.
pub(crate) trait ClusterKind:
    Resource<DynamicType = (), Scope: 'static>
    + HasSpec<Spec: DeserializeOwned + Into<EtcdClusterSpec>>
    + Clone
    + std::fmt::Debug
    + Send
    + Sync
    + 'static
{
    /// Finds the cluster's status in the object's.
    fn read(status: &Value) -> &Value;

    /// The kinds of objects that are declared beside a cluster of this kind, and how they are written.
    fn beside() -> (Vec<ApiResource>, Form);

    /// The object's status.
    fn publish(name: &str, status: &Status<EtcdClusterSpec>) -> Value;
}

impl ClusterKind for crd::EtcdCluster {
    fn read(status: &Value) -> &Value {
        status
    }

    fn beside() -> (Vec<ApiResource>, Form) {
        let (role, user) =
            (ApiResource::erase::<crd::EtcdRole>(&()), ApiResource::erase::<crd::EtcdUser>(&()));
        (vec![role, user, ApiResource::erase::<crd::EtcdTask>(&())], Form::default())
    }

    fn publish(_: &str, status: &Status<EtcdClusterSpec>) -> Value {
        json!(status)
    }
}

impl ClusterKind for historical::EtcdCluster {
    fn read(status: &Value) -> &Value {
        &status["endstate"]
    }

    fn beside() -> (Vec<ApiResource>, Form) {
        let form = Form {
            cluster: |it| it["etcdCluster"]["name"].as_str(),
            kept: historical::restore_kept,
            shown: |spec, status| json!(historical::restore_status(spec, &status)),
        };
        (vec![ApiResource::erase::<historical::EtcdRestore>(&())], form)
    }

    fn publish(name: &str, status: &Status<EtcdClusterSpec>) -> Value {
        json!(historical::status(name, status))
    }
}

/// etcd, declared by objects of the kind `K`.
#[derive(Debug)]
pub(crate) struct EtcdOperand<K> {
    driver: EtcdDriver,
    kind: PhantomData<fn() -> K>,
}

impl<K> Default for EtcdOperand<K> {
    fn default() -> Self {
        Self { driver: EtcdDriver::default(), kind: PhantomData }
    }
}

/// The kinds of what a cluster needs besides its pods: claims, certificates, and whom clients are to believe.
pub fn kinds() -> Vec<ApiResource> {
    vec![
        ApiResource::erase::<PersistentVolumeClaim>(&()),
        ApiResource::erase::<Secret>(&()),
        ApiResource::erase::<ConfigMap>(&()),
        requests(),
    ]
}

/// What a cluster needs besides its pods.
pub fn objects(of: &ObjectsOf<'_, EtcdClusterSpec>) -> Result<Vec<Wanted>, Error> {
    let mut wanted = of.quorum(Etcd.name(), &PORTS)?;
    let trust = of.spec.tls.trust(of.object);
    let root = of.spec.auth.as_ref().filter(|it| it.root_secret.is_none());
    let users = of.beside.iter().filter(|it| it.kind == USER_KIND);
    let users = users.filter(|it| !it.deleting).filter_map(|it| {
        let password = Declared::of(it)?.0.password.filter(Password::is_generated)?;
        Some(password.place(it).0)
    });
    let secrets = root.map(|it| it.secret(of.object)).into_iter().chain(users);
    wanted.extend(secrets.map(Wanted::password));
    wanted.extend(trust.map(|(name, authorities)| Wanted::bundle(&name, authorities)));
    Ok(wanted)
}

impl<K: ClusterKind> Operand for EtcdOperand<K> {
    type App = Etcd;
    type Driver = EtcdDriver;
    type Kind = K;

    fn app(&self) -> &Etcd {
        &Etcd
    }

    fn driver(&self) -> &EtcdDriver {
        &self.driver
    }

    fn idle_port(&self) -> Option<u16> {
        Some(METRICS_PORT)
    }

    fn status(&self, status: &Value) -> Result<Status<EtcdClusterSpec>, serde_json::Error> {
        match K::read(status) {
            Value::Null => Ok(Status::default()),
            status => Status::deserialize(status),
        }
    }

    fn publish(&self, object: &Identity, status: &Status<EtcdClusterSpec>) -> Value {
        K::publish(&object.name, status)
    }

    fn kinds(&self) -> Vec<ApiResource> {
        kinds()
    }

    fn secrets(&self, object: &Identity, spec: &EtcdClusterSpec) -> Vec<String> {
        let own = spec.tls.client().files(APPLICATION, object, Holder::Operator);
        let root = spec.auth.as_ref().map(|it| it.secret(object));
        own.into_iter().flat_map(Files::secrets).chain(root).collect()
    }

    fn beside(&self) -> Vec<ApiResource> {
        K::beside().0
    }

    fn form() -> Form {
        K::beside().1
    }

    /// What data is made of is told as the agent reads it that makes it.
    fn asked(kind: &str, spec: &Value) -> Facts {
        let restore = match kind {
            TASK_KIND => EtcdTaskSpec::deserialize(spec).ok().and_then(|it| it.restore),
            // Whatever cannot be restored asks for nothing that is known.
            RESTORE_KIND => historical::restore(spec).ok(),
            _ => None,
        };
        let Some(restore) = restore else { return Facts::of(spec) };
        let mut asked = if kind == TASK_KIND { spec.clone() } else { json!({}) };
        asked["restore"] = json!(endstate_core::Restore::from(restore));
        Facts::of(&asked)
    }

    fn secrets_of(&self, _: &Identity, beside: &Beside) -> Vec<String> {
        let password = Declared::of(beside).and_then(|it| it.0.password);
        password.map(|it| it.place(beside).0).into_iter().collect()
    }

    fn objects(&self, of: &ObjectsOf<'_, EtcdClusterSpec>) -> Result<Vec<Wanted>, Error> {
        objects(of)
    }
}

#[cfg(test)]
mod tests;
