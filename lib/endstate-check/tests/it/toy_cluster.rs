//! Small applications, what is wrong with planners, and who finds it.

pub(crate) mod app;
pub(crate) mod appoint_bugs;
pub(crate) mod found;
pub(crate) mod group_bugs;
pub(crate) mod primary;
pub(crate) mod raft;
pub(crate) mod recovery_bugs;
pub(crate) mod shards;
pub(crate) mod suite;
pub(crate) mod zab;
