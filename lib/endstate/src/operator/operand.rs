//! What an application adds to its planner and driver: how its objects look in the API.

use std::collections::BTreeMap;

use endstate_core::{
    App, Beside, ClusterObjects, Facts, Identity, Launch, MemberName, Start, Status, Surroundings,
    client_service, peer_service,
};
use kube::Resource;
use kube::api::ApiResource;
use kube::core::object::HasSpec;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::objects::{Ownership, Wanted};
use crate::Error;
use crate::driver::Driver;

/// What an application adds to its [`App`] and [`Driver`]: how its objects look in the API. A whole one is on the front
/// page of this crate.
///
/// ```
/// # use endstate::operator::{ObjectsOf, Operand, SpecOf, Wanted};
/// # use endstate::Error;
/// # use k8s_openapi::api::core::v1::PersistentVolumeClaim;
/// # use kube::api::ApiResource;
/// /// The same application, whose `Launch::volumes` say that its data outlives pods: claims are watched, too.
/// struct OnVolumes<O>(O);
///
/// impl<O: Operand> Operand for OnVolumes<O> {
///     # type App = O::App;
///     # type Driver = O::Driver;
///     # type Kind = O::Kind;
///     # fn app(&self) -> &O::App { self.0.app() }
///     # fn driver(&self) -> &O::Driver { self.0.driver() }
///     # fn objects(&self, of: &ObjectsOf<'_, SpecOf<Self>>) -> Result<Vec<Wanted>, Error> { self.0.objects(of) }
///     fn kinds(&self) -> Vec<ApiResource> {
///         let claims = ApiResource::erase::<PersistentVolumeClaim>(&());
///         self.0.kinds().into_iter().chain([claims]).collect()
///     }
/// }
/// ```
pub trait Operand: Send + Sync + 'static {
    /// What is safe.
    type App: App<Spec: Send + Sync + std::fmt::Debug> + Send + Sync + 'static;
    /// How members are asked.
    type Driver: Driver<Spec = SpecOf<Self>>;
    /// The kind that declares a cluster.
    type Kind: Resource<DynamicType = (), Scope: 'static>
        + HasSpec<Spec: DeserializeOwned + Into<SpecOf<Self>>>
        + Clone
        + std::fmt::Debug
        + Send
        + Sync;

    /// What is safe.
    fn app(&self) -> &Self::App;

    /// How members are asked.
    fn driver(&self) -> &Self::Driver;

    /// The name of the container that runs the member itself. By default the application's.
    fn container(&self) -> &'static str {
        self.app().name()
    }

    /// A port of a member's pod at which a connection that says nothing stays open, in plain TCP. The operator has one
    /// to each member that works, so that it sees within seconds that a node is gone with its kubelet. By default none.
    fn idle_port(&self) -> Option<u16> {
        None
    }

    /// Reads the spec of an object.
    fn spec(&self, spec: &Value) -> Result<SpecOf<Self>, serde_json::Error> {
        <Self::Kind as HasSpec>::Spec::deserialize(spec).map(Into::into)
    }

    /// Reads the status of an object; `Null` when it has none yet. By default the whole of it.
    fn status(&self, status: &Value) -> Result<Status<SpecOf<Self>>, serde_json::Error> {
        match status {
            Value::Null => Ok(Status::default()),
            status => Status::deserialize(status),
        }
    }

    /// The status to publish, in the shape of the kind. By default as it is.
    fn publish(&self, _: &Identity, status: &Status<SpecOf<Self>>) -> Value {
        serde_json::json!(status)
    }

    /// The labels by which services, budgets and people find the pods of a cluster. They are restored on pods that lost
    /// them.
    fn labels(&self, object: &Identity) -> BTreeMap<String, String> {
        ClusterObjects::new(self.app().name(), object).labels()
    }

    /// The kinds of objects that a cluster needs besides its pods and those of [`ObjectsOf::quorum`]. By default none.
    fn kinds(&self) -> Vec<ApiResource> {
        vec![]
    }

    /// Whatever a cluster needs besides its pods and their volumes: services, a disruption budget, configuration.
    /// Applied in full, and what is no longer among them is deleted. The claims of members' volumes are made beside
    /// them, as [`Launch::volumes`] says; their kind must be one of [`Operand::kinds`].
    fn objects(&self, of: &ObjectsOf<'_, SpecOf<Self>>) -> Result<Vec<Wanted>, Error>;

    /// The secrets whose contents the driver needs. By default none.
    fn secrets(&self, _: &Identity, _: &SpecOf<Self>) -> Vec<String> {
        vec![]
    }

    /// The kinds whose objects belong to a cluster by `spec.cluster` (or [`Operand::form`]), a name in their namespace:
    /// [`App::tend`](endstate_core::App::tend) says what becomes of them. Only one operand may have a kind. Their
    /// status is [`crd::BesideStatus`](crate::crd::BesideStatus). By default none.
    fn beside(&self) -> Vec<ApiResource> {
        vec![]
    }

    /// How such objects are written. By default as [`Form::default`] has it.
    fn form() -> Form {
        Form::default()
    }

    /// What an object of such a kind asks for, as the planner reads it. By default its spec, as it was written.
    fn asked(_kind: &str, spec: &Value) -> Facts {
        Facts::of(spec)
    }

    /// The secrets whose contents the driver needs for such an object. By default none.
    fn secrets_of(&self, _: &Identity, _: &Beside) -> Vec<String> {
        vec![]
    }
}

/// How objects beside a cluster are written.
///
/// ```
/// let form = endstate::operator::Form::default();
/// assert_eq!((form.cluster)(&serde_json::json!({"cluster": "demo"})), Some("demo"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// The cluster that a spec names. By default `spec.cluster`.
    pub cluster: fn(&Value) -> Option<&str>,
    /// Finds the status that is kept here in that of an object. By default the whole of it.
    pub kept: fn(&Value) -> &Value,
    /// The status of an object with this spec, with this status in it. By default as it is.
    pub shown: fn(&Value, Value) -> Value,
}

impl Default for Form {
    fn default() -> Self {
        Self { cluster: |it| it["cluster"].as_str(), kept: |it| it, shown: |_, it| it }
    }
}

/// What [`Operand::objects`] is asked about.
///
/// ```
/// # use endstate::operator::ObjectsOf;
/// fn client_service_is_due<S>(of: &ObjectsOf<'_, S>) -> bool {
///     of.surroundings.clients
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct ObjectsOf<'a, S> {
    /// The cluster object.
    pub object: &'a Identity,
    /// The spec that is worked towards.
    pub spec: &'a S,
    /// What the plan says about the surroundings.
    pub surroundings: &'a Surroundings,
    /// The objects that are declared beside the cluster.
    pub beside: &'a [Beside],
}

impl<'a, S> ObjectsOf<'a, S> {
    /// The objects around this cluster.
    pub fn new(object: &'a Identity, spec: &'a S, surroundings: &'a Surroundings) -> Self {
        Self { object, spec, surroundings, beside: &[] }
    }

    /// The same, with these objects beside the cluster.
    #[must_use]
    pub fn beside(self, beside: &'a [Beside]) -> Self {
        Self { beside, ..self }
    }

    /// The two services and the disruption budget of a quorum. Members find each other by the first service; clients
    /// use the second, once there is a cluster, at the first of the ports; the budget keeps a quorum from being
    /// evicted.
    pub fn quorum(&self, application: &str, ports: &[(&str, u16)]) -> Result<Vec<Wanted>, Error> {
        let name = &self.object.name;
        let objects = ClusterObjects::new(application, self.object);
        let mut bodies = vec![
            objects.peer_service(&peer_service(name), ports),
            objects.disruption_budget(name, self.surroundings.min_available),
        ];
        if self.surroundings.clients {
            bodies.push(objects.client_service(&client_service(name), &ports[..1]));
        }
        bodies.into_iter().map(|it| Wanted::new(it, Ownership::Owned)).collect()
    }
}

/// The spec type of an operand.
///
/// ```
/// # use endstate::operator::{Operand, SpecOf};
/// fn parse<O: Operand>(operand: &O, spec: &serde_json::Value) -> Option<SpecOf<O>> {
///     operand.spec(spec).ok()
/// }
/// ```
pub type SpecOf<O> = <<O as Operand>::App as App>::Spec;

/// What a member's pod is made from.
///
/// ```
/// # use endstate::operator::PodRequest;
/// fn pod_name(request: &PodRequest<'_>) -> String {
///     request.member.to_string() // a name is used once, so it says which incarnation this is
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct PodRequest<'a> {
    /// The object that declares the cluster.
    pub object: &'a Identity,
    /// The member's name, and the pod's.
    pub member: &'a MemberName,
    /// How its process starts on an empty data directory.
    pub start: &'a Start,
    /// What to run.
    pub launch: &'a Launch,
}

impl<'a> PodRequest<'a> {
    /// The pod of this member of a cluster, which starts so.
    pub fn new(
        object: &'a Identity,
        (member, start): (&'a MemberName, &'a Start),
        launch: &'a Launch,
    ) -> Self {
        Self { object, member, start, launch }
    }
}
