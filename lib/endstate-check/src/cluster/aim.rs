//! One call of the operator, as it arrives.

use super::plan::Verb;
use super::request::Request;

/// A call, and the conditions it carries.
#[derive(Clone, Copy)]
pub(crate) struct Aim {
    pub(crate) verb: Verb,
    pub(crate) index: usize,
    pub(crate) pod_as_seen: bool,
    pub(crate) list_as_seen: bool,
    /// Which spec a pod is made from.
    pub(crate) rev: u8,
    /// How the pod is made, or what it is marked with.
    pub(crate) made: u8,
    pub(crate) voting_role: u8,
    /// How many members may be listed without a vote at once.
    pub(crate) at_once: u8,
    /// Which of the application's own steps are dangerous, as bits.
    pub(crate) risks: u8,
}

impl Aim {
    /// Whether it asks for a step that is dangerous: of the application's own, or an operation's.
    pub(crate) fn is_dangerous(self) -> bool {
        let operates = matches!(self.verb, Verb::Ask(Request::Operate));
        operates || matches!(self.verb, Verb::Ask(Request::Own(it)) if self.risks & 1 << it != 0)
    }
}
