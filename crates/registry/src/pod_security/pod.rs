//! A pod as the checks look at it, and the words they have in common.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EphemeralContainer, Lifecycle, PodSecurityContext, PodSpec, Probe,
    SecurityContext,
};
use serde::Deserialize;
use serde_json::Value;

use crate::value::at;

/// What is checked: a pod, or the template of one.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) spec: PodSpec,
}

impl Subject {
    pub(super) fn read(pod: &Value) -> Result<Self, serde_json::Error> {
        let annotations = at(pod, "metadata.annotations").filter(|it| !it.is_null());
        Ok(Self {
            annotations: annotations.map(BTreeMap::deserialize).transpose()?.unwrap_or_default(),
            spec: PodSpec::deserialize(&pod["spec"])?,
        })
    }

    pub(super) fn context(&self) -> Option<&PodSecurityContext> {
        self.spec.security_context.as_ref()
    }

    /// Every container: those that prepare, those that run, those that look into it.
    pub(super) fn containers(&self) -> impl Iterator<Item = Member<'_>> {
        let ephemeral = self.spec.ephemeral_containers.iter().flatten();
        let fixed = self.spec.init_containers.iter().flatten().chain(&self.spec.containers);
        fixed.map(Member::from).chain(ephemeral.map(Member::from))
    }

    /// The names of the containers that a test holds for.
    pub(super) fn named(&self, mut test: impl FnMut(&Member<'_>) -> bool) -> Vec<&str> {
        self.containers().filter(|it| test(it)).map(|it| it.name).collect()
    }

    pub(super) fn is_windows(&self) -> bool {
        self.spec.os.as_ref().is_some_and(|os| os.name == "windows")
    }

    /// Whether the pod's ids are none of the host's.
    pub(super) fn has_own_users(&self) -> bool {
        self.spec.host_users == Some(false)
    }
}

/// What checks look at in a container of any sort.
pub(super) struct Member<'a> {
    pub(super) name: &'a str,
    pub(super) context: Option<&'a SecurityContext>,
    pub(super) ports: &'a [ContainerPort],
    pub(super) probes: [Option<&'a Probe>; 3],
    pub(super) lifecycle: Option<&'a Lifecycle>,
}

macro_rules! member_from {
    ($kind:ty) => {
        impl<'a> From<&'a $kind> for Member<'a> {
            fn from(it: &'a $kind) -> Self {
                Member {
                    name: &it.name,
                    context: it.security_context.as_ref(),
                    ports: it.ports.as_deref().unwrap_or_default(),
                    probes: [&it.liveness_probe, &it.readiness_probe, &it.startup_probe]
                        .map(Option::as_ref),
                    lifecycle: it.lifecycle.as_ref(),
                }
            }
        }
    };
}

// Two types with the same fields: ephemeral containers are no `Container` in the API's schema.
member_from!(Container);
member_from!(EphemeralContainer);

/// `"a", "b"`.
pub(super) fn quoted<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|it| format!("\"{}\"", it.as_ref())).collect();
    items.join(", ")
}

/// A word for one thing or for many.
pub(super) fn plural(count: usize, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}

/// `container "a"`, `containers "a", "b"`.
pub(super) fn containers(names: &[&str]) -> String {
    format!("{} {}", plural(names.len(), "container", "containers"), quoted(names))
}

/// Who set something: `pod`, `container "a"`, `pod and containers "a", "b"`; `None` if nobody did.
pub(super) fn setters(pod: Option<&'static str>, names: &[&str]) -> Option<String> {
    let named = (!names.is_empty()).then(|| containers(names));
    match (pod, named) {
        (Some(pod), Some(named)) => Some(format!("{pod} and {named}")),
        (Some(pod), None) => Some(pod.to_owned()),
        (None, named) => named,
    }
}

/// What was set that may not be, each once and in order.
pub(super) type Values = BTreeSet<String>;
