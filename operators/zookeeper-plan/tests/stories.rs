//! The stories that are ZooKeeper's own: servers on volumes, observers, what they start with, what may change. Those of
//! every application are beside the core.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a story that cannot be told fails")]
#![expect(clippy::disallowed_methods, reason = "stories are files")]

#[path = "../../../lib/endstate-core/tests/stories/engine.rs"]
mod engine;

use std::fmt::Write as _;
use std::path::Path;

use endstate_core::{App, Identity, LaunchOf, MemberRecord, Peer, Start};
use engine::{Told, World};
use zookeeper_plan::{OBSERVER, SERVER, ZooKeeper, ZookeeperClusterSpec, files};

#[test]
fn stories() {
    engine::tell_all::<ZooKeeper>(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories"));
}

impl Told for ZooKeeper {
    type Memory = ();

    const ANSWERS_WITHOUT_LEADER: bool = false;

    fn spec() -> ZookeeperClusterSpec {
        ZookeeperClusterSpec::new(3, "3.8.6")
    }

    fn edit(spec: &mut ZookeeperClusterSpec, field: &str, value: &str) {
        match field {
            "size" => spec.size = value.parse().unwrap(),
            "observers" => spec.observers = value.parse().unwrap(),
            "version" => spec.version = value.into(),
            "credential" => spec.credential = value.parse().unwrap(),
            "storage" => spec.storage.size = value.into(),
            "class" => spec.storage.class = Some(value.into()),
            "config" => drop(spec.config.insert(value.into(), 1000)),
            _ => panic!("no such field: {field}"),
        }
    }

    fn tell(world: &mut World<Self>, words: &[&str]) -> String {
        match words {
            ["launch", start] => launch(&world.snapshot.object, start),
            _ => panic!("no such command: {words:?}"),
        }
    }
}

/// How a server is started: its command, and its files.
fn launch(object: &Identity, start: &str) -> String {
    let mut spec = ZookeeperClusterSpec::new(3, "3.9.5");
    spec.config.insert("tickTime".into(), 1000);
    let member = MemberRecord::new("demo-a", SERVER);
    let peer = |name: &str, id: &str, role: &str| {
        let address = ZooKeeper.address(object, &spec, &name.into());
        Peer::new(name, address, role).id(Some(id.into()))
    };
    let members = vec![peer("demo-a", "1", SERVER), peer("demo-b", "7", OBSERVER)];
    let start = match start {
        "new" => Start::New { token: "0c5f".into(), members },
        "recover" => Start::Recover { token: "0c5f-7".into(), members: members[..1].into() },
        _ => panic!("no such start"),
    };
    let launch = ZooKeeper.launch(&LaunchOf::new(object, &spec, &member).start(&start));
    let mut told = format!("{}\n{}\n", launch.image, launch.command.join("\n"));
    for (path, text) in files(&spec, &member.name, &start) {
        write!(told, "{path}:\n{text}").unwrap();
    }
    told
}
