//! The Pod Security Standards: what a namespace's labels demand of its pods, and where a pod falls short.
//!
//! - A [`Level`] at a [`Version`] is a *standard*: a set of checks (`table`), each with the version it came with.
//! - A [`Policy`] is the three standards that a namespace asks for: refused, logged, warned about.
//! - An [`Evaluation`] is what the checks found in one pod, or in the template of one workload.
//!
//! Texts are those of kube-apiserver's admission: people and tools search for them.

mod checks;
mod host;
mod pod;
mod policy;
mod profiles;
mod table;
#[cfg(test)]
mod tests;

use machinery::error::FieldError;
use serde_json::Value;

use crate::resource::Resource;
use crate::value::{at, list, text};

pub use self::pod::Subject;
pub use self::policy::{Level, Policy, Standard, Version};

/// The first letters of every label that says something of pods' security.
pub const LABELS: &str = "pod-security.kubernetes.io/";

/// One check that a pod fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What kind of fault it is: all that is told of many pods.
    pub reason: String,
    /// Who has it, and what must be instead.
    pub detail: String,
}

/// The checks of a standard that a pod fails, in a fixed order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evaluation(Vec<Violation>);

impl Evaluation {
    /// Holds a pod against a standard.
    pub fn of(subject: &Subject, standard: Standard) -> Self {
        Self(table::checks(standard).filter_map(|check| check(subject)).collect())
    }

    pub fn passes(&self) -> bool {
        self.0.is_empty()
    }

    /// Reasons alone: `hostPort, privileged`.
    pub fn reasons(&self) -> String {
        let reasons: Vec<&str> = self.0.iter().map(|it| it.reason.as_str()).collect();
        reasons.join(", ")
    }

    /// Reasons with their details.
    pub fn details(&self) -> String {
        let texts: Vec<String> =
            self.0.iter().map(|it| format!("{} ({})", it.reason, it.detail)).collect();
        texts.join(", ")
    }
}

/// Where a kind has the pod that its objects are or make.
pub fn template_path(resource: &Resource) -> Option<&'static str> {
    let path = match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "pods") => "",
        ("", "podtemplates") => "template",
        ("", "replicationcontrollers")
        | ("apps", "daemonsets" | "deployments" | "replicasets" | "statefulsets")
        | ("batch", "jobs") => "spec.template",
        ("batch", "cronjobs") => "spec.jobTemplate.spec.template",
        _ => return None,
    };
    Some(path)
}

/// Whether a change of a pod is one that checks look at: a container that came, went or has another image.
pub fn is_significant(new: &Value, old: &Value) -> bool {
    let images = |pod: &Value, path: &str| -> Vec<Option<String>> {
        list(pod, path).iter().map(|one| text(one, "image").map(str::to_owned)).collect()
    };
    let fixed = ["spec.containers", "spec.initContainers"];
    let known = list(old, "spec.ephemeralContainers");
    fixed.into_iter().any(|path| images(new, path) != images(old, path))
        || list(new, "spec.ephemeralContainers").iter().any(|one| {
            let same = known.iter().find(|it| text(it, "name") == text(one, "name"));
            same.is_none_or(|same| text(same, "image") != text(one, "image"))
        })
}

/// What is wrong with the labels of a new namespace; of a changed one only what was not wrong before.
pub fn label_errors(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let errors = |object: &Value| Policy::of_object(object).1;
    let found = errors(new);
    if old.is_some_and(|old| errors(old) == found) { Vec::new() } else { found }
}

/// The standard that the pods of a namespace are held against anew, because its labels became stricter.
pub fn stricter(new: &Value, old: &Value) -> Option<Standard> {
    let (new, old) = (Policy::of_object(new).0.enforce, Policy::of_object(old).0.enforce);
    let relaxed = new.version == old.version && new.level <= old.level;
    (new != old && new.level != Level::Privileged && !relaxed).then_some(new)
}

/// The pod at a path of an object; `None` if there is none.
pub fn subject(object: &Value, path: &str) -> Result<Option<Subject>, serde_json::Error> {
    match at(object, path) {
        Some(pod) if pod.get("spec").is_some() => Subject::read(pod).map(Some),
        _ => Ok(None),
    }
}
