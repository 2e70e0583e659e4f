//! What a run came to, and how it differs from another.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use harness::Up;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt;
use kube::api::{Api, DynamicObject, ListParams};
use serde_json::Value;

use super::etcd::List;
use super::events::beside;
use super::watch::{Kind, Seen, Thing};

/// What is around the members.
const AROUND: &str = "services,configmaps,secrets,poddisruptionbudgets";
/// What the operator marks pods with.
const MARKS: [&str; 2] = ["endstate.dev/standing", "endstate.dev/started"];
/// What is recorded of a member that follows from when it was looked at.
const TIMES: [&str; 4] = ["recoveredAt", "failingSince", "asked", "lastTerminationMessage"];

/// Created and deleted.
type Counts = (u32, u32);

/// What was done to a member, and how it is in the end. Two that are alike are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Member {
    was_there: bool,
    pods: Counts,
    claims: Counts,
    entries: Counts,
    changes: u32,
    /// Nothing of one that is gone.
    end: Vec<String>,
}

/// How a cluster is in the end, and what it took.
#[derive(Clone, Debug, Default)]
pub(super) struct End {
    /// By name.
    members: BTreeMap<String, Member>,
    /// What is around them, and what the status says of the whole.
    whole: BTreeSet<String>,
}

/// As it is now, after all that was seen.
pub(super) async fn end(
    up: &Up,
    object: Option<&DynamicObject>,
    (members, list): (BTreeMap<String, Member>, &List),
) -> Result<End> {
    let mut end = End { members, ..End::default() };
    let client = up.client().await?;
    for pod in Api::<Pod>::default_namespaced(client.clone()).list(&ListParams::default()).await? {
        end.add(&pod.name_any(), shown_pod(&pod));
    }
    let claims = Api::<PersistentVolumeClaim>::default_namespaced(client);
    for claim in claims.list(&ListParams::default()).await? {
        end.add(member_of(&claim.name_any()), "a claim".to_owned());
    }
    for (name, learns) in list.values() {
        end.add(name, format!("listed, learner: {learns}"));
    }
    let around = up.kubectl(&["get", AROUND, "-l", "endstate.dev/cluster", "-o", "name"]).await?;
    end.whole.extend(around.lines().map(ToOwned::to_owned));
    if let Some(object) = object {
        end.status(&object.data["status"]);
    }
    end.whole.extend(beside(up).await?);
    Ok(end)
}

impl End {
    fn add(&mut self, member: &str, what: String) {
        self.members.entry(member.to_owned()).or_default().end.push(what);
    }

    fn status(&mut self, status: &Value) {
        let rows = status["members"].as_array().into_iter().flatten();
        let told = ["healthy", "updated", "version", "role"];
        for row in rows {
            let row_told = told.map(|it| format!("{it} {}", row[it])).join(", ");
            self.add(row["name"].as_str().unwrap_or_default(), row_told);
        }
        for record in status["record"]["members"].as_array().into_iter().flatten() {
            let fields = record.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
            let fields: Vec<_> = fields.filter(|it| !TIMES.contains(it)).collect();
            let name = record["name"].as_str().unwrap_or_default();
            self.add(name, format!("recorded with {}", fields.join(", ")));
        }
        for condition in status["conditions"].as_array().into_iter().flatten() {
            let told = ["type", "status", "reason"].map(|it| condition[it].to_string());
            self.whole.insert(told.join(" "));
        }
        self.whole.insert(format!("size {}, version {}", status["size"], status["currentVersion"]));
    }

    /// What is otherwise than in another run. Those that this one may have given up are left out if they are gone, and
    /// of each of them at most one pod was made.
    pub(super) fn differs(&self, other: &Self, doubtful: &BTreeSet<String>) -> Vec<String> {
        let given_up = |name: &str, it: &Member| doubtful.contains(name) && it.is_given_up();
        let here = self.members.iter().filter(|(name, it)| !given_up(name, it));
        let mut here: Vec<_> = here.map(|(_, it)| it).collect();
        let mut there: Vec<_> = other.members.values().collect();
        here.sort();
        there.sort();
        let mut what = vec![];
        if here != there {
            let only = |these: &[&Member], those: &[&Member]| -> Vec<String> {
                let mut rest = those.to_vec();
                let missing = these.iter().filter(|it| {
                    let at = rest.iter().position(|other| other == *it);
                    at.map(|at| rest.swap_remove(at)).is_none()
                });
                missing.map(|it| format!("{it:?}")).collect()
            };
            what.extend(only(&here, &there).iter().map(|it| format!("here: {it}")));
            what.extend(only(&there, &here).iter().map(|it| format!("undisturbed: {it}")));
        }
        what.extend(self.whole.difference(&other.whole).map(|it| format!("only here: {it}")));
        what.extend(
            other.whole.difference(&self.whole).map(|it| format!("only undisturbed: {it}")),
        );
        what
    }
}

impl Member {
    fn is_given_up(&self) -> bool {
        self.end.is_empty()
            && self.pods.0 == self.pods.1
            && self.pods.0 <= 1
            && self.claims.0 == self.claims.1
            && self.entries == (0, 0)
    }
}

/// What was done to each, by what was seen.
pub(super) fn counted(seen: &Seen) -> BTreeMap<String, Member> {
    let mut members: BTreeMap<String, Member> = BTreeMap::new();
    for ((kind, _), thing) in &seen.things {
        let member = members.entry(member_of(&thing.name).to_owned()).or_default();
        let Thing { old, gone, changes, .. } = thing;
        member.was_there |= *old;
        member.changes += changes;
        let counts = match kind {
            Kind::Pod => &mut member.pods,
            Kind::Claim => &mut member.claims,
            Kind::Entry => &mut member.entries,
        };
        counts.0 += u32::from(!old);
        counts.1 += u32::from(*gone);
    }
    members
}

/// Whose claim it is.
fn member_of(name: &str) -> &str {
    name.strip_prefix("data-").unwrap_or(name)
}

fn shown_pod(pod: &Pod) -> String {
    let conditions = pod.status.as_ref().and_then(|it| it.conditions.as_ref());
    let mut conditions = conditions.into_iter().flatten();
    let ready = conditions.any(|it| it.type_ == "Ready" && it.status == "True");
    let is_marked =
        |it: &&str| pod.labels().contains_key(*it) || pod.annotations().contains_key(*it);
    let marks: Vec<_> = MARKS.into_iter().filter(|it| is_marked(it)).collect();
    format!("a pod, ready: {ready}, with {}", marks.join(", "))
}

/// Whose pod was asked for, by the record, and is not there: nobody can say whether the request is still on its way, so
/// the name is not asked for again. Founders know each other by name, so before the cluster is recorded a start is
/// given up as a whole.
pub(super) async fn doubtful(up: &Up, object: &DynamicObject) -> Result<BTreeSet<String>> {
    let pods = Api::<Pod>::default_namespaced(up.client().await?);
    let pods = pods.list(&ListParams::default()).await?;
    let record = &object.data["status"]["record"];
    let is_doubtful = |it: &Value| {
        let is_there = pods.iter().any(|pod| it["name"] == *pod.name_any());
        it["asked"].is_string() && it["pod"].is_null() && !is_there
    };
    let (founders, members) = (rows(&record["bootstrap"]["members"]), rows(&record["members"]));
    let starts = record["clusterId"].is_null() && founders.iter().any(is_doubtful);
    let doubted = founders.iter().filter(|it| starts || is_doubtful(it));
    let doubted = doubted.chain(members.iter().filter(|it| is_doubtful(it)));
    Ok(doubted.filter_map(|it| Some(it["name"].as_str()?.to_owned())).collect())
}

fn rows(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}
