//! ZooKeeper's operator dies on the way to each spec: at once when it has recorded what it is about to do, which is
//! before or within the call, and in turns after the change that the call made. The next operator goes on from there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use harness::{Cluster, Operator, Up, ZnodeWriter, claims, kill};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::{Api, DeleteParams, ListParams};
use kube::runtime::wait::await_condition;
use serde_json::json;

use crate::zookeeper::{ensemble, status};

#[tokio::test]
async fn the_operator_may_die_before_and_after_its_calls() -> Result<()> {
    let up = Up::start(1).await?;
    let zoo = ensemble(&up, "zoo", json!({"size": 3, "version": "3.8.6"})).await?;
    let mut names = Names::default();
    let mut deaths = names.settles(&up, &zoo, 3).await?;
    let writer = ZnodeWriter::start(&up, "zoo", "w").await?;
    for patch in [json!({"size": 5}), json!({"version": "3.9.5"}), json!({"size": 3})] {
        zoo.patch(json!({ "spec": patch })).await?;
        zoo.changed().await?;
        let size = if patch["size"] == 3 { 3 } else { 5 };
        deaths += names.settles(&up, &zoo, size).await?;
    }
    eprintln!("the operator died {deaths} times");
    let (_, leaders) = writer.check().await?;
    assert!(
        leaders <= 3,
        "{leaders} leaders: one at the start, one for the roll, one if the leader left"
    );
    assert_eq!(names.0.len(), 5, "nobody was replaced: {names:?}");
    let wanted = zoo.members().await?.iter().map(|it| format!("data-{it}")).collect();
    without_volumes_of_others(&up, &wanted).await?;
    up.stop().await
}

/// Whoever has left has no volume, once its pod is gone, and nobody else has lost it.
async fn without_volumes_of_others(up: &Up, wanted: &BTreeSet<String>) -> Result<()> {
    let api: Api<PersistentVolumeClaim> = Api::default_namespaced(up.client().await?);
    let there: BTreeSet<_> = claims(up).await?.into_keys().collect();
    for other in there.difference(wanted) {
        let gone = await_condition(api.clone(), other, |it: Option<&_>| it.is_none());
        let gone = tokio::time::timeout(Duration::from_secs(60), gone).await;
        gone.with_context(|| format!("{other} is left"))??;
    }
    let there: BTreeSet<_> = claims(up).await?.into_keys().collect();
    assert_eq!(there, *wanted);
    Ok(())
}

/// Whose each id was, from the beginning.
#[derive(Debug, Default)]
struct Names(BTreeMap<String, String>);

impl Names {
    /// How often the operator dies on the way to a spec, at most.
    const DEATHS_MAX: usize = 14;

    /// Kills the operator at every change of the state until it is as declared. Gives how often.
    async fn settles(&mut self, up: &Up, zoo: &Cluster, size: usize) -> Result<usize> {
        let mut deaths = 0;
        while deaths < Self::DEATHS_MAX && !zoo.is_settled().await? {
            if deaths % 2 == 1 {
                zoo.changed().await?;
            }
            die(up).await?;
            deaths += 1;
            zoo.changed().await?;
        }
        zoo.settled(size).await?;
        for member in status(&zoo.object().await?)["members"].as_array().context("no members")? {
            let text = |key: &str| member[key].as_str().map(str::to_owned).context("no text");
            let (id, name) = (text("id")?, text("name")?);
            let before = self.0.insert(id, name.clone()).unwrap_or_else(|| name.clone());
            assert_eq!(before, name, "an id is used once");
        }
        Ok(deaths)
    }
}

/// Kills the process, which takes no time, and then its pod, so that the next is not held back.
async fn die(up: &Up) -> Result<()> {
    // None runs if the one before has not been replaced yet.
    if let Ok(operator) = Operator::find(up, "zookeeper").await {
        kill(operator.process)?;
    }
    let operators: Api<Pod> = Api::namespaced(up.client().await?, "endstate-system");
    let now = DeleteParams::default().grace_period(0);
    operators.delete_collection(&now, &ListParams::default()).await?;
    Ok(())
}
