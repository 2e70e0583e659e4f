//! etcd as an operand of the generic operator, for each of the two kinds that declare a cluster.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use endstate::operator::{Operand, PodRequest};
use endstate_core::{Identity, Launch, Support};
use etcd_plan::{Etcd, EtcdClusterSpec};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Resource;
use serde_json::{Value, json};

use crate::crd::{self, EtcdClusterStatus};
use crate::driver::EtcdDriver;
use crate::objects;

/// A kind that declares an etcd cluster: how its status looks. Specs are all read alike, because the historical one is a part of
/// the other.
pub(crate) trait Front:
    Resource<DynamicType = (), Scope: 'static> + Clone + std::fmt::Debug + Send + Sync + 'static
{
    /// Finds the status in the object's.
    fn read(status: &Value) -> &Value;
    /// Dresses the status for the object.
    fn write(name: &str, status: &EtcdClusterStatus) -> Value;
}

impl Front for crd::EtcdCluster {
    fn read(status: &Value) -> &Value {
        status
    }

    fn write(_: &str, status: &EtcdClusterStatus) -> Value {
        json!(status)
    }
}

impl Front for crd::historical::EtcdCluster {
    fn read(status: &Value) -> &Value {
        &status["endstate"]
    }

    fn write(name: &str, status: &EtcdClusterStatus) -> Value {
        json!(crd::historical::status(name, status))
    }
}

/// etcd, declared by objects of the kind `F`.
#[derive(Debug)]
pub(crate) struct EtcdOperand<F> {
    driver: EtcdDriver,
    launcher_image: String,
    front: PhantomData<fn() -> F>,
}

impl<F> EtcdOperand<F> {
    pub(crate) fn new(launcher_image: &str) -> Self {
        Self {
            driver: EtcdDriver::default(),
            launcher_image: launcher_image.to_owned(),
            front: PhantomData,
        }
    }
}

impl<F: Front> Operand for EtcdOperand<F> {
    type App = Etcd;
    type Driver = EtcdDriver;
    type Kind = F;

    fn app(&self) -> &Etcd {
        &Etcd
    }

    fn driver(&self) -> &EtcdDriver {
        &self.driver
    }

    fn container(&self) -> &'static str {
        objects::pod::CONTAINER
    }

    fn spec(&self, spec: &Value) -> Result<EtcdClusterSpec, serde_json::Error> {
        let mut spec = spec.clone();
        if let Some(fields) = spec.as_object_mut() {
            // The one field that the historical kind had a default for and the planner has none.
            fields.entry("version").or_insert_with(|| json!(crd::historical::DEFAULT_VERSION));
        }
        serde_json::from_value(spec)
    }

    fn status(&self, status: &Value) -> Result<EtcdClusterStatus, serde_json::Error> {
        match F::read(status) {
            Value::Null => Ok(EtcdClusterStatus::default()),
            status => serde_json::from_value(status.clone()),
        }
    }

    fn publish(&self, object: &Identity, status: &EtcdClusterStatus) -> Value {
        F::write(&object.name, status)
    }

    fn labels(&self, object: &Identity) -> BTreeMap<String, String> {
        objects::labels(object)
    }

    fn pod(&self, request: PodRequest<'_>) -> Pod {
        objects::pod::pod(&request, &self.launcher_image)
    }

    fn changed_pod(&self, pod: &Pod, launch: &Launch) -> Pod {
        objects::pod::changed(pod, launch)
    }

    fn services(&self, object: &Identity, support: &Support) -> Vec<Service> {
        objects::services(object, support)
    }

    fn budget(&self, object: &Identity, min_available: u32) -> PodDisruptionBudget {
        objects::budget(object, min_available)
    }
}
