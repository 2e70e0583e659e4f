//! How a server is found, and with which command and files it starts.
//!
//! A server rewrites its own configuration: `zoo.cfg` names the list of members that it knew last, and each list is a
//! file of its own. So all of it lies on the server's volume. `zoo.cfg` is written anew at every start but for the line
//! that names the list; the first list is written once. A server that has data never goes back to an older list: alone
//! in it, it would lead alone.

use endstate_core::{Identity, Launch, LaunchOf, MemberName, Peer, Start, VolumeSpec};

use crate::{Address, OBSERVER, Role, Server, ServerId, ZookeeperClusterSpec};

/// Clients connect here.
pub const CLIENT_PORT: u16 = 2181;
/// Followers connect to the leader here.
pub const QUORUM_PORT: u16 = 2888;
/// Servers elect a leader here.
pub const ELECTION_PORT: u16 = 3888;
/// A server's volume.
pub const DATA_DIR: &str = "/data";
/// Where a server finds what allows to change the membership.
pub const ADMIN_DIR: &str = "/admin";
/// The file there that has it as options of Java's.
pub const ADMIN_OPTIONS: &str = "java.options";
/// The data: snapshots, and logs.
pub const PRESENT: [&str; 2] = ["version-2/snapshot.*", "version-2/log.*"];
/// With this file a blank server may help to begin an ensemble. Without, it waits for one that has data.
pub const INITIALIZE: &str = "/data/initialize";
/// The line of `zoo.cfg` that a server writes.
pub const LIST_KEY: &str = "dynamicConfigFile=";
/// The configuration that a server reads and writes.
pub const CONFIG: &str = "/data/conf/zoo.cfg";

/// The headless service that gives servers their names.
pub fn peer_service(cluster: &str) -> String {
    format!("{cluster}-peer")
}

/// The service that clients use.
pub fn client_service(cluster: &str) -> String {
    format!("{cluster}-client")
}

/// The secret with the password of this number.
pub fn admin_secret(cluster: &str, credential: u32) -> String {
    format!("{cluster}-admin-{credential}")
}

/// Where the others find a server.
pub fn host(object: &Identity, member: &MemberName) -> String {
    format!("{member}.{}.{}.svc", peer_service(&object.name), object.namespace)
}

/// A server's entry in the list of members. It listens on every address, so that it needs no name of its own to start.
pub fn server(host: impl Into<String>, role: Role) -> Server {
    let quorum = Address { host: host.into(), port: QUORUM_PORT };
    let client = Address { host: "0.0.0.0".to_owned(), port: CLIENT_PORT };
    Server { quorum, election_port: ELECTION_PORT, role, client }
}

/// How many ticks a server tries to reach who it takes for the leader. An observer may take the one before for it, from
/// old messages, and by default tries for `initLimit`: 20 seconds.
const LEADER_LIMIT: &str = "connectToLearnerMasterLimit";

/// The files that a server starts with, each by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Its id; written at every start.
    pub my_id: (String, String),
    /// `zoo.cfg`; written at every start, but for [`LIST_KEY`].
    pub config: (String, String),
    /// The first list of members; written once.
    pub list: (String, String),
}

/// The files of the member of this name. A recovery has a list of its own, so that the server begins with it once.
pub fn files(spec: &ZookeeperClusterSpec, member: &MemberName, start: &Start) -> Files {
    let id = |it: &Peer| it.id.as_ref().and_then(|it| it.parse().ok()).map(ServerId);
    let me = start.members().iter().find(|it| it.name == *member).and_then(id);
    let line = |it: &Peer| {
        let role = if *it.role == *OBSERVER { Role::Observer } else { Role::Participant };
        Some(server(&it.address, role).line(id(it)?) + "\n")
    };
    let list = match start {
        Start::Recover { token, .. } => format!("{DATA_DIR}/conf/members-{token}"),
        _ => format!("{DATA_DIR}/conf/members"),
    };
    let lines = start.members().iter().filter_map(line).collect();
    let my_id = me.map(|it| format!("{it}\n")).unwrap_or_default();
    Files {
        my_id: (format!("{DATA_DIR}/myid"), my_id),
        config: (CONFIG.to_owned(), config(spec, &list)),
        list: (list, lines),
    }
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
    let storage = &spec.storage;
    let volume = VolumeSpec::new(&storage.size).class(storage.class.clone());
    let ports = [("client", CLIENT_PORT), ("quorum", QUORUM_PORT), ("election", ELECTION_PORT)];
    Launch::new(format!("{}:{version}", spec.repository), of)
        .command(command.into())
        .ports(ports)
        .volume(Some(volume.retention(storage.retention)))
}
