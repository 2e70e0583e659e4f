//! The words of a script: everything that can happen, by name.

use std::fmt;

use super::declared::Declared;
use super::plan::Verb;
use super::request::{Answer, Request};
use super::slot::StartKind;

/// One thing that happens. Numbers are the tags of members, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Observe { old_object: bool, old_pods: bool, blind: Option<u8> },
    Call { call: Option<Verb>, member: u8, answer: Answer },
    Late { verb: Verb, member: u8, answer: Answer },
    Start { member: u8, ran: Ran },
    Stop(u8),
    End(u8),
    EndClaim(u8),
    Exit(u8),
    Collect(u8),
    ObjectGone,
    App(AppMove),
    Mend(u8),
    Return(u8),
    Fix(u8),
    Fault(Fault),
}

/// What an application does by itself. Members are meant by their [`Slot::tag`](super::Slot::tag).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppMove {
    /// The first members find together, and this one leads.
    Form(u8),
    /// This one is elected.
    Elect(u8),
    /// This one gives the lead up, or loses it.
    Resign(u8),
    /// This one follows who leads.
    Follow(u8),
    /// This one has now what the leader has.
    CatchUp(u8),
    /// As much time passes as the application asks for before it counts on a member.
    Settle,
    /// A piece moves from one to another.
    Move(u8, u8),
    /// The application's own step about this one goes on, or is over.
    Work(u8),
}

/// How a start went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ran {
    /// On the data that is there.
    OnItsData,
    /// On an empty directory, which is data from now on.
    Empty,
    /// Without data: it has to get some from others before it counts.
    Blank,
    /// On its data, as the only member from now on.
    Alone,
    /// In a cluster of its own: its start was abandoned.
    Elsewhere,
    /// The launcher refused it: its data is lost.
    Refused,
    /// It ended at once.
    Crashed,
}

/// What goes wrong, or is changed from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Abort,
    Half,
    Lose,
    Refuse(u8),
    RefuseClaim(u8),
    HalfClaim(u8),
    Kill(u8),
    Crash(u8),
    Wipe(u8),
    Blank(u8),
    Evict(u8),
    Node(u8),
    Cordon(u8),
    Uncordon(u8),
    Ask(u8),
    TakeBack(u8),
    Cut(u8),
    Away(u8),
    Corrupt(u8),
    CorruptUnnamed(u8),
    Unmount(u8),
    /// Whether it is the first of them.
    Part(u8, bool),
    Mount(u8),
    Write,
    Consent(u8),
    Withdraw(u8),
    WithdrawTask,
    Guard,
    LetIn,
    Forget,
    Edit(Declared),
    Delete,
}

impl crate::Move for Step {
    fn is_fault(&self) -> bool {
        match self {
            Self::Fault(_) | Self::Late { .. } => true,
            Self::Observe { old_object, old_pods, blind } => {
                *old_object || *old_pods || blind.is_some()
            }
            _ => false,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Observe { old_object, old_pods, blind } => {
                write!(f, "operator looks and plans")?;
                match (old_object, old_pods) {
                    (true, true) => write!(f, ", on an old object and old pods")?,
                    (true, false) => write!(f, ", on an old object")?,
                    (false, true) => write!(f, ", on old pods")?,
                    (false, false) => {}
                }
                blind.map_or(Ok(()), |it| write!(f, ", not reaching m{it}"))
            }
            Self::Call { call: None, answer, .. } => write!(f, "  writes the status{answer}"),
            Self::Call { call: Some(Verb::Tell), .. } => write!(f, "  {}", Verb::Tell),
            Self::Call { call: Some(verb), member, answer } => {
                write!(f, "  {verb} m{member}{answer}")
            }
            Self::Late { verb, member, answer } => {
                write!(f, "! the late call arrives: {verb} m{member}{answer}")
            }
            Self::Start { member, ran } => write!(f, "m{member} {ran}"),
            Self::Stop(it) => write!(f, "the kubelet stops m{it}, which is to run something else"),
            Self::End(it) => write!(f, "the pod of m{it} ends"),
            Self::EndClaim(it) => write!(f, "the claim of m{it} is deleted, with its data"),
            Self::Exit(it) => write!(f, "m{it} exits: it is no member any more"),
            Self::Collect(it) => write!(f, "the pod of m{it} is deleted with its owner"),
            Self::ObjectGone => write!(f, "the object is gone"),
            Self::App(step) => write!(f, "{step}"),
            Self::Return(it) => write!(f, "the operator reaches m{it} again"),
            Self::Mend(it) => write!(f, "m{it} reaches its peers again"),
            Self::Fix(it) => write!(f, "what makes m{it} crash is gone"),
            Self::Fault(fault) => write!(f, "! {fault}"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Refused { " (refused)" } else { "" })
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnItsData => "starts on its data",
            Self::Empty => "starts on an empty directory",
            Self::Blank => "starts without data",
            Self::Alone => "starts on its data, as the only member",
            Self::Elsewhere => "starts, in a cluster of its own",
            Self::Refused => "is not started: its data is lost",
            Self::Crashed => "crashes at its start",
        })
    }
}

impl fmt::Display for AppMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(it) => write!(f, "the cluster forms, m{it} leads"),
            Self::Elect(it) => write!(f, "m{it} is elected"),
            Self::Resign(it) => write!(f, "m{it} leads no more"),
            Self::Follow(it) => write!(f, "m{it} follows who leads"),
            Self::CatchUp(it) => write!(f, "m{it} has caught up"),
            Self::Settle => write!(f, "a while passes"),
            Self::Move(from, to) => write!(f, "a piece moves from m{from} to m{to}"),
            Self::Work(it) => write!(f, "the step about m{it} goes on"),
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create(StartKind::New) => "creates the pod (new) of",
            Self::Create(StartKind::Existing) => "creates the pod (joins) of",
            Self::Create(StartKind::Resume) => "creates the pod (goes on) of",
            Self::Create(StartKind::Recover) => "creates the pod (recovers) of",
            Self::Claim => "makes claims of",
            Self::Mark => "marks the pod of",
            Self::Answer => "says that it is at work on the eviction of",
            Self::Restart => "restarts",
            Self::Delete => "deletes the pod of",
            Self::DeleteClaim => "deletes a claim of",
            Self::Ask(Request::Join) => "lists, without a vote,",
            Self::Ask(Request::JoinVoting) => "lists, with a vote,",
            Self::Ask(Request::Promote) => "promotes",
            Self::Ask(Request::Transfer) => "transfers leadership to",
            Self::Ask(Request::Appoint) => "appoints, as the leader,",
            Self::Ask(Request::Leave) => "removes",
            Self::Ask(Request::Drain) => "drains",
            Self::Ask(Request::Own(_)) => "asks for a step about",
            Self::Ask(Request::Operate) => "asks, for the operation, for a step of",
            Self::Tell => "writes the status of the operation",
            Self::Ask(Request::CancelDrain) => "cancels the drain of",
            Self::Ask(Request::CancelOwn(_)) => "cancels the step about",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Half => write!(f, "operator crashes in the middle of a request"),
            Self::Abort => write!(f, "operator crashes, or the last answer is lost"),
            Self::Lose => write!(f, "operator crashes, and its last call is late"),
            Self::Kill(it) => write!(f, "m{it} is killed"),
            Self::Crash(it) => write!(f, "m{it} crashes, and at each start again"),
            Self::Wipe(it) => write!(f, "m{it} is killed and its data removed"),
            Self::Blank(it) => write!(f, "m{it} is killed, and its node loses its directories"),
            Self::Evict(it) => write!(f, "somebody deletes the pod of m{it}"),
            Self::Node(it) => write!(f, "the node of m{it} is lost"),
            Self::Cordon(it) => write!(f, "somebody cordons the node of m{it}"),
            Self::Uncordon(it) => write!(f, "the node of m{it} takes members again"),
            Self::Ask(it) => write!(f, "somebody asks for the eviction of m{it}"),
            Self::TakeBack(it) => write!(f, "the request to evict m{it} is taken back"),
            Self::Cut(it) => write!(f, "m{it} is cut off from its peers, not from the operator"),
            Self::Away(it) => write!(f, "the operator does not reach m{it} any more"),
            Self::Refuse(it) => write!(f, "the API refuses to make the pod of m{it}"),
            Self::RefuseClaim(it) => write!(f, "the API refuses to make a claim of m{it}"),
            Self::HalfClaim(it) => {
                write!(f, "operator crashes when it has made one of the claims of m{it}")
            }
            Self::CorruptUnnamed(it) => {
                write!(f, "the data of m{it} becomes corrupt, and an alarm names nobody")
            }
            Self::Corrupt(it) => {
                write!(f, "the data of m{it} becomes corrupt, and an alarm says so")
            }
            Self::Unmount(it) => write!(f, "m{it} is killed, and its volume is not mounted"),
            Self::Part(it, true) => write!(f, "somebody deletes the claim of m{it}"),
            Self::Part(it, false) => write!(f, "somebody deletes the second claim of m{it}"),
            Self::Mount(it) => write!(f, "the volume of m{it} is mounted again"),
            Self::WithdrawTask => write!(f, "somebody deletes the operation"),
            Self::Guard => {
                write!(f, "the application lets nobody in whose password it does not know")
            }
            Self::LetIn => write!(f, "the operator has the right password again"),
            Self::Forget => write!(f, "somebody deletes the status"),
            Self::Write => write!(f, "a write is acknowledged"),
            Self::Consent(it) => write!(f, "a person consents to a recovery from m{it}"),
            Self::Withdraw(it) => write!(f, "the consent to a recovery from m{it} is taken back"),
            Self::Edit(Declared { sizes, rev }) => {
                write!(f, "spec becomes {sizes:?} members of spec {rev}")
            }
            Self::Delete => write!(f, "the object is deleted"),
        }
    }
}
