//! Whatever happens, and in whatever order: the planner keeps its invariants, and once nothing more happens the pod is
//! what its object says.
//!
//! The invariants of single actions are asserted where the world applies them.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Happening {
    Exit {
        container: usize,
        code: i32,
    },
    Health {
        container: usize,
        ready: bool,
    },
    Unhealthy {
        container: usize,
    },
    Pass {
        seconds: i64,
    },
    /// The agent dies and another one starts.
    Restart,
    /// The next plan is carried out only in part.
    Interrupted {
        actions: usize,
    },
    PullsFail,
    SandboxLost,
    ImageChange {
        container: usize,
    },
    Delete {
        grace: i64,
    },
    ForceDelete,
    /// Somebody else ends the pod by its status.
    Evict,
}

fn happening() -> impl Strategy<Value = Happening> {
    let container = 0..4_usize;
    prop_oneof![
        4 => (container.clone(), prop_oneof![Just(0), Just(1)])
            .prop_map(|(container, code)| Happening::Exit { container, code }),
        2 => (container.clone(), any::<bool>())
            .prop_map(|(container, ready)| Happening::Health { container, ready }),
        1 => container.clone().prop_map(|container| Happening::Unhealthy { container }),
        4 => prop_oneof![0..15_i64, 100..700_i64].prop_map(|seconds| Happening::Pass { seconds }),
        1 => Just(Happening::Restart),
        4 => (0..4_usize).prop_map(|actions| Happening::Interrupted { actions }),
        1 => Just(Happening::PullsFail),
        1 => Just(Happening::SandboxLost),
        1 => container.prop_map(|container| Happening::ImageChange { container }),
        1 => (0..40_i64).prop_map(|grace| Happening::Delete { grace }),
        1 => Just(Happening::ForceDelete),
        1 => Just(Happening::Evict),
    ]
}

const NAMES: [&str; 4] = ["init", "side", "a", "b"];

fn pod(policy: &str) -> World {
    World::new(json!({
        "restartPolicy": policy,
        "initContainers": [
            {"name": "init", "image": "i"},
            {"name": "side", "image": "i", "restartPolicy": "Always"},
        ],
        "containers": [
            {"name": "a", "image": "i", "readinessProbe": {}},
            {"name": "b", "image": "i"},
        ],
    }))
}

impl World {
    fn happens(&mut self, happening: Happening) {
        let alive = |world: &Self, container: usize| {
            world.containers.get(NAMES[container]).is_some_and(|it| it.state.is_alive())
        };
        match happening {
            Happening::Exit { container, code } if alive(self, container) => {
                self.exit(NAMES[container], code);
            }
            Happening::Health { container, ready } if alive(self, container) => {
                let health = &mut self.containers.get_mut(NAMES[container]).unwrap().health;
                health.readiness = ready;
            }
            Happening::Unhealthy { container } if alive(self, container) => {
                let health = &mut self.containers.get_mut(NAMES[container]).unwrap().health;
                health.unhealthy = Some(StopReason::LivenessFailed);
            }
            Happening::Pass { seconds } => self.pass(seconds),
            Happening::Restart => self.restart_agent(),
            Happening::Interrupted { actions } => self.step(actions),
            Happening::PullsFail => {
                let (failed_at, retry_at) = (self.now, self.now + SignedDuration::from_secs(20));
                let message = "no".to_owned();
                let failed = Image::Failed { reason: "ErrImagePull", message, failed_at, retry_at };
                self.images.insert("i".to_owned(), failed);
            }
            Happening::SandboxLost if !self.is_alive() => {
                let retry_at = self.now + SignedDuration::from_secs(2);
                self.sandbox = Sandbox::Failed { message: "lost".to_owned(), retry_at };
            }
            Happening::ImageChange { container } => {
                let spec = self.pod.spec.as_mut().unwrap();
                let mut all = spec.init_containers.iter_mut().flatten().chain(&mut spec.containers);
                let found = all.find(|it| it.name == NAMES[container]).unwrap();
                found.image = Some("j".to_owned());
            }
            Happening::Delete { grace } => self.delete(grace),
            Happening::ForceDelete => self.gone = true,
            Happening::Evict if self.phase_or_pending() != "Succeeded" => {
                self.published.phase = Some("Failed".to_owned());
                self.published.reason = Some("Evicted".to_owned());
            }
            _ => {}
        }
    }

    /// One plan, of which only the first actions are carried out.
    fn step(&mut self, actions: usize) {
        let before = self.phase_or_pending().to_owned();
        let ending = self.gone || self.pod.metadata.deletion_timestamp.is_some();
        let plan = self.plan();
        let after = plan.status.phase.clone().unwrap();
        if matches!(before.as_str(), "Succeeded" | "Failed") {
            assert_eq!(before, after, "a terminal phase was left");
        }
        let starts = plan.actions.iter().any(|it| matches!(it, Action::Start { .. }));
        assert!(!(starts && ending), "an ending pod starts something");
        self.published = plan.status;
        for action in plan.actions.into_iter().take(actions) {
            self.apply(action);
        }
    }

    fn phase_or_pending(&self) -> &str {
        self.published.phase.as_deref().unwrap_or("Pending")
    }

    /// Only what was published outlives an agent; every process ends with it.
    fn restart_agent(&mut self) {
        self.pod.status = Some(self.published.clone());
        self.containers = restore(&self.pod, self.now);
        self.volumes = Volumes::Pending;
        self.sandbox = Sandbox::Absent;
        self.images.clear();
        self.finished = false;
    }

    /// Nothing bad happens any more; what was told to stop ends, init containers succeed.
    fn heal(&mut self) {
        for _ in 0..200 {
            self.step(usize::MAX);
            for name in NAMES {
                let Some(record) = self.containers.get_mut(name) else { continue };
                let stopping = matches!(record.state, State::Stopping { .. });
                let running_init = name == "init" && record.state.is_alive();
                record.health.readiness = true;
                if stopping || running_init {
                    self.exit(name, if stopping { 137 } else { 0 });
                }
            }
            self.pass(30);
        }
    }

    fn is_running(&self, name: &str) -> bool {
        matches!(self.containers.get(name).map(|it| &it.state), Some(State::Running { .. }))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn whatever_happens_the_pod_becomes_what_its_object_says(
        policy in prop_oneof![Just("Always"), Just("OnFailure"), Just("Never")],
        happenings in prop::collection::vec(happening(), 0..40),
    ) {
        let mut world = pod(policy);
        for happening in happenings {
            world.happens(happening);
        }
        let deleted = world.pod.metadata.deletion_timestamp.is_some();
        let gone = world.gone;
        world.heal();
        let quiet = world.plan();
        prop_assert!(quiet.actions.is_empty(), "still acting: {:?}", quiet.actions);
        prop_assert_eq!(quiet.status, world.published.clone(), "the status does not rest");
        if gone {
            prop_assert!(world.log.contains(&"forget".to_owned()));
        } else if deleted {
            prop_assert!(world.finished && !world.is_alive());
        } else if matches!(world.phase(), "Succeeded" | "Failed") {
            let evicted = world.published.reason.as_deref() == Some("Evicted");
            prop_assert!(policy != "Always" || evicted, "a pod that always restarts has ended");
            prop_assert!(!world.is_alive() && world.sandbox == Sandbox::Absent);
        } else {
            prop_assert!(world.is_running("side"));
            prop_assert!(world.is_running("a") || world.is_running("b"));
            if policy == "Always" {
                prop_assert_eq!(world.condition("Ready"), "True");
            }
        }
    }
}
