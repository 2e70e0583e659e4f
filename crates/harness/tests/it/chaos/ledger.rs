//! What was done and seen, and the page that says so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::kinds::{Fault, Operation};

/// What all clusters have in common.
pub(super) struct Ledger {
    begin: Instant,
    /// How long each fault took to heal that struck into nothing else.
    healed: BTreeMap<Fault, Vec<Duration>>,
    /// How often each struck into an operation, and before that was over.
    pairs: BTreeMap<(Fault, Operation), u32>,
    operations: BTreeMap<Operation, Vec<Duration>>,
    /// Operations that were refused, and why.
    refused: Vec<String>,
    /// Those that struck while another healed.
    beside: BTreeMap<Fault, u32>,
    /// How long after a fault the status said so, while an operator led, and soon after one was killed.
    told: [Vec<Duration>; 2],
    /// Pods that came back, and those with another address.
    pub(super) addresses: (u32, u32),
    pub(super) judged: Judged,
    /// How often clients, watchers or holders of leases were told what is not so, or members had other data.
    pub(super) broken: u32,
    /// What should not have been, that included.
    pub(super) failures: Vec<String>,
}

/// What was held against what clients, watchers and holders of leases were told.
#[derive(Clone, Copy, Default)]
pub(super) struct Judged {
    pub(super) histories: u64,
    pub(super) writes: u64,
    pub(super) reads: u64,
    pub(super) unknown: u64,
    pub(super) events: u64,
    pub(super) resumed: u64,
    pub(super) leases: u64,
    pub(super) hashes: u64,
}

impl Judged {
    pub(super) fn add(&mut self, other: Self) {
        self.histories += other.histories;
        self.writes += other.writes;
        self.reads += other.reads;
        self.unknown += other.unknown;
        self.events += other.events;
        self.resumed += other.resumed;
        self.leases += other.leases;
        self.hashes += other.hashes;
    }
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            begin: Instant::now(),
            healed: BTreeMap::new(),
            pairs: BTreeMap::new(),
            operations: BTreeMap::new(),
            refused: vec![],
            beside: BTreeMap::new(),
            told: [vec![], vec![]],
            addresses: (0, 0),
            judged: Judged::default(),
            broken: 0,
            failures: vec![],
        }
    }

    pub(super) fn faults(&self) -> u32 {
        let alone: usize = self.healed.values().map(Vec::len).sum();
        let beside = self.pairs.values().sum::<u32>() + self.beside.values().sum::<u32>();
        u32::try_from(alone).unwrap_or(u32::MAX) + beside
    }

    pub(super) fn made(&self, fault: Fault, operation: Operation) -> u32 {
        self.pairs.get(&(fault, operation)).copied().unwrap_or_default()
    }

    pub(super) fn pair(&mut self, fault: Fault, operation: Operation) {
        *self.pairs.entry((fault, operation)).or_default() += 1;
    }

    pub(super) fn healed(&mut self, fault: Fault, after: Duration) {
        self.healed.entry(fault).or_default().push(after);
    }

    pub(super) fn beside(&mut self, fault: Fault) {
        *self.beside.entry(fault).or_default() += 1;
    }

    pub(super) fn told(&mut self, may_lack_operator: bool, after: Duration) {
        self.told[usize::from(may_lack_operator)].push(after);
    }

    pub(super) fn over(&mut self, operation: Operation, took: Duration, refused: Option<String>) {
        self.operations.entry(operation).or_default().push(took);
        self.refused.extend(refused.map(|it| format!("{operation:?}: {it}")));
    }

    pub(super) fn per_minute(&self) -> f64 {
        f64::from(self.faults()) * 60.0 / self.begin.elapsed().as_secs_f64().max(1.0)
    }

    /// One line on how far it is.
    pub(super) fn line(&self) -> String {
        let Judged { histories, writes, reads, .. } = self.judged;
        format!(
            "{} faults, {:.1} a minute; {} of {} pairs; {histories} histories of {writes} writes and {reads} reads; {} failures",
            self.faults(),
            self.per_minute(),
            self.pairs.len(),
            pairs().count(),
            self.failures.len()
        )
    }

    /// The page.
    pub(super) fn page(&self, how: &str) -> String {
        let Judged { histories, writes, reads, unknown, events, resumed, leases, hashes } =
            self.judged;
        let mut page = format!("{how}\n\n| what | figure |\n|---|---|\n");
        let mut row = |what: &str, figure: String| {
            let _ = writeln!(page, "| {what} | {figure} |");
        };
        row("faults", format!("{}, {:.1} a minute", self.faults(), self.per_minute()));
        row("operations", self.operations.values().map(Vec::len).sum::<usize>().to_string());
        row("pairs of fault and operation", format!("{} of {}", self.pairs.len(), pairs().count()));
        row("acknowledged writes, answered reads", format!("{writes}, {reads}"));
        row("writes whose outcome nobody was told", unknown.to_string());
        row("histories, and one order explains each", histories.to_string());
        row("events of watchers, and how often they resumed", format!("{events}, {resumed}"));
        row("leases that ended in time", leases.to_string());
        row("times that HashKV and revision of all members were the same", hashes.to_string());
        let (back, moved) = self.addresses;
        row("pods that came back, with another address", format!("{back}, {moved}"));
        let [told, told_late] = &self.told;
        row("a fault is told after (median, p99, longest)", times(told));
        row("the same, within 20 s after the operator was killed", times(told_late));
        row("lost, stale, missed, out of time or not the same", self.broken.to_string());
        row("failures, those included", self.failures.len().to_string());
        page.push_str(&self.faults_table());
        page.push_str(&self.pairs_table());
        page.push_str(&list("Refused operations", &self.refused));
        page.push_str(&list("Failures", &self.failures));
        page
    }

    fn faults_table(&self) -> String {
        let mut table = "\n| fault or operation | alone | beside another | in operations | healed or over after: median, p99, longest |\n\
                         |---|---|---|---|---|\n"
            .to_owned();
        for fault in Fault::ALL {
            let alone = self.healed.get(&fault).map_or(&[][..], Vec::as_slice);
            let beside = self.beside.get(&fault).copied().unwrap_or_default();
            let into: u32 = Operation::ALL.iter().map(|it| self.made(fault, *it)).sum();
            let row = format!("{} | {beside} | {into} | {}", alone.len(), times(alone));
            let _ = writeln!(table, "| {fault:?} | {row} |");
        }
        for (operation, took) in &self.operations {
            let _ = writeln!(table, "| *{operation:?}* | {} | | | {} |", took.len(), times(took));
        }
        table
    }

    fn pairs_table(&self) -> String {
        let head: String = Operation::ALL.iter().map(|it| format!(" | {it:?}")).collect();
        let mut table =
            format!("\n| fault{head} |\n|---{}|\n", "|---".repeat(Operation::ALL.len()));
        for fault in Fault::ALL {
            let made = |it: Operation| match it.allows(fault) {
                true => format!(" | {}", self.made(fault, it)),
                false => " | -".to_owned(),
            };
            let cells: String = Operation::ALL.into_iter().map(made).collect();
            let _ = writeln!(table, "| {fault:?}{cells} |");
        }
        table
    }
}

/// A chapter of lines, if there are any.
fn list(title: &str, lines: &[String]) -> String {
    let lines: String = lines.iter().map(|it| format!("- {}\n", it.replace('\n', " "))).collect();
    if lines.is_empty() { lines } else { format!("\n{title}:\n\n{lines}") }
}

/// Those that may be.
pub(super) fn pairs() -> impl Iterator<Item = (Fault, Operation)> {
    let all = Fault::ALL.into_iter().flat_map(|it| Operation::ALL.map(|of| (it, of)));
    all.filter(|(fault, operation)| operation.allows(*fault))
}

/// Median, p99 and longest.
fn times(times: &[Duration]) -> String {
    let mut times = times.to_vec();
    times.sort();
    let Some(longest) = times.last() else { return "-".to_owned() };
    let p99 = times[(times.len() * 99).div_ceil(100) - 1];
    format!("{:.1?}, {p99:.1?}, {longest:.1?}", times[times.len() / 2])
}
