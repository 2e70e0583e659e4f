//! The roles and bindings that every cluster has, as kube-apiserver 1.36 makes them at its start.
//!
//! They are kept in text files, a role a paragraph and a binding a line. At each start [`reconciled`] says what of them
//! has to be written: what is missing is added, and what users added stays.

mod reconcile;
mod table;

use serde_json::Value;

pub use reconcile::{Verdict, reconciled};

/// One object of the defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Default {
    /// `clusterroles`, `clusterrolebindings`, `roles` or `rolebindings`.
    pub plural: &'static str,
    /// Empty for those of the cluster.
    pub namespace: String,
    pub name: String,
    pub object: Value,
}

/// All of them: roles before bindings. Roles that gather the rules of others have them already.
pub fn defaults() -> Vec<Default> {
    let mut all = table::roles(include_str!("bootstrap/cluster-roles.txt"));
    all.extend(table::roles(include_str!("bootstrap/controller-roles.txt")));
    gather(&mut all);
    all.extend(table::roles(include_str!("bootstrap/roles.txt")));
    all.extend(table::bindings(include_str!("bootstrap/bindings.txt")));
    all
}

/// Gives roles the rules that they gather. Those that others gather from come first by name: `edit` before `admin`
/// needs `view` before `edit`, so it is done until nothing changes.
fn gather(roles: &mut [Default]) {
    for _ in 0..roles.len() {
        let gathered: Vec<(usize, Value)> = roles
            .iter()
            .enumerate()
            .filter_map(|(index, role)| {
                let all = roles.iter().map(|it| &it.object);
                let rules = crate::aggregation::gathered(&role.object, all)?;
                let rules: Value = rules.iter().map(crate::Rule::to_value).collect();
                (role.object["rules"] != rules).then_some((index, rules))
            })
            .collect();
        if gathered.is_empty() {
            return;
        }
        for (index, rules) in gathered {
            roles[index].object["rules"] = rules;
        }
    }
}

#[cfg(test)]
mod tests;
