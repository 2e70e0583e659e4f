use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::*;

fn map(name: &str, uid: &str, revision: u64) -> Arc<ConfigMap> {
    Arc::new(ConfigMap {
        metadata: ObjectMeta {
            namespace: Some("ns".into()),
            name: Some(name.into()),
            uid: Some(uid.into()),
            resource_version: Some(revision.to_string()),
            ..Default::default()
        },
        ..Default::default()
    })
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::namespaced("ns", name)
}

fn version(state: &State<ConfigMap>, name: &str) -> Option<u64> {
    state.get(&key(name)).and_then(|it| revision(&**it))
}

fn synced(objects: &[(&str, &str, u64)]) -> State<ConfigMap> {
    let mut state = State::default();
    state.begin();
    for (name, uid, revision) in objects {
        state.listed(map(name, uid, *revision));
    }
    state.complete();
    state
}

fn me() -> Option<Origin> {
    Some(Origin { controller: "me".into(), key: key("owner") })
}

#[test]
fn an_own_write_is_seen_at_once_and_its_echo_wakes_nobody() {
    let mut state = synced(&[("a", "1", 5)]);
    let change = state.wrote(map("a", "1", 7), me()).expect("a change");
    assert_eq!(change.origin, me());
    assert_eq!(version(&state, "a"), Some(7));
    assert!(state.applied(map("a", "1", 7)).is_none(), "the echo");
    assert!(state.own.is_empty());
}

#[test]
fn an_older_event_never_moves_back_but_wakes() {
    let mut state = synced(&[("a", "1", 5)]);
    state.wrote(map("a", "1", 7), me());
    let change = state.applied(map("a", "1", 6)).expect("somebody else's change wakes");
    assert_eq!(change.origin, None);
    assert_eq!(version(&state, "a"), Some(7));
    assert!(state.applied(map("a", "1", 7)).is_none());
}

#[test]
fn a_watch_that_is_faster_than_the_answer() {
    let mut state = synced(&[("a", "1", 5)]);
    assert!(state.applied(map("a", "1", 7)).is_some());
    assert!(state.wrote(map("a", "1", 7), me()).is_none());
    assert!(state.own.is_empty(), "no echo is left to wait for");
}

#[test]
fn an_own_delete_is_seen_at_once_until_a_successor_appears() {
    let mut state = synced(&[("a", "1", 5)]);
    assert!(state.erased(&key("a"), "1", me()).is_some());
    assert!(state.applied(map("a", "1", 6)).is_none(), "an event from before the deletion");
    assert_eq!(version(&state, "a"), None);
    assert!(state.deleted(&map("a", "1", 8)).is_none(), "the echo");
    assert!(state.applied(map("a", "2", 9)).is_some());
    assert_eq!(version(&state, "a"), Some(9));
}

#[test]
fn a_delete_by_uid_spares_the_successor() {
    let mut state = synced(&[("a", "1", 5)]);
    state.wrote(map("a", "2", 9), me());
    assert!(state.deleted(&map("a", "1", 8)).is_none());
    assert_eq!(version(&state, "a"), Some(9));
    assert!(state.erased(&key("a"), "1", me()).is_none());
    assert_eq!(version(&state, "a"), Some(9));
}

#[test]
fn a_relist_removes_what_is_gone_but_not_newer_own_writes() {
    let mut state = synced(&[("gone", "1", 5), ("kept", "2", 6)]);
    state.wrote(map("before", "3", 7), me());
    state.begin();
    state.wrote(map("during", "4", 9), me());
    state.erased(&key("kept"), "2", me());
    state.listed(map("kept", "2", 6));
    let gone: Vec<_> = state
        .complete()
        .iter()
        .filter_map(|it| it.old.clone())
        .map(|it| ObjectKey::of(&*it))
        .collect();
    assert_eq!(
        gone,
        [key("before"), key("gone")],
        "the list was asked for after `before` was answered"
    );
    assert_eq!(version(&state, "during"), Some(9));
    assert_eq!(version(&state, "kept"), None, "deleted by us, though the list is older");
}

#[test]
fn indexes_follow() {
    let mut state = synced(&[]);
    let mut object = ConfigMap::clone(&map("a", "1", 5));
    object.metadata.labels = Some([("app".to_owned(), "etcd".to_owned())].into());
    object.metadata.owner_references =
        Some(vec![OwnerReference { uid: "owner".into(), ..Default::default() }]);
    state.applied(Arc::new(object));
    state.applied(map("b", "2", 6));
    assert_eq!(state.owned_by("owner").count(), 1);
    assert_eq!(state.labelled("ns", "app", "etcd").count(), 1);
    assert_eq!(state.labelled("other", "app", "etcd").count(), 0);
    assert_eq!(state.in_namespace("ns").count(), 2);
    assert_eq!(state.in_namespace("n").count(), 0);
    state.applied(map("a", "1", 7));
    assert_eq!(state.owned_by("owner").count() + state.labelled("ns", "app", "etcd").count(), 0);
}
