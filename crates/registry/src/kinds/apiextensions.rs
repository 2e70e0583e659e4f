//! Kinds that users define.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as api;

use super::{CLUSTER, WITH_STATUS};
use crate::kind::{Kind, schema_of};
use crate::{crd, printer};

pub(super) static KINDS: &[Kind] = &[Kind {
    group: "apiextensions.k8s.io",
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
    singular: "customresourcedefinition",
    short_names: &["crd", "crds"],
    categories: &["api-extensions"],
    subresources: WITH_STATUS,
    schema: schema_of::<api::CustomResourceDefinition>,
    strategy: crd::STRATEGY,
    printer: printer::policy::CUSTOM_RESOURCE_DEFINITION,
    ..CLUSTER
}];
