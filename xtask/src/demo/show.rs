//! Progress on a terminal, plain lines in a pipe.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

use super::cluster::Cluster;

pub(super) struct Show {
    bar: ProgressBar,
}

impl Show {
    pub(super) fn new() -> Self {
        let style =
            ProgressStyle::with_template("{spinner:.cyan} {prefix}  {elapsed:.dim}  {msg:.dim}");
        let bar = if std::io::stdout().is_terminal() {
            ProgressBar::new_spinner().with_style(style.expect("the template is right"))
        } else {
            ProgressBar::hidden()
        };
        Self { bar }
    }

    /// Does one step and tells how long it took.
    pub(super) fn step<T>(
        &self,
        name: &str,
        step: impl FnOnce() -> Result<T>,
    ) -> Result<(T, Duration)> {
        self.bar.set_prefix(name.to_owned());
        self.bar.set_message("");
        self.bar.reset();
        self.bar.enable_steady_tick(Duration::from_millis(100));
        let start = Instant::now();
        let outcome = step();
        let took = start.elapsed();
        self.bar.disable_steady_tick();
        let mark = if outcome.is_ok() { "✔" } else { "✘" };
        self.line(&format!("{mark} {name}  {}", seconds(took)));
        Ok((outcome?, took))
    }

    /// Like [`Show::step`], and then the tree.
    pub(super) fn wait<T>(
        &self,
        cluster: &Cluster,
        name: &str,
        step: impl FnOnce() -> Result<T>,
    ) -> Result<(T, Duration)> {
        let done = self.step(name, step)?;
        self.line(cluster.tree()?.trim_end());
        Ok(done)
    }

    /// What the cluster waits for right now.
    pub(super) fn waiting(&self, waits: &str) {
        self.bar.set_message(waits.to_owned());
    }

    fn line(&self, text: &str) {
        self.bar.suspend(|| println!("{text}"));
    }
}

/// The table at the end.
#[derive(Default)]
pub(super) struct Times(Vec<(String, Duration)>);

impl Times {
    pub(super) fn add(&mut self, what: &str, took: Duration) {
        self.0.push((what.to_owned(), took));
    }

    pub(super) fn print(&self) {
        let width = self.0.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
        println!();
        for (what, took) in &self.0 {
            println!("{what:width$}   {:>9}", seconds(*took));
        }
    }
}

fn seconds(took: Duration) -> String {
    match took.as_millis() {
        ms @ 0..1_000 => format!("{ms} ms"),
        _ => format!("{:.1} s", took.as_secs_f64()),
    }
}
