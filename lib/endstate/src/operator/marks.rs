//! What a pod carries of what its operator knows: whose it is, whether its member votes, and that it was started. Pure;
//! which marks a pod should carry is the planner's to say.

use std::collections::BTreeMap;

use endstate_core::{LABEL_STANDING, Marks, MemberId, NON_VOTER, Record, RoleName, VOTER};
use k8s_openapi::api::core::v1::Pod;
use kube::{Resource, ResourceExt};

use super::declared::Declared;
use super::labels::{APP_LABEL, GROUP_LABEL, ROLE_LABEL, STARTED_ANNOTATION};

/// The labels by which a pod is found, and the owner with whom it goes.
pub(super) struct Belonging<'a, K, S> {
    pub(super) object: &'a Declared<K>,
    pub(super) record: &'a Record<S>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) app: &'a str,
}

impl<K: Resource<DynamicType = ()>, S> Belonging<'_, K, S> {
    /// The marks on a pod.
    pub(super) fn marks(&self, pod: &Pod) -> Marks {
        let started = pod.annotations().get(STARTED_ANNOTATION).filter(|it| !it.is_empty());
        Marks {
            started: started.map(|it| MemberId::from(it.as_str())),
            votes: pod.labels().get(LABEL_STANDING).is_some_and(|it| it == VOTER),
            owned: self.restored(pod) == *pod,
        }
    }

    /// The pod with these marks.
    pub(super) fn marked(&self, pod: &Pod, marks: &Marks) -> Pod {
        let mut wanted = if marks.owned { self.restored(pod) } else { pod.clone() };
        let label = if marks.votes { VOTER } else { NON_VOTER };
        wanted.labels_mut().insert(LABEL_STANDING.to_owned(), label.to_owned());
        if let Some(id) = &marks.started {
            wanted.annotations_mut().insert(STARTED_ANNOTATION.to_owned(), id.to_string());
        }
        wanted
    }

    /// The pod with what somebody took away. An owner that somebody else is stays, since there can be one controller
    /// only.
    fn restored(&self, pod: &Pod) -> Pod {
        let mut pod = pod.clone();
        if let Some(member) = self.record.find(&pod.name_any()) {
            place(&mut pod, &member.role, member.group);
        }
        let labels = pod.labels_mut();
        labels.extend(self.labels.clone());
        labels.insert(APP_LABEL.to_owned(), self.app.to_owned());
        if !pod.owner_references().iter().any(|it| it.controller == Some(true)) {
            let uid = self.object.metadata.uid.as_deref();
            let owners = pod.owner_references_mut();
            owners.retain(|it| Some(it.uid.as_str()) != uid);
            owners.push(self.object.as_controller());
        }
        pod
    }
}

/// Labels a pod with its member's role and group.
pub(super) fn place(pod: &mut Pod, role: &RoleName, group: u32) {
    let labels = pod.labels_mut();
    labels.insert(ROLE_LABEL.to_owned(), role.to_string());
    labels.insert(GROUP_LABEL.to_owned(), group.to_string());
}

#[cfg(test)]
mod tests {
    use endstate_core::MemberRecord;
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;

    fn object() -> Declared<ConfigMap> {
        let metadata = json!({ "namespace": "default", "name": "demo", "uid": "0c5f" });
        serde_json::from_value(json!({ "metadata": metadata })).unwrap()
    }

    fn belonging<'a>(
        object: &'a Declared<ConfigMap>,
        record: &'a Record<u32>,
    ) -> Belonging<'a, ConfigMap, u32> {
        let labels = [("endstate.dev/cluster".to_owned(), "demo".to_owned())].into();
        Belonging { object, record, labels, app: "toy" }
    }

    fn record() -> Record<u32> {
        let member = MemberRecord { group: 2, ..MemberRecord::new("demo-a", "shard") };
        Record { members: vec![member], ..Record::default() }
    }

    fn pod() -> Pod {
        serde_json::from_value(json!({ "metadata": { "name": "demo-a" } })).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let (object, record) = (object(), record());
        let belonging = belonging(&object, &record);
        for started in [None, Some(MemberId::from("a1"))] {
            for votes in [true, false] {
                let marks = Marks { started: started.clone(), votes, owned: true };
                let marked = belonging.marked(&pod(), &marks);
                assert_eq!(belonging.marks(&marked), marks);
                assert_eq!(belonging.marked(&marked, &marks), marked, "and written once");
            }
        }
    }

    #[test]
    fn what_somebody_took_away_is_missed_and_given_back() {
        let (object, record) = (object(), record());
        let belonging = belonging(&object, &record);
        let whole = belonging.marked(&pod(), &Marks::default());
        assert_eq!((&*whole.labels()[ROLE_LABEL], &*whole.labels()[GROUP_LABEL]), ("shard", "2"));
        let cases: [fn(&mut Pod); 4] = [
            |it| drop(it.labels_mut().remove(GROUP_LABEL)),
            |it| it.metadata.owner_references = None,
            |it| it.metadata.labels = None,
            |it| drop(it.labels_mut().insert(APP_LABEL.to_owned(), "other".to_owned())),
        ];
        for take in cases {
            let mut pod = whole.clone();
            take(&mut pod);
            assert!(!belonging.marks(&pod).owned);
            assert_eq!(belonging.marked(&pod, &Marks::default()), whole);
        }
        let mut adopted = whole.clone();
        adopted.owner_references_mut()[0].uid = "somebody".into();
        assert!(belonging.marks(&adopted).owned, "there can be one controller only");
    }
}
