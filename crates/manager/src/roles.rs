//! Roles that gather the rules of others.

use controllers::{Plan, role};
use endstate::{Cache, Engine, ObjectKey};
use k8s_openapi::api::rbac::v1::ClusterRole;

use crate::shell::{Controller, Look, Shell};

pub(crate) fn add(engine: &mut Engine) {
    let roles = engine.cache::<ClusterRole>();
    let gathering = roles.clone();
    engine
        .add("clusterrole-aggregation", Shell::new(Roles { roles: roles.clone() }, &roles))
        .watches(&roles)
        .reports_as("clusterrole-aggregation-controller")
        // Any role may be one of those that others gather from, or may have been.
        .maps(&roles, move |_| {
            let all = gathering.list();
            all.iter().filter(|it| role::gathers(it)).map(|it| ObjectKey::of(&**it)).collect()
        });
}

struct Roles {
    roles: Cache<ClusterRole>,
}

impl Controller for Roles {
    type Kind = ClusterRole;

    fn plan(&self, look: &Look<'_, ClusterRole>) -> Plan {
        role::plan(&role::Snapshot { role: look.object, all: &self.roles.list() })
    }
}
