//! Which environment variables of a member's container a user may set.
//!
//! etcd reads every flag from a variable too. Only variables that are known to be harmless are accepted: a list of
//! harmful ones would be out of date with etcd's next release. So only the operator sets the name, membership,
//! addresses, directories, TLS, authentication, discovery, the checks, `ETCD_UNSAFE_NO_FSYNC` and `ETCD_CONFIG_FILE`.

use endstate_core::Version;

/// The variables of etcd that tune a member and cannot cost data or membership.
pub const TUNABLE: [&str; 31] = [
    "ETCD_AUTO_COMPACTION_MODE",
    "ETCD_AUTO_COMPACTION_RETENTION",
    "ETCD_BACKEND_BATCH_INTERVAL",
    "ETCD_BACKEND_BATCH_LIMIT",
    "ETCD_BACKEND_BBOLT_FREELIST_TYPE",
    "ETCD_BOOTSTRAP_DEFRAG_THRESHOLD_MEGABYTES",
    "ETCD_COMPACTION_BATCH_LIMIT",
    "ETCD_COMPACTION_SLEEP_INTERVAL",
    "ETCD_ELECTION_TIMEOUT",
    "ETCD_ENABLE_PPROF",
    "ETCD_EXPERIMENTAL_BOOTSTRAP_DEFRAG_THRESHOLD_MEGABYTES",
    "ETCD_EXPERIMENTAL_COMPACTION_BATCH_LIMIT",
    "ETCD_EXPERIMENTAL_WARNING_APPLY_DURATION",
    "ETCD_EXPERIMENTAL_WATCH_PROGRESS_NOTIFY_INTERVAL",
    "ETCD_GRPC_KEEPALIVE_INTERVAL",
    "ETCD_GRPC_KEEPALIVE_MIN_TIME",
    "ETCD_GRPC_KEEPALIVE_TIMEOUT",
    "ETCD_HEARTBEAT_INTERVAL",
    "ETCD_LOG_FORMAT",
    "ETCD_LOG_LEVEL",
    "ETCD_MAX_CONCURRENT_STREAMS",
    "ETCD_MAX_REQUEST_BYTES",
    "ETCD_MAX_SNAPSHOTS",
    "ETCD_MAX_TXN_OPS",
    "ETCD_MAX_WALS",
    "ETCD_METRICS",
    "ETCD_QUOTA_BACKEND_BYTES",
    "ETCD_SNAPSHOT_COUNT",
    "ETCD_WARNING_APPLY_DURATION",
    "ETCD_WARNING_UNARY_REQUEST_DURATION",
    "ETCD_WATCH_PROGRESS_NOTIFY_INTERVAL",
];

/// Those that 3.4 does not know, each with the first minor that does.
const SINCE: [(&str, u32); 9] = [
    ("ETCD_BACKEND_BBOLT_FREELIST_TYPE", 5),
    ("ETCD_BOOTSTRAP_DEFRAG_THRESHOLD_MEGABYTES", 6),
    ("ETCD_COMPACTION_BATCH_LIMIT", 6),
    ("ETCD_COMPACTION_SLEEP_INTERVAL", 6),
    ("ETCD_EXPERIMENTAL_BOOTSTRAP_DEFRAG_THRESHOLD_MEGABYTES", 5),
    ("ETCD_LOG_FORMAT", 6),
    ("ETCD_WARNING_APPLY_DURATION", 6),
    ("ETCD_WARNING_UNARY_REQUEST_DURATION", 6),
    ("ETCD_WATCH_PROGRESS_NOTIFY_INTERVAL", 6),
];

/// How names begin that 3.6 knows under another name, and 3.7 under that alone.
const EXPERIMENTAL: &str = "ETCD_EXPERIMENTAL_";

/// The first minor without those.
const PLAIN_SINCE: u32 = 7;

/// The prefix that only variables of [`TUNABLE`] may have.
pub const ETCD_PREFIX: &str = "ETCD_";

/// The prefix that no user variable may have: these are for the launcher.
pub const LAUNCHER_PREFIX: &str = "ENDSTATE_";

/// Whether a user may set this variable.
pub fn may_set(name: &str) -> bool {
    let is_etcds = name.starts_with(ETCD_PREFIX);
    !name.starts_with(LAUNCHER_PREFIX) && (!is_etcds || TUNABLE.contains(&name))
}

/// Why a version takes no notice of one that a user may set, or does not start with it.
pub(crate) fn unknown_to(name: &str, version: Version) -> Option<String> {
    let known = |name: &str| {
        let since = SINCE.iter().find(|it| it.0 == name).map_or(0, |it| it.1);
        let dropped = name.starts_with(EXPERIMENTAL) && version.minor >= PLAIN_SINCE;
        TUNABLE.contains(&name) && version.minor >= since && !dropped
    };
    if !name.starts_with(ETCD_PREFIX) || known(name) {
        return None;
    }
    let other = match name.strip_prefix(EXPERIMENTAL) {
        Some(rest) => format!("{ETCD_PREFIX}{rest}"),
        None => name.replacen(ETCD_PREFIX, EXPERIMENTAL, 1),
    };
    let instead = if known(&other) { format!("use {other}") } else { "remove it".to_owned() };
    Some(format!("etcd 3.{} does not know it: {instead}", version.minor))
}

#[cfg(test)]
mod tests {
    use endstate_core::{App, Identity, LaunchOf, MemberRecord, Start};

    use super::*;
    use crate::{Etcd, EtcdClusterSpec};

    #[test]
    fn what_decides_membership_data_or_security_is_the_operators() {
        for name in [
            "ETCD_NAME",
            "ETCD_DATA_DIR",
            "ETCD_WAL_DIR",
            "ETCD_LISTEN_PEER_URLS",
            "ETCD_LISTEN_CLIENT_URLS",
            "ETCD_ADVERTISE_CLIENT_URLS",
            "ETCD_INITIAL_ADVERTISE_PEER_URLS",
            "ETCD_INITIAL_CLUSTER",
            "ETCD_INITIAL_CLUSTER_STATE",
            "ETCD_INITIAL_CLUSTER_TOKEN",
            "ETCD_FORCE_NEW_CLUSTER",
            "ETCD_UNSAFE_NO_FSYNC",
            "ETCD_STRICT_RECONFIG_CHECK",
            "ETCD_MAX_LEARNERS",
            "ETCD_PRE_VOTE",
            "ETCD_CERT_FILE",
            "ETCD_CLIENT_CERT_AUTH",
            "ETCD_TRUSTED_CA_FILE",
            "ETCD_AUTO_TLS",
            "ETCD_PEER_CERT_FILE",
            "ETCD_PEER_AUTO_TLS",
            "ETCD_CIPHER_SUITES",
            "ETCD_DISCOVERY",
            "ETCD_DISCOVERY_SRV",
            "ETCD_AUTH_TOKEN",
            "ETCD_PROXY",
            "ETCD_GATEWAY_LISTEN_ADDR",
            "ETCD_CONFIG_FILE",
            "ETCD_FEATURE_GATES",
            "ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK",
            "ETCD_EXPERIMENTAL_ENABLE_V2V3",
            "ETCD_OF_NEXT_YEAR",
            "ENDSTATE_STARTED",
        ] {
            assert!(!may_set(name), "{name}");
        }
    }

    #[test]
    fn a_variable_that_a_version_does_not_know_names_the_one_that_it_does() {
        for (name, version, why) in [
            (
                "ETCD_COMPACTION_BATCH_LIMIT",
                "3.5.35",
                Some("use ETCD_EXPERIMENTAL_COMPACTION_BATCH_LIMIT"),
            ),
            ("ETCD_COMPACTION_BATCH_LIMIT", "3.6.16", None),
            ("ETCD_EXPERIMENTAL_COMPACTION_BATCH_LIMIT", "3.6.16", None),
            (
                "ETCD_EXPERIMENTAL_COMPACTION_BATCH_LIMIT",
                "3.7.3",
                Some("use ETCD_COMPACTION_BATCH_LIMIT"),
            ),
            ("ETCD_BOOTSTRAP_DEFRAG_THRESHOLD_MEGABYTES", "3.4.23", Some("remove it")),
            ("ETCD_LOG_FORMAT", "3.5.35", Some("remove it")),
            ("ETCD_QUOTA_BACKEND_BYTES", "3.4.23", None),
            ("TZ", "3.7.3", None),
        ] {
            let said = unknown_to(name, version.parse().unwrap());
            assert_eq!(said.is_some(), why.is_some(), "{name} {version}");
            assert!(
                said.unwrap_or_default().ends_with(why.unwrap_or_default()),
                "{name} {version}"
            );
        }
    }

    /// etcd refuses to start if a flag is also set by a variable.
    #[test]
    fn no_variable_stands_for_a_flag_that_every_member_gets() {
        for version in ["3.4.23", "3.5.4", "3.5.16", "3.6.14"] {
            for start in [
                Start::New { token: "t".into(), members: vec![] },
                Start::Existing { members: vec![] },
            ] {
                for flag in flags(version, &start) {
                    let variable =
                        format!("{ETCD_PREFIX}{}", flag.to_uppercase().replace('-', "_"));
                    assert!(!may_set(&variable), "{version}: {variable}");
                }
            }
        }
    }

    /// The names of etcd's flags in the command of a member.
    fn flags(version: &str, start: &Start) -> Vec<String> {
        let object = Identity::new("default", "demo", "0c5f");
        let spec = &EtcdClusterSpec::new(3, version);
        let (object, member) = (&object, &MemberRecord::new("demo-a", "member"));
        let command = Etcd.launch(&LaunchOf::new(object, spec, member).start(start)).command;
        let flags = command.iter().filter_map(|it| it.strip_prefix("--"));
        let flags: Vec<_> = flags.map(|it| it.split('=').next().unwrap().to_owned()).collect();
        assert!(flags.iter().any(|it| it == "listen-metrics-urls"), "all of them: {flags:?}");
        flags
    }

    #[test]
    fn what_tunes_a_member_and_what_is_not_etcds_is_the_users() {
        for name in TUNABLE.into_iter().chain(["GOMAXPROCS", "TZ", "ETCDCTL_API"]) {
            assert!(may_set(name), "{name}");
        }
    }
}
