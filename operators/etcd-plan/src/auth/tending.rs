//! What becomes of one role or user.

use std::collections::BTreeSet;

use endstate_core::{Beside, Keys, Permission, Tended, Verdict};

use super::declared::{AuthFacts, Change, Declared, ROLE_KIND};
use crate::spec::{EtcdClusterSpec, ROOT};

/// What an object is looked at with.
pub(super) struct Tending<'a> {
    pub(super) spec: &'a EtcdClusterSpec,
    /// All objects of the cluster.
    pub(super) beside: &'a [Beside],
    /// The member that is asked.
    pub(super) via: &'a str,
    pub(super) facts: &'a AuthFacts,
}

impl Tending<'_> {
    pub(super) fn tend(&self, object: &Beside) -> Tended {
        let Some((declared, name)) = Declared::of(object) else {
            return object.tended(Verdict::waits("SpecUnreadable", "its spec cannot be read"));
        };
        if let Some(problem) = self.name_problem(object, &name) {
            return object.tended(problem);
        }
        let is_role = object.kind == ROLE_KIND;
        let is_there = match is_role {
            true => self.facts.roles.contains_key(&name),
            false => self.facts.users.contains_key(&name),
        };
        if object.deleting {
            let end = if is_role { Change::DeleteRole } else { Change::DeleteUser };
            let changes = is_there.then(|| end(name)).into_iter().collect();
            return self.asks(object, changes).held(is_there && object.held);
        }
        let made = match is_role {
            true => self.role(&declared, &name),
            false => self.user(object, &declared, &name),
        };
        match made {
            Ok(changes) => self.asks(object, changes).held(true),
            Err(lack) => {
                let tended = object.tended(lack).held(is_there);
                let generated = declared.password.is_some_and(|it| it.is_generated());
                if generated { tended.soon() } else { tended }
            }
        }
    }

    fn asks(&self, object: &Beside, changes: Vec<Change>) -> Tended {
        let missing = self.missing_roles(object);
        let verdict = match (missing.first(), changes.is_empty(), self.facts.enabled) {
            _ if object.deleting => Verdict::waits("Deleting", "it is being removed from etcd"),
            (Some(role), ..) => Verdict::waits("RoleNotFound", format!("there is no role {role}")),
            (None, false, _) => Verdict::waits("Applying", "etcd is told"),
            (None, true, true) => Verdict::ready("Applied", "etcd has it as declared"),
            (None, true, false) => Verdict::ready(
                "AuthenticationIsOff",
                "etcd has it as declared, and asks nobody who they are: see the cluster's spec.auth",
            ),
        };
        let steps = changes.iter().map(|it| it.step(self.via));
        steps.fold(object.tended(verdict), Tended::asks)
    }

    /// Why an object cannot have its name in etcd.
    fn name_problem(&self, object: &Beside, name: &str) -> Option<Verdict> {
        if name == ROOT {
            let why = "root is the operator's own: choose another name";
            return Some(Verdict::waits("NameIsReserved", why));
        }
        let same_kind = self.beside.iter().filter(|it| it.kind == object.kind && !it.deleting);
        let mut same = same_kind.filter(|it| Declared::of(it).is_some_and(|it| it.1 == name));
        let first = same.next().filter(|it| it.uid != object.uid)?;
        let why = format!("{} {} declares {name}", object.kind, first.name);
        Some(Verdict::waits("NameIsTaken", why))
    }

    fn role(&self, declared: &Declared, name: &str) -> Result<Vec<Change>, Verdict> {
        let wanted: Result<BTreeSet<_>, _> =
            declared.permissions.iter().map(Keys::permission).collect();
        let wanted = wanted.map_err(|why| Verdict::waits("PermissionInvalid", why))?;
        let (none, has) = (BTreeSet::new(), self.facts.roles.get(name));
        let added = has.is_none().then(|| Change::AddRole(name.to_owned()));
        let has = has.unwrap_or(&none);
        let same_keys = |a: &Permission, b: &Permission| a.key == b.key && a.end == b.end;
        let gone = has.iter().filter(|it| !wanted.iter().any(|other| same_keys(it, other)));
        let gone = gone.map(|it| Change::Forbid(name.to_owned(), it.clone()));
        let new = wanted.difference(has).map(|it| Change::Permit(name.to_owned(), it.clone()));
        Ok(added.into_iter().chain(gone).chain(new).collect())
    }

    fn user(
        &self,
        object: &Beside,
        declared: &Declared,
        name: &str,
    ) -> Result<Vec<Change>, Verdict> {
        let place = declared.password.as_ref().map(|it| it.place(object));
        match &place {
            None if !self.spec.tls.client().is_on() => {
                let why = "a user without a password is known by its certificate, and clients have none: name a \
                           password, or turn on the cluster's spec.tls.client";
                return Err(Verdict::waits("NoClientTls", why));
            }
            Some((secret, key)) if !self.facts.passwords.contains(object.uid.as_str()) => {
                let why = format!("there is no password in the secret {secret}, key {key}");
                return Err(Verdict::waits("SecretNotFound", why));
            }
            _ => {}
        }
        let (none, has) = (BTreeSet::new(), self.facts.users.get(name));
        let first = match (has, place) {
            (None, place) => Some(Change::AddUser(name.to_owned(), place)),
            (Some(it), Some(place)) if it.password == Some(false) => {
                Some(Change::SetPassword(name.to_owned(), place))
            }
            _ => None,
        };
        let roles = has.map_or(&none, |it| &it.roles);
        let taken = roles.difference(&declared.roles);
        let taken = taken.map(|it| Change::Take(name.to_owned(), it.clone()));
        let missing = self.missing_roles(object);
        let given = declared.roles.difference(roles).filter(|it| !missing.contains(*it));
        let given = given.map(|it| Change::Give(name.to_owned(), it.clone()));
        Ok(first.into_iter().chain(taken).chain(given).collect())
    }

    /// The roles of a user that neither etcd has nor anybody declares: etcd would refuse them.
    fn missing_roles(&self, object: &Beside) -> Vec<String> {
        let declared = self.beside.iter().filter(|it| it.kind == ROLE_KIND && !it.deleting);
        let declared: BTreeSet<_> = declared.filter_map(|it| Some(Declared::of(it)?.1)).collect();
        let known = |it: &String| {
            *it == *ROOT || self.facts.all_roles.contains(it) || declared.contains(it)
        };
        let roles = Declared::of(object).map(|it| it.0.roles).unwrap_or_default();
        roles.into_iter().filter(|it| !known(it)).collect()
    }
}
