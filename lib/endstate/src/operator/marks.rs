//! What a pod carries of what its operator knows: whether its member votes, and that it was started. Pure.

use endstate_core::{MemberStatus, Role};
use k8s_openapi::api::core::v1::Pod;

use super::{ROLE_LABEL, STARTED_ANNOTATION};

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

/// The value of [`ROLE_LABEL`]: who leads may change at any time, who votes changes only by a decision.
fn role_label(role: Role) -> &'static str {
    if role.votes() { "voter" } else { "learner" }
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
            errors: vec![],
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
