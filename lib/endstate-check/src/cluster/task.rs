//! An operation: an object beside the cluster that is carried out once.

/// Its uid, which its steps name.
pub(crate) const TASK: &str = "task";

/// By which number the step is known that it asks of members: behind those of the application's own.
pub(crate) const OPERATION: u8 = 2;

/// How far it is, as its status says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Task {
    /// Nobody asks for anything, or not any more.
    #[default]
    None,
    Waiting,
    Running,
    Complete,
    Failed,
}

impl Task {
    pub(crate) fn is_under_way(self) -> bool {
        matches!(self, Self::Waiting | Self::Running)
    }
}
