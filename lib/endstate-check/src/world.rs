//! What can be checked.

use std::fmt::{Debug, Display};

/// A world: where it begins, what can happen, what must hold.
///
/// It is asked about one state at a time, and may keep a memory of its own (which plan a view led
/// to) as long as the same state always has the same steps.
///
/// ```
/// use std::fmt;
/// use endstate_check::*;
///
/// /// A counter that somebody may reset once, and an operator that counts up to three.
/// struct Counter;
/// #[derive(Clone, PartialEq)]
/// struct Count { value: u8, resets_left: u8 }
/// enum Step { Up, Reset }
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// enum Must { StayBelow, Reconcile }
///
/// impl State for Count {
///     fn fingerprint(&self) -> u128 {
///         Print::of([self.value.into(), self.resets_left.into()])
///     }
/// }
/// impl Move for Step {
///     fn is_fault(&self) -> bool {
///         matches!(self, Step::Reset)
///     }
/// }
/// impl Property for Must {
///     const RECONCILES: Self = Must::Reconcile;
/// }
/// impl World for Counter {
///     type State = Count;
///     type Move = Step;
///     type Property = Must;
///     fn first(&self) -> Count {
///         Count { value: 0, resets_left: 1 }
///     }
///     fn explore(&mut self, at: &Count, next: &mut Next<Self>) -> Result<(), Broken<Self>> {
///         if at.value > 3 {
///             return Err(Broken { property: Must::StayBelow, step: Step::Up, detail: String::new() });
///         }
///         if at.value < 3 {
///             next.push((Step::Up, Count { value: at.value + 1, ..at.clone() }));
///         }
///         if at.resets_left > 0 {
///             next.push((Step::Reset, Count { value: 0, resets_left: 0 }));
///         }
///         Ok(())
///     }
///     fn is_at_rest(&self, at: &Count, _: &Next<Self>) -> bool {
///         at.value == 3
///     }
/// }
/// # impl fmt::Display for Step {
/// #     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
/// #         f.write_str(match self { Step::Up => "counts up", Step::Reset => "! is reset" })
/// #     }
/// # }
/// # impl fmt::Display for Must {
/// #     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
/// #         write!(f, "{self:?}")
/// #     }
/// # }
///
/// let report = check(&mut Counter, STATES_MAX);
/// assert!(report.finding.is_none() && report.complete);
/// assert_eq!(report.states, 8);
/// ```
pub trait World: Sized {
    /// All that is the case at one moment, budgets of faults included.
    type State: State;
    /// One thing that happens.
    type Move: Move;
    /// What must hold.
    type Property: Property;

    /// Where everything begins.
    fn first(&self) -> Self::State;

    /// Adds every step from this state and where it leads. Worlds that differ in nothing that matters
    /// should be one state: fewer states are what makes a wide exploration possible.
    fn explore(&mut self, state: &Self::State, next: &mut Next<Self>) -> Result<(), Broken<Self>>;

    /// Whether a state is as declared, and nobody is about to change it: of the steps from here, none
    /// is the beginning of new work.
    fn is_at_rest(&self, state: &Self::State, next: &Next<Self>) -> bool;

    /// What a script says below a step, for people.
    fn remark(&mut self, _before: &Self::State, _step: &Self::Move) -> Vec<String> {
        vec![]
    }

    /// What is waited for in a state that never comes to rest, for people.
    fn explain(&mut self, _state: &Self::State) -> Vec<String> {
        vec![]
    }
}

/// The steps from a state, each with the state that it leads to.
pub type Next<W> = Vec<(<W as World>::Move, <W as World>::State)>;

/// A state of a world.
pub trait State: Clone + PartialEq {
    /// 128 bits that tell states apart. See [`Print`](crate::Print).
    fn fingerprint(&self) -> u128;
}

/// A step. Its text is a line of a script.
pub trait Move: Display {
    /// Whether it is no part of the fault-free continuation.
    fn is_fault(&self) -> bool;
}

/// What must hold. Its text says what is wrong when it does not.
pub trait Property: Copy + Debug + Display + PartialEq {
    /// With no further fault the world comes to rest as declared.
    const RECONCILES: Self;

    /// Whether it only guards the model's own limits: a random walk that gets there has found
    /// nothing.
    fn is_limit(self) -> bool {
        false
    }
}

/// A step that breaks a property.
pub struct Broken<W: World> {
    /// Which.
    pub property: W::Property,
    /// By what.
    pub step: W::Move,
    /// What more can be said; may be empty.
    pub detail: String,
}
