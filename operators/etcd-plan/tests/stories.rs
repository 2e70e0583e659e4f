//! The stories that are etcd's own: versions and images, what its pods may not change in place, its checks, its users.
//! Those of every application are beside the core.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a story that cannot be told fails")]
#![expect(clippy::disallowed_methods, reason = "stories are files")]

#[path = "../../../lib/endstate-core/tests/stories/engine.rs"]
mod engine;

use std::path::Path;

use endstate_core::{App, Identity, LaunchOf, MemberRecord, Peer, Start};
use engine::{Told, World};
use etcd_plan::{Etcd, EtcdClusterSpec};

#[test]
fn stories() {
    engine::tell_all::<Etcd>(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories"));
}

impl Told for Etcd {
    fn spec() -> EtcdClusterSpec {
        EtcdClusterSpec::new(3, "3.5.16")
    }

    fn edit(spec: &mut EtcdClusterSpec, field: &str, value: &str) {
        match field {
            "size" => spec.size = value.parse().unwrap(),
            "version" => spec.version = value.into(),
            "label" => drop(spec.pod.labels.insert("team".into(), value.into())),
            "selector" => drop(spec.pod.node_selector.insert("disk".into(), value.into())),
            "env" => spec.env = vec![(value.into(), "1".into())],
            _ => panic!("no such field: {field}"),
        }
    }

    fn tell(world: &World<Self>, words: &[&str]) -> String {
        match words {
            ["launch", version, start] => launch(&world.snapshot.object, version, start),
            _ => panic!("no such command: {words:?}"),
        }
    }
}

/// How a member is started, flag by flag.
fn launch(object: &Identity, version: &str, start: &str) -> String {
    let spec = EtcdClusterSpec::new(3, version);
    let member = MemberRecord::new("demo-a", "member");
    let peer = |name: &str| Peer::new(name, Etcd.address(object, &name.into()), "member");
    let members = vec![peer("demo-a"), peer("demo-b")];
    let start = match start {
        "new" => Start::New { token: "0c5f".into(), members },
        _ => Start::Existing { members },
    };
    let launch = Etcd.launch(&LaunchOf::new(object, &spec, &member).start(&start));
    format!("{}\n{}\n", launch.image, launch.command.join("\n"))
}
