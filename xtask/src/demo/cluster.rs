//! The embedded cluster of the demo, driven through the `endstate` executable.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::Value;

use super::application::Application;
use super::damage;
use crate::run;

const DELETE_MAX: Duration = Duration::from_secs(60);
/// How often the object is looked at while a step is under way.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(crate) struct Cluster {
    application: Application,
    pub(crate) state: PathBuf,
    executable: PathBuf,
    /// `None` once it was stopped or is to be kept.
    process: RefCell<Option<Child>>,
}

impl Cluster {
    /// Starts `endstate up` and waits for its `ready in` line.
    pub(crate) fn start(
        application: Application,
        executable: &Path,
        state: &Path,
        store: &Path,
    ) -> Result<Self> {
        let log = File::create(state.join("up.log"))?;
        let mut process = run::command(executable)
            .args(["up", "--listen", "127.0.0.1:0", "--nodes", "3", "--state-dir"])
            .arg(state)
            .arg("--image-store")
            .arg(store)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("cannot start endstate up")?;
        let stdout = process.stdout.take().context("its output is piped")?;
        let cluster = Self {
            application,
            state: state.to_owned(),
            executable: executable.to_owned(),
            process: RefCell::new(Some(process)),
        };
        let mut lines = BufReader::new(stdout).lines();
        let ready = lines.find_map(|line| line.ok().filter(|line| line.starts_with("ready in ")));
        ensure!(ready.is_some(), "`endstate up` ended before it was ready; see up.log");
        Ok(cluster)
    }

    /// Runs `endstate` against this cluster and gives what it printed.
    pub(crate) fn endstate(&self, args: &[&str]) -> Result<String> {
        run::output(self.command().args(args))
    }

    pub(crate) fn apply(&self, manifest: &str) -> Result<()> {
        self.pipe(&["apply", "-f", "-"], manifest).map(drop)
    }

    /// Waits until the object says that it is as declared, with this many members.
    pub(crate) fn settled(&self, size: usize, max: Duration, look: impl Fn(&str)) -> Result<()> {
        self.until(max, look, |object| {
            let status = &object["status"];
            let current = status["observedGeneration"] == object["metadata"]["generation"];
            let condition = |kind: &str, expected: &str| {
                let conditions = status["conditions"].as_array().into_iter().flatten();
                conditions.into_iter().any(|it| it["type"] == kind && it["status"] == expected)
            };
            current
                && condition("Available", "True")
                && condition("Progressing", "False")
                && members(object).len() == size
        })
        .with_context(|| format!("the cluster did not reach {size} healthy members"))
    }

    /// Waits until a member is gone for good.
    pub(crate) fn replaced(&self, name: &str, max: Duration, look: impl Fn(&str)) -> Result<()> {
        self.until(max, look, |object| members(object).iter().all(|it| it != name))
            .with_context(|| format!("member {name} was not replaced"))
    }

    /// A member that does not lead.
    pub(crate) fn follower(&self) -> Result<String> {
        let object = self.object()?;
        let leader = &object["status"]["leader"];
        let mut followers = members(&object).into_iter().filter(|it| leader != it.as_str());
        followers.next().context("the cluster has no member that follows")
    }

    /// Kills a member's process with SIGKILL and removes its data.
    pub(crate) fn kill_and_wipe(&self, member: &str) -> Result<()> {
        let pod = self.json(&format!("pod/{member}"))?;
        let volumes = pod["spec"]["volumes"].as_array().context("the pod has volumes")?;
        let data =
            volumes.iter().find(|it| it["name"] == "data").context("and one for its data")?;
        let (owner, above, below) = match data["persistentVolumeClaim"]["claimName"].as_str() {
            Some(claim) => {
                (self.json(&format!("persistentvolumeclaim/{claim}"))?, "persistent", "")
            }
            None => (pod, "pods", "volumes/data"),
        };
        let uid = owner["metadata"]["uid"].as_str().context("it has a uid")?;
        let data = self.state.join("node").join(above).join(uid).join(below);
        damage::kill_and_wipe(self.application.program(), uid, &data)
    }

    /// Deletes the example's object and waits until its pods are gone.
    pub(crate) fn delete(&self) -> Result<()> {
        self.endstate(&["delete", &self.target(), "--wait"])?;
        let start = Instant::now();
        while !self.endstate(&["get", "pods", "-o", "name"])?.is_empty() {
            ensure!(start.elapsed() < DELETE_MAX, "pods are left after the deletion");
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// The tree, as a user sees it.
    pub(crate) fn tree(&self) -> Result<String> {
        self.endstate(&["status", self.application.operator(), self.application.object().1])
    }

    /// Ends `endstate up` as Ctrl-C does.
    pub(crate) fn stop(&self) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        run::check_quiet(run::command("kill").args(["-TERM", &process.id().to_string()]))?;
        let status = process.wait()?;
        ensure!(status.success(), "endstate up ended with {status}");
        Ok(())
    }

    /// Leaves it running and says how to use it.
    pub(crate) fn keep(&self) {
        let Some(process) = self.process.take() else { return };
        let kubeconfig = self.state.join("kubeconfig");
        println!("\nThe cluster goes on (process {}). Use it:\n", process.id());
        println!("  export KUBECONFIG={}", kubeconfig.display());
        let (operator, name) = (self.application.operator(), self.application.object().1);
        println!("  {} status {operator} {name} --watch", self.executable.display());
        println!("  kubectl get pods -o wide");
        println!("\nEnd it with `kill {}`.", process.id());
    }

    fn object(&self) -> Result<Value> {
        self.json(&self.target())
    }

    /// The cluster object, as `get` and `delete` take it.
    fn target(&self) -> String {
        let (resource, name) = self.application.object();
        format!("{resource}/{name}")
    }

    fn json(&self, target: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.endstate(&["get", target, "-o", "json"])?)?)
    }

    fn until(
        &self,
        max: Duration,
        look: impl Fn(&str),
        done: impl Fn(&Value) -> bool,
    ) -> Result<()> {
        let start = Instant::now();
        loop {
            let object = self.object()?;
            if done(&object) {
                return Ok(());
            }
            let waits = waits(&object);
            if start.elapsed() > max {
                bail!("after {} s it still waits: {waits}", max.as_secs());
            }
            look(&waits);
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Runs `endstate` with some input and gives what it printed.
    pub(super) fn pipe(&self, args: &[&str], input: &str) -> Result<String> {
        let mut child = self
            .command()
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().context("its input is piped")?;
        // Beside reading its output, so that neither pipe fills up.
        let output = std::thread::scope(|scope| {
            let written = scope.spawn(move || stdin.write_all(input.as_bytes()));
            let output = child.wait_with_output()?;
            written.join().map_err(|_| anyhow!("cannot write to it"))??;
            anyhow::Ok(output)
        })?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`endstate {}`: {}", args.join(" "), said.trim());
        Ok(String::from_utf8(output.stdout)?)
    }

    fn command(&self) -> Command {
        let mut command = run::command(&self.executable);
        command.env("KUBECONFIG", self.state.join("kubeconfig"));
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // The demo failed: its own error is what matters, so this one is left alone.
            let _ =
                run::check_quiet(run::command("kill").args(["-TERM", &process.id().to_string()]));
            let _ = process.wait();
        }
    }
}

fn members(object: &Value) -> Vec<String> {
    let members = object["status"]["members"].as_array().into_iter().flatten();
    members.filter_map(|it| Some(it["name"].as_str()?.to_owned())).collect()
}

fn waits(object: &Value) -> String {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let progressing = conditions.into_iter().find(|it| it["type"] == "Progressing");
    progressing.and_then(|it| it["message"].as_str()).unwrap_or("for the operator").to_owned()
}
