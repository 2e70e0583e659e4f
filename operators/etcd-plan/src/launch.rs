//! The program, flags and environment of a member, by version.

use endstate_core::tls::{Files, Holder, Link};
use endstate_core::{
    Directory, Guard, Identity, Launch, LaunchOf, Peer, Probe, Probes, Restore, Start, Version,
};

use crate::restore::Made;
use crate::space;
use crate::spec::{APPLICATION, EtcdClusterSpec};

/// Clients connect here.
pub const CLIENT_PORT: u16 = 2379;
/// Members connect here.
pub const PEER_PORT: u16 = 2380;
/// Health and metrics, without client TLS: it answers without a client's certificate.
pub const METRICS_PORT: u16 = 2381;
/// Where a member keeps its data.
pub const DATA_DIR: &str = "/var/lib/etcd";
/// Where one has its write-ahead log if that is apart: a folder of this, which etcd makes anew.
pub const WAL_DIR: &str = "/var/lib/etcd-wal";
/// etcd itself takes a directory without a write-ahead log for a new member's.
const WRITE_AHEAD_LOG: &str = "member/wal/*.wal";
/// The database, or one that the leader sent: etcd takes up either.
const DATABASE: &str = "member/snap/*db";
/// How long a member may take to end. Who leads hands over first: within milliseconds while the others run, and never
/// when all end together, after seven seconds of trying. Whatever was acknowledged is synced, so a kill loses nothing.
const GRACE_SECONDS: u32 = 1;
/// The variable that says which authorities a member was started with.
const AUTHORITIES: &str = "ENDSTATE_AUTHORITIES";
/// The name of that port.
pub const METRICS: &str = "metrics";
/// All of them.
pub const PORTS: [(&str, u16); 3] =
    [("client", CLIENT_PORT), ("peer", PEER_PORT), (METRICS, METRICS_PORT)];
/// Where the launcher is in a member's pod: it is that program, too.
const PROGRAM: [&str; 3] = ["/endstate/endstate", "agent", "etcd"];
/// etcd itself, in its image.
const ETCD: &str = "/usr/local/bin/etcd";
/// The folder of it, and of the programs beside it.
const PROGRAMS: &str = "/usr/local/bin";

/// Where other members find a member.
pub(crate) fn peer_url(object: &Identity, spec: &EtcdClusterSpec, member: &str) -> String {
    format!("{}://{}:{PEER_PORT}", peer_scheme(spec), object.host(member))
}

fn peer_scheme(spec: &EtcdClusterSpec) -> &'static str {
    if spec.tls.peer().is_on() { "https" } else { "http" }
}

/// A listed address with the scheme that members listen with by a spec, if it has another.
pub(crate) fn with_scheme(listed: &str, spec: &EtcdClusterSpec) -> Option<String> {
    let (scheme, rest) = listed.split_once("://")?;
    (scheme != peer_scheme(spec)).then(|| format!("{}://{rest}", peer_scheme(spec)))
}

/// Where clients find a member at a host: one port, which serves in plain, with TLS, or both.
fn client_urls(spec: &EtcdClusterSpec, host: &str) -> String {
    let schemes: &[&str] = match spec.tls.client() {
        Link::Off => &["http"],
        Link::Ready(_) => &["http", "https"],
        Link::On(_) => &["https"],
    };
    let urls: Vec<_> = schemes.iter().map(|it| format!("{it}://{host}:{CLIENT_PORT}")).collect();
    urls.join(",")
}

/// How a member is run.
pub(crate) fn launch(of: &LaunchOf<'_, EtcdClusterSpec>, version: Version) -> Launch {
    let mut command = vec![ETCD.to_owned()];
    command.extend(address_flags(of));
    command.extend(of.start.map(start_flags).unwrap_or_default());
    command.extend(version_flags(version).into_iter().map(String::from));
    if of.spec.snapshots {
        command.push("--snapshot-count=1".to_owned());
    }
    command.extend(of.spec.learners.map(|it| format!("--max-learners={it}")));
    let held = of.spec.tls.of_member(APPLICATION, of.object);
    command.extend(held.iter().flat_map(|(holder, files)| tls_flags(*holder, files)));
    command.extend(skips_names(of.spec, version).map(String::from));
    let guard = match of.storage("wal", of.spec.wal.as_ref()) {
        None => Guard::new(DATA_DIR, &[WRITE_AHEAD_LOG]),
        Some(it) => {
            command.push(format!("--wal-dir={WAL_DIR}/wal"));
            let wal = Directory::new("wal", WAL_DIR, &["wal/*.wal"]).on(it);
            Guard::new(DATA_DIR, &[DATABASE]).beside(wal)
        }
    };
    let restore = of.restore(of.spec.restore.as_ref());
    let prepare = restore.as_ref().and_then(|it| prepare(of, it, version));
    let restore = restore.filter(|_| prepare.is_some());
    let guard = prepare.into_iter().fold(guard, Guard::prepared_by);
    let guard = mend(of).into_iter().fold(guard, Guard::mended_by);
    let launch = Launch::new(of.spec.image(), guard, of)
        .command(command)
        .env(env(of, &held))
        .ports(PORTS)
        .probes(probes(version))
        .ends_within(GRACE_SECONDS)
        .storage(of.spec.storage.clone().unwrap_or_default())
        .policy(of.spec.pod.clone());
    let mounted = held.iter().map(|(holder, files)| files.mounted(APPLICATION, *holder));
    let secrets = restore.iter().flat_map(|it| it.secrets.clone());
    let launch = mounted.chain(secrets).fold(launch, Launch::secret);
    restore.iter().filter_map(|it| it.claim.clone()).fold(launch, Launch::claim)
}

/// The program that makes the data of a cluster's first member, and its arguments; nothing for others.
fn prepare(
    of: &LaunchOf<'_, EtcdClusterSpec>,
    restore: &Restore,
    version: Version,
) -> Option<Vec<String>> {
    let Some(Start::New { token, members } | Start::Prepare { token, members }) = of.start else {
        return None;
    };
    let Peer { name, address, .. } = members.iter().find(|it| it.name == of.member.name)?;
    let made = Made {
        name: name.to_string(),
        peer_url: address.clone(),
        token: token.clone(),
        data_dir: DATA_DIR.to_owned(),
        wal_dir: of.storage("wal", of.spec.wal.as_ref()).map(|_| WAL_DIR.to_owned()),
        version: version.to_string(),
    };
    let made = serde_json::to_string(&made).ok()?;
    let words = [restore.what.as_str(), &made].map(str::to_owned);
    Some(
        PROGRAM.map(str::to_owned).into_iter().chain(["restore".to_owned()]).chain(words).collect(),
    )
}

/// The program that makes the data of a member ready which goes on alone, and its arguments.
fn mend(of: &LaunchOf<'_, EtcdClusterSpec>) -> Option<Vec<String>> {
    let apart = of.storage("wal", of.spec.wal.as_ref()).map(|_| format!("{WAL_DIR}/wal"));
    let words = ["mend", PROGRAMS, DATA_DIR].map(str::to_owned);
    let words = PROGRAM.map(str::to_owned).into_iter().chain(words).chain(apart);
    matches!(of.start, Some(Start::Recover { .. })).then(|| words.collect())
}

fn tls_flags(holder: Holder, files: &Files) -> [String; 4] {
    let prefix = if holder == Holder::Peer { "--peer-" } else { "--" };
    let folder = holder.folder(APPLICATION);
    [
        format!("{prefix}cert-file={folder}/{}", files.certificate),
        format!("{prefix}key-file={folder}/{}", files.key),
        format!("{prefix}trusted-ca-file={folder}/{}", files.authorities),
        format!("{prefix}client-cert-auth=true"),
    ]
}

/// etcd asks the DNS for the name of whoever connects as a peer, and holds it against the names in the certificate.
/// Where nobody but members has a certificate of that authority this tells nothing, and needs a DNS that has names for
/// all addresses.
fn skips_names(spec: &EtcdClusterSpec, version: Version) -> Option<&'static str> {
    let own = spec.tls.peer().source().is_some_and(|it| it.managed().is_some());
    let flag = match version.minor {
        ..6 => "--experimental-peer-skip-client-san-verification=true",
        6.. => "--peer-skip-client-san-verification=true",
    };
    own.then_some(flag)
}

/// `etcdctl` in a member's container needs no flags. Its endpoint is right by itself; a variable for it would forbid
/// the flag. One says which authorities a member was started with: it reads them only then. What becomes of history is
/// told here and by no flag, which a user's variable beside it would keep from starting.
fn env(of: &LaunchOf<'_, EtcdClusterSpec>, held: &[(Holder, Files)]) -> Vec<(String, String)> {
    let server = held.iter().find(|it| it.0 == Holder::Server && of.spec.tls.client().is_on());
    let own = server.into_iter().flat_map(|(holder, files)| {
        let folder = holder.folder(APPLICATION);
        [
            ("ETCDCTL_CACERT", format!("{folder}/{}", files.authorities)),
            ("ETCDCTL_CERT", format!("{folder}/{}", files.certificate)),
            ("ETCDCTL_KEY", format!("{folder}/{}", files.key)),
        ]
    });
    let authorities = of.spec.tls.generation().map(|it| (AUTHORITIES, it));
    let set = |name: &str| of.spec.env.iter().any(|it| it.0 == *name);
    let own = own.filter(|it| !set(it.0)).chain(authorities);
    // A variable beside a flag keeps etcd from starting.
    let kept = |it: &&(String, String)| !of.spec.snapshots || it.0 != "ETCD_SNAPSHOT_COUNT";
    let users = of.spec.env.iter().filter(kept).cloned();
    let own = own.chain(space::compaction(of.spec));
    own.map(|(name, value)| (name.to_owned(), value)).chain(users).collect()
}

/// Liveness is local: a member without a quorum is alive, and restarting it for that would turn a lost majority into a
/// lost cluster.
///
/// `/livez` and `/readyz` came with 3.4.29 and 3.5.11. Before, 3.5 can leave the quorum out of `/health`; 3.4 cannot,
/// so there only the open metrics port tells that the process lives. A full database is no reason to start a member
/// anew, or to keep clients from reading and deleting: `/health` fails by it unless it is left out.
fn probes(version: Version) -> Probes {
    let http = |path| Probe::http(METRICS, path);
    match (version.minor, version.patch) {
        (4, ..29) => Probes::of(Probe::opens(METRICS), http("/health?exclude=NOSPACE")),
        (5, ..11) => {
            let live = http("/health?exclude=NOSPACE&serializable=true");
            Probes::of(live, http("/health?exclude=NOSPACE"))
        }
        _ => Probes::of(http("/livez"), http("/readyz")),
    }
}

fn address_flags(of: &LaunchOf<'_, EtcdClusterSpec>) -> [String; 7] {
    let (object, member) = (of.object, &of.member.name);
    [
        format!("--name={member}"),
        format!("--data-dir={DATA_DIR}"),
        format!("--listen-peer-urls={}://0.0.0.0:{PEER_PORT}", peer_scheme(of.spec)),
        format!("--initial-advertise-peer-urls={}", peer_url(object, of.spec, member)),
        format!("--listen-client-urls={}", client_urls(of.spec, "0.0.0.0")),
        format!("--advertise-client-urls={}", client_urls(of.spec, &object.host(member))),
        format!("--listen-metrics-urls=http://0.0.0.0:{METRICS_PORT}"),
    ]
}

/// etcd looks at these only while its data directory is empty.
fn start_flags(start: &Start) -> Vec<String> {
    let members: Vec<_> =
        start.members().iter().map(|it| format!("{}={}", it.name, it.address)).collect();
    let members = format!("--initial-cluster={}", members.join(","));
    match start {
        Start::New { token, .. } | Start::Prepare { token, .. } => vec![
            members,
            "--initial-cluster-state=new".into(),
            format!("--initial-cluster-token={token}"),
        ],
        // Who resumes has data, and etcd looks no further.
        Start::Existing { .. } | Start::Resume { .. } => {
            vec![members, "--initial-cluster-state=existing".into()]
        }
        // However often its container starts, it is alone: before anybody joins, its pod makes room for one that
        // resumes.
        Start::Recover { .. } => {
            vec![members, "--initial-cluster-state=existing".into(), "--force-new-cluster".into()]
        }
    }
}

/// The flags that depend on the version. Corruption checks are off by default in every version, and
/// each minor calls them differently; a flag that a version does not know keeps it from starting.
pub(crate) fn version_flags(version: Version) -> Vec<&'static str> {
    let common = "--strict-reconfig-check=true";
    match (version.minor, version.patch) {
        (..=4, _) => vec![
            common,
            "--pre-vote=true",
            "--experimental-initial-corrupt-check=true",
            "--experimental-corrupt-check-time=12h",
        ],
        (5, ..=4) => vec![
            common,
            "--experimental-initial-corrupt-check=true",
            "--experimental-corrupt-check-time=12h",
        ],
        (5, _) => vec![
            common,
            "--experimental-initial-corrupt-check=true",
            "--experimental-compact-hash-check-enabled=true",
            "--experimental-compact-hash-check-time=1m",
        ],
        (6.., _) => vec![
            common,
            "--feature-gates=InitialCorruptCheck=true,CompactHashCheck=true",
            "--compact-hash-check-time=1m",
        ],
    }
}
