//! How a fault strikes, and what is undone of it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use harness::{
    Broken, EtcdCluster, FullDisk, PodNetwork, Up, claim_folder, claims, database, flip_log,
    freeze, kill, kill_and_wipe, member_process, set_clock_off, spoil, thaw, truncate,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams};
use kube::runtime::wait::await_condition;
use tokio::task::JoinHandle;

use super::dice::Dice;
use super::kinds::Fault;

/// What no other bytes of a database are.
pub(super) const VALUE: &str = "what-was-written-and-is-to-be-read";
/// How often processes are looked for.
const LOOK: Duration = Duration::from_millis(100);
/// How long a process may take to end, or to come.
const PROCESS_MAX: Duration = Duration::from_secs(60);
/// How many seconds a clock is off.
const OFF_S: [i64; 4] = [-3_600, 3_600, -400 * 86_400, 400 * 86_400];
/// How long a process that is slow stands, and runs.
const STANDS: Duration = Duration::from_millis(150);
const RUNS: Duration = Duration::from_millis(50);
const OPERATOR: &str = "endstate-etcd";
const OPERATOR_NAMESPACE: &str = "endstate-system";

/// One that strikes a cluster.
pub(super) struct Strike<'a> {
    pub(super) up: &'a Up,
    pub(super) cluster: &'a EtcdCluster,
    pub(super) fault: Fault,
    /// How long it holds if it is one that does and nobody has told of it by then.
    pub(super) holds: Duration,
    /// Whether nothing else goes on, so that what is told is told of this.
    pub(super) is_alone: bool,
}

/// What it came to.
#[derive(Default)]
pub(super) struct Struck {
    /// How long after it the status said so, if that was waited for.
    pub(super) told: Option<Duration>,
    /// Addresses of pods that have to come back.
    pub(super) addresses: Vec<(String, String)>,
}

impl Strike<'_> {
    /// Strikes. Nothing if there is no member that it could be of at the moment.
    pub(super) async fn make(&self, dice: &mut Dice) -> Result<Option<Struck>> {
        if self.fault.is_beside() {
            self.beside().await?;
            return Ok(Some(Struck::default()));
        }
        let Some(members) = self.cluster.members().await.ok().filter(|it| !it.is_empty()) else {
            return Ok(None);
        };
        let followers = self.cluster.followers().await?;
        let leader = members.iter().find(|it| !followers.contains(it));
        let index = dice.roll(followers.len());
        let follower = followers.get(index).or(leader).context("there are members")?;
        let victim = if self.fault.is_of_leader() { leader.unwrap_or(follower) } else { follower };
        let Ok(process) = member_process(victim) else { return Ok(None) };
        let start = Instant::now();
        let addresses = self.addresses(victim).await?;
        let told = self.member(victim, process, dice).await?;
        let told = told.then(|| start.elapsed());
        Ok(Some(Struck { told, addresses }))
    }

    /// The status may be gone by then.
    async fn beside(&self) -> Result<()> {
        match self.fault {
            Fault::ForgetStatus => self.cluster.forget_status().await,
            _ => kill_operator(self.up).await,
        }
    }

    /// Strikes a member. Whether it was waited for that the status says so.
    async fn member(&self, member: &str, process: u32, dice: &mut Dice) -> Result<bool> {
        match self.fault {
            Fault::KillFollower | Fault::KillLeader => kill(process)?,
            Fault::PauseFollower | Fault::PauseLeader => return self.pause(member, process).await,
            Fault::CutFollower | Fault::CutLeader => {
                return self.network(member, process, Broken::Cut).await;
            }
            Fault::MuteLeader => return self.network(member, process, Broken::Mute).await,
            Fault::SlowNetwork => return self.network(member, process, Broken::Slow).await,
            Fault::SlowProcess => return self.slow(member, process).await,
            Fault::FullDisk => return self.full_disk(member, process).await,
            Fault::ClockJump => {
                let off = dice.pick(&OFF_S).unwrap_or_default();
                return self.clock(member, process, off).await;
            }
            Fault::WipeFollower => kill_and_wipe(self.up, member, &[]).await?,
            Fault::WipeLeader => kill_and_wipe(self.up, member, &["launcher"]).await?,
            Fault::TruncateData => {
                let folder = self.frozen(member, process).await?;
                truncate(&database(&folder)).and_then(|()| kill(process))?;
            }
            Fault::FlipLog => {
                let folder = self.frozen(member, process).await?;
                flip_log(&folder).and_then(|()| kill(process))?;
            }
            Fault::FlipData => return self.flip_data(member).await,
            Fault::DeletePod => delete_pod(self.up, member).await?,
            Fault::DeleteAllPods => self.delete_all_pods().await?,
            Fault::DeleteClaim => self.delete_claim(member).await?,
            Fault::KillOperator | Fault::ForgetStatus => bail!("that is of no member"),
        }
        let told = self.fault.loses() && self.is_alone;
        if told {
            self.cluster.until("say that a member is lost", is_ill(member)).await?;
        }
        ended(process).await?;
        Ok(told)
    }

    /// Waits until the status says that a member does not work, or for as long as the fault is to hold. Whether it was
    /// said.
    async fn hold(&self, member: &str) -> Result<bool> {
        let told = self.cluster.until("say that a member is ill", is_ill(member));
        match tokio::time::timeout(self.holds, told).await {
            Ok(told) => told.map(|()| self.is_alone),
            Err(_) => Ok(false),
        }
    }

    /// One that hangs is told of, whenever nothing else goes on.
    async fn pause(&self, member: &str, process: u32) -> Result<bool> {
        freeze(process)?;
        let told = match self.is_alone {
            true => {
                self.cluster.until("say that a member hangs", is_ill(member)).await.map(|()| true)
            }
            false => self.hold(member).await,
        };
        // It may have been killed for it.
        let _ = thaw(process);
        told
    }

    async fn network(&self, member: &str, process: u32, how: Broken) -> Result<bool> {
        let mut network = PodNetwork::of(process)?;
        network.break_it(how)?;
        let told = self.hold(member).await;
        // The pod may be gone meanwhile, and its link with it.
        let mended = network.mend();
        if member_process(member).is_ok_and(|it| it == process) {
            mended?;
        }
        told
    }

    async fn slow(&self, member: &str, process: u32) -> Result<bool> {
        let slows = tokio::spawn(async move {
            while freeze(process).is_ok() {
                tokio::time::sleep(STANDS).await;
                let _ = thaw(process);
                tokio::time::sleep(RUNS).await;
            }
        });
        let told = self.hold(member).await;
        slows.abort();
        let _ = slows.await;
        let _ = thaw(process);
        told
    }

    async fn clock(&self, member: &str, process: u32, off: i64) -> Result<bool> {
        set_clock_off(process, off)?;
        let told = self.hold(member).await;
        // Another process has the right time.
        let _ = set_clock_off(process, 0);
        told
    }

    /// Freezes a member, and gives the folder that it has its data in.
    async fn frozen(&self, member: &str, process: u32) -> Result<PathBuf> {
        let folder = claim_folder(self.up.state(), &claim(self.up, member).await?)?;
        freeze(process)?;
        Ok(folder)
    }

    /// A process that goes on with files of the full disk would lose what it writes when that is gone: so it is frozen
    /// before, and killed.
    async fn full_disk(&self, member: &str, process: u32) -> Result<bool> {
        let claim = claim(self.up, member).await?;
        let folder = self.frozen(member, process).await?;
        let full = FullDisk::of(process, &folder);
        kill(process)?;
        let full = full?;
        ended(process).await?;
        let told = self.hold(member).await;
        full.give_room()?;
        let end = Instant::now() + PROCESS_MAX;
        loop {
            if let Ok(process) = member_process(member)
                && freeze(process).is_ok()
                && member_process(member).is_ok_and(|it| it == process)
            {
                let back = full.put_back();
                kill(process)?;
                ended(process).await?;
                return back.and(told);
            }
            if self.claim_is_gone(&claim).await? {
                return told;
            }
            ensure!(Instant::now() < end, "{member} does not start though there is room again");
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn claim_is_gone(&self, claim: &str) -> Result<bool> {
        Ok(!claims(self.up).await?.values().any(|it| it == claim))
    }

    /// Until that is seen, and the member is gone: the process writes the database meanwhile, and may put the right
    /// bytes back.
    async fn flip_data(&self, member: &str) -> Result<bool> {
        let claim = claim(self.up, member).await?;
        let database = database(&claim_folder(self.up.state(), &claim)?);
        let spoils: JoinHandle<()> = tokio::spawn(async move {
            while spoil(&database, VALUE).is_ok() {
                tokio::time::sleep(LOOK).await;
            }
        });
        let gone = self.cluster.without(member).await;
        spoils.abort();
        // Not told of at once: data is compared once a minute.
        gone.map(|()| false)
    }

    async fn delete_all_pods(&self) -> Result<()> {
        let labels = format!("endstate.dev/cluster={},endstate.dev/role", self.cluster.name);
        let now = DeleteParams::default().grace_period(0);
        let pods = ListParams::default().labels(&labels);
        pods_of(self.up).await?.delete_collection(&now, &pods).await?;
        Ok(())
    }

    /// With its pod, so that it goes at once.
    async fn delete_claim(&self, member: &str) -> Result<()> {
        let claims: Api<PersistentVolumeClaim> = Api::default_namespaced(self.up.client().await?);
        claims.delete(&format!("data-{member}"), &DeleteParams::default()).await?;
        delete_pod(self.up, member).await
    }

    /// The addresses of pods that this deletes.
    async fn addresses(&self, victim: &str) -> Result<Vec<(String, String)>> {
        let members = match self.fault {
            Fault::DeletePod => vec![victim.to_owned()],
            Fault::DeleteAllPods => self.cluster.members().await?,
            _ => vec![],
        };
        addresses(self.up, &members).await
    }
}

/// The addresses of members' pods.
pub(super) async fn addresses(up: &Up, members: &[String]) -> Result<Vec<(String, String)>> {
    let pods = pods_of(up).await?;
    let mut addresses = vec![];
    for member in members {
        let pod = pods.get_opt(member).await?;
        let address = pod.and_then(|it| it.status).and_then(|it| it.pod_ip);
        addresses.extend(address.map(|it| (member.clone(), it)));
    }
    Ok(addresses)
}

async fn pods_of(up: &Up) -> Result<Api<Pod>> {
    Ok(Api::default_namespaced(up.client().await?))
}

async fn delete_pod(up: &Up, member: &str) -> Result<()> {
    pods_of(up).await?.delete(member, &DeleteParams::default().grace_period(0)).await?;
    Ok(())
}

pub(super) async fn kill_operator(up: &Up) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(up.client().await?, OPERATOR_NAMESPACE);
    for pod in pods.list(&ListParams::default()).await? {
        // It may be gone already.
        let _ = pods.delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await;
    }
    Ok(())
}

/// Who leads among operators, if anybody does.
pub(super) async fn leader(up: &Up) -> Result<String> {
    let leases: Api<Lease> = Api::namespaced(up.client().await?, OPERATOR_NAMESPACE);
    Ok(holder(Some(&leases.get(OPERATOR).await?)).unwrap_or_default())
}

/// Waits until another than this one leads.
pub(super) async fn succeeded(up: &Up, before: &str) -> Result<()> {
    let leases: Api<Lease> = Api::namespaced(up.client().await?, OPERATOR_NAMESPACE);
    let passed = await_condition(leases, OPERATOR, |lease: Option<&Lease>| {
        holder(lease).is_some_and(|it| it != before)
    });
    tokio::time::timeout(PROCESS_MAX, passed).await.context("no operator leads")??;
    Ok(())
}

fn holder(lease: Option<&Lease>) -> Option<String> {
    lease?.spec.as_ref()?.holder_identity.clone().filter(|it| !it.is_empty())
}

/// The key of a member's claim.
async fn claim(up: &Up, member: &str) -> Result<String> {
    claims(up).await?.remove(&format!("data-{member}")).context("it has no claim")
}

/// Whether the status says that a member does not work, or is gone.
fn is_ill(member: &str) -> impl Fn(&DynamicObject) -> bool + Send + Sync + 'static {
    let member = member.to_owned();
    move |it| {
        let rows = it.data["status"]["members"].as_array();
        let row = rows.into_iter().flatten().find(|it| it["name"] == *member);
        row.is_none_or(|it| it["healthy"] == false)
    }
}

/// Until then the status may say what was so before the fault.
async fn ended(process: u32) -> Result<()> {
    let end = Instant::now() + PROCESS_MAX;
    while std::fs::read_to_string(format!("/proc/{process}/cmdline")).is_ok_and(|it| !it.is_empty())
    {
        ensure!(Instant::now() < end, "process {process} goes on");
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Whether all members work: the last state may still be the one before the fault, so each process is looked for.
pub(super) async fn healed(cluster: &EtcdCluster, size: u32, within: Duration) -> Result<()> {
    let end = Instant::now() + within;
    loop {
        cluster.settled(size as usize).await?;
        let members = cluster.members().await?;
        if members.iter().all(|it| member_process(it).is_ok()) {
            return Ok(());
        }
        ensure!(
            Instant::now() < end,
            "{members:?} do not all run, and the status says that they do"
        );
        tokio::time::sleep(LOOK).await;
    }
}
