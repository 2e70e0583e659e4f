//! The operation whose turn it is, and what is due for it.

use super::Assessed;
use crate::app::App;
use crate::beside::Beside;
use crate::facts::Facts;
use crate::id::MemberName;
use crate::member::{Cluster, Member};
use crate::operation::Operation;
use crate::request::{AppStep, Precondition};

impl<A: App> Assessed<'_, A> {
    /// The operation whose turn it is, started or not.
    pub(crate) fn operation(&self) -> Option<(&Beside, Operation)> {
        self.app.operations()?.current(&self.snapshot.beside)
    }

    /// The operation that is to have the cluster begin anew, started or not, and with what.
    pub(crate) fn restore(&self) -> Option<(&Beside, Facts)> {
        self.app.operations()?.restore(&self.snapshot.beside)
    }

    /// The one that its status says was started.
    pub(crate) fn started_operation(&self) -> Option<(&Beside, Operation)> {
        self.operation().filter(|it| it.0.progress.is_started())
    }

    /// The step that is due for the operation under way, as long as all that it names are members.
    pub(crate) fn step_of_operation(&self, cluster: &Cluster) -> Option<AppStep> {
        let (object, operation) = self.started_operation()?;
        let Operation::OnMembers { step, members } = operation else { return None };
        if members.iter().any(|it| cluster.member(it).is_none()) {
            return None;
        }
        let left = on_members(cluster, &members).filter(|it| !is_done(object, &it.name));
        // It may be at work since it was recorded: another operator may have asked, and written nothing down any more.
        let recorded = self.record.step.as_ref().and_then(|it| it.of_operation(&object.uid));
        let told = |it: &Member| object.progress.members.iter().any(|part| part.name == it.name);
        let begun = |it: &Member| recorded == Some(&it.name) || told(it);
        let next = left.min_by_key(|it| (!begun(it), it.leads, &it.name))?;
        let role = &next.role;
        let step = AppStep::new(step, next.name.clone()).for_operation(&object.uid);
        let step = step.dangerous().needs(Precondition::Healthy { role: role.clone() });
        let step = step.needs(Precondition::UpToDate { role: role.clone() });
        let entries = self.app.operations().and_then(|it| it.entries_behind_max);
        let caught_up = |entries| Precondition::CaughtUp { role: role.clone(), entries };
        Some(entries.map(caught_up).into_iter().fold(step, AppStep::needs))
    }

    /// Whether the status of an operation says that a step for it was begun. Of one that is for none nobody keeps that.
    pub(crate) fn is_told_begun(&self, step: &AppStep) -> bool {
        let Some(operation) = step.operation() else { return true };
        let object = self.snapshot.beside.iter().find(|it| it.uid == operation);
        object.is_none_or(|it| it.progress.members.iter().any(|it| it.name == step.member))
    }
}

/// The members that an operation is about: those that are named, or all that the record knows.
pub(crate) fn on_members<'c>(
    cluster: &'c Cluster,
    names: &[MemberName],
) -> impl Iterator<Item = &'c Member> {
    let all = names.is_empty();
    cluster.members.iter().filter(move |it| all && it.recorded || names.contains(&it.name))
}

/// Whether it is over for a member: its status says so, or the request has just been answered.
pub(crate) fn is_done(object: &Beside, member: &MemberName) -> bool {
    object.progress.is_done(member) || object.answered.contains(member)
}
