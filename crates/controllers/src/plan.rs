//! What a plan is.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{ControllerRevision, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{
    ConfigMap, Endpoints, Node, PersistentVolume, PersistentVolumeClaim, Pod, ServiceAccount,
};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::ClusterRole;

pub use endstate_core::Event;
pub use machinery::Propagation;

/// What to do about one object, and when to look again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// In order. Neighbouring steps of the same sort (creates, deletes) may run together; the first failure ends the
    /// plan.
    pub steps: Vec<Step>,
    /// What is worth an event although no step goes with it.
    pub notices: Vec<Event>,
    /// The object itself must be read from the API before the first step, and have the uid that was planned for: some
    /// step ties others to it.
    pub check_owner: bool,
    /// The API itself must know no node of this name before the first step.
    pub absent_node: Option<String>,
    /// The API itself must know no pod that uses this claim before the first step.
    pub unused_claim: Option<Arc<PersistentVolumeClaim>>,
    /// Look again after this long even if nothing changes.
    pub look_again: Option<Duration>,
}

/// One guarded write, and what it is worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub action: Action,
    /// The event once it is done; `{name}` stands for the name of the written object.
    pub done: Option<Event>,
    /// The reason of the event if it fails.
    pub failed: Option<&'static str>,
}

/// A write of one kind. Updates carry the observed object, whose uid and resourceVersion guard them; so do deletes.
#[derive(Clone, Debug, PartialEq)]
pub enum Write<K> {
    Create(Box<K>),
    Update {
        observed: Arc<K>,
        wanted: Box<K>,
    },
    UpdateStatus {
        observed: Arc<K>,
        wanted: Box<K>,
    },
    Delete {
        observed: Arc<K>,
        propagation: Propagation,
    },
    /// Without a grace period, and without who runs it having confirmed the end.
    DeleteNow {
        observed: Arc<K>,
    },
}

macro_rules! kinds {
    ($($kind:ident),* $(,)?) => {
        /// A write, of whichever kind the built-in controllers write.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Action {
            $($kind(Write<$kind>),)*
        }

        $(impl From<Write<$kind>> for Action {
            fn from(write: Write<$kind>) -> Action {
                Action::$kind(write)
            }
        })*
    };
}

kinds!(
    ClusterRole,
    ConfigMap,
    ControllerRevision,
    Deployment,
    EndpointSlice,
    Endpoints,
    Job,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    PodDisruptionBudget,
    ReplicaSet,
    ServiceAccount,
    StatefulSet,
);

impl Plan {
    /// Adds a step that is worth no event.
    pub fn push(&mut self, action: impl Into<Action>) {
        self.steps.push(Step { action: action.into(), done: None, failed: None });
    }

    /// Adds a step with the event it is worth, and the reason of the event if it fails.
    pub fn announce(&mut self, action: impl Into<Action>, done: Event, failed: &'static str) {
        self.steps.push(Step { action: action.into(), done: Some(done), failed: Some(failed) });
    }

    /// Nothing to do: the world is as wanted.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Looks again after this long, or earlier if something else asks for it.
    pub fn look_again_in(&mut self, delay: Duration) {
        self.look_again = Some(self.look_again.map_or(delay, |it| it.min(delay)));
    }
}

impl<K> Write<K> {
    pub fn create(object: K) -> Self {
        Self::Create(Box::new(object))
    }

    pub fn update(observed: &Arc<K>, wanted: K) -> Self {
        Self::Update { observed: observed.clone(), wanted: Box::new(wanted) }
    }

    pub fn update_status(observed: &Arc<K>, wanted: K) -> Self {
        Self::UpdateStatus { observed: observed.clone(), wanted: Box::new(wanted) }
    }

    /// Deletes without waiting for anybody.
    pub fn delete_now(observed: &Arc<K>) -> Self {
        Self::DeleteNow { observed: observed.clone() }
    }

    /// Deletes in the background.
    pub fn delete(observed: &Arc<K>) -> Self {
        Self::Delete { observed: observed.clone(), propagation: Propagation::Background }
    }
}
