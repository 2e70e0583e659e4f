//! The numbers of the house: how many are a majority, and how patient the planner is.

use jiff::{SignedDuration, Timestamp};

/// How long a member must have been in a crash loop before it is given up, which it is only beside a quorum of
/// others that work.
pub const CRASH_LOOP_SECONDS: i64 = 5;

/// The same of one that may crash for what is asked of it: no other works that was made from the same spec. Another in
/// its place would crash, too.
pub const CRASH_LOOP_CHANGED_SECONDS: i64 = 60;

/// How often its pod was made again on its claim by then, each time at once. The kubelet would let a crash loop wait
/// longer and longer, and only a start tells what became of the data.
pub const CRASH_LOOP_RENEWALS: u32 = 2;

/// How long who is coming may not work, or have data that the leader lacks, before it is given up; and how long the
/// choice of a leader waits for a member that says nothing.
pub const OVERDUE_SECONDS: i64 = 60;

/// How long a node must have been silent before it counts as lost.
pub const NODE_SILENT_SECONDS: i64 = 60;

/// For how long a member whose data is on a claim may not work on a node that is lost before it is given up: as long as
/// Kubernetes leaves a pod on such a node.
pub const NODE_LOST_SECONDS: i64 = 300;

/// How often a member in a crash loop must have been restarted before it is given up, unless its pod was made again.
pub const CRASH_LOOP_RESTARTS: u32 = 3;

/// How long a pod that was asked for may take to be seen before it is given up.
pub const UNSEEN_SECONDS: i64 = 10;

/// How long voters must have been well before the list of members is changed: a member that failed a moment ago is the
/// likeliest to fail again. (etcd's own check asks for connections of this age.)
pub const STABLE_SECONDS: i64 = 5;

/// How long the data of a majority must have been known to be lost before the cluster goes on with what one member has
/// and nobody is asked: one look may be wrong, and a claim that is about to be made again is worth waiting for.
pub const LOSS_SECONDS: i64 = 5;

/// How long a try to spread members better, after which they were not, rests at first.
pub(crate) const SPREAD_AGAIN_SECONDS: i64 = 60;

/// How long it rests after that.
pub(crate) const SPREAD_SECONDS: i64 = 3600;

/// How often it is tried with the same nodes.
pub(crate) const SPREAD_OFTEN: u32 = 3;

/// How long a member that was told to restart in place, and was started since, may go on saying that it runs
/// what it ran before. Until then it may stop at any moment; afterwards its image does not hold the version
/// that was asked for.
pub const RESTART_SECONDS: i64 = 60;

/// How long after it said that it is at work on an eviction the operator says so again. Kubernetes asks for no more
/// than one in 20 seconds, and waits for 20 minutes.
pub(crate) const HEARTBEAT_SECONDS: i64 = 120;

/// How long a refused action rests before it is tried again at first.
pub(crate) const REFUSED_MS: i64 = 700;

/// How many tries are "at first".
pub(crate) const REFUSED_OFTEN: u32 = 12;

/// How long it rests after that.
pub(crate) const REFUSED_MS_MAX: i64 = 8_000;

/// Whether so little time has passed. What lies in the future was noted before the clock was set back, and holds
/// nothing up.
pub(crate) fn is_recent(since: Timestamp, now: Timestamp, patience: SignedDuration) -> bool {
    let age = now.duration_since(since);
    !age.is_negative() && age < patience
}

/// How many of `voters` are a majority.
///
/// ```
/// use endstate_core::quorum;
/// assert_eq!([1, 2, 3, 4, 5].map(quorum), [1, 2, 2, 3, 3]);
/// ```
pub fn quorum(voters: usize) -> usize {
    voters / 2 + 1
}
