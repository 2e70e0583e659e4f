//! Objects that are carried out once: declared, answered, and told of.

use std::fmt::Write as _;

use endstate_core::{AppStep, Beside, Facts, Ready, RequestKind};
use jiff::SignedDuration;
use serde_json::json;

use super::{Told, World};

impl<A: Told> World<A> {
    /// "operation one moveLeader m1": the names are what the field is about.
    pub(super) fn declare(&mut self, name: &str, field: &str, names: &[&str]) {
        let names: Vec<_> = names.iter().map(|it| self.name(it)).collect();
        let asked = match (field, names.first()) {
            ("moveLeader", to) => json!({"to": to}),
            ("replaceMember", member) => json!({"member": member}),
            ("restore", _) => json!({"from": "monday"}),
            _ => json!({"members": names}),
        };
        let kind = self.app.operations().unwrap().kind;
        let mut object = Beside::new(kind, name, Facts::of(&json!({field: asked})));
        object.uid = format!("uid-{name}").into();
        object.created = self.snapshot.now + SignedDuration::from_secs(self.versions as i64);
        self.version();
        self.snapshot.beside.push(object);
    }

    pub(super) fn operation(&mut self, name: &str) -> &mut Beside {
        self.snapshot.beside.iter_mut().find(|it| it.name == *name).unwrap()
    }

    /// What an operation asks of a member: done at once, or at work, and done when it is asked for again afterwards.
    pub(super) fn operate(&mut self, step: &AppStep) {
        let uid = step.operation().unwrap();
        let object = self.snapshot.beside.iter_mut().find(|it| it.uid == uid).unwrap();
        if std::mem::take(&mut self.slow) {
            return self.begin_task(RequestKind::App(step.name.clone()), step.member.clone());
        }
        object.answered.push(step.member.clone());
    }

    /// The plan's word on operations is written.
    pub(super) fn tell_operations(&mut self) {
        for tended in std::mem::take(&mut self.written) {
            let found = self.snapshot.beside.iter_mut().find(|it| it.uid == tended.uid);
            let (Some(object), Some(progress)) = (found, tended.progress) else { continue };
            let now = self.snapshot.now;
            object.ready = Some(Ready::of(&tended.verdict, object.ready.as_ref(), 1, now));
            object.answered.retain(|it| !progress.is_done(it));
            object.progress = progress;
        }
    }

    pub(super) fn operations(&self) -> String {
        let mut told = String::new();
        for object in &self.snapshot.beside {
            let said = object.ready.as_ref().map_or(("", ""), |it| (&it.reason, &it.message));
            writeln!(told, "{}: {:?}: {}: {}", object.name, object.progress.state, said.0, said.1)
                .unwrap();
            for part in &object.progress.members {
                let done = if part.completion_time.is_some() { "done" } else { "begun" };
                writeln!(told, "  {} {done}", part.name).unwrap();
            }
        }
        told
    }
}
