//! A controller that keeps a number of pods, right and with bugs: what is wrong is found, by the
//! shortest way, and what is right is not called wrong.

use std::fmt;

use endstate_check::{Broken, Finding, Move, Next, Print, Property, State, World, check, walk};

const WANTED: u8 = 3;
const POD_COUNT_MAX: u8 = 5;

/// How the controller works.
#[derive(Clone, Copy, PartialEq)]
enum Controller {
    /// It looks again after each call.
    Right,
    /// It makes as many pods as it once saw missing, also if it is asked again meanwhile.
    Overshoots,
    /// It makes a pod even if there are enough, and takes it away again.
    Flaps,
    /// A pod that was killed is not missed.
    Forgets,
}

/// The pods, what the controller still has in mind, and how many may be killed.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pods {
    there: u8,
    to_make: u8,
    killed: u8,
    kills_left: u8,
}

impl State for Pods {
    fn fingerprint(&self) -> u128 {
        Print::of([self.there, self.to_make, self.killed, self.kills_left].map(u64::from))
    }
}

#[derive(Clone, Copy)]
enum Step {
    Look { missing: u8 },
    Create,
    Delete,
    Kill,
}

impl Move for Step {
    fn is_fault(&self) -> bool {
        matches!(self, Self::Kill)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Look { missing } => write!(f, "controller sees {missing} missing"),
            Self::Create => write!(f, "  creates a pod"),
            Self::Delete => write!(f, "  deletes a pod"),
            Self::Kill => write!(f, "! a pod is killed"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Must {
    NotExceed,
    FitTheModel,
    Reconcile,
}

impl Property for Must {
    const RECONCILES: Self = Self::Reconcile;

    fn is_limit(self) -> bool {
        self == Self::FitTheModel
    }
}

impl fmt::Display for Must {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

struct Toy {
    controller: Controller,
    kills: u8,
    /// What more than the wanted number of pods means.
    too_many: Must,
}

impl Toy {
    fn new(controller: Controller, kills: u8) -> Self {
        Self { controller, kills, too_many: Must::NotExceed }
    }

    fn seen(&self, at: &Pods) -> u8 {
        let there = at.there + if self.controller == Controller::Forgets { at.killed } else { 0 };
        let wanted = WANTED + u8::from(self.controller == Controller::Flaps);
        wanted.saturating_sub(there)
    }

    fn controller(&self, at: &Pods, next: &mut Next<Self>) -> Result<(), Broken<Self>> {
        let missing = self.seen(at);
        if at.to_make > 0 {
            if at.there == WANTED + u8::from(self.controller == Controller::Flaps) {
                let detail = format!("{} pods", at.there + 1);
                return Err(Broken { property: self.too_many, step: Step::Create, detail });
            }
            let to_make = at.to_make - 1;
            next.push((Step::Create, Pods { there: at.there + 1, to_make, ..*at }));
        } else if missing > 0 {
            let to_make = if self.controller == Controller::Overshoots { missing } else { 1 };
            next.push((Step::Look { missing }, Pods { to_make, ..*at }));
        } else if at.there > WANTED {
            next.push((Step::Delete, Pods { there: at.there - 1, ..*at }));
        }
        // Asked again before it is done, it adds what is missing now.
        if self.controller == Controller::Overshoots && at.to_make > 0 && at.there > 0 {
            let to_make = (at.to_make + missing).min(POD_COUNT_MAX);
            next.push((Step::Look { missing }, Pods { to_make, ..*at }));
        }
        Ok(())
    }
}

impl World for Toy {
    type State = Pods;
    type Move = Step;
    type Property = Must;

    fn first(&self) -> Pods {
        Pods { there: 0, to_make: 0, killed: 0, kills_left: self.kills }
    }

    fn explore(&mut self, at: &Pods, next: &mut Next<Self>) -> Result<(), Broken<Self>> {
        self.controller(at, next)?;
        if at.kills_left > 0 && at.there > 0 {
            let (there, killed) = (at.there - 1, at.killed + 1);
            next.push((Step::Kill, Pods { there, killed, kills_left: at.kills_left - 1, ..*at }));
        }
        Ok(())
    }

    fn is_at_rest(&self, at: &Pods, next: &Next<Self>) -> bool {
        at.there == WANTED && next.iter().all(|(step, _)| step.is_fault())
    }

    fn remark(&mut self, before: &Pods, _: &Step) -> Vec<String> {
        vec![format!("there are {}", before.there)]
    }

    fn explain(&mut self, at: &Pods) -> Vec<String> {
        vec![format!("controller: {} are missing", self.seen(at))]
    }
}

fn found(controller: Controller, kills: u8) -> Option<Finding<Must>> {
    let report = check(&mut Toy::new(controller, kills), 1000);
    assert!(report.complete || report.finding.is_some());
    report.finding
}

#[test]
fn a_controller_that_is_right_passes() {
    let report = check(&mut Toy::new(Controller::Right, 2), 1000);
    assert!(report.finding.is_none() && report.complete);
    // 0..=3 pods, with one in mind below 3, after 0, 1 and 2 kills.
    assert_eq!((report.states, report.at_rest), (3 * 7, 3));
    assert_eq!(report.depth, 2 + 2 * 5, "both kills at the end, or before it");
    for seed in 0..20 {
        assert!(walk(&mut Toy::new(Controller::Right, 9), seed).is_none());
    }
}

#[test]
fn a_broken_property_is_found_by_the_shortest_way() {
    let finding = found(Controller::Overshoots, 0).unwrap();
    assert_eq!(finding.property, Must::NotExceed);
    let steps: Vec<_> = finding.script.iter().filter(|it| !it.contains("there are")).collect();
    let way = [
        "controller sees 3 missing",
        "  creates a pod",
        "  creates a pod",
        "controller sees 1 missing",
        "  creates a pod",
        "  creates a pod",
    ];
    assert_eq!(steps, way);
    assert_eq!(finding.script[1], "    (there are 0)");
    assert_eq!(finding.detail, ["4 pods"]);
    assert!((0..20).any(|seed| walk(&mut Toy::new(Controller::Overshoots, 0), seed).is_some()));
}

#[test]
fn a_cycle_without_rest_is_found() {
    let finding = found(Controller::Flaps, 0).unwrap();
    assert_eq!(finding.property, Must::Reconcile);
    let cycle = "and 3 states follow each other without an end";
    assert_eq!(finding.detail, [cycle, "controller: 1 are missing"]);
    let finding = walk(&mut Toy::new(Controller::Flaps, 0), 0).unwrap();
    assert_eq!(finding.property, Must::Reconcile);
}

#[test]
fn an_end_that_is_not_as_declared_is_found_and_needs_its_fault() {
    assert!(found(Controller::Forgets, 0).is_none());
    let finding = found(Controller::Forgets, 1).unwrap();
    assert_eq!(finding.property, Must::Reconcile);
    assert_eq!(finding.detail[0], "and nothing more happens");
    let kills = finding.script.iter().filter(|it| it.contains("! a pod is killed"));
    assert_eq!(kills.count(), 1);
}

#[test]
fn a_limit_of_the_model_ends_a_walk_and_fails_a_check() {
    let mut toy = Toy { too_many: Must::FitTheModel, ..Toy::new(Controller::Overshoots, 0) };
    assert_eq!(check(&mut toy, 1000).finding.unwrap().property, Must::FitTheModel);
    assert!((0..20).all(|seed| walk(&mut toy, seed).is_none()));
}

#[test]
fn what_was_not_visited_whole_is_said() {
    let report = check(&mut Toy::new(Controller::Flaps, 2), 5);
    assert!(!report.complete && report.finding.is_none());
}
