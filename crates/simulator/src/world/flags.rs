//! The bits of slots and states.

// Slot::pod and Slot::cached_pod: what the API shows.
pub(crate) const EXISTS: u8 = 1;
pub(crate) const DELETING: u8 = 2;
pub(crate) const STARTED: u8 = 4;
pub(crate) const CRASH: u8 = 8;
pub(crate) const LOST: u8 = 16;
pub(crate) const NODE_LOST: u8 = 32;
/// Made from the second member spec.
pub(crate) const REV: u8 = 64;
/// Told to join (`existing`), not to start (`new`).
pub(crate) const JOIN: u8 = 128;

// Slot::process: what runs and what is on its disk.
pub(crate) const RUN: u8 = 1;
/// Connected for less than five seconds.
pub(crate) const FRESH: u8 = 2;
pub(crate) const DATA: u8 = 4;
/// The launcher's marker: this pod has started its process once.
pub(crate) const MARK: u8 = 8;
pub(crate) const CAUGHT: u8 = 16;
/// This name has run together with another member, so others may count on what it said.
pub(crate) const USED: u8 = 32;
/// The list changed between the pod's creation and its first start.
pub(crate) const OLD_LIST: u8 = 64;
/// To be stopped or stopped by the operator, and not back yet.
pub(crate) const VOLUNTARY: u8 = 128;

// Slot::list: what the application's list of members says.
pub(crate) const LEARNER: u8 = 1;
pub(crate) const VOTER: u8 = 2;
pub(crate) const LEADER: u8 = 4;
/// One of the first members of the start under way.
pub(crate) const INITIAL: u8 = 8;

// Slot::marks: what the world keeps in mind. No bit of them is one of the list's, see Slot::bytes.
/// Of a start that was abandoned.
pub(crate) const ABANDONED: u8 = 16;
/// The pod changed since the operator last saw it.
pub(crate) const POD_CHANGED: u8 = 32;
/// The process was started from the second member spec.
pub(crate) const RUNS_REV: u8 = 64;

// Slot::record and Slot::cached_record: what the status says.
pub(crate) const FIRST: u8 = 1;
pub(crate) const MEMBER: u8 = 2;
pub(crate) const SEEN: u8 = 4;
pub(crate) const FAILING: u8 = 8;
pub(crate) const JOINING: u8 = 16;
pub(crate) const LEAVING: u8 = 32;
/// The leaving step names the pod.
pub(crate) const LEAVING_POD: u8 = 64;
/// Its pod was asked for.
pub(crate) const ASKED: u8 = 128;

// Slot::reason and Slot::cached_reason, beside the number of the reason to leave.
/// The step under way is its restart.
pub(crate) const RESTARTING: u8 = 16;
/// It was told to restart in place, and did not say yet that it has.
pub(crate) const TOLD: u8 = 32;

// Slot::ills.
/// Its peers and it do not reach each other; the operator reaches it.
pub(crate) const CUT: u8 = 1;
/// Its data is corrupt, and an alarm says so.
pub(crate) const CORRUPT: u8 = 2;
/// The alarm does not say whose.
pub(crate) const UNNAMED: u8 = 4;
/// The operator was told that its pod was not made.
pub(crate) const REFUSED: u8 = 8;
/// Its process crashes at each start, for a reason that has nothing to do with its data.
pub(crate) const BROKEN: u8 = 16;

// Slot::late: a call was given up and may still arrive.
pub(crate) const LATE: u8 = 1;
/// The pod is still as it was when the call was decided.
pub(crate) const LATE_POD: u8 = 2;
/// The list is not what the pod will be told.
pub(crate) const LATE_LIST: u8 = 4;

// State::flags and State::cached_flags.
/// The application has a list of members.
pub(crate) const FORMED: u8 = 1;
/// The identity is recorded.
pub(crate) const ID: u8 = 2;
/// A start is recorded.
pub(crate) const BOOT: u8 = 4;
/// A spec was accepted.
pub(crate) const ACCEPTED: u8 = 8;
/// The object is being deleted.
pub(crate) const ENDING: u8 = 16;
/// The object does not exist any more.
pub(crate) const GONE: u8 = 32;
/// The object changed since the operator last saw it.
pub(crate) const OBJECT_CHANGED: u8 = 64;
