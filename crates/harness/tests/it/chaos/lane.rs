//! One cluster after the other, and what is done to it.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use endstate_linear::Untimely;
use harness::{Beside, Calm, EtcdCluster, Up};

use super::dice::Dice;
use super::kinds::{Fault, Operation};
use super::ledger::Ledger;
use super::load::{Broken, Load};
use super::operations::{Begun, OVER_MAX, Operator, SIZES, Wanted};
use super::report;
use super::strike::{Strike, addresses, healed, leader, succeeded};

/// A patch and back, or a minor and back by etcd's downgrade: by seed and lane.
const VERSIONS: [[&str; 2]; 3] = [["3.6.16", "3.7.3"], ["3.5.16", "3.5.35"], ["3.5.35", "3.6.16"]];
/// How many faults there are until what clients were told is judged.
const SEGMENT: u32 = 60;
/// How many faults strike into one operation at most.
const INTO_ONE: usize = 3;
/// How long a fault holds at most, in seconds.
const HOLDS_S: usize = 6;
/// After so long another operator leads than one that was killed.
const LEASE_MAX: Duration = Duration::from_secs(20);
/// After so many failures a lane ends.
const FAILURES_MAX: usize = 30;

/// What all lanes have in common.
pub(super) struct Run {
    pub(super) up: Up,
    pub(super) begin: Instant,
    pub(super) seed: u64,
    pub(super) faults: u32,
    pub(super) clusters: u64,
    pub(super) is_root: bool,
    pub(super) ledger: RefCell<Ledger>,
    /// Whoever killed it.
    pub(super) operator_killed: Cell<Option<Instant>>,
}

impl Run {
    fn is_over(&self) -> bool {
        self.ledger.borrow().faults() >= self.faults
    }

    /// Whether another operator may have had to wait for the lease by then.
    fn may_lack_operator(&self, then: Instant) -> bool {
        let killed = self.operator_killed.get();
        killed.is_some_and(|it| it + LEASE_MAX > then)
    }

    /// Says what is done, and when.
    #[expect(clippy::print_stderr, reason = "a run of hours tells how far it is")]
    fn trace(&self, what: std::fmt::Arguments<'_>) {
        eprintln!("{:8.1} {what}", self.begin.elapsed().as_secs_f64());
    }

    /// The faults that this machine lets us make.
    fn possible(&self) -> impl Iterator<Item = Fault> {
        let all = Fault::ALL.into_iter();
        all.filter(|it| self.is_root || !it.needs_root())
    }
}

/// One cluster.
struct Lane<'a> {
    run: &'a Run,
    cluster: &'a EtcdCluster,
    operator: Operator<'a>,
    wanted: Wanted,
    calm: Calm,
    dice: &'a mut Dice,
}

/// How often a connection to the API may break before that counts.
const BROKEN_MAX: usize = 5;

/// Asks again if a connection to the API breaks, as one that was idle may just when it is used.
async fn patiently<T>(ask: impl AsyncFn() -> Result<T>) -> Result<T> {
    for _ in 1..BROKEN_MAX {
        match ask().await {
            Err(error) if is_broken(&error) => {}
            answered => return answered,
        }
    }
    ask().await
}

fn is_broken(error: &anyhow::Error) -> bool {
    let errors = error.chain().filter_map(|it| it.downcast_ref::<kube::Error>());
    errors.into_iter().any(|it| matches!(it, kube::Error::Service(_) | kube::Error::HyperError(_)))
}

/// Until there were enough faults, with another cluster after each failure.
pub(super) async fn lane(run: &Run, number: u64) {
    let mut dice = Dice(run.seed.wrapping_mul(1_000).wrapping_add(number));
    for attempt in 0..FAILURES_MAX {
        let name = format!("chaos-{number}-{attempt}");
        let done = Box::pin(one_cluster(run, (&name, number), &mut dice)).await;
        let Err(error) = done else { return };
        let failure = format!("{name}: {error:#}");
        run.ledger.borrow_mut().broken += u32::from(error.is::<Broken>() || error.is::<Untimely>());
        run.trace(format_args!("FAILURE: {failure}"));
        run.ledger.borrow_mut().failures.push(failure);
        report::evidence(&run.up, &name).await;
        let object = format!("etcdclusters.etcd.endstate.dev/{name}");
        let _ = run.up.endstate(&["delete", &object, "--wait"]).await;
        if run.is_over() {
            return;
        }
    }
}

async fn one_cluster(run: &Run, (name, number): (&str, u64), dice: &mut Dice) -> Result<()> {
    let versions = VERSIONS[usize::try_from((run.seed + number) % 3)?];
    let wanted = Wanted {
        name: name.to_owned(),
        size: SIZES[0],
        versions,
        version: 0,
        authority: 1,
        rolled: 0,
        declared: 0,
    };
    let cluster = EtcdCluster::etcd(&run.up, name, wanted.spec()).await?.patient(OVER_MAX);
    cluster.settled(wanted.size as usize).await?;
    let (tasks, backups) =
        (Beside::of(&run.up, "EtcdTask").await?, Beside::of(&run.up, "EtcdBackup").await?);
    let operator = Operator { up: &run.up, cluster: &cluster, tasks, backups };
    let calm = Calm::default();
    let mut lane = Lane { run, cluster: &cluster, operator, wanted, calm, dice };
    let mut segment = 0;
    while !run.is_over() {
        segment += 1;
        Box::pin(lane.segment(segment)).await?;
        report::write(run)?;
    }
    lane.operator.remove(&cluster).await
}

impl<'a> Lane<'a> {
    /// Some faults, and what clients were told meanwhile.
    async fn segment(&mut self, number: u32) -> Result<()> {
        let load = Load::start(&self.run.up, self.cluster, (&self.calm, number)).await?;
        let mut made = 0;
        while made < SEGMENT && !self.run.is_over() {
            self.calm.ends();
            let operation = self.draw_operation();
            made += match operation {
                None => Box::pin(self.alone()).await?,
                Some(it) => Box::pin(self.into(it)).await.with_context(|| format!("{it:?}"))?,
            };
        }
        self.calm.begins();
        let judged = Box::pin(load.judge(&self.run.up, self.cluster)).await?;
        let mut ledger = self.run.ledger.borrow_mut();
        ledger.judged.add(judged);
        self.run.trace(format_args!("{}", ledger.line()));
        Ok(())
    }

    /// As often none as any. Rather one into which least has struck.
    fn draw_operation(&mut self) -> Option<Operation> {
        if self.dice.roll(2) == 0 {
            return None;
        }
        let may: Vec<_> = Operation::ALL.into_iter().filter(|it| self.wanted.may(*it)).collect();
        let (first, second) = (self.dice.pick(&may)?, self.dice.pick(&may)?);
        let ledger = self.run.ledger.borrow();
        let made = |of| self.run.possible().map(|it| ledger.made(it, of).min(2)).sum::<u32>();
        Some(if made(second) < made(first) { second } else { first })
    }

    /// A fault by itself, as often as it weighs.
    fn draw(&mut self) -> Fault {
        let drawn: Vec<_> =
            self.run.possible().flat_map(|it| std::iter::repeat_n(it, it.weight())).collect();
        self.dice.pick(&drawn).unwrap_or(Fault::KillFollower)
    }

    /// One that struck least into this operation, or any.
    fn draw_into(&mut self, operation: Operation, has_lost: bool) -> Fault {
        let fits = |it: &Fault| operation.allows(*it) && !(has_lost && it.loses());
        let fits: Vec<_> = self.run.possible().filter(fits).collect();
        let ledger = self.run.ledger.borrow();
        let least = fits.iter().map(|it| ledger.made(*it, operation)).min().unwrap_or_default();
        let rare: Vec<_> =
            fits.into_iter().filter(|it| ledger.made(*it, operation) == least).collect();
        self.dice.pick(&rare).unwrap_or(Fault::KillFollower)
    }

    async fn alone(&mut self) -> Result<u32> {
        let fault = self.draw();
        let (start, leads) = (Instant::now(), leader(&self.run.up).await?);
        let strike = self.strike(self.cluster, fault, true);
        let struck = strike.make(self.dice).await.with_context(|| format!("{fault:?}"))?;
        let Some(struck) = struck else { return Ok(0) };
        let second = (self.dice.roll(4) == 0 && !fault.is_beside()).then(|| self.beside(fault));
        if let Some(second) = second {
            self.strike(self.cluster, second, true).make(self.dice).await?;
            self.run.ledger.borrow_mut().beside(second);
        }
        if fault == Fault::KillOperator {
            succeeded(&self.run.up, &leads).await?;
        }
        self.healed().await.with_context(|| format!("{fault:?}, then {second:?}"))?;
        self.count_addresses(struck.addresses).await?;
        let (name, after) = (&self.cluster.name, start.elapsed());
        self.run.trace(format_args!("{name}: healed after {after:.1?}"));
        let mut ledger = self.run.ledger.borrow_mut();
        ledger.healed(fault, after);
        if let Some(told) = struck.told {
            ledger.told(self.run.may_lack_operator(start), told);
        }
        Ok(1 + u32::from(second.is_some()))
    }

    /// What may be done while something else heals: it takes no member away. With no pod and no record only a person
    /// goes on.
    fn beside(&mut self, fault: Fault) -> Fault {
        match fault {
            Fault::DeleteAllPods => Fault::KillOperator,
            _ => [Fault::KillOperator, Fault::ForgetStatus][self.dice.roll(2)],
        }
    }

    /// An operation, and faults before it is over.
    async fn into(&mut self, operation: Operation) -> Result<u32> {
        let begun = Box::pin(self.operator.begin(operation, &mut self.wanted, self.dice)).await?;
        self.run.trace(format_args!("{}: {operation:?} begins", self.cluster.name));
        let (mut made, mut has_lost) = (vec![], false);
        for _ in 0..1 + self.dice.roll(INTO_ONE) {
            let progress = self.dice.roll(3);
            if self.goes_on(&begun, progress).await? {
                break;
            }
            let fault = self.draw_into(operation, has_lost);
            let cluster = begun.restored.as_ref().unwrap_or(self.cluster);
            has_lost |= fault.loses();
            // Whoever is struck may be gone by then, for the operation.
            match self.strike(cluster, fault, false).make(self.dice).await {
                Ok(Some(_)) => made.push(fault),
                Ok(None) => {}
                Err(error) => {
                    self.run.trace(format_args!("{operation:?}: {fault:?} missed: {error:#}"))
                }
            }
        }
        let finishes = async || Box::pin(self.operator.finish(&begun, &self.wanted)).await;
        let finished = patiently(finishes).await;
        let (took, refused) = finished.with_context(|| format!("after {made:?}"))?;
        self.healed().await.with_context(|| format!("after {made:?}"))?;
        let name = &self.cluster.name;
        self.run.trace(format_args!("{name}: {operation:?} is over after {took:.1?}, {made:?}"));
        let mut ledger = self.run.ledger.borrow_mut();
        made.iter().for_each(|it| ledger.pair(*it, operation));
        ledger.over(operation, took, refused);
        Ok(u32::try_from(made.len())?)
    }

    /// Waits until all is as declared, and runs.
    async fn healed(&self) -> Result<()> {
        let heals = async || {
            self.cluster.observed().await?;
            healed(self.cluster, self.wanted.size, OVER_MAX).await
        };
        patiently(heals).await
    }

    /// Waits for so many changes of the cluster's state. Whether the operation is over by then.
    async fn goes_on(&self, begun: &Begun, changes: usize) -> Result<bool> {
        let is_over = async || self.operator.is_over(begun).await;
        for _ in 0..changes {
            if patiently(is_over).await? {
                return Ok(true);
            }
            let cluster = begun.restored.as_ref().unwrap_or(self.cluster);
            patiently(async || cluster.changed().await).await?;
        }
        patiently(is_over).await
    }

    fn strike<'b>(&mut self, cluster: &'b EtcdCluster, fault: Fault, is_alone: bool) -> Strike<'b>
    where
        'a: 'b,
    {
        let holds = Duration::from_secs(1 + self.dice.roll(HOLDS_S) as u64);
        if fault == Fault::KillOperator {
            self.run.operator_killed.set(Some(Instant::now()));
        }
        self.run.trace(format_args!("{}: {fault:?}", cluster.name));
        Strike { up: &self.run.up, cluster, fault, holds, is_alone }
    }

    /// Of pods that came back, how many have another address.
    async fn count_addresses(&self, before: Vec<(String, String)>) -> Result<()> {
        let members: Vec<_> = before.iter().map(|it| it.0.clone()).collect();
        let after = addresses(&self.run.up, &members).await?;
        let moved = after.iter().filter(|it| !before.contains(it)).count();
        let mut ledger = self.run.ledger.borrow_mut();
        ledger.addresses.0 += u32::try_from(after.len())?;
        ledger.addresses.1 += u32::try_from(moved)?;
        Ok(())
    }
}
