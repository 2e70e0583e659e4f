//! Errors as sentences with a next step.

use anyhow::Error;
use kube::core::Status;

/// The chain of causes, each said once, in words for users.
pub(crate) fn explain(error: &Error) -> String {
    let mut chain: Vec<String> = Vec::new();
    for cause in error.chain() {
        if let Some(text) = of_api(cause) {
            chain.push(text);
            break;
        }
        let text = cause.to_string();
        // Some errors repeat their source.
        if chain.last().is_none_or(|last| !last.contains(&text)) {
            chain.push(text);
        }
    }
    chain.join(": ")
}

/// What the API or the way to it says; it needs no causes beyond that.
fn of_api(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    let boxed = || cause.downcast_ref::<Box<kube::Error>>().map(|it| &**it);
    match cause.downcast_ref::<kube::Error>().or_else(boxed)? {
        kube::Error::Api(status) => Some(of_status(status)),
        error @ (kube::Error::Service(_) | kube::Error::HyperError(_)) => {
            let root = Error::msg(last_cause(error));
            Some(format!("cannot reach the cluster; is it running? (`endstate up`): {root}"))
        }
        _ => None,
    }
}

fn last_cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

fn of_status(status: &Status) -> String {
    let message = &status.message;
    match (status.code, &status.details) {
        (404, Some(details)) if !details.kind.is_empty() && !details.name.is_empty() => {
            format!("{message}; `endstate get {} -A` lists the existing ones", details.kind)
        }
        (401, _) => {
            format!("{message}; the kubeconfig belongs to another cluster, or to an earlier one")
        }
        _ => message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use serde_json::json;

    use super::*;

    fn api(status: serde_json::Value) -> kube::Error {
        kube::Error::Api(serde_json::from_value(status).unwrap())
    }

    #[test]
    fn the_server_is_quoted_and_a_next_step_named() {
        let missing = json!({"status": "Failure", "code": 404, "reason": "NotFound",
            "message": "pods \"x\" not found", "details": {"name": "x", "kind": "pods"}});
        let expected =
            "cannot read it: pods \"x\" not found; `endstate get pods -A` lists the existing ones";
        let error = Err::<(), _>(api(missing.clone())).context("cannot read it").unwrap_err();
        assert_eq!(explain(&error), expected);
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read it")]
        struct Outer(#[source] Box<kube::Error>);
        assert_eq!(explain(&Outer(Box::new(api(missing))).into()), expected);
    }

    #[test]
    fn an_unreachable_cluster_is_called_that() {
        let refused = std::io::Error::other("connection refused");
        let error = Error::new(kube::Error::Service(refused.into())).context("cannot list pods");
        let expected = "cannot list pods: cannot reach the cluster; is it running? (`endstate up`): connection refused";
        assert_eq!(explain(&error), expected);
    }

    #[test]
    fn causes_are_not_repeated() {
        let error = Error::msg("b").context("a: b").context("c");
        assert_eq!(explain(&error), "c: a: b");
    }
}
