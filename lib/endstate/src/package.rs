//! An operator as a package: what it takes to install it, to run it and to show its clusters.
//!
//! An operator implements [`Package`]; a command line keeps a list of them and has [`manifests`], [`run`] and
//! [`crate::status`] for each.

mod alerts;
mod explain;
mod manifests;
mod monitoring;
mod run;

use k8s_openapi::api::rbac::v1::PolicyRule;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::DynamicObject;

use crate::Engine;
use crate::operator::Health;
use crate::status::Summary;
pub use alerts::{Alert, Monitoring, Panel, Severity, slowest};
pub use explain::{ExplainError, explain};
pub use manifests::{DEBUG_PORT, HEALTH_PORT, NAMESPACE, managed, manifests};
pub use monitoring::{alerts, monitoring, panels};
pub use run::{Options, Replica, RunError, run};

/// One operator.
///
/// ```
/// use endstate::operator::Health;
/// use endstate::{Engine, package::{Package, manifests}};
/// # use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
///
/// struct Toys;
///
/// impl Package for Toys {
///     fn name(&self) -> &'static str {
///         "toys"
///     }
///     fn about(&self) -> &'static str {
///         "toy clusters"
///     }
///     fn crds(&self) -> Vec<CustomResourceDefinition> {
///         vec![]
///     }
///     fn operate(&self, _: &mut Engine, _: &str) -> Vec<Health> {
///         vec![] // one `endstate::operator::add` for each kind
///     }
/// }
///
/// let deployment = manifests(&Toys, "endstate:0.1.0").pop().unwrap();
/// assert_eq!(deployment.metadata.name.as_deref(), Some("endstate-toys"));
/// ```
pub trait Package: Send + Sync {
    /// Its name on the command line, and part of the names of what is installed.
    fn name(&self) -> &'static str;

    /// What it runs, in a few words.
    fn about(&self) -> &'static str;

    /// The kinds that declare a cluster. Each has the subresource `status`.
    fn crds(&self) -> Vec<CustomResourceDefinition>;

    /// The kinds of objects that belong to a cluster by `spec.cluster`; see
    /// [`Operand::beside`](crate::operator::Operand::beside). By default none.
    fn beside(&self) -> Vec<CustomResourceDefinition> {
        vec![]
    }

    /// What it may do beyond what every operator may: its own kinds, pods, services, disruption budgets, nodes and
    /// events. See [`managed`].
    fn rules(&self) -> Vec<PolicyRule> {
        vec![]
    }

    /// What the status tree shows of an object of one of its kinds. By default: by the usual names.
    fn summary(&self, object: &DynamicObject) -> Summary {
        Summary::of(object)
    }

    /// What Prometheus and Grafana are told beside what every operator tells. By default nothing.
    fn monitoring(&self) -> Monitoring {
        Monitoring::default()
    }

    /// What a user can do when too little of a cluster's data is left. It must destroy nothing.
    fn rescue(&self) -> &'static str {
        "first back up the data directories of the remaining pods; \
         a new cluster can be created beside this one, under another name"
    }

    /// Adds its reconcilers to an engine, one [`crate::operator::add`] for each kind. The image holds the `endstate`
    /// executable at `/endstate`: member pods take the launcher from it.
    fn operate(&self, engine: &mut Engine, image: &str) -> Vec<Health>;
}

/// The name of a package's Deployment, ServiceAccount, roles, bindings and lease.
///
/// ```
/// # use endstate::package::{Package, installed_name};
/// # fn show(package: &dyn Package) {
/// assert_eq!(installed_name(package), format!("endstate-{}", package.name()));
/// # }
/// ```
pub fn installed_name(package: &dyn Package) -> String {
    format!("endstate-{}", package.name())
}
