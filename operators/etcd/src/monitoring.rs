//! What Prometheus and Grafana are told of etcd itself. The metrics are etcd's own; the thresholds of the disk and of
//! the database are from its guides (etcd.io/docs, hardware and maintenance).

use endstate::package::{Alert, Monitoring, Panel, Severity, slowest};
use etcd_plan::METRICS;

pub(crate) fn monitoring() -> Monitoring {
    Monitoring { port: Some(METRICS), alerts: alerts(), panels: panels() }
}

/// Not the file: that grows in leaps.
const FILLS_SOON: &str = "predict_linear(etcd_mvcc_db_total_size_in_use_in_bytes[6h], 259200) > etcd_server_quota_backend_bytes";

fn alerts() -> Vec<Alert> {
    use Severity::{Critical, Warning};
    let used = "etcd_mvcc_db_total_size_in_bytes / etcd_server_quota_backend_bytes";
    let unused = "(1 - etcd_mvcc_db_total_size_in_use_in_bytes / etcd_mvcc_db_total_size_in_bytes)";
    vec![
        Alert::new("EtcdMemberHasNoLeader", "etcd_server_has_leader == 0", Critical)
            .after_minutes(1)
            .says("{{ $labels.member }} follows no leader"),
        Alert::new(
            "EtcdLeaderChangesOften",
            "increase(etcd_server_leader_changes_seen_total[15m]) > 4",
            Warning,
        )
        .says("{{ $labels.member }} saw the leader change more than four times in 15 minutes"),
        Alert::new(
            "EtcdLogSyncSlow",
            format!("{} > 0.5", slowest("etcd_disk_wal_fsync_duration_seconds")),
            Warning,
        )
        .after_minutes(10)
        .says("{{ $labels.member }} needs more than half a second to sync its log"),
        Alert::new(
            "EtcdCommitSlow",
            format!("{} > 0.25", slowest("etcd_disk_backend_commit_duration_seconds")),
            Warning,
        )
        .after_minutes(10)
        .says("{{ $labels.member }} needs more than a quarter of a second for a commit"),
        Alert::new("EtcdDatabaseNearQuota", format!("{used} > 0.8"), Warning)
            .after_minutes(10)
            .says("the database of {{ $labels.member }} is at more than 80 % of its quota"),
        Alert::new("EtcdDatabaseFillsSoon", FILLS_SOON, Warning)
            .after_minutes(60)
            .says("at its pace of six hours the database of {{ $labels.member }} is full within three days"),
        Alert::new("EtcdDatabaseFull", format!("{used} > 0.95"), Critical)
            .after_minutes(1)
            .says("the database of {{ $labels.member }} is full: writes are refused soon"),
        Alert::new(
            "EtcdDatabaseFragmented",
            format!("{unused} > 0.5 and etcd_mvcc_db_total_size_in_bytes > 104857600"),
            Warning,
        )
        .after_minutes(60)
        .says("more than half of the database of {{ $labels.member }} is unused: defragment it"),
        Alert::new("EtcdBackupsFail", "endstate_agent_ready{agent=\"etcd-backup\"} == 0", Warning)
            .after_minutes(15)
            .says("backups of {{ $labels.cluster }} are not as {{ $labels.object }} asks for"),
        Alert::new(
            "EtcdProposalsFail",
            "increase(etcd_server_proposals_failed_total[15m]) > 5",
            Warning,
        )
        .after_minutes(15)
        .says("proposals of {{ $labels.member }} fail"),
    ]
}

fn panels() -> Vec<Panel> {
    let of = |metric: &str| format!("{metric}{{namespace=~\"$namespace\", cluster=~\"$cluster\"}}");
    let rate = |metric: &str| format!("rate({}[$__rate_interval])", of(metric));
    vec![
        Panel::new("Proposals committed a second", "ops")
            .line("{{member}}", rate("etcd_server_proposals_committed_total")),
        Panel::new("Proposals pending", "short")
            .line("{{member}}", of("etcd_server_proposals_pending")),
        Panel::new("Log sync, the slowest of a hundred", "s")
            .line("{{member}}", slowest("etcd_disk_wal_fsync_duration_seconds")),
        Panel::new("Commit, the slowest of a hundred", "s")
            .line("{{member}}", slowest("etcd_disk_backend_commit_duration_seconds")),
        Panel::new("Database: size, in use, quota", "bytes")
            .line("{{member}} size", of("etcd_mvcc_db_total_size_in_bytes"))
            .line("{{member}} in use", of("etcd_mvcc_db_total_size_in_use_in_bytes"))
            .line("{{member}} quota", of("etcd_server_quota_backend_bytes")),
        Panel::new("Age of the newest backup", "s")
            .line("{{object}}", format!("time() - {}", of("endstate_backup_timestamp_seconds"))),
        Panel::new("Memory", "bytes").line("{{member}}", of("process_resident_memory_bytes")),
    ]
}
