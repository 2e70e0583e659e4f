//! Autoscalers.

use k8s_openapi::api::autoscaling;

use super::{NAMESPACED, WITH_STATUS};
use crate::kind::{Kind, Strategy, schema_of};
use crate::printer;

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
    strategy: Strategy { status: true, ..Strategy::PLAIN },
    printer: printer::workload::AUTOSCALER,
    ..NAMESPACED
}];
