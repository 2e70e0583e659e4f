//! What was found, on a page that grows.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::run::Ran;
use super::workloads::Workload;

/// One workload.
#[derive(Default)]
struct Row {
    name: &'static str,
    calls: usize,
    runs: u32,
    /// Of these, how many were cut short.
    cut: u32,
    /// In how many a name was given up.
    gave_up: u32,
    differences: u32,
    took: Duration,
    longest: Duration,
}

/// Shared by all lanes.
pub(super) struct Page {
    how: String,
    begin: Instant,
    next: Cell<usize>,
    rows: RefCell<Vec<Row>>,
    found: RefCell<Vec<String>>,
}

/// The file that `ENDSTATE_CHAOS_REPORT` names.
fn path() -> Option<PathBuf> {
    std::env::var_os("ENDSTATE_CHAOS_REPORT").map(PathBuf::from)
}

impl Page {
    pub(super) fn new((only, every): (&str, &str), clusters: &str) -> Self {
        let only = if only.is_empty() { String::new() } else { format!(" --only {only:?}") };
        let every = if every == "1" { String::new() } else { format!(" --every {every}") };
        Self {
            how: format!("`cargo xtask chaos --crash-points{only}{every} --clusters {clusters}`"),
            begin: Instant::now(),
            next: Cell::default(),
            rows: RefCell::default(),
            found: RefCell::default(),
        }
    }

    /// The next workload that nobody has.
    pub(super) fn next<'a>(&self, all: &'a [Workload]) -> Option<&'a Workload> {
        let number = self.next.get();
        self.next.set(number + 1);
        all.get(number)
    }

    pub(super) fn begun(&self, name: &'static str, undisturbed: &Ran) -> Result<()> {
        self.trace(&format!("{name}: {} calls, {:.1?}", undisturbed.calls.len(), undisturbed.took));
        let row = Row { name, calls: undisturbed.calls.len(), ..Row::default() };
        self.rows.borrow_mut().push(row);
        keep(name, &undisturbed.evidence)?;
        self.write()
    }

    pub(super) fn ran(
        &self,
        name: &'static str,
        (at, ran, expected): (&str, &Ran, &Ran),
        what: &[String],
    ) -> Result<()> {
        let number = at.split(':').next().and_then(|it| it.parse::<usize>().ok());
        let call = number.and_then(|it| ran.calls.get(it - 1)).filter(|_| ran.cut);
        let cut = call.map_or("not reached", String::as_str);
        self.trace(&format!("{name} {at}: {cut}, {:.1?}, {} found", ran.took, what.len()));
        if let Some(row) = self.rows.borrow_mut().iter_mut().find(|it| it.name == name) {
            row.runs += 1;
            row.cut += u32::from(ran.cut);
            row.gave_up += u32::from(!ran.doubtful.is_empty());
            row.differences += u32::from(!what.is_empty());
            row.took += ran.took;
            row.longest = row.longest.max(ran.took);
        }
        if !what.is_empty() {
            self.found.borrow_mut().push(format!("{name} {at} ({cut}):\n  {}", what.join("\n  ")));
            let file = format!("{name}-{at}");
            keep(&file, &format!("{}\n\n{}{}", what.join("\n"), ran.evidence, expected.evidence))?;
        }
        self.write()
    }

    /// A workload that could not be carried out.
    pub(super) fn failed(&self, name: &str, error: &anyhow::Error) -> Result<()> {
        self.trace(&format!("{name} FAILED: {error:#}"));
        self.found.borrow_mut().push(format!("{name} failed: {error:#}"));
        self.write()
    }

    pub(super) fn differences(&self) -> usize {
        self.found.borrow().len()
    }

    #[expect(clippy::print_stderr, reason = "a run of hours tells how far it is")]
    fn trace(&self, what: &str) {
        eprintln!("{:8.1} {what}", self.begin.elapsed().as_secs_f64());
    }

    fn write(&self) -> Result<()> {
        let Some(path) = path() else { return Ok(()) };
        fs::write(&path, self.text()).with_context(|| format!("cannot write {}", path.display()))
    }

    fn text(&self) -> String {
        let minutes = self.begin.elapsed().as_secs() / 60;
        let mut text = format!(
            "{}, {minutes} minutes so far\n\n\
             | workload | calls | runs | cut short | names in doubt | differences | seconds a run, longest |\n\
             |---|---|---|---|---|---|---|\n",
            self.how
        );
        for row in self.rows.borrow().iter() {
            let Row { name, calls, runs, cut, gave_up, differences, took, longest } = row;
            let (mean, longest) =
                (took.as_secs_f64() / f64::from((*runs).max(1)), longest.as_secs_f64());
            let _ = writeln!(
                text,
                "| {name} | {calls} | {runs} | {cut} | {gave_up} | {differences} | {mean:.1}, {longest:.1} |"
            );
        }
        for found in self.found.borrow().iter() {
            let _ = write!(text, "\n- {found}\n");
        }
        text
    }
}

/// Keeps a text beside the page.
fn keep(name: &str, text: &str) -> Result<()> {
    let Some(path) = path() else { return Ok(()) };
    let name = name.replace([' ', ':'], "-");
    Ok(fs::write(path.with_file_name(format!("crash-points-{name}.txt")), text)?)
}
