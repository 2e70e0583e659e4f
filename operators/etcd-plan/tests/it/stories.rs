//! The stories that are etcd's own: versions and images, what its pods may not change in place, its checks, its users.
//! Those of every application are beside the core.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a story that cannot be told fails")]
#![expect(clippy::disallowed_methods, reason = "stories are files")]

#[path = "../../../../lib/endstate-core/tests/stories/engine.rs"]
mod engine;
#[path = "../stories/space.rs"]
mod space;

use std::collections::BTreeMap;
use std::path::Path;

use endstate_core::{
    App, AppStep, EmptyDir, Facts, Identity, LaunchOf, MemberRecord, MemberStatus, Peer, Remedy,
    Snapshot, Start, Version, VolumeSpec,
};
use engine::{Told, World};
use etcd_plan::{ClusterFacts, Etcd, EtcdClusterSpec, MemberFacts};

#[test]
fn stories() {
    engine::tell_all::<Etcd>(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories"));
}

/// What etcd's processes know together.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    /// The minor that they have agreed on.
    agreed: Option<u32>,
    /// The minor that a downgrade goes to.
    downgrade: Option<u32>,
    /// Whether their data differs, if it is compared.
    differs: bool,
    /// How full their databases are, if that is told.
    space: Option<space::Space>,
}

impl Told for Etcd {
    type Memory = Memory;

    fn spec() -> EtcdClusterSpec {
        EtcdClusterSpec::new(3, "3.5.16")
    }

    fn edit(spec: &mut EtcdClusterSpec, field: &str, value: &str) {
        match field {
            "size" => spec.size = value.parse().unwrap(),
            "spaceRemedy" if value == "Manual" => spec.space_remedy = Remedy::Manual,
            "spaceRemedy" => spec.space_remedy = Remedy::Auto,
            "volume" => spec.storage = Some(VolumeSpec::new(value).into()),
            "quota" => spec.env = vec![("ETCD_QUOTA_BACKEND_BYTES".into(), value.into())],
            "version" => spec.version = value.into(),
            "storage" => spec.storage = Some(VolumeSpec::default().into()),
            "wal" => {
                spec.wal = match value {
                    "volume" => Some(VolumeSpec::new("2Gi").into()),
                    "memory" => {
                        let medium = Some("Memory".into());
                        Some(EmptyDir { medium, ..EmptyDir::default() }.into())
                    }
                    _ => None,
                }
            }
            "label" => drop(spec.pod.labels.insert("team".into(), value.into())),
            "selector" => drop(spec.pod.node_selector.insert("disk".into(), value.into())),
            "env" => spec.env = vec![(value.into(), "1".into())],
            _ => panic!("no such field: {field}"),
        }
    }

    fn tell(world: &mut World<Self>, words: &[&str]) -> String {
        match words {
            ["data", what] => {
                world.memory.differs = *what == "differs";
                String::new()
            }
            ["space", what @ ..] => space::tell(world, what),
            ["launch", version, start] => {
                launch(&world.snapshot.object, &EtcdClusterSpec::new(3, *version), (start, None))
            }
            ["launch", version, start, "on", volumes @ ..] => {
                let mut spec = EtcdClusterSpec::new(3, *version);
                (spec.storage, spec.wal) =
                    (world.snapshot.spec.storage.clone(), world.snapshot.spec.wal.clone());
                let has = (!volumes.is_empty()).then(|| volumes.to_vec());
                launch(&world.snapshot.object, &spec, (start, has))
            }
            _ => panic!("no such command: {words:?}"),
        }
    }

    /// The rules of etcd's own: the version agreed on is that of the oldest member once all say theirs, or the one that
    /// a downgrade goes to; that one ends when all run it.
    fn live(memory: &mut Memory, snapshot: &mut Snapshot<EtcdClusterSpec>) {
        let listed = snapshot.view.membership.as_ref().map_or(0, |it| it.members.len());
        let named = snapshot.view.targets.iter();
        let named = named.filter_map(|it| Some((it.status.as_ref()?.id.clone(), it.name.clone())));
        let names: BTreeMap<_, _> = named.collect();
        let statuses = snapshot.view.targets.iter_mut().filter_map(|it| it.status.as_mut());
        let mut statuses: Vec<_> = statuses.collect();
        let runs = |it: &MemberStatus| it.version.parse::<Version>().ok();
        let minors = || statuses.iter().filter_map(|it| runs(it)).map(|it| it.minor);
        if statuses.len() == listed {
            memory.agreed = memory.downgrade.or(memory.agreed.max(minors().min()));
            let all = |to: u32| minors().all(|it| it == to);
            memory.downgrade = memory.downgrade.filter(|to| !all(*to));
        }
        let version = |minor: Option<u32>| minor.map(|it| Version::new(3, it, 0));
        for status in &mut statuses {
            let runs = runs(status);
            let says = |minor| version(minor).filter(|_| runs.is_some_and(|it| it.minor >= 6));
            status.facts = Facts::of(&MemberFacts {
                version: runs,
                cluster_version: version(memory.agreed),
                storage_version: says(memory.agreed),
                downgrade: says(memory.downgrade),
                database: memory.space.as_ref().map(|it| it.database(&names[&status.id])),
            });
        }
        let compares = snapshot.status.record.in_force().is_some_and(|it| it.next.is_some());
        let same_data = compares.then_some(!memory.differs);
        let no_space = memory.space.as_ref().and_then(space::Space::no_space);
        snapshot.view.facts =
            Facts::of(&ClusterFacts { same_data, no_space, ..ClusterFacts::default() });
    }

    fn do_at_once(memory: &mut Memory, step: &AppStep) -> bool {
        if let Some(space) = &mut memory.space
            && space.takes(step)
        {
            return true;
        }
        let to = step.arguments.get("to").and_then(|it| it.strip_prefix("3."));
        memory.downgrade = to.map(|it| it.parse().unwrap());
        true
    }
}

/// How a member is started, flag by flag.
fn launch(
    object: &Identity,
    spec: &EtcdClusterSpec,
    (start, has): (&str, Option<Vec<&str>>),
) -> String {
    let member = MemberRecord::new("demo-a", "member");
    let peer = |name: &str| Peer::new(name, Etcd.address(object, spec, &name.into()), "member");
    let members = vec![peer("demo-a"), peer("demo-b")];
    let start = match start {
        "new" => Start::New { token: "0c5f".into(), members },
        _ => Start::Existing { members },
    };
    let launch = Etcd.launch(&LaunchOf::new(object, spec, &member).start(&start).has(has));
    let data = launch.guard.data.iter();
    let data =
        data.map(|it| format!("{} at {}: {}\n", it.volume, it.path, it.present.join(" or ")));
    let data: String = if launch.guard.data.len() > 1 { data.collect() } else { String::new() };
    format!("{}\n{}\n{data}", launch.image, launch.command.join("\n"))
}
