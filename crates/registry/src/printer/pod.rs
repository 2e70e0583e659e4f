//! Columns of pods: the one status that sums up phase, conditions and containers.

use jiff::Timestamp;
use serde_json::Value;

use super::{AGE, NAME, age, condition, name, or_none, since};
use crate::kind::{Printer, column, wide};
use crate::value::{at, flag, int, list, text};

pub(crate) const PRINTER: Printer = Printer {
    columns: &[
        NAME,
        column("Ready", "string"),
        column("Status", "string"),
        column("Restarts", "string"),
        AGE,
        wide("IP", "string"),
        wide("Node", "string"),
        wide("Nominated Node", "string"),
        wide("Readiness Gates", "string"),
    ],
    cells,
};

fn cells(pod: &Value, now: Timestamp) -> Vec<Value> {
    let summary = summary(pod);
    let ip = list(pod, "status.podIPs").first().and_then(|ip| text(ip, "ip"));
    let ip = ip.or_else(|| text(pod, "status.podIP")).filter(|ip| !ip.is_empty());
    vec![
        name(pod),
        format!("{}/{}", summary.ready, summary.total).into(),
        summary.status.into(),
        restarts(summary.restarts, summary.restarted, now).into(),
        age(pod, now),
        ip.unwrap_or("<none>").into(),
        or_none(pod, "spec.nodeName"),
        or_none(pod, "status.nominatedNodeName"),
        gates(pod).into(),
    ]
}

/// What the containers of a pod amount to.
#[derive(Default)]
struct Summary {
    ready: usize,
    total: usize,
    status: String,
    restarts: i64,
    /// When a container last ended before it was restarted.
    restarted: Option<Timestamp>,
}

impl Summary {
    fn count_restarts(&mut self, container: &Value) {
        self.restarts += int(container, "restartCount").unwrap_or(0);
        let ended = text(container, "lastState.terminated.finishedAt");
        let ended = ended.and_then(|time| time.parse().ok());
        self.restarted = self.restarted.max(ended);
    }
}

fn summary(pod: &Value) -> Summary {
    let reason = text(pod, "status.reason").filter(|reason| !reason.is_empty());
    let phase = text(pod, "status.phase").unwrap_or_default();
    let mut summary = Summary {
        total: list(pod, "spec.containers").len(),
        status: reason.unwrap_or(phase).to_owned(),
        ..Summary::default()
    };
    let gated = condition(pod, "PodScheduled")
        .is_some_and(|condition| text(condition, "reason") == Some("SchedulingGated"));
    if gated {
        summary.status = "SchedulingGated".to_owned();
    }
    let mut sidecars = Summary::default();
    let initializing = init_containers(pod, &mut summary, &mut sidecars);
    if !initializing || initialized(pod) {
        summary.restarts = sidecars.restarts;
        summary.restarted = sidecars.restarted;
        main_containers(pod, &mut summary);
    }
    if text(pod, "metadata.deletionTimestamp").is_some() {
        if text(pod, "status.reason") == Some("NodeLost") {
            summary.status = "Unknown".to_owned();
        } else if !matches!(phase, "Succeeded" | "Failed") {
            summary.status = "Terminating".to_owned();
        }
    }
    summary
}

fn initialized(pod: &Value) -> bool {
    condition(pod, "Initialized").is_some_and(|condition| text(condition, "status") == Some("True"))
}

/// Goes over init containers; answers whether one of them still has to end (or to start, for a sidecar).
fn init_containers(pod: &Value, summary: &mut Summary, sidecars: &mut Summary) -> bool {
    let specs = list(pod, "spec.initContainers");
    let is_sidecar = |name: Option<&str>| {
        specs
            .iter()
            .any(|spec| text(spec, "name") == name && text(spec, "restartPolicy") == Some("Always"))
    };
    summary.total += specs.iter().filter(|spec| is_sidecar(text(spec, "name"))).count();
    for (index, container) in list(pod, "status.initContainerStatuses").iter().enumerate() {
        let sidecar = is_sidecar(text(container, "name"));
        summary.count_restarts(container);
        if sidecar {
            sidecars.count_restarts(container);
        }
        let terminated = at(container, "state.terminated");
        let waiting = text(container, "state.waiting.reason").unwrap_or_default();
        if terminated.is_some_and(|end| int(end, "exitCode") == Some(0)) {
            continue;
        }
        if sidecar && flag(container, "started") {
            summary.ready += usize::from(flag(container, "ready"));
            continue;
        }
        summary.status = match terminated {
            Some(end) => format!("Init:{}", ended(end)),
            None if !waiting.is_empty() && waiting != "PodInitializing" => {
                format!("Init:{waiting}")
            }
            None => format!("Init:{index}/{}", specs.len()),
        };
        return true;
    }
    false
}

/// Why a container ended, in one word.
fn ended(end: &Value) -> String {
    if let Some(reason) = text(end, "reason").filter(|reason| !reason.is_empty()) {
        return reason.to_owned();
    }
    match int(end, "signal").filter(|signal| *signal != 0) {
        Some(signal) => format!("Signal:{signal}"),
        None => format!("ExitCode:{}", int(end, "exitCode").unwrap_or(0)),
    }
}

fn main_containers(pod: &Value, summary: &mut Summary) {
    let mut running = false;
    for container in list(pod, "status.containerStatuses").iter().rev() {
        summary.count_restarts(container);
        let waiting = text(container, "state.waiting.reason").unwrap_or_default();
        if !waiting.is_empty() {
            summary.status = waiting.to_owned();
        } else if let Some(end) = at(container, "state.terminated") {
            summary.status = ended(end);
        } else if flag(container, "ready") && at(container, "state.running").is_some() {
            running = true;
            summary.ready += 1;
        }
    }
    if running && summary.status == "Completed" {
        let ready = condition(pod, "Ready")
            .is_some_and(|condition| text(condition, "status") == Some("True"));
        summary.status = if ready { "Running" } else { "NotReady" }.to_owned();
    }
}

fn restarts(count: i64, last: Option<Timestamp>, now: Timestamp) -> String {
    match last {
        Some(last) if count > 0 => {
            format!("{count} ({} ago)", since(Some(&last.to_string()), now))
        }
        _ => count.to_string(),
    }
}

fn gates(pod: &Value) -> String {
    let gates = list(pod, "spec.readinessGates");
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let passed = gates.iter().filter(|gate| {
        let kind = text(gate, "conditionType").unwrap_or_default();
        condition(pod, kind).is_some_and(|condition| text(condition, "status") == Some("True"))
    });
    format!("{}/{}", passed.count(), gates.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(mut status: Value, meta: Value) -> (String, String) {
        status["phase"] = status.get("phase").cloned().unwrap_or_else(|| json!("Running"));
        let pod = json!({"metadata": meta, "status": status,
            "spec": {"containers": [{"name": "c"}], "initContainers": [{"name": "i"}]}});
        let cells = cells(&pod, "2026-01-01T00:10:00Z".parse().unwrap());
        (cells[1].as_str().unwrap().to_owned(), cells[2].as_str().unwrap().to_owned())
    }

    #[test]
    fn statuses_are_those_of_kubectl() {
        let pair = |ready: &str, status: &str| (ready.to_owned(), status.to_owned());
        let running =
            json!({"containerStatuses": [{"name": "c", "ready": true, "state": {"running": {}}}]});
        assert_eq!(shown(running.clone(), json!({})), pair("1/1", "Running"));
        assert_eq!(shown(running, json!({"deletionTimestamp": "x"})), pair("1/1", "Terminating"));
        let crash = json!({"containerStatuses": [
            {"name": "c", "ready": false, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]});
        assert_eq!(shown(crash, json!({})), pair("0/1", "CrashLoopBackOff"));
        let init = json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"running": {}}}]});
        assert_eq!(shown(init, json!({})), pair("0/1", "Init:0/1"));
        let init = json!({"phase": "Pending", "initContainerStatuses": [
            {"name": "i", "state": {"terminated": {"exitCode": 3}}}]});
        assert_eq!(shown(init, json!({})), pair("0/1", "Init:ExitCode:3"));
        let done = json!({"phase": "Succeeded", "containerStatuses": [
            {"name": "c", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]});
        assert_eq!(shown(done, json!({})), pair("0/1", "Completed"));
    }

    #[test]
    fn restarts_say_when() {
        let now = "2026-01-01T00:10:00Z".parse().unwrap();
        assert_eq!(restarts(0, None, now), "0");
        let last = "2026-01-01T00:05:00Z".parse().unwrap();
        assert_eq!(restarts(2, Some(last), now), "2 (5m ago)");
    }
}
