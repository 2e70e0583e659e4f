//! How a server is found, and with which command and files it starts.
//!
//! A server rewrites its own configuration: `zoo.cfg` names the list of members that it knew last, and each list is a
//! file of its own. So all of it lies on the server's volume. `zoo.cfg` is written anew at every start but for the line
//! that names the list; the first list is written once. A server that has data never goes back to an older list: alone
//! in it, it would lead alone.

use endstate_core::{Launch, LaunchOf, MemberName, Peer, Start};

use crate::{OBSERVER, Server, ZookeeperClusterSpec};

/// Clients connect here.
pub const CLIENT_PORT: u16 = 2181;
/// Followers connect to the leader here.
const QUORUM_PORT: u16 = 2888;
/// Servers elect a leader here.
const ELECTION_PORT: u16 = 3888;
/// All of them, by name, the clients' first.
pub const PORTS: [(&str, u16); 3] =
    [("client", CLIENT_PORT), ("quorum", QUORUM_PORT), ("election", ELECTION_PORT)];

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

/// A server's entry in the list of members. It listens on every address, so that it needs no name of its own to start.
pub fn server(host: impl Into<String>, role: &str) -> Server {
    let client = format!("0.0.0.0:{CLIENT_PORT}");
    Server {
        host: host.into(),
        ports: [QUORUM_PORT, ELECTION_PORT],
        votes: role != OBSERVER,
        client,
    }
}

/// How many ticks a server tries to reach who it takes for the leader. An observer may take the one before for it, from
/// old messages, and by default tries for `initLimit`: 20 seconds.
const LEADER_LIMIT: &str = "connectToLearnerMasterLimit";

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
    let line = |it: &Peer| Some(server(&it.address, &it.role).line(it.id.as_ref()?) + "\n");
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

fn config(spec: &ZookeeperClusterSpec, list: &str) -> String {
    let mut lines = vec![
        format!("dataDir={DATA_DIR}"),
        format!("{LIST_KEY}{list}"),
        "reconfigEnabled=true".to_owned(),
        "standaloneEnabled=false".to_owned(),
        "quorumListenOnAllIPs=true".to_owned(),
        "admin.enableServer=false".to_owned(),
        "4lw.commands.whitelist=srvr,mntr".to_owned(),
    ];
    let defaults = [("tickTime", 2000), ("initLimit", 10), ("syncLimit", 5), (LEADER_LIMIT, 2)];
    let unset = defaults.iter().filter(|(key, _)| !spec.config.contains_key(*key));
    lines.extend(unset.map(|(key, value)| format!("{key}={value}")));
    lines.extend(spec.config.iter().map(|(key, value)| format!("{key}={value}")));
    lines.join("\n") + "\n"
}

/// How a server is run.
pub(crate) fn launch(of: &LaunchOf<'_, ZookeeperClusterSpec>) -> Launch {
    let spec = of.spec;
    let (heap, version) = (spec.heap_mib, &spec.version);
    let command = [
        "java".to_owned(),
        format!("@{ADMIN_DIR}/{ADMIN_OPTIONS}"),
        format!("-Xms{heap}m"),
        format!("-Xmx{heap}m"),
        "-XX:+UseSerialGC".to_owned(),
        "-XX:TieredStopAtLevel=1".to_owned(),
        "-XX:+ExitOnOutOfMemoryError".to_owned(),
        // A blank server must not vote for itself: a majority of them would lead the others into losing their data.
        "-Dzookeeper.db.autocreate=false".to_owned(),
        // Pods come back under their name with another address.
        "-Dsun.net.inetaddr.ttl=1".to_owned(),
        "-Dsun.net.inetaddr.negative.ttl=0".to_owned(),
        // Who looks for a leader asks again at least this often, not once a minute.
        "-Dzookeeper.fastleader.maxNotificationInterval=1000".to_owned(),
        "-cp".to_owned(),
        format!("/conf:/apache-zookeeper-{version}-bin/lib/*"),
        "org.apache.zookeeper.server.quorum.QuorumPeerMain".to_owned(),
        CONFIG.to_owned(),
    ];
    Launch::new(format!("{}:{version}", spec.repository), of)
        .command(command.into())
        .ports(PORTS)
        .volume(Some(spec.storage.clone()))
}
