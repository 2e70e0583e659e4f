//! `cargo xtask demo`: the main job, shown live.
//!
//! A cluster is declared in YAML; keys are written; a member is killed and its data removed; the size goes 3 → 5 → 3;
//! every key is still there. Everything is done through the `endstate` executable, as a user would.

mod application;
mod cluster;
mod damage;
mod leftovers;
mod show;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::{build, images, run};
pub(crate) use application::Application;
pub(crate) use cluster::Cluster;
use show::{Show, Times};

/// Arguments of `demo`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to run
    #[arg(default_value = "etcd")]
    application: Application,
    /// Leave the cluster running, and print how to use it
    #[arg(long)]
    keep: bool,
    /// How many keys to write
    #[arg(long, default_value_t = 1_000)]
    keys: usize,
}

/// How long any one step may take before the demo fails.
const STEP_MAX: Duration = Duration::from_secs(120);

pub(crate) fn run(args: &Args) -> Result<()> {
    let show = Show::new();
    let endstate = show.step("build", build::endstate)?.0;
    let store = images::store();
    show.step("images", || images::ensure(&endstate, &store, images::Wanted::Packaged))?;
    let state = fresh_state_dir("demo")?;
    let (cluster, started) = show.step("start the embedded cluster", || {
        Cluster::start(args.application, &endstate, &state, &store).with_context(|| advice(&state))
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
    let application = args.application;
    let operator = application.operator();
    let install = || cluster.endstate(&["install", operator]);
    let (_, took) = show.step(&format!("install the {operator} operator"), install)?;
    times.add(&format!("{operator} operator installed"), took);

    let example = application.example()?;
    let (_, took) = show.wait(cluster, "apply → 3 members ready", || {
        cluster.apply(&example)?;
        cluster.settled(3, STEP_MAX, |waits| show.waiting(waits))
    })?;
    times.add("apply → 3 members ready", took);

    let keys = keys(args.keys);
    let write = || application.put(cluster, &keys);
    let (_, took) = show.step(&format!("write {} keys", keys.len()), write)?;
    times.add(&format!("{} keys written", keys.len()), took);

    let victim = cluster.follower()?;
    let (_, took) = show.wait(cluster, &format!("kill {victim} and remove its data"), || {
        cluster.kill_and_wipe(&victim)?;
        cluster.replaced(&victim, STEP_MAX, |waits| show.waiting(waits))?;
        cluster.settled(3, STEP_MAX, |waits| show.waiting(waits))
    })?;
    times.add("member killed and wiped → full redundancy", took);

    for (from, to) in [(3, 5), (5, 3)] {
        let scaled = example.replace("size: 3", &format!("size: {to}"));
        ensure!(to == 3 || scaled != example, "the example has no `size: 3`");
        let (_, took) = show.wait(cluster, &format!("size {from} → {to}"), || {
            cluster.apply(&scaled)?;
            cluster.settled(to, STEP_MAX, |waits| show.waiting(waits))
        })?;
        times.add(&format!("size {from} → {to}"), took);
    }

    let (_, took) = show.step("read every key back", || application.check(cluster, &keys))?;
    times.add(&format!("{} keys read back, all there", keys.len()), took);
    Ok(())
}

fn keys(count: usize) -> Vec<(String, String)> {
    (0..count).map(|number| (format!("demo/{number:05}"), format!("value {number}"))).collect()
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
