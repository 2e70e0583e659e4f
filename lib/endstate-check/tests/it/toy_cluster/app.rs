//! A toy application: a spec of few words, with members that vote and observers.

use endstate_check::cluster::{Declared, Respec, Volumes};
use endstate_core::{
    App, Directory, Growth, Guard, IdSource, Identity, Launch, LaunchOf, Lead, MemberName, Problem,
    Reclaim, Recovery, Retention, Role, Stage, Topology, View, VolumeSpec,
};
use serde::{Deserialize, Serialize};

/// What can differ between applications.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Toy {
    pub lead: Lead,
    pub growth: Growth,
    pub volumes: Volumes,
    pub recovery: Recovery,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ToySpec {
    pub size: u8,
    pub observers: u8,
    pub version: String,
    pub environment: String,
}

const VERSION: &str = "1.0.0";
const NEXT_VERSION: &str = "1.0.1";
const ENVIRONMENTS: [&str; 3] = ["a", "b", "c"];
const KEPT: Retention = Retention::new(Reclaim::Retain, Reclaim::Retain);

impl App for Toy {
    type Spec = ToySpec;

    fn name(&self) -> &'static str {
        "toy"
    }

    fn validate(&self, _: &Identity, spec: &ToySpec) -> Vec<Problem> {
        if spec.size > 0 { vec![] } else { vec![Problem::refused("spec.size", "must not be 0")] }
    }

    fn topology(&self, spec: &ToySpec) -> Topology {
        let ids = match self.lead {
            Lead::Transfers => IdSource::Application,
            _ => IdSource::Allocated { max: 255 },
        };
        let voting = Role::voting("server", spec.size.into()).lead(self.lead).growth(self.growth);
        let observer = Role::following("observer", spec.observers.into());
        let roles = [
            voting.identity(ids).recovery(self.recovery),
            observer.growth(self.growth).identity(ids),
        ];
        Topology::new(spec.version.clone(), roles)
    }

    fn launch(&self, member: &LaunchOf<'_, ToySpec>) -> Launch {
        let volume = match self.volumes {
            Volumes::WithPod => None,
            Volumes::Claims | Volumes::Pairs | Volumes::KeptPairs => Some(VolumeSpec::new("1Gi")),
            Volumes::KeptClaims => Some(VolumeSpec::new("1Gi").retention(KEPT)),
        };
        let mut guard = Guard::new("/data", &["log/*"]);
        if self.volumes.are_pairs() {
            let wal = Directory::new("wal", "/wal", &["*.wal"]);
            let kept = self.volumes == Volumes::KeptPairs;
            let volume = VolumeSpec::new("1Gi");
            guard = guard.beside(wal.on(if kept { volume.retention(KEPT) } else { volume }));
        }
        Launch::new(format!("toy:{}", member.spec.version), guard, member)
            .command(vec![member.spec.environment.clone()])
            .storage(volume)
    }

    /// Members whose environments are next to each other work together.
    fn stage(
        &self,
        running: &[&ToySpec],
        to: &ToySpec,
        (_, known): (&View, bool),
    ) -> Stage<ToySpec> {
        let levels = || running.iter().map(|it| level(it));
        let (lowest, highest) = (levels().min().unwrap_or(0), levels().max().unwrap_or(0));
        let level = match known {
            true => level(to).clamp(highest.saturating_sub(1), lowest + 1),
            false => level(running[0]),
        };
        ToySpec { environment: ENVIRONMENTS[level].into(), ..to.clone() }.into()
    }

    fn address(&self, object: &Identity, _: &Self::Spec, member: &MemberName) -> String {
        format!("{member}.{}", object.namespace)
    }
}

/// The spec of the toy, for a model.
pub(crate) fn spec(respec: Respec, declared: Declared) -> ToySpec {
    let changed = |on: bool, new: &str, old: &str| if on { new } else { old }.to_owned();
    let second = |it| declared.rev == 1 && respec == it;
    ToySpec {
        size: declared.sizes[0],
        observers: declared.sizes[1],
        version: changed(second(Respec::Restart), NEXT_VERSION, VERSION),
        environment: match respec {
            Respec::Staged => ENVIRONMENTS[usize::from(declared.rev)].to_owned(),
            _ => changed(second(Respec::Recreate), "b", "a"),
        },
    }
}

fn level(spec: &ToySpec) -> usize {
    ENVIRONMENTS.iter().position(|it| *it == spec.environment).expect("all are there")
}

pub(crate) fn declared(spec: &ToySpec) -> Declared {
    let level = u8::try_from(level(spec)).expect("few");
    let rev = if spec.version == VERSION { level } else { 1 };
    Declared { sizes: [spec.size, spec.observers], rev }
}
