//! The pod that stands for a process which a node started without the API server. It runs as no account, so it has
//! nothing that an account gives, whoever sets the annotation that makes it one.

use serde_json::Value;

use crate::value::{at, list, text};

const ANNOTATION: &str = "kubernetes.io/config.mirror";

/// What the annotation says, if the pod has it.
pub(crate) fn annotation(pod: &Value) -> Option<&Value> {
    at(pod, "metadata.annotations")?.get(ANNOTATION)
}

/// Why a mirror pod, with the account that it names, may not be made.
pub(super) fn check(pod: &Value, account: Option<&str>) -> Result<(), &'static str> {
    let sources = || {
        let volumes = list(pod, "spec.volumes").iter();
        volumes.flat_map(|volume| list(volume, "projected.sources"))
    };
    if account.is_some() {
        return Err("a mirror pod may not reference service accounts");
    }
    let of_projection = sources().any(|source| has(source, "secret"));
    if of_projection || references_secrets(pod) {
        return Err("a mirror pod may not reference secrets");
    }
    if sources().any(|source| has(source, "serviceAccountToken")) {
        return Err("a mirror pod may not use ServiceAccountToken volume projections");
    }
    Ok(())
}

fn references_secrets(pod: &Value) -> bool {
    let of_volume = |volume: &Value| has(volume, "secret");
    let of_variables = |container: &Value| {
        list(container, "env").iter().any(|it| has(it, "valueFrom.secretKeyRef"))
            || list(container, "envFrom").iter().any(|it| has(it, "secretRef"))
    };
    let pulls = list(pod, "spec.imagePullSecrets").iter();
    pulls.filter_map(|it| text(it, "name")).any(|name| !name.is_empty())
        || list(pod, "spec.volumes").iter().any(of_volume)
        || ["spec.containers", "spec.initContainers"]
            .iter()
            .any(|path| list(pod, path).iter().any(of_variables))
}

fn has(object: &Value, path: &str) -> bool {
    at(object, path).is_some_and(|value| !value.is_null())
}
