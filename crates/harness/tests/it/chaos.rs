//! Faults at random, each by itself or two at once, while clients write and read: nothing acknowledged is lost, no read
//! is stale, and every fault heals. Here a few; `cargo xtask chaos` makes as many as it is told to.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::{Clients, EtcdCluster, Up, freeze, kill, kill_and_wipe, member_process, thaw};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams};
use serde_json::json;

/// How many faults there are unless the environment says otherwise.
const FAULTS: u32 = 8;
/// How long a fault may take to show and to heal.
const HEALS_WITHIN: Duration = Duration::from_secs(120);
/// How often processes are looked for.
const LOOK: Duration = Duration::from_millis(100);
const OPERATOR_NAMESPACE: &str = "endstate-system";
/// A patch and back, or a minor and back by etcd's downgrade: the first for odd seeds, the second for even ones.
const VERSIONS: [[&str; 2]; 2] = [["3.6.16", "3.7.3"], ["3.5.16", "3.5.35"]];

/// What is done to a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    KillFollower,
    KillLeader,
    WipeFollower,
    WipeLeader,
    Hang,
    DeletePod,
    DeleteAllPods,
    DeleteClaim,
    KillOperator,
    ForgetStatus,
    Grow,
    Shrink,
    ChangeVersion,
}

/// Each as often as it stands here.
const DRAWN: [Fault; 20] = [
    Fault::KillFollower,
    Fault::KillFollower,
    Fault::KillLeader,
    Fault::KillLeader,
    Fault::WipeFollower,
    Fault::WipeFollower,
    Fault::WipeLeader,
    Fault::Hang,
    Fault::DeletePod,
    Fault::DeletePod,
    Fault::DeleteAllPods,
    Fault::DeleteClaim,
    Fault::KillOperator,
    Fault::KillOperator,
    Fault::KillOperator,
    Fault::ForgetStatus,
    Fault::ForgetStatus,
    Fault::Grow,
    Fault::Shrink,
    Fault::ChangeVersion,
];

/// Numbers that are the same for the same seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((it ^ (it >> 31)) % sides as u64).expect("few sides")
    }

    fn fault(&mut self) -> Fault {
        DRAWN[self.roll(DRAWN.len())]
    }
}

struct Chaos<'a> {
    up: &'a Up,
    cluster: &'a EtcdCluster,
    dice: Dice,
    size: u32,
    versions: [&'static str; 2],
    version: usize,
    /// How long after a fault the status said so, while an operator led, and after it was killed.
    told: [Vec<Duration>; 2],
    /// Whether the operator was killed since, and another one may have to wait for its lease.
    absent: bool,
}

impl Chaos<'_> {
    /// The status may be gone by then.
    async fn strike_beside(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::ForgetStatus => self.cluster.forget_status().await,
            _ => {
                self.absent = true;
                self.kill_operator().await
            }
        }
    }

    /// Whose processes a fault ends.
    fn ends(fault: Fault, (follower, leader): (&str, &str), members: &[String]) -> Vec<String> {
        match fault {
            Fault::KillFollower | Fault::WipeFollower | Fault::DeletePod | Fault::DeleteClaim => {
                vec![follower.to_owned()]
            }
            Fault::KillLeader | Fault::WipeLeader => vec![leader.to_owned()],
            Fault::DeleteAllPods => members.to_vec(),
            _ => vec![],
        }
    }

    async fn strike(&mut self, fault: Fault) -> Result<()> {
        let members = self.cluster.members().await?;
        let followers = self.cluster.followers().await?;
        let follower = followers.get(self.dice.roll(followers.len().max(1))).unwrap_or(&members[0]);
        let leader = members.iter().find(|it| !followers.contains(it)).unwrap_or(follower);
        let ends = Self::ends(fault, (follower, leader), &members);
        let processes = ends.iter().map(|it| member_process(it)).collect::<Result<Vec<_>>>()?;
        let start = Instant::now();
        self.strike_at(fault, follower, leader).await?;
        // Others may be over before anybody could have looked.
        let loses = matches!(fault, Fault::WipeFollower | Fault::WipeLeader | Fault::DeleteClaim);
        if loses {
            self.cluster.until("say that a member is lost", is_ill(ends[0].clone())).await?;
        }
        if loses || fault == Fault::Hang {
            // An operator that told this leads.
            let absent = std::mem::take(&mut self.absent);
            self.told[usize::from(absent)].push(start.elapsed());
        }
        for process in processes {
            ended(process).await?;
        }
        Ok(())
    }

    async fn strike_at(&mut self, fault: Fault, follower: &str, leader: &str) -> Result<()> {
        match fault {
            Fault::KillFollower => kill(member_process(follower)?),
            Fault::KillLeader => kill(member_process(leader)?),
            Fault::WipeFollower => kill_and_wipe(self.up, follower, &[]).await,
            Fault::WipeLeader => kill_and_wipe(self.up, leader, &["launcher"]).await,
            Fault::Hang => self.hang(follower).await,
            Fault::DeletePod => self.delete_pod(follower).await,
            Fault::DeleteAllPods => self.delete_all_pods().await,
            Fault::DeleteClaim => self.delete_claim(follower).await,
            Fault::KillOperator | Fault::ForgetStatus => self.strike_beside(fault).await,
            Fault::Grow => {
                let more = 1 + u32::try_from(self.dice.roll(2))?;
                self.resize((self.size + more).min(5)).await
            }
            Fault::Shrink => self.resize((self.size - 1).max(3)).await,
            Fault::ChangeVersion => {
                self.version = 1 - self.version;
                let version = self.versions[self.version];
                self.cluster.patch(json!({"spec": {"version": version}})).await
            }
        }
    }

    async fn pods(&self) -> Result<Api<Pod>> {
        Ok(Api::default_namespaced(self.up.client().await?))
    }

    async fn hang(&self, member: &str) -> Result<()> {
        let process = member_process(member)?;
        freeze(process)?;
        let told = self.cluster.until("say that a member hangs", is_ill(member.to_owned())).await;
        thaw(process)?;
        told
    }

    async fn delete_pod(&self, member: &str) -> Result<()> {
        let now = DeleteParams::default().grace_period(0);
        self.pods().await?.delete(member, &now).await?;
        Ok(())
    }

    async fn delete_all_pods(&self) -> Result<()> {
        let now = DeleteParams::default().grace_period(0);
        self.pods().await?.delete_collection(&now, &ListParams::default()).await?;
        Ok(())
    }

    /// With its pod, so that it goes at once.
    async fn delete_claim(&self, member: &str) -> Result<()> {
        let claims: Api<PersistentVolumeClaim> = Api::default_namespaced(self.up.client().await?);
        claims.delete(&format!("data-{member}"), &DeleteParams::default()).await?;
        self.delete_pod(member).await
    }

    async fn kill_operator(&self) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.up.client().await?, OPERATOR_NAMESPACE);
        for pod in pods.list(&ListParams::default()).await? {
            let now = DeleteParams::default().grace_period(0);
            // It may be gone already.
            let _ = pods.delete(&pod.name_any(), &now).await;
        }
        Ok(())
    }

    async fn resize(&mut self, size: u32) -> Result<()> {
        self.size = size;
        self.cluster.resize(size).await
    }
}

/// Whether the status says that a member does not work, or is gone.
fn is_ill(member: String) -> impl Fn(&DynamicObject) -> bool + Send + Sync {
    move |it| {
        let rows = it.data["status"]["members"].as_array();
        let row = rows.into_iter().flatten().find(|it| it["name"] == *member);
        row.is_none_or(|it| it["healthy"] == false)
    }
}

/// What may be done while something else heals: it takes no member away.
const BESIDE: [Fault; 2] = [Fault::KillOperator, Fault::ForgetStatus];

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test]
async fn faults_at_random_heal_and_lose_nothing() -> Result<()> {
    let faults =
        asked("ENDSTATE_CHAOS_FAULTS").map_or(FAULTS, |it| u32::try_from(it).unwrap_or(FAULTS));
    let seed = asked("ENDSTATE_CHAOS_SEED").unwrap_or(1);
    let up = Up::with_operator(3, "etcd").await?;
    let env = |name: &str, value: &str| json!({"name": name, "value": value});
    let compaction = [
        env("ETCD_AUTO_COMPACTION_MODE", "revision"),
        env("ETCD_AUTO_COMPACTION_RETENTION", "1000"),
    ];
    let versions = VERSIONS[usize::from(seed % 2 == 1)];
    let spec = json!({"size": 3, "version": versions[0], "pod": {"etcdEnv": compaction}});
    let cluster = EtcdCluster::etcd(&up, "chaos", spec).await?;
    cluster.settled(3).await?;
    let clients = Clients::start(&up, "chaos").await?;
    let mut chaos = Chaos {
        up: &up,
        cluster: &cluster,
        dice: Dice(seed),
        size: 3,
        versions,
        version: 0,
        told: [vec![], vec![]],
        absent: false,
    };
    let mut took: BTreeMap<Fault, Vec<Duration>> = BTreeMap::new();
    let mut made = 0;
    while made < faults {
        let fault = chaos.dice.fault();
        let start = Instant::now();
        chaos.strike(fault).await.with_context(|| format!("fault {made}: {fault:?}"))?;
        made += 1;
        if chaos.dice.roll(4) == 0 {
            let drawn = BESIDE[chaos.dice.roll(BESIDE.len())];
            // With no pod and no record only a person goes on.
            let beside = if fault == Fault::DeleteAllPods { Fault::KillOperator } else { drawn };
            chaos
                .strike_beside(beside)
                .await
                .with_context(|| format!("fault {made}: {beside:?}"))?;
            made += 1;
        }
        cluster.observed().await?;
        healed(&cluster, chaos.size).await.with_context(|| format!("fault {made}: {fault:?}"))?;
        took.entry(fault).or_default().push(start.elapsed());
        if made % 25 < 2 {
            let (writes, reads) = clients.count();
            eprintln!("{made} of {faults} faults, {writes} writes, {reads} reads");
        }
    }
    let (writes, reads) = clients.check().await?;
    eprintln!(
        "{made} faults, seed {seed}: {writes} acknowledged writes, 0 lost; {reads} reads, 0 stale"
    );
    for (fault, mut times) in took {
        times.sort();
        let median = times[times.len() / 2];
        eprintln!(
            "{fault:?}: {} times, median {median:.1?}, longest {:.1?}",
            times.len(),
            times[times.len() - 1]
        );
    }
    for (mut told, when) in chaos.told.into_iter().zip(["", ", the operator killed before it"]) {
        told.sort();
        if let Some(longest) = told.last() {
            let p99 = told[(told.len() * 99).div_ceil(100) - 1];
            let (count, median) = (told.len(), told[told.len() / 2]);
            eprintln!(
                "a fault{when} is told after {median:.1?} (median of {count}), {p99:.1?} (p99), {longest:.1?} at the longest"
            );
        }
    }
    up.stop().await
}

/// Until then the status may say what was so before the fault.
async fn ended(process: u32) -> Result<()> {
    let end = Instant::now() + HEALS_WITHIN;
    while std::fs::read_to_string(format!("/proc/{process}/cmdline")).is_ok_and(|it| !it.is_empty())
    {
        ensure!(Instant::now() < end, "process {process} goes on");
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Whether all members work: the last state may still be the one before the fault, so each process is looked for.
async fn healed(cluster: &EtcdCluster, size: u32) -> Result<()> {
    let end = Instant::now() + HEALS_WITHIN;
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
