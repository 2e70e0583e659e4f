//! `cargo xtask demo`: the main job, shown live.
//!
//! An etcd cluster is declared in YAML; keys are written; a member is killed and its data removed; the size goes
//! 3 → 5 → 3; every key is still there. Everything is done through the `endstate` executable, as a user would.

mod cluster;
pub(crate) mod damage;
mod leftovers;
mod show;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::{build, images, run};
pub(crate) use cluster::Cluster;
use show::{Show, Times};

/// Arguments of `demo`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave the cluster running, and print how to use it
    #[arg(long)]
    keep: bool,
    /// How many keys to write
    #[arg(long, default_value_t = 1_000)]
    keys: usize,
}

/// How long any one step may take before the demo fails.
const STEP_MAX: Duration = Duration::from_secs(120);
const EXAMPLE: &str = "examples/etcd-cluster.yaml";
const NAME: &str = "demo";

pub(crate) fn run(args: &Args) -> Result<()> {
    let show = Show::new();
    let endstate = show.step("build", build::endstate)?.0;
    let store = images::store();
    show.step("etcd image", || images::ensure(&endstate, &store))?;
    let state = fresh_state_dir("demo")?;
    let (cluster, started) = show.step("start the embedded cluster", || {
        Cluster::start(&endstate, &state, &store).with_context(|| advice(&state))
    })?;
    let mut times = Times::default();
    times.add("embedded cluster ready", started);
    story(&cluster, &show, &mut times, args).with_context(|| advice(&state))?;
    times.print();
    if args.keep {
        cluster.keep();
        return Ok(());
    }
    cluster.stop()?;
    std::fs::remove_dir_all(&state).context("cannot remove the state directory")?;
    leftovers::check(&state)?;
    println!("\nNothing is left behind: no process, mount, namespace or file.");
    Ok(())
}

fn story(cluster: &Cluster, show: &Show, times: &mut Times, args: &Args) -> Result<()> {
    let (_, took) =
        show.step("install the etcd operator", || cluster.endstate(&["install", "etcd"]))?;
    times.add("etcd operator installed", took);

    let example = example()?;
    let (_, took) = show.wait(cluster, "apply → 3 members ready", || {
        cluster.apply(&example)?;
        cluster.settled(3, STEP_MAX, |waits| show.waiting(waits))
    })?;
    times.add("apply → 3 members ready", took);

    let keys = cluster.keys(args.keys);
    let (_, took) = show.step(&format!("write {} keys", keys.len()), || cluster.put(&keys))?;
    times.add(&format!("{} keys written", keys.len()), took);

    let victim = cluster.member_to_kill()?;
    let (_, took) = show.wait(cluster, &format!("kill {victim} and remove its data"), || {
        damage::kill_and_wipe(&cluster.state, &victim)?;
        cluster.replaced(&victim, STEP_MAX, |waits| show.waiting(waits))?;
        cluster.settled(3, STEP_MAX, |waits| show.waiting(waits))
    })?;
    times.add("member killed and wiped → full redundancy", took);

    for (from, to) in [(3, 5), (5, 3)] {
        let scaled = example.replace("size: 3", &format!("size: {to}"));
        ensure!(to == 3 || scaled != example, "{EXAMPLE} has no `size: 3`");
        let (_, took) = show.wait(cluster, &format!("size {from} → {to}"), || {
            cluster.apply(&scaled)?;
            cluster.settled(to, STEP_MAX, |waits| show.waiting(waits))
        })?;
        times.add(&format!("size {from} → {to}"), took);
    }

    let (_, took) = show.step("read every key back", || cluster.check(&keys))?;
    times.add(&format!("{} keys read back, all there", keys.len()), took);
    Ok(())
}

/// The manifest that a new user applies first.
pub(crate) fn example() -> Result<String> {
    std::fs::read_to_string(run::root().join(EXAMPLE)).context(EXAMPLE)
}

/// An empty state directory below `target`.
pub(crate) fn fresh_state_dir(name: &str) -> Result<PathBuf> {
    let state = run::target().join(name);
    if state.exists() {
        std::fs::remove_dir_all(&state)
            .with_context(|| format!("cannot remove {}; is it in use?", state.display()))?;
    }
    std::fs::create_dir_all(&state)?;
    Ok(state)
}

fn advice(state: &Path) -> String {
    format!(
        "the demo failed; its logs are in {}, and `endstate doctor` says what this machine lacks",
        state.display()
    )
}
