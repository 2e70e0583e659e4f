//! Role-based access control as Kubernetes has it: rules, who has them, and what every cluster starts with. Pure.
//!
//! - A [`Rule`] allows verbs on resources or on paths; a [`Policy`] knows every role and binding and decides.
//! - [`uncovered`] is the escalation check: what of some rules others do not give.
//! - [`aggregation`] makes the rules of roles that gather those of others by labels.
//! - [`bootstrap`] has the roles and bindings that kube-apiserver makes at its start, and how they are kept.
//!
//! There are no rules that deny. Members of `system:masters` may do everything before anybody asks here.

mod rule;

mod policy;

mod cover;

pub mod aggregation;
pub mod bootstrap;

pub use cover::uncovered;
pub use policy::{Binding, Decision, Missing, Policy, Reason, Request, RoleRef, Subject, User};
pub use rule::{Rule, everything, rules_of};
