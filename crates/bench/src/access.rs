//! Durable creates by an ordinary user, each decided by the rules of access, with many bindings of others in the store.

use std::path::Path;

use anyhow::Result;
use bytes::Bytes;
use harness::Up;
use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::Args;
use crate::connection::Server;
use crate::report::Report;
use crate::writes::{define, load};

const BINDINGS: usize = 10_000;
const CLIENTS: usize = 64;
const USER: &str = "bench";
const RULES: &str = "/apis/rbac.authorization.k8s.io/v1";

/// Runs alternate between the two executables, so that both meet the same machine.
pub(crate) async fn measure(args: &Args, report: &mut Report) -> Result<()> {
    let (mut rates, mut others) = (Vec::new(), Vec::new());
    for _ in 0..args.runs {
        rates.push(rate(&args.endstate).await?);
        if let Some(other) = &args.beside {
            others.push(rate(other).await?);
        }
    }
    let what = format!("creates by a user, {CLIENTS} clients, {BINDINGS} bindings");
    match others.is_empty() {
        true => report.add(what, median(rates), "/s"),
        false => {
            report.add_ratio(what, median(rates), "/s", (median(others), "the other executable"))
        }
    }
    Ok(())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}

async fn rate(endstate: &Path) -> Result<f64> {
    let up = Up::start_executable(endstate, 1).await?;
    let server = Server::from_kubeconfig(&up.kubeconfig())?;
    define(&server).await?;
    let mut connection = server.connect().await?;
    let role = json!({"metadata": {"name": "notes"}, "rules": [
        {"apiGroups": ["bench.endstate.dev"], "resources": ["notes"], "verbs": ["create"]}]});
    connection.call(Method::POST, &format!("{RULES}/clusterroles"), body(&role)).await?;
    bind(&server).await?;
    connection.call(Method::POST, &bindings("default"), body(&binding(USER, USER))).await?;
    let (rate, _) = load(&server.as_user(USER, &up.state().join("pki"))?, CLIENTS).await?;
    up.stop().await?;
    Ok(rate)
}

/// Binds the same role for many others, half of them everywhere and half where the user works.
async fn bind(server: &Server) -> Result<()> {
    let mut tasks = JoinSet::new();
    for client in 0..CLIENTS {
        let mut connection = server.connect().await?;
        tasks.spawn(async move {
            for number in (client..BINDINGS).step_by(CLIENTS) {
                let name = format!("other-{number}");
                let path = match number % 2 {
                    0 => format!("{RULES}/clusterrolebindings"),
                    _ => bindings("default"),
                };
                connection.call(Method::POST, &path, body(&binding(&name, &name))).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

fn bindings(namespace: &str) -> String {
    format!("{RULES}/namespaces/{namespace}/rolebindings")
}

fn binding(name: &str, user: &str) -> Value {
    let group = "rbac.authorization.k8s.io";
    json!({"metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "notes"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}]})
}

fn body(object: &Value) -> Bytes {
    object.to_string().into()
}
