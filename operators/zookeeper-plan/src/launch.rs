//! How a server is found, and with which command and files it starts.
//!
//! A server rewrites its own configuration: `zoo.cfg` names the list of members that it knew last, and each list is a
//! file of its own. So all of it lies on the server's volume. `zoo.cfg` is written anew at every start but for the line
//! that names the list; the first list is written once. A server that has data never goes back to an older list: alone
//! in it, it would lead alone.

use std::collections::BTreeMap;

use endstate_core::{
    Credentials, Guard, Launch, LaunchOf, MemberName, Peer, Probe, Probes, Question, SecretFiles,
    Seed, Start,
};

use crate::ensemble::{CLIENT_PORT, PORTS, line};
use crate::spec::{OBSERVER, ZookeeperClusterSpec};

/// A server's volume.
pub const DATA_DIR: &str = "/data";
/// The data there: snapshots, and logs.
pub const PRESENT: [&str; 2] = ["version-2/snapshot.*", "version-2/log.*"];
/// With this file a blank server may help to begin an ensemble. Without, it waits for one that has data.
pub const INITIALIZE: &str = "/data/initialize";
/// The configuration that a server reads and writes.
const CONFIG: &str = "/data/conf/zoo.cfg";
/// The line of it that a server writes.
pub const LIST_KEY: &str = "dynamicConfigFile=";

/// Where a server finds what allows to change the membership.
pub const ADMIN_DIR: &str = "/admin";
/// The file there that has it as options of Java's.
pub const ADMIN_OPTIONS: &str = "java.options";

/// The files that the member of this name starts with, each by its path: its id and `zoo.cfg` (but for [`LIST_KEY`]),
/// which are written at every start, and the first list of members, which is written once. A recovery has a list of its
/// own, so that the server begins with it once.
pub fn files(
    spec: &ZookeeperClusterSpec,
    member: &MemberName,
    start: &Start,
) -> [(String, String); 3] {
    let me = start.members().iter().find(|it| it.name == *member);
    let my_id = me.and_then(|it| it.id.as_ref()).map(|it| format!("{it}\n"));
    let line = |it: &Peer| Some(line(it.id.as_ref()?, &it.address, *it.role != *OBSERVER) + "\n");
    let list = match start {
        Start::Recover { token, .. } => format!("{DATA_DIR}/conf/members-{token}"),
        _ => format!("{DATA_DIR}/conf/members"),
    };
    let lines = start.members().iter().filter_map(line).collect();
    [
        (format!("{DATA_DIR}/myid"), my_id.unwrap_or_default()),
        (CONFIG.to_owned(), config(spec, &list)),
        (list, lines),
    ]
}

/// An observer may take the leader of before for the leader, from old messages. `connectToLearnerMasterLimit` is how
/// many ticks it then tries to reach it; by default `initLimit`, 20 seconds.
fn config(spec: &ZookeeperClusterSpec, list: &str) -> String {
    let defaults =
        [("tickTime", 2000), ("initLimit", 10), ("syncLimit", 5), ("autopurge.purgeInterval", 24)];
    let mut tuned = BTreeMap::from(defaults.map(|(key, value)| (key.to_owned(), value)));
    tuned.extend(spec.config.clone());
    let tuned: String = tuned.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    format!(
        "dataDir={DATA_DIR}\n\
         {LIST_KEY}{list}\n\
         reconfigEnabled=true\n\
         standaloneEnabled=false\n\
         quorumListenOnAllIPs=true\n\
         connectToLearnerMasterLimit=2\n\
         admin.enableServer=false\n\
         4lw.commands.whitelist=srvr,mntr\n\
         {tuned}"
    )
}

/// How a server is run.
pub(crate) fn launch(of: &LaunchOf<'_, ZookeeperClusterSpec>) -> Launch {
    let spec = of.spec;
    let (heap, version) = (spec.heap_mib, &spec.version);
    // A small heap is for little memory. In a large one a pause of the serial collector may end sessions.
    let collector = if heap < 1024 { "-XX:+UseSerialGC" } else { "-XX:+UseG1GC" };
    let command = [
        "java".to_owned(),
        format!("@{ADMIN_DIR}/{ADMIN_OPTIONS}"),
        format!("-Xms{heap}m"),
        format!("-Xmx{heap}m"),
        collector.to_owned(),
        "-XX:+ExitOnOutOfMemoryError".to_owned(),
        // A blank server must not vote for itself: a majority of them would lead the others into losing their data.
        "-Dzookeeper.db.autocreate=false".to_owned(),
        // Pods come back under their name with another address.
        "-Dsun.net.inetaddr.ttl=1".to_owned(),
        "-Dsun.net.inetaddr.negative.ttl=0".to_owned(),
        // Who looks for a leader asks again at least this often, not once a minute.
        "-Dzookeeper.fastleader.maxNotificationInterval=1000".to_owned(),
        "-Dlogback.configurationFile=/conf/logback.xml".to_owned(),
        "org.apache.zookeeper.server.quorum.QuorumPeerMain".to_owned(),
        CONFIG.to_owned(),
    ];
    let secret = Credentials::of(&of.object.name, spec.credential).newest();
    Launch::new(format!("{}:{version}", spec.repository), guard(of), of)
        .command(command.into())
        .ports(PORTS)
        .probes(probes())
        .storage(spec.storage.clone())
        .secret(SecretFiles::new("admin", secret, ADMIN_DIR))
        .policy(spec.pod.clone())
}

/// A server that looks for a leader lives: its port is open. It serves, and counts for the disruption budget, when it
/// has one.
fn probes() -> Probes {
    let serves = Question::new(CLIENT_PORT, "srvr", "Mode: ");
    Probes::of(Probe::opens("client"), Probe::Asks(serves))
}

/// How a start is guarded. Only who begins an ensemble may begin without data; who joins gets the leader's.
fn guard(of: &LaunchOf<'_, ZookeeperClusterSpec>) -> Guard {
    // What runs already has its list of members.
    let there = Start::Resume { members: vec![] };
    let start = of.start.unwrap_or(&there);
    let [(id_path, id), (config_path, config), (list_path, list)] =
        files(of.spec, &of.member.name, start);
    let guard = Guard::new(DATA_DIR, &PRESENT)
        .class_path(&format!("/apache-zookeeper-{}-bin/lib", of.spec.version))
        .seed(Seed::text(id, id_path))
        .seed(Seed::text(config, config_path).keeping(LIST_KEY))
        .seed(Seed::text_once(list, list_path));
    match start {
        Start::New { .. } => guard.first_start_file(INITIALIZE),
        _ => guard,
    }
}
