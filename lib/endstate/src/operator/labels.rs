//! What the objects of a cluster carry, so that its operator finds and knows them.

/// The label by which an operator watches its pods; its value is [`App::name`](endstate_core::App::name).
/// What exists is never decided by it: see the record, and the owner.
pub const APP_LABEL: &str = "endstate.dev/app";

pub use endstate_core::{LABEL_GROUP as GROUP_LABEL, LABEL_ROLE as ROLE_LABEL};

/// The annotation on the pod of a member that has answered; its value is the member's id. Whatever starts the member in
/// that pod must never start it empty again: the node may lose the pod's directories while the pod goes on. It is on
/// the pods of a quorum before it is recorded that a cluster exists (and so before clients are led to it), and on that
/// of a member without a vote before it gets one.
pub const STARTED_ANNOTATION: &str = "endstate.dev/started";
