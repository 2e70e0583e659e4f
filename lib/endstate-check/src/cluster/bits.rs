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
/// Its node is cordoned. There is another one for every new pod.
pub(crate) const CORDONED: u8 = 128;

// Slot::made and Slot::cached_made: how the pod was made, what it carries, and its claims.
/// A [`StartKind`](super::StartKind), in two bits.
pub(crate) const START: u8 = 3;
/// The mark that its member was started.
pub(crate) const MARKED: u8 = 4;
/// The mark that its member votes.
pub(crate) const MARKED_VOTER: u8 = 8;
pub(crate) const CLAIM: u8 = 16;
pub(crate) const CLAIM_DELETING: u8 = 32;
/// The record says that its claim is kept: it was no member's when a lost record was made again.
pub(crate) const KEPT: u8 = 64;
/// The claim of its second volume, where members have two. Without one of them what is on the other is of no use.
pub(crate) const SECOND: u8 = 128;
pub(crate) const CLAIMS: u8 = CLAIM | SECOND;

// Slot::also and Slot::cached_also: what else the API shows.
/// Its claims say that there are two of them.
pub(crate) const PAIR: u8 = 1;
pub(crate) const SECOND_DELETING: u8 = 2;
/// Somebody asks that its pod goes, by an object that names the operator as the one to see to that.
pub(crate) const EVICTING: u8 = 4;
/// The operator said there that it is at work on it.
pub(crate) const ANSWERED: u8 = 8;
/// Its pod was made from the third member spec.
pub(crate) const THIRD: u8 = 16;

// Slot::process: what runs.
pub(crate) const RUN: u8 = 1;
/// Connected for less than a moment that the application asks for.
pub(crate) const FRESH: u8 = 2;
/// The launcher's marker, in a directory of the pod: this pod has started its process once.
pub(crate) const MARK: u8 = 4;
/// This name has run together with another member, so others may count on what it said.
pub(crate) const USED: u8 = 8;
/// The list changed between the pod's creation and its first start.
pub(crate) const OLD_LIST: u8 = 16;
/// To be stopped or stopped by the operator, and not back yet.
pub(crate) const VOLUNTARY: u8 = 32;
/// The process was started from the second member spec.
pub(crate) const RUNS_REV: u8 = 64;
/// Its node lost its directories before its pod carried a mark.
pub(crate) const UNMARKED_LOSS: u8 = 128;

// Slot::disk: what is on its volume. It lives as long as the volume does.
pub(crate) const DATA: u8 = 1;
pub(crate) const CAUGHT: u8 = 2;
/// Its data is corrupt, and the application says so.
pub(crate) const CORRUPT: u8 = 4;
/// The application does not say whose.
pub(crate) const UNNAMED: u8 = 8;
/// How many of the writes that the scenario makes it has, in two bits.
pub(crate) const LOG: u8 = 16 | 32;
pub(crate) const LOG_SHIFT: u8 = 4;
/// What is on it cannot be seen: it is not mounted.
pub(crate) const UNMOUNTED: u8 = 64;
/// The launcher's note that this recovery was carried out.
pub(crate) const RECOVERED: u8 = 128;

// Slot::list: what the application's list of members says.
pub(crate) const NON_VOTER: u8 = 1;
pub(crate) const VOTER: u8 = 2;
pub(crate) const LEADER: u8 = 4;
/// One of the first members of the start under way.
pub(crate) const FIRST_START: u8 = 8;
/// It knows the list from before a recovery from another member.
pub(crate) const LEFT_BEHIND: u8 = 16;
/// The application is at work on a drain of it.
pub(crate) const DRAINS: u8 = 32;
/// The application is at work on a step of its own about it: the number of the step, from 1, in two bits.
pub(crate) const OWN_STEP: u8 = 64 | 128;
pub(crate) const OWN_STEP_SHIFT: u8 = 6;
pub(crate) const WORK: u8 = DRAINS | OWN_STEP;
pub(crate) const WORK_SHIFT: u8 = 5;

// Slot::role: the role, in two bits, then the group.
pub(crate) const ROLE: u8 = 3;
pub(crate) const GROUP: u8 = 4 | 8;
pub(crate) const GROUP_SHIFT: u8 = 2;
/// Where only leaders of groups vote: it did when the record was written.
pub(crate) const RECORDED_VOTER: u8 = 16;

// Slot::ills.
/// Its peers and it do not reach each other; the operator reaches it.
pub(crate) const CUT: u8 = 1;
/// The operator was told that its pod was not made.
pub(crate) const REFUSED: u8 = 2;
/// Its process crashes at each start, for a reason that has nothing to do with its data.
pub(crate) const BROKEN: u8 = 4;
/// Of a start that was abandoned.
pub(crate) const ABANDONED: u8 = 8;
/// The pod, or the claim, changed since the operator last saw it.
pub(crate) const POD_CHANGED: u8 = 16;
/// Its pod was made after its start was abandoned: it may form a cluster of its own.
pub(crate) const ELSEWHERE: u8 = 32;
/// The operator does not reach it; its peers and its clients may.
pub(crate) const AWAY: u8 = 64;
/// The consent that names it was used, or a quorum was seen since it was given.
pub(crate) const SPENT: u8 = 128;

// Slot::record and Slot::cached_record: what the status says.
pub(crate) const FIRST: u8 = 1;
pub(crate) const MEMBER: u8 = 2;
pub(crate) const SEEN: u8 = 4;
pub(crate) const FAILING: u8 = 8;
pub(crate) const JOINING: u8 = 16;
pub(crate) const LEAVING: u8 = 32;
/// It joins beside the one of the step.
pub(crate) const BESIDE: u8 = JOINING | LEAVING;
/// The leaving step names the pod.
pub(crate) const STEP_POD: u8 = 64;
/// Its pod was asked for.
pub(crate) const ASKED: u8 = 128;

// Slot::reason and Slot::cached_reason, beside the number of the reason to leave.
pub(crate) const REASON: u8 = 7;
/// With a recovery under way: its data was found lost; of the source, that nobody was asked.
pub(crate) const NOTED: u8 = 8;
/// The step under way is its restart, or with one of the numbers below, in place of a reason, that.
pub(crate) const RESTARTING: u8 = 16;
/// It was told to restart in place, and did not say yet that it has.
pub(crate) const TOLD: u8 = 32;
/// The record says that the consent which names it was used.
pub(crate) const USED_CONSENT: u8 = 64;
/// The annotation of the object names it as the source of a recovery. Not of the record: a person writes it.
pub(crate) const CONSENT: u8 = 128;

// The step of a slot with RESTARTING; 0 for a restart.
pub(crate) const FENCING: u8 = 1;
pub(crate) const ALONE: u8 = 2;
pub(crate) const RESUMING: u8 = 3;
/// The same, and the pod that is recorded is the new one.
pub(crate) const RESUMED: u8 = 4;
/// The first of the application's own steps. The others follow.
pub(crate) const FIRST_OWN: u8 = 5;

// Slot::row and Slot::cached_row: what the status says, beside the record of the member.
/// How far it was when the status was last written, as a number; 0 for not known.
pub(crate) const POSITION: u8 = 7;
/// The application was asked to drain it.
pub(crate) const ASKED_DRAIN: u8 = 8;
/// The application was asked for a step of its own about it: the number of the step, from 1, in two bits.
pub(crate) const ASKED_STEP: u8 = 16 | 32;
pub(crate) const ASKED_STEP_SHIFT: u8 = 4;
pub(crate) const ASKED_SHIFT: u8 = 3;

// Slot::late: a call was given up and may still arrive.
pub(crate) const LATE: u8 = 1;
/// The pod is still as it was when the call was decided.
pub(crate) const LATE_POD: u8 = 2;
/// The list is not what the pod will be told.
pub(crate) const LATE_LIST: u8 = 4;

// Slot::task: an operation's step about it.
/// The status of the operation says that it was begun.
pub(crate) const BEGUN: u8 = 1;
/// The status says that it is over.
pub(crate) const DONE: u8 = 2;
/// The operator has the answer, and the status need not say so yet.
pub(crate) const HAS_ANSWER: u8 = 4;
/// This operator asked for it, and has no answer yet. Another knows nothing of it.
pub(crate) const WATCHED: u8 = 8;
/// The member is at work on it, whoever waits for that.
pub(crate) const AT_WORK: u8 = 16;

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
/// Each group has a leader of its own, which votes for it. It never changes.
pub(crate) const LED: u8 = 128;
