//! What is told of each cluster: as its status says it, at each scrape.
//!
//! Labels name objects, members and words that the program gives, so there are as many series as there are objects, and
//! those of an object that is gone end with it.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::{Mutex, MutexGuard, PoisonError};

use endstate_core::{Condition, MemberName, Plan, Snapshot, Truth};
use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::ObjectKey;

/// A cluster: the group of its kind, and its object.
pub(crate) type Cluster = (String, ObjectKey);

type Labels = Vec<(&'static str, String)>;

/// The figures of all clusters.
#[derive(Debug, Default)]
pub(crate) struct Clusters(Mutex<BTreeMap<Cluster, Figures>>);

/// The figures of one.
#[derive(Debug, Default)]
struct Figures {
    wanted: usize,
    voters: u32,
    ready: u32,
    conditions: Vec<Condition>,
    /// What is waited for, and whether only a person leads on.
    waiting: BTreeMap<&'static str, bool>,
    members: Vec<Member>,
    certificates: Vec<(String, Timestamp)>,
    leader: Option<MemberName>,
    leader_changes: u64,
    actions: BTreeMap<&'static str, u64>,
}

#[derive(Debug)]
struct Member {
    name: MemberName,
    healthy: bool,
    lag: Option<u64>,
    data_size: Option<u64>,
}

impl Clusters {
    /// What was seen of a cluster, and decided.
    pub(crate) fn note<S>(&self, cluster: Cluster, snapshot: &Snapshot<S>, plan: &Plan<S>) {
        let mut clusters = self.lock();
        let figures = clusters.entry(cluster).or_default();
        let status = &plan.status;
        figures.wanted = plan.roles.iter().filter(|it| it.votes).map(|it| it.size).sum();
        (figures.voters, figures.ready) = (status.size, status.ready);
        figures.conditions.clone_from(&status.conditions);
        figures.waiting = plan.waits.iter().map(|it| (it.reason(), it.needs_user())).collect();
        let member = |it: &endstate_core::MemberRow| Member {
            name: it.name.clone(),
            healthy: it.healthy,
            lag: it.lag,
            data_size: it.data_size,
        };
        figures.members = status.members.iter().map(member).collect();
        let ends = |it: &endstate_core::SeenCertificate| {
            Some((it.secret.clone(), it.facts.as_ref()?.not_after))
        };
        figures.certificates = snapshot.certificates.iter().filter_map(ends).collect();
        let changed = status.leader.is_some() && status.leader != figures.leader;
        figures.leader_changes += u64::from(changed && figures.leader.is_some());
        figures.leader = status.leader.clone().or(figures.leader.take());
        for action in plan.actions.iter().filter(|it| !it.is_mark()) {
            *figures.actions.entry(action.reason()).or_default() += 1;
        }
    }

    /// The object is gone.
    pub(crate) fn forget(&self, cluster: &Cluster) {
        self.lock().remove(cluster);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Cluster, Figures>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One family of gauges: its name, what it says, and how many of which labels a cluster has.
type Gauges = (&'static str, &'static str, fn(&Figures) -> Vec<(Labels, f64)>);

const GAUGES: [Gauges; 10] = [
    ("cluster_voters_wanted", "Voting members that are asked for", |it| one(it.wanted as f64)),
    ("cluster_voters", "Voting members that are listed", |it| one(it.voters.into())),
    ("cluster_voters_ready", "Voting members that work and get clients", |it| one(it.ready.into())),
    (
        "cluster_condition",
        "Conditions of the status: 1 if true, 0 if false, absent if unknown",
        conditions,
    ),
    ("cluster_waiting", "What is waited for, by reason", |it| waiting(it, |_| true)),
    ("cluster_needs_person", "What only a person can lead on, by reason", |it| {
        waiting(it, |it| it)
    }),
    ("cluster_member_healthy", "Whether a member is healthy", |it| {
        members(it, |it| Some(f64::from(u8::from(it.healthy))))
    }),
    ("cluster_member_lag", "Entries that a member lacks", |it| {
        members(it, |it| it.lag.map(|it| it as f64))
    }),
    ("cluster_member_data_bytes", "Bytes on disk of a member", |it| {
        members(it, |it| it.data_size.map(|it| it as f64))
    }),
    (
        "cluster_certificate_expiry_timestamp_seconds",
        "When a certificate ends, of the operator's making or a user's",
        |it| {
            let ends = it.certificates.iter();
            ends.map(|(secret, at)| (vec![("secret", secret.clone())], at.as_second() as f64))
                .collect()
        },
    ),
];

fn one(value: f64) -> Vec<(Labels, f64)> {
    vec![(vec![], value)]
}

fn conditions(figures: &Figures) -> Vec<(Labels, f64)> {
    let known = figures.conditions.iter().filter(|it| it.status != Truth::Unknown);
    let value = |it: &Condition| f64::from(u8::from(it.status == Truth::True));
    known.map(|it| (vec![("condition", it.kind.to_string())], value(it))).collect()
}

fn waiting(figures: &Figures, counts: fn(bool) -> bool) -> Vec<(Labels, f64)> {
    let waits = figures.waiting.iter().filter(|it| counts(*it.1));
    waits.map(|(reason, _)| (vec![("reason", (*reason).to_owned())], 1.0)).collect()
}

fn members(figures: &Figures, value: fn(&Member) -> Option<f64>) -> Vec<(Labels, f64)> {
    let rows = figures.members.iter();
    rows.filter_map(|it| Some((vec![("member", it.name.to_string())], value(it)?))).collect()
}

fn labels((group, key): &Cluster, own: Labels) -> Labels {
    let namespace = key.namespace().unwrap_or_default().to_owned();
    let cluster = key.name().to_owned();
    let common = [("group", group.clone()), ("namespace", namespace), ("cluster", cluster)];
    common.into_iter().chain(own).collect()
}

impl Collector for Clusters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let clusters = self.lock();
        for (name, help, rows) in GAUGES {
            let kind = ConstGauge::new(0.0).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (cluster, figures) in clusters.iter() {
                for (own, value) in rows(figures) {
                    let labels = labels(cluster, own);
                    ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
                }
            }
        }
        let kind = ConstCounter::new(0_u64).metric_type();
        let help = "How often another member was seen to lead";
        let mut family = encoder.encode_descriptor("cluster_leader_changes", help, None, kind)?;
        for (cluster, figures) in clusters.iter() {
            let labels = labels(cluster, vec![]);
            let counter = ConstCounter::new(figures.leader_changes);
            counter.encode(family.encode_family(&labels)?)?;
        }
        let help = "What was done to a cluster, by the reason of its event";
        let mut family = encoder.encode_descriptor("cluster_actions", help, None, kind)?;
        for (cluster, figures) in clusters.iter() {
            for (action, count) in &figures.actions {
                let labels = labels(cluster, vec![("action", (*action).to_owned())]);
                ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
