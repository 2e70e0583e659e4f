//! The words of a script: everything that can happen, by name.

use std::fmt;

use super::{api::Answer, state::Verb};

/// One thing that happens. Numbers are the tags of members, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Observe { old_object: bool, old_pods: bool, blind: Option<u8> },
    Call { call: Call, member: u8, answer: Answer },
    Late { verb: Verb, member: u8, answer: Answer },
    Start { member: u8, ran: Ran },
    Stop(u8),
    End(u8),
    Exit(u8),
    Collect(u8),
    ObjectGone,
    Form(u8),
    Elect(u8),
    CatchUp(u8),
    Mend(u8),
    Fix(u8),
    Settle,
    Fault(Fault),
}

/// Which call: a write of the status, or an action.
pub(crate) type Call = Option<Verb>;

/// How a start went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ran {
    OnItsData,
    Empty,
    Refused,
    Crashed,
}

/// What goes wrong, or is changed from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Abort,
    Lose,
    Refuse(u8),
    Kill(u8),
    Crash(u8),
    Wipe(u8),
    Evict(u8),
    Node(u8),
    Cut(u8),
    Corrupt(u8),
    CorruptUnnamed(u8),
    Edit { size: u8, rev: u8 },
    Delete,
}

impl endstate_check::Move for Move {
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

impl fmt::Display for Move {
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
            Self::Call { call, member, answer } => {
                match call {
                    None => write!(f, "  writes the status")?,
                    Some(verb) => write!(f, "  {verb} m{member}")?,
                }
                if answer == Answer::Refused { write!(f, " (refused)") } else { Ok(()) }
            }
            Self::Late { verb, member, answer } => {
                write!(f, "! the late call arrives: {verb} m{member}")?;
                if answer == Answer::Refused { write!(f, " (refused)") } else { Ok(()) }
            }
            Self::Start { member, ran } => match ran {
                Ran::OnItsData => write!(f, "m{member} starts on its data"),
                Ran::Empty => write!(f, "m{member} starts on an empty directory"),
                Ran::Refused => write!(f, "m{member} is not started: its data is lost"),
                Ran::Crashed => write!(f, "m{member} crashes at its start"),
            },
            Self::Stop(it) => write!(f, "the kubelet stops m{it}, which is to run something else"),
            Self::End(it) => write!(f, "the pod of m{it} ends, with its data"),
            Self::Exit(it) => write!(f, "m{it} exits: it is no member any more"),
            Self::Collect(it) => write!(f, "the pod of m{it} is deleted with its owner"),
            Self::ObjectGone => write!(f, "the object is gone"),
            Self::Form(it) => write!(f, "the cluster forms, m{it} leads"),
            Self::Elect(it) => write!(f, "m{it} is elected"),
            Self::CatchUp(it) => write!(f, "m{it} has caught up"),
            Self::Mend(it) => write!(f, "m{it} reaches its peers again"),
            Self::Fix(it) => write!(f, "what makes m{it} crash is gone"),
            Self::Settle => write!(f, "five seconds pass"),
            Self::Fault(fault) => write!(f, "! {fault}"),
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreateNew => "creates pod (new)",
            Self::CreateExisting => "creates pod (existing)",
            Self::Restart => "restarts",
            Self::Delete => "deletes pod",
            Self::Add => "adds learner",
            Self::Promote => "promotes",
            Self::MoveLead => "moves the lead to",
            Self::Remove => "removes member",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abort => write!(f, "operator crashes, or the last answer is lost"),
            Self::Lose => write!(f, "operator crashes, and its last call is late"),
            Self::Kill(it) => write!(f, "m{it} is killed"),
            Self::Crash(it) => write!(f, "m{it} crashes, and at each start again"),
            Self::Wipe(it) => write!(f, "m{it} is killed and its data removed"),
            Self::Evict(it) => write!(f, "somebody deletes the pod of m{it}"),
            Self::Node(it) => write!(f, "the node of m{it} is lost"),
            Self::Cut(it) => write!(f, "m{it} is cut off from its peers, not from the operator"),
            Self::Refuse(it) => write!(f, "the API refuses to make the pod of m{it}"),
            Self::CorruptUnnamed(it) => {
                write!(f, "the data of m{it} becomes corrupt, and an alarm names nobody")
            }
            Self::Corrupt(it) => {
                write!(f, "the data of m{it} becomes corrupt, and an alarm says so")
            }
            Self::Edit { size, rev } => write!(f, "spec becomes size {size}, member spec {rev}"),
            Self::Delete => write!(f, "the object is deleted"),
        }
    }
}
