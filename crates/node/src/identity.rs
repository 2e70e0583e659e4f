//! As whom a container runs: what its pod, itself and its image say, as far as those ids exist here.
//!
//! Where only one id exists everything runs as it, and an image's own user is not followed: that is what the note of
//! `endstate doctor` says. What the *pod* asks for is refused instead, but of a container that gives up all that would
//! tell one id from another: no capabilities and no way to new ones ([`is_powerless`]). It runs as the one id, which is
//! nobody's but of who started the cluster, and is not root there.

use std::fs;
use std::sync::LazyLock;

use k8s_openapi::api::core::v1::{Container, Pod, PodSecurityContext, SecurityContext};

use crate::config::Ids;
use crate::puller::{Ready, id_by_name};
use crate::runtime::User;
use crate::volumes::{namespace, uid};

/// The user of a container, or why there can be none.
pub(crate) fn user(
    pod: &Pod,
    container: &Container,
    image: &Ready,
    ids: Ids,
) -> Result<User, String> {
    let own = container.security_context.clone().unwrap_or_default();
    let spec = pod.spec.as_ref();
    let of_pod = spec.and_then(|spec| spec.security_context.clone()).unwrap_or_default();
    let image_ids = image_user(image)?;
    if ids == Ids::One && is_powerless(&own) && own.run_as_user.or(of_pod.run_as_user) != Some(0) {
        return Ok(User::default());
    }
    let asked_user = own.run_as_user.or(of_pod.run_as_user);
    let user = match asked_user {
        Some(user) => mapped(user, ids, Which::User)?,
        None => image_ids.0,
    };
    not_root((pod, container), (&own, &of_pod), user, ids)?;
    let group = match own.run_as_group.or(of_pod.run_as_group) {
        Some(group) => mapped(group, ids, Which::Group)?,
        None => image_ids.1,
    };
    let supplemental = of_pod.supplemental_groups.iter().flatten().copied();
    let additional = supplemental
        .chain(of_pod.fs_group)
        .map(|group| mapped(group, ids, Which::Group))
        .collect::<Result<Vec<u32>, String>>()?;
    if ids == Ids::One {
        return Ok(User::default());
    }
    if asked_user.is_none() && !is_mapped(user, Which::User) {
        return Err(format!("the image's user {user} is not mapped into the node"));
    }
    Ok(User { uid: user, gid: group, additional })
}

/// Whether a container has nothing by which the number 0 is more than another: to be it is to own files, and where one
/// id exists there is nobody else who could.
fn is_powerless(context: &SecurityContext) -> bool {
    let capabilities = context.capabilities.as_ref();
    let drops = capabilities.and_then(|it| it.drop.as_ref());
    let adds = capabilities.and_then(|it| it.add.as_ref());
    context.allow_privilege_escalation == Some(false)
        && context.privileged != Some(true)
        && drops.is_some_and(|it| it.iter().any(|name| name == "ALL"))
        && adds.is_none_or(Vec::is_empty)
}

/// `runAsNonRoot`, with the kubelet's words.
fn not_root(
    (pod, container): (&Pod, &Container),
    (own, of_pod): (&SecurityContext, &PodSecurityContext),
    user: u32,
    ids: Ids,
) -> Result<(), String> {
    if own.run_as_non_root.or(of_pod.run_as_non_root) != Some(true) {
        return Ok(());
    }
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let place = format!(
        "(pod: \"{name}_{}({})\", container: {})",
        namespace(pod),
        uid(pod),
        container.name
    );
    if own.run_as_user.or(of_pod.run_as_user) == Some(0) {
        return Err(format!("container's runAsUser breaks non-root policy {place}"));
    }
    if user == 0 || ids == Ids::One {
        return Err(format!("container has runAsNonRoot and image will run as root {place}"));
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    User,
    Group,
}

/// An id that the pod asks for, if it exists here.
fn mapped(id: i64, ids: Ids, which: Which) -> Result<u32, String> {
    let word = if which == Which::User { "user" } else { "group" };
    let number = u32::try_from(id).map_err(|_| format!("{id} is no {word} id"))?;
    match ids {
        Ids::One if number != 0 => Err(format!(
            "{word} {number} does not exist on this node, which has one id only: everything runs as who started the \
             cluster; `endstate doctor` says how to have more"
        )),
        Ids::Many if !is_mapped(number, which) => {
            Err(format!("{word} {number} is not mapped into the node"))
        }
        _ => Ok(number),
    }
}

type Ranges = Vec<(u32, u32)>;

/// Whether an id exists in the namespace of this process.
fn is_mapped(id: u32, which: Which) -> bool {
    static USERS: LazyLock<Ranges> = LazyLock::new(|| read("/proc/self/uid_map"));
    static GROUPS: LazyLock<Ranges> = LazyLock::new(|| read("/proc/self/gid_map"));
    let ranges = if which == Which::User { &USERS } else { &GROUPS };
    ranges.iter().any(|(first, count)| id >= *first && id - first < *count)
}

fn read(path: &str) -> Ranges {
    parse(&fs::read_to_string(path).unwrap_or_default())
}

/// The ids inside: lines of first inside, first outside, count.
fn parse(text: &str) -> Ranges {
    text.lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse);
            let first = numbers.next()?.ok()?;
            Some((first, numbers.nth(1)?.ok()?))
        })
        .collect()
}

/// `USER[:GROUP]` of an image, by number or by its own passwd and group files.
fn image_user(image: &Ready) -> Result<(u32, u32), String> {
    if image.user.is_empty() {
        return Ok((0, 0));
    }
    let (user, group) = match image.user.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (image.user.as_str(), None),
    };
    let known = id_by_name(&image.rootfs, "passwd", user);
    let uid = match (user.parse(), known) {
        (Ok(uid), _) => uid,
        (Err(_), Some((uid, _))) => uid,
        (Err(_), None) => return Err(format!("the image has no user {user:?}")),
    };
    let own_group = known.and_then(|(_, group)| group).unwrap_or(0);
    let Some(group) = group else { return Ok((uid, own_group)) };
    match (group.parse(), id_by_name(&image.rootfs, "group", group)) {
        (Ok(gid), _) | (Err(_), Some((gid, _))) => Ok((uid, gid)),
        (Err(_), None) => Err(format!("the image has no group {group:?}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn user_of(of_pod: Value, own: Value, ids: Ids) -> Result<User, String> {
        let pod = json!({"metadata": {"name": "p", "namespace": "n", "uid": "u"},
            "spec": {"containers": [], "securityContext": of_pod}});
        let container = json!({"name": "c", "securityContext": own});
        let image = Ready { user: "7:8".into(), ..Ready::default() };
        let parsed = serde_json::from_value(pod).unwrap();
        user(&parsed, &serde_json::from_value(container).unwrap(), &image, ids)
    }

    #[test]
    fn users_come_from_the_contexts_or_the_image() {
        let of_pod = json!({"fsGroup": 9, "runAsGroup": 4, "supplementalGroups": [5]});
        let expected = User { uid: 7, gid: 4, additional: vec![5, 9] };
        assert_eq!(user_of(of_pod.clone(), json!({}), Ids::Many), Ok(expected));
        let expected = User { uid: 3, gid: 6, additional: vec![5, 9] };
        let own = json!({"runAsUser": 3, "runAsGroup": 6, "runAsNonRoot": true});
        assert_eq!(user_of(of_pod, own, Ids::Many), Ok(expected));
        assert_eq!(user_of(json!({"runAsUser": 0}), json!({}), Ids::One), Ok(User::default()));
        assert_eq!(user_of(json!({}), json!({}), Ids::One), Ok(User::default()));
    }

    #[test]
    fn ids_that_are_not_there_are_refused() {
        for of_pod in [
            json!({"runAsUser": 1000}),
            json!({"runAsGroup": 1000}),
            json!({"fsGroup": 1000}),
            json!({"supplementalGroups": [0, 1000]}),
        ] {
            let why = user_of(of_pod.clone(), json!({}), Ids::One).unwrap_err();
            assert!(why.contains("1000 does not exist on this node"), "{of_pod}: {why}");
            assert!(user_of(of_pod, json!({}), Ids::Many).is_ok());
        }
    }

    #[test]
    fn who_gives_up_all_powers_runs_as_the_one_id() {
        let of_pod = json!({"runAsUser": 1000, "runAsNonRoot": true, "fsGroup": 1000});
        let powerless =
            json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
        assert_eq!(user_of(of_pod.clone(), powerless.clone(), Ids::One), Ok(User::default()));
        for (field, value) in [
            ("allowPrivilegeEscalation", json!(true)),
            ("privileged", json!(true)),
            ("capabilities", json!({"drop": ["KILL"]})),
            ("capabilities", json!({"drop": ["ALL"], "add": ["CHOWN"]})),
            ("runAsUser", json!(0)),
        ] {
            let mut own = powerless.clone();
            own[field] = value;
            user_of(of_pod.clone(), own, Ids::One).unwrap_err();
        }
    }

    #[test]
    fn who_must_not_be_root_is_not() {
        let place = "(pod: \"p_n(u)\", container: c)";
        let check = |own: Value, ids: Ids| user_of(json!({"runAsNonRoot": true}), own, ids);
        assert_eq!(
            check(json!({"runAsUser": 0}), Ids::Many).unwrap_err(),
            format!("container's runAsUser breaks non-root policy {place}")
        );
        assert_eq!(
            check(json!({}), Ids::One).unwrap_err(),
            format!("container has runAsNonRoot and image will run as root {place}")
        );
        assert!(check(json!({}), Ids::Many).is_ok());
        assert!(check(json!({"runAsUser": 0, "runAsNonRoot": false}), Ids::One).is_ok());
    }

    #[test]
    fn maps_are_read() {
        assert_eq!(
            parse("         0       1000          1\n         1     100000      65535\n"),
            [(0, 1), (1, 65_535)]
        );
        assert!(parse("nonsense").is_empty());
    }
}
