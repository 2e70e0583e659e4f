//! What a pod carries of what its operator knows: whose it is, whether its member votes, and that it was started.

use std::collections::BTreeMap;

use endstate_core::{Blocked, MemberName, MemberStatus, Plan, Role, VOTER};
use k8s_openapi::api::core::v1::Pod;

use super::execute::{Stopped, owner};
use super::observe::Look;
use super::{
    APP_LABEL, App, Declared, Operand, Operator, ROLE_LABEL, Resource, STARTED_ANNOTATION, SpecOf,
};
use crate::template::NON_VOTER;
use crate::{Context, Error};

impl<O: Operand> Operator<O> {
    /// Writes on the pods what the plan knows of their members. What the API refuses for one pod keeps nothing from the
    /// others, and is given back.
    pub(super) async fn mark_pods(
        &self,
        object: &Declared<O::Kind>,
        Look { snapshot, pods }: &Look<SpecOf<O>>,
        plan: &Plan<SpecOf<O>>,
        ctx: &Context,
    ) -> Result<Option<Blocked>, Error> {
        let mut refused = None;
        for pod in self.newest(pods).into_iter().filter(|_| !snapshot.object.deleting) {
            let name = pod.metadata.name.as_deref().unwrap_or_default();
            let row = plan.status.members.iter().find(|it| it.name.as_str() == name);
            let role = row.filter(|it| it.id.is_some()).and_then(|it| it.role);
            let answer = snapshot.view.target(name).and_then(|it| it.status.as_ref());
            let labels = self.operand.labels(&snapshot.object);
            let mut wanted = marked(&pod, role, answer);
            restore(&mut wanted, object, &labels, self.operand.app().name());
            if wanted == *pod {
                continue;
            }
            match ctx.update(&*pod, &wanted).await {
                Ok(_) => {}
                Err(error) if is_outdated(&error) => return Err(error),
                Err(error) => {
                    let (action, why) = (format!("mark pod {name}"), error.chain());
                    refused = refused.or(Some(Blocked {
                        action,
                        why,
                        needs_user: false,
                        not_created: vec![],
                    }));
                }
            }
        }
        Ok(refused)
    }

    /// A member gets a vote only once its pod says that it was started.
    pub(super) fn is_marked(
        &self,
        look: &Look<SpecOf<O>>,
        member: &MemberName,
    ) -> Result<(), Stopped> {
        let has_mark = |pod: &Pod| {
            let annotations = pod.metadata.annotations.as_ref();
            pod.metadata.name.as_deref() == Some(member.as_str())
                && annotations.is_some_and(|it| it.contains_key(STARTED_ANNOTATION))
        };
        match self.newest(&look.pods).iter().any(|it| has_mark(it)) {
            true => Ok(()),
            false => Err(Stopped::Blocked(format!("pod {member} could not be marked as started"))),
        }
    }
}

/// Whether the next look is all that is needed.
fn is_outdated(error: &Error) -> bool {
    error.is_conflict() || error.is_not_found() || matches!(error, Error::NotLeading { .. })
}

/// The pod with its marks up to date. `answer` is what the member said of itself, if it said anything: only a process that
/// runs on its data can. The mark stays for the life of the pod.
pub(super) fn marked(pod: &Pod, role: Option<Role>, answer: Option<&MemberStatus>) -> Pod {
    let mut wanted = pod.clone();
    if let Some(role) = role {
        let labels = wanted.metadata.labels.get_or_insert_default();
        labels.insert(ROLE_LABEL.to_owned(), role_label(role).to_owned());
    }
    if let Some(answer) = answer {
        let annotations = wanted.metadata.annotations.get_or_insert_default();
        annotations.entry(STARTED_ANNOTATION.to_owned()).or_insert_with(|| answer.id.to_string());
    }
    wanted
}

/// Gives a pod back what somebody took away: the labels by which it is found, and its owner, with whom it goes. An owner that
/// somebody else is stays, since there can be one controller only.
fn restore<T: Resource<DynamicType = ()>>(
    pod: &mut Pod,
    object: &Declared<T>,
    labels: &BTreeMap<String, String>,
    app: &str,
) {
    let current = pod.metadata.labels.get_or_insert_default();
    current.extend(labels.clone());
    current.insert(APP_LABEL.to_owned(), app.to_owned());
    let owners = pod.metadata.owner_references.get_or_insert_default();
    if !owners.iter().any(|it| it.controller == Some(true)) {
        owners.retain(|it| Some(it.uid.as_str()) != object.metadata.uid.as_deref());
        owners.push(owner(object));
    }
}

/// The value of [`ROLE_LABEL`]: who leads may change at any time, who votes changes only by a decision.
fn role_label(role: Role) -> &'static str {
    if role.votes() { VOTER } else { NON_VOTER }
}

#[cfg(test)]
mod tests {
    use endstate_core::{ClusterId, MemberId};

    use super::*;

    fn answer(id: u64) -> MemberStatus {
        MemberStatus {
            id: MemberId(id),
            cluster: ClusterId(9),
            role: Role::Leader,
            leader: Some(MemberId(id)),
            position: 1,
            version: "1".into(),
            db_size: 0,
            accused: vec![],
        }
    }

    fn annotation(pod: &Pod) -> Option<&str> {
        pod.metadata.annotations.as_ref()?.get(STARTED_ANNOTATION).map(String::as_str)
    }

    #[test]
    fn a_member_that_answered_is_marked_once_and_for_all() {
        let pod = Pod::default();
        assert_eq!(marked(&pod, None, None), pod, "nothing is known yet");
        let first = marked(&pod, None, Some(&answer(0xa1)));
        assert_eq!(annotation(&first), Some("a1"));
        assert_eq!(marked(&first, None, None), first, "silence takes nothing back");
        assert_eq!(marked(&first, None, Some(&answer(0xb2))), first);
    }

    #[test]
    fn the_label_says_who_votes() {
        for (role, label) in
            [(Role::Leader, "voter"), (Role::Voter, "voter"), (Role::Learner, "learner")]
        {
            let pod = marked(&Pod::default(), Some(role), None);
            assert_eq!(pod.metadata.labels.unwrap()[ROLE_LABEL], label);
            assert_eq!(pod.metadata.annotations, None);
        }
    }
}
