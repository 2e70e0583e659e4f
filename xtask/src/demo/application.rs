//! What the demo runs: an operator, its example, and how a user writes data and reads it.

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use super::cluster::Cluster;
use crate::run;

/// An application that the demo can show.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Application {
    /// Keys by `etcdctl`, members on emptyDir
    Etcd,
    /// Znodes by `zkCli.sh`, servers on volumes
    Zookeeper,
}

/// How many keys one etcd transaction may write.
const KEYS_PER_TRANSACTION: usize = 100;

impl Application {
    /// The name of its operator, for `install` and `status`.
    pub(crate) fn operator(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Zookeeper => "zookeeper",
        }
    }

    /// The manifest that a new user applies first.
    pub(crate) fn example(self) -> Result<String> {
        let file = format!("examples/{}-cluster.yaml", self.operator());
        std::fs::read_to_string(run::root().join(&file)).context(file)
    }

    /// The object that the example makes: its resource and its name.
    pub(super) fn object(self) -> (&'static str, &'static str) {
        match self {
            Self::Etcd => ("etcdclusters.etcd.endstate.dev", "demo"),
            Self::Zookeeper => ("zookeeperclusters.zookeeper.endstate.dev", "zoo"),
        }
    }

    /// The program that a member's process runs.
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Zookeeper => "java",
        }
    }

    /// Writes every key, through a member.
    pub(super) fn put(self, cluster: &Cluster, keys: &[(String, String)]) -> Result<()> {
        match self {
            Self::Etcd => keys.chunks(KEYS_PER_TRANSACTION).try_for_each(|keys| {
                let put = |(key, value): &(String, String)| format!("put {key} \"{value}\"\n");
                let puts: String = keys.iter().map(put).collect();
                let txn = ["exec", "-i", "service/demo-client", "--", "etcdctl", "txn"];
                cluster.pipe(&txn, &format!("\n{puts}\n\n")).map(drop)
            }),
            Self::Zookeeper => {
                let create =
                    |(key, value): &(String, String)| format!("create /{key} \"{value}\"\n");
                let creates: String = keys.iter().map(create).collect();
                cluster.pipe(&ZK_CLI, &format!("create /demo\n{creates}")).map(drop)
            }
        }
    }

    /// Reads every key and holds it against what was written.
    pub(super) fn check(self, cluster: &Cluster, keys: &[(String, String)]) -> Result<()> {
        let (found, expected): (String, String) = match self {
            Self::Etcd => {
                let get =
                    ["exec", "service/demo-client", "--", "etcdctl", "get", "--prefix", "demo/"];
                (
                    cluster.endstate(&get)?,
                    keys.iter().map(|(key, value)| format!("{key}\n{value}\n")).collect(),
                )
            }
            Self::Zookeeper => {
                let gets: String = keys.iter().map(|(key, _)| format!("get /{key}\n")).collect();
                let said = cluster.pipe(&ZK_CLI, &format!("sync /\n{gets}"))?;
                // The client prints what it connects to as well.
                let values = said.lines().filter(|line| line.starts_with("value "));
                let found = values.map(|line| format!("{line}\n")).collect();
                (found, keys.iter().map(|(_, value)| format!("{value}\n")).collect())
            }
        };
        let lines = |text: &str| text.lines().count();
        ensure!(
            found == expected,
            "keys are missing or changed: {} of {} lines",
            lines(&found),
            lines(&expected)
        );
        Ok(())
    }
}

const ZK_CLI: [&str; 5] = ["exec", "-i", "service/zoo-client", "--", "zkCli.sh"];
