//! Endpoints and EndpointSlices: the addresses behind a service.
//!
//! In reading order: [`plan`] finds the service's pods and what each offers ([`offers`]), then renders that as the
//! Endpoints object ([`legacy`]) and as slices ([`slices`]).

mod legacy;
mod offers;
mod slices;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Endpoints, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;

use crate::labels::Labels;
use crate::owners::is_deleting;
use crate::plan::Plan;

/// The service that a slice belongs to.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Who manages a slice; others than ours are left alone.
pub const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
pub const MANAGER: &str = "endpointslice-controller.k8s.io";

/// What the plan may look at.
pub struct Snapshot<'a> {
    pub service: &'a Arc<Service>,
    /// The pods of the namespace that the service selects; others do no harm.
    pub pods: &'a [Arc<Pod>],
    /// The Endpoints object of the service's name.
    pub endpoints: Option<&'a Arc<Endpoints>>,
    /// The slices of the service.
    pub slices: &'a [Arc<EndpointSlice>],
}

/// Makes the addresses what the service's pods offer. A service without a selector is its user's own business.
pub fn plan(snapshot: &Snapshot<'_>) -> Plan {
    let mut plan = Plan::default();
    let service = &**snapshot.service;
    let spec = service.spec.clone().unwrap_or_default();
    let selector: Labels = spec.selector.unwrap_or_default();
    if selector.is_empty()
        || is_deleting(&service.metadata)
        || spec.type_.as_deref() == Some("ExternalName")
    {
        return plan;
    }
    let offers = offers::of(service, &selector, snapshot.pods);
    legacy::write(&mut plan, snapshot, &offers);
    slices::write(&mut plan, snapshot, &offers);
    plan
}

#[cfg(test)]
mod tests;
