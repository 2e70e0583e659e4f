//! etcd as an operand of the generic operator, for each of the two kinds that declare a cluster.

use std::marker::PhantomData;

use endstate::Error;
use endstate::operator::{ObjectsOf, Operand, PodRequest, Wanted};
use endstate_core::{Identity, Launch, Status};
use etcd_plan::{Etcd, EtcdClusterSpec};
use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use kube::core::object::HasSpec;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::crd::{self, historical};
use crate::driver::EtcdDriver;
use crate::objects;

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

    /// The object's status.
    fn publish(name: &str, status: &Status<EtcdClusterSpec>) -> Value;
}

impl ClusterKind for crd::EtcdCluster {
    fn read(status: &Value) -> &Value {
        status
    }

    fn publish(_: &str, status: &Status<EtcdClusterSpec>) -> Value {
        json!(status)
    }
}

impl ClusterKind for historical::EtcdCluster {
    fn read(status: &Value) -> &Value {
        &status["endstate"]
    }

    fn publish(name: &str, status: &Status<EtcdClusterSpec>) -> Value {
        json!(historical::status(name, status))
    }
}

/// etcd, declared by objects of the kind `K`.
#[derive(Debug)]
pub(crate) struct EtcdOperand<K> {
    driver: EtcdDriver,
    launcher_image: String,
    kind: PhantomData<fn() -> K>,
}

impl<K> EtcdOperand<K> {
    pub(crate) fn new(launcher_image: &str) -> Self {
        Self {
            driver: EtcdDriver::default(),
            launcher_image: launcher_image.to_owned(),
            kind: PhantomData,
        }
    }
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

    fn status(&self, status: &Value) -> Result<Status<EtcdClusterSpec>, serde_json::Error> {
        match K::read(status) {
            Value::Null => Ok(Status::default()),
            status => Status::deserialize(status),
        }
    }

    fn publish(&self, object: &Identity, status: &Status<EtcdClusterSpec>) -> Value {
        K::publish(&object.name, status)
    }

    fn pod(&self, request: PodRequest<'_>) -> Pod {
        objects::pod(&request, &self.launcher_image)
    }

    fn changed_pod(&self, pod: &Pod, launch: &Launch) -> Pod {
        endstate::template::changed(pod, launch, |spec: EtcdClusterSpec| spec.pod)
    }

    fn objects(&self, of: &ObjectsOf<'_, EtcdClusterSpec>) -> Result<Vec<Wanted>, Error> {
        objects::objects(of)
    }
}
