//! Nodes.

use crate::kind::Strategy;
use crate::value::{at, at_mut, child, default};

pub(crate) const STRATEGY: Strategy = Strategy {
    generation: false,
    fields: &[("spec.unschedulable", "false")],
    defaults: |object| {
        let capacity = at(object, "status.capacity").cloned();
        if let (Some(capacity), Some(status)) = (capacity, at_mut(object, "status")) {
            default(status, "allocatable", capacity);
        }
        child(object, "spec");
    },
    ..Strategy::SPEC_AND_STATUS
};
