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
    let version = objects.iter().map(|(_, _, revision)| *revision).max().unwrap_or_default();
    let objects = objects.iter().map(|(name, uid, revision)| map(name, uid, *revision));
    state.listed(objects.collect(), Some(version)).expect("the first list");
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
    assert!(state.applied(map("a", "1", 7)).is_empty(), "the echo");
    assert_eq!(state.ahead.iter().count(), 0);
}

#[test]
fn an_older_event_never_moves_back_but_wakes() {
    let mut state = synced(&[("a", "1", 5)]);
    state.wrote(map("a", "1", 7), me());
    let changes = state.applied(map("a", "1", 6));
    assert_eq!(changes.len(), 1, "somebody else's change wakes");
    assert_eq!(changes[0].origin, None);
    assert_eq!(version(&state, "a"), Some(7));
    assert!(state.applied(map("a", "1", 7)).is_empty());
}

#[test]
fn a_watch_that_is_faster_than_the_answer() {
    let mut state = synced(&[("a", "1", 5)]);
    assert_eq!(state.applied(map("a", "1", 7)).len(), 1);
    assert!(state.wrote(map("a", "1", 7), me()).is_none());
    assert_eq!(state.ahead.iter().count(), 0, "no echo is left to wait for");
}

#[test]
fn an_own_delete_is_seen_at_once_until_a_successor_appears() {
    let mut state = synced(&[("a", "1", 5)]);
    assert!(state.erased(&map("a", "1", 5), me()).is_some());
    assert!(state.applied(map("a", "1", 6)).is_empty(), "an event from before the deletion");
    assert_eq!(version(&state, "a"), None);
    assert!(state.deleted(&map("a", "1", 8)).is_empty(), "the echo");
    assert_eq!(state.applied(map("a", "2", 9)).len(), 1);
    assert_eq!(version(&state, "a"), Some(9));
}

#[test]
fn an_own_write_that_takes_an_object_out_of_the_scope_is_seen_at_once() {
    let mut state = synced(&[("a", "1", 5)]);
    assert!(state.left(&map("a", "1", 7), me()).is_some());
    assert!(state.applied(map("a", "1", 6)).is_empty(), "an event from before");
    assert!(state.deleted(&map("a", "1", 7)).is_empty(), "the echo");
    assert_eq!(state.ahead.iter().count(), 0);
    assert_eq!(state.applied(map("a", "1", 8)).len(), 1, "it is back");
}

#[test]
fn a_delete_by_uid_spares_the_successor() {
    let mut state = synced(&[("a", "1", 5)]);
    state.wrote(map("a", "2", 9), me());
    assert!(state.deleted(&map("a", "1", 8)).is_empty());
    assert_eq!(version(&state, "a"), Some(9));
    assert!(state.erased(&map("a", "1", 5), me()).is_none());
    assert_eq!(version(&state, "a"), Some(9));
}

#[test]
fn the_answer_to_a_write_that_the_watch_has_passed_brings_nothing_back() {
    let mut state = synced(&[]);
    state.applied(map("a", "1", 5));
    state.deleted(&map("a", "1", 6));
    assert!(state.wrote(map("a", "1", 5), me()).is_none());
    assert_eq!(state.len(), 0);
}

#[test]
fn a_relist_removes_what_is_gone_but_not_newer_own_writes() {
    let mut state = synced(&[("gone", "1", 5), ("kept", "2", 6)]);
    state.wrote(map("before", "3", 7), me());
    state.wrote(map("during", "4", 9), me());
    state.erased(&map("kept", "2", 6), me());
    let changes = state.listed(vec![map("kept", "2", 6)], Some(8)).expect("a new list");
    let gone: Vec<_> =
        changes.iter().filter_map(|it| it.old.clone()).map(|it| ObjectKey::of(&*it)).collect();
    assert_eq!(gone, [key("gone"), key("before")]);
    assert_eq!(version(&state, "during"), Some(9));
    assert_eq!(version(&state, "kept"), None, "deleted by us, though the list is older");
}

#[test]
fn a_list_that_lags_is_not_taken_until_it_is_clear_that_the_server_was_put_back() {
    let mut state = synced(&[("a", "1", 5), ("b", "2", 9)]);
    state.wrote(map("c", "3", 10), me());
    for _ in 1..OUTDATED_MAX {
        assert!(state.listed(vec![map("a", "1", 4)], Some(8)).is_err());
        assert_eq!((version(&state, "a"), version(&state, "b")), (Some(5), Some(9)));
    }
    let changes = state.listed(vec![map("a", "1", 4)], Some(8)).expect("the truth by now");
    assert_eq!(changes.len(), 3);
    assert_eq!((version(&state, "a"), state.len()), (Some(4), 1));
    state.applied(map("b", "4", 9));
    assert_eq!(version(&state, "b"), Some(9));
}

#[test]
fn where_versions_are_not_numbers_only_the_watch_counts() {
    let opaque = |uid: &str, version: &str| {
        let mut it = ConfigMap::clone(&map("a", uid, 1));
        it.metadata.resource_version = Some(version.into());
        Arc::new(it)
    };
    let mut state = State::default();
    state.listed(vec![opaque("1", "x")], None).expect("no list is older");
    assert!(state.wrote(opaque("1", "y"), me()).is_none());
    assert!(state.erased(&*opaque("1", "x"), me()).is_none());
    assert_eq!(state.applied(opaque("1", "y")).len(), 1);
    assert_eq!(state.deleted(&opaque("1", "z")).len(), 1);
    assert!(state.wrote(opaque("1", "y"), me()).is_none());
    assert_eq!(state.len(), 0);
}

#[test]
fn indexes_follow() {
    let mut state = synced(&[]);
    let mut object = ConfigMap::clone(&map("a", "1", 5));
    object.metadata.labels = Some([("app".to_owned(), "server".to_owned())].into());
    object.metadata.owner_references =
        Some(vec![OwnerReference { uid: "owner".into(), ..Default::default() }]);
    state.applied(Arc::new(object));
    state.applied(map("b", "2", 6));
    assert_eq!(state.owned_by("owner").count(), 1);
    assert_eq!(state.labelled("ns", "app", "server").count(), 1);
    assert_eq!(state.labelled("other", "app", "server").count(), 0);
    assert_eq!(state.in_namespace("ns").count(), 2);
    assert_eq!(state.in_namespace("n").count(), 0);
    state.applied(map("a", "1", 7));
    assert_eq!(state.owned_by("owner").count() + state.labelled("ns", "app", "server").count(), 0);
}
