//! What there is to see.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use endstate_core::{
    DATA, LeftClaim, MemberRecord, MemberVolume, Ownership, Start, Step, member_name, plan,
};

use super::{Told, World};

impl<A: Told> World<A> {
    pub(super) fn status(&self) -> String {
        let status = &self.snapshot.status;
        let mut told = format!(
            "{} size {} ready {} updated {}\n",
            status.phase, status.size, status.ready, status.updated_members
        );
        for it in &status.conditions {
            writeln!(told, "{} {:?} {}: {}", it.kind, it.status, it.reason, it.message).unwrap();
        }
        let roles: BTreeSet<_> = status.members.iter().map(|it| &it.role).collect();
        for it in &status.members {
            let role = if roles.len() > 1 { format!("{} ", it.role) } else { String::new() };
            let standing = it.standing.map_or("unknown".into(), |it| format!("{it:?}"));
            let trouble = it.trouble.as_deref().unwrap_or("healthy");
            writeln!(told, "{} {role}{standing} {trouble}", it.name).unwrap();
        }
        told
    }

    /// What is recorded, without what only times tell.
    pub(super) fn record(&self) -> String {
        let record = &self.snapshot.status.record;
        let mut told = format!("names {} ids {}\n", record.names, record.ids);
        match &record.step {
            None => {}
            Some(Step::Join { member }) => writeln!(told, "joins: {}", row(member)).unwrap(),
            Some(Step::Leave { name, reason, .. }) => {
                writeln!(told, "leaves: {name}, {reason}").unwrap();
            }
            Some(Step::Restart { name }) => writeln!(told, "restarts: {name}").unwrap(),
            Some(Step::App { step }) => writeln!(told, "{} of {}", step.name, step.member).unwrap(),
            Some(Step::Recover { source, .. }) => writeln!(told, "recovers: {source}").unwrap(),
        }
        for member in &record.coming {
            writeln!(told, "comes beside: {}", row(member)).unwrap();
        }
        let first = record.bootstrap.iter().flat_map(|it| &it.members);
        for member in first.chain(&record.members) {
            writeln!(told, "{}", row(member)).unwrap();
        }
        told
    }

    pub(super) fn claims(&self) -> String {
        let row = |it: &endstate_core::Claim| {
            let retained = if it.retained { ", retained" } else { "" };
            let blank = if self.data.contains(&it.member) { "" } else { ", blank" };
            let volume = it.volume.as_ref();
            let size = volume.map(|it| it.size.as_str()).filter(|it| *it != "1Gi");
            let size = size.map(|it| format!(", {it}")).unwrap_or_default();
            let class = volume.and_then(|it| it.class.as_ref());
            let class = class.map(|it| format!(", {it}")).unwrap_or_default();
            format!("{}{retained}{blank}{size}{class}\n", it.name)
        };
        self.snapshot.claims.iter().map(row).collect()
    }

    pub(super) fn surroundings(&self) -> String {
        match plan(&self.app, &self.seen()).surroundings {
            None => "as they are\n".into(),
            Some(it) => {
                let name = |it: &MemberVolume| match &*it.name {
                    DATA => it.member.to_string(),
                    _ => it.claim(),
                };
                let volumes: Vec<_> = it.volumes.iter().map(name).collect();
                let (clients, min) = (it.clients, it.min_available);
                let volumes = if volumes.is_empty() { "none".into() } else { volumes.join(" ") };
                let told = format!("clients {clients}, min available {min}, volumes {volumes}\n");
                told + &owned(&it.volumes, &it.left)
            }
        }
    }

    /// How a member's pod starts, and whom it is told of.
    pub(super) fn told(&self, name: &str) -> String {
        let start = &self.starts[&self.name(name)];
        let mut told = match start {
            Start::New { .. } | Start::Prepare { .. } | Start::Recover { .. } => {
                format!("{start}, with a token\n")
            }
            Start::Existing { .. } | Start::Resume { .. } => format!("{start}\n"),
        };
        for peer in start.members() {
            let id = peer.id.as_ref().map_or("no id yet".into(), |it| format!("id {it}"));
            let votes = if peer.votes { ", votes" } else { "" };
            writeln!(told, "{} {} {id}{votes}", peer.name, peer.role).unwrap();
        }
        told
    }

    /// Members are called m0, m1, ... in the order in which they got their names.
    pub(super) fn readable(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for serial in 0..60 {
            let name = member_name("demo", self.snapshot.seed, serial);
            text = text.replace(name.as_str(), &format!("m{serial}"));
        }
        text
    }
}

/// Which claims go with the cluster object, and those of members that have left which do not.
fn owned(volumes: &[MemberVolume], left: &[LeftClaim]) -> String {
    let volumes = volumes.iter().map(|it| (it.claim(), it.ownership, false));
    let left = left.iter().map(|it| (it.claim.name.clone(), it.ownership, true));
    let told = volumes.chain(left).map(|(name, ownership, left)| match ownership {
        Ownership::Owned => format!("{name} goes with the cluster\n"),
        _ if left => format!("{name} is kept, nobody's\n"),
        _ => String::new(),
    });
    told.collect()
}

fn row(member: &MemberRecord) -> String {
    let id = member.id.as_ref().map_or("no id".into(), |it| format!("id {it}"));
    let pod = match (&member.pod, member.asked) {
        (Some(_), _) => "has a pod",
        (None, Some(_)) => "its pod was asked for",
        (None, None) => "no pod yet",
    };
    format!("{} {} group {}, {id}, {pod}", member.name, member.role, member.group)
}
