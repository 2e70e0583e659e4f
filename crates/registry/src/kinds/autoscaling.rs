//! Autoscalers.

use k8s_openapi::api::autoscaling;

use super::{NAMESPACED, WITH_STATUS};
use crate::kind::{Kind, schema_of};
use crate::{printer, strategy};

pub(super) static KINDS: &[Kind] = &[Kind {
    group: "autoscaling",
    version: "v2",
    kind: "HorizontalPodAutoscaler",
    plural: "horizontalpodautoscalers",
    singular: "horizontalpodautoscaler",
    short_names: &["hpa"],
    categories: &["all"],
    subresources: WITH_STATUS,
    schema: schema_of::<autoscaling::v2::HorizontalPodAutoscaler>,
    strategy: strategy::workload::AUTOSCALER,
    printer: printer::workload::AUTOSCALER,
    ..NAMESPACED
}];
