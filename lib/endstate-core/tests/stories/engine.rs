//! Stories: what happens to a cluster, line by line, and what the planner makes of it.
//!
//! Goal: a reader sees from plain text what the operator does in a situation, and why. Method: each file is a list of
//! blocks, a command and the expected answer after `----`. A command changes a small world in which everything asked
//! for works at once; `plan` plans once, checks the plan with the linter, publishes its status and carries its
//! actions out. Run with `UPDATE=1` to write the answers anew, then read the difference.
//!
//! The engine is told of any application; the stories of one application alone are beside that application.

mod carry;
mod change;
mod command;
mod operations;
mod show;
mod world;

use std::fs;
use std::path::Path;

use endstate_core::{App, AppStep, Snapshot};

pub(crate) use world::World;

/// An application that stories are told of.
pub(crate) trait Told: App + Clone + Default {
    /// Whether a member tells its state to anybody while there is no leader.
    const ANSWERS_WITHOUT_LEADER: bool = true;

    /// What the application's processes know together that nobody else has.
    type Memory: Clone + Default;

    /// The spec with which every story begins.
    fn spec() -> Self::Spec;

    /// Sets one field of a spec, as written in a story.
    fn edit(spec: &mut Self::Spec, field: &str, value: &str);

    /// Answers a command of this application's own.
    fn tell(world: &mut World<Self>, words: &[&str]) -> String;

    /// Time passes for the processes: adds to the view what only this application's members say.
    fn live(_memory: &mut Self::Memory, _snapshot: &mut Snapshot<Self::Spec>) {}

    /// Whether a step of the application's own is over at once, and what it leaves behind.
    fn do_at_once(_memory: &mut Self::Memory, _step: &AppStep) -> bool {
        false
    }
}

/// Tells all stories of a folder.
pub(crate) fn tell_all<A: Told>(folder: &Path) {
    let files = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|it| it.extension().is_some_and(|it| it == "txt")).collect();
    files.sort();
    assert!(!files.is_empty());
    let wrong: Vec<_> = files.iter().filter(|it| !check::<A>(it)).collect();
    assert!(wrong.is_empty(), "stories went another way, see above: {wrong:?}");
}

/// Tells one story; says whether it went as written.
fn check<A: Told>(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap();
    // Shown only when the test fails: a story that cannot be told is the last one.
    println!("{}", path.display());
    let told = tell::<A>(&text);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, &told).unwrap();
        return true;
    }
    for (line, (old, new)) in text.lines().zip(told.lines()).enumerate() {
        if old != new {
            println!("{}:{}:\n  written: {old}\n  told:    {new}", path.display(), line + 1);
            return false;
        }
    }
    text.lines().count() == told.lines().count()
}

fn tell<A: Told>(text: &str) -> String {
    let mut world = World::<A>::default();
    let mut told = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        told += line;
        told += "\n";
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let answer = world.tell(line);
        // The answer that is written ends at an empty line.
        lines.by_ref().find(|it| it.is_empty());
        told += "----\n";
        told += &answer;
        told += "\n";
    }
    while told.ends_with("\n\n") {
        told.pop();
    }
    told
}
