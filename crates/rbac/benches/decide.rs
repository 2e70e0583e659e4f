//! What a decision costs beside 10,000 bindings, and a start: `cargo bench --package rbac`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints, and looks at the clock"
)]

use std::time::{Duration, Instant};

use rbac::{Policy, Request, User, bootstrap};
use serde_json::json;

const BINDINGS: usize = 10_000;
const DECISIONS: usize = 200_000;

fn main() {
    let start = Instant::now();
    let mut policy = Policy::default();
    let defaults = bootstrap::defaults();
    let made = start.elapsed();
    for it in &defaults {
        policy.apply(it.plural, &it.namespace, &it.object);
    }
    println!(
        "{} defaults: made in {made:.1?}, known after {:.1?}",
        defaults.len(),
        start.elapsed()
    );
    for number in 0..BINDINGS {
        let object = json!({"metadata": {"name": format!("b{number}")},
            "roleRef": {"kind": "ClusterRole", "name": "edit"},
            "subjects": [{"kind": "User", "name": format!("u{number}")}]});
        match number % 2 {
            0 => policy.apply("clusterrolebindings", "", &object),
            _ => policy.apply("rolebindings", &format!("ns{}", number % 100), &object),
        }
    }
    let groups = ["system:authenticated".to_owned(), "devs".to_owned()];
    for (what, resource) in [("allowed by the last of its rules", "leases"), ("denied", "nodes")] {
        let mut times: Vec<Duration> = Vec::with_capacity(DECISIONS);
        for number in 0..DECISIONS {
            let name = format!("u{}", number % BINDINGS);
            let namespace = format!("ns{}", number % 100);
            let user = User { name: &name, groups: &groups };
            let group = if resource == "leases" { "coordination.k8s.io" } else { "" };
            let (verb, namespace) = ("create", Some(namespace.as_str()));
            let request =
                Request::Resource { verb, group, resource, subresource: "", namespace, name: "" };
            let start = Instant::now();
            let decision = policy.decide(&user, &request);
            times.push(start.elapsed());
            assert_eq!(decision.is_allowed(), resource == "leases");
        }
        times.sort_unstable();
        let at = |part: usize| times[(DECISIONS - 1) * part / 1000].as_secs_f64() * 1e6;
        println!("{what}: p50 {:.2} µs, p99 {:.2} µs, p99.9 {:.2} µs", at(500), at(990), at(999));
    }
}
