//! Columns of roles and bindings.

use serde_json::Value;

use super::{AGE, NAME, age, name};
use crate::kind::{Printer, column, wide};
use crate::value::{list, text};

pub(crate) const ROLE: Printer = super::PLAIN;

pub(crate) const BINDING: Printer = Printer {
    columns: &[
        NAME,
        column("Role", "string"),
        AGE,
        wide("Users", "string"),
        wide("Groups", "string"),
        wide("ServiceAccounts", "string"),
    ],
    cells: |object, now| {
        let part = |key: &str| text(object, &format!("roleRef.{key}")).unwrap_or_default();
        vec![
            name(object),
            format!("{}/{}", part("kind"), part("name")).into(),
            age(object, now),
            subjects(object, "User").into(),
            subjects(object, "Group").into(),
            subjects(object, "ServiceAccount").into(),
        ]
    },
};

fn subjects(binding: &Value, kind: &str) -> String {
    let subjects = list(binding, "subjects").iter().filter(|one| text(one, "kind") == Some(kind));
    let names = subjects.map(|one| {
        let name = text(one, "name").unwrap_or_default();
        match text(one, "namespace") {
            Some(namespace) if kind == "ServiceAccount" => format!("{namespace}/{name}"),
            _ => name.to_owned(),
        }
    });
    names.collect::<Vec<_>>().join(", ")
}
