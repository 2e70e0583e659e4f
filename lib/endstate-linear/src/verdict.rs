//! What a check says.

use std::fmt::{self, Display};

use crate::history::Operation;

/// How many operations of a violation a text shows at most.
const SHOWN_MAX: usize = 12;

/// How far the search for an order may go, in each part of a history. That one exists is NP-complete to decide, so a
/// check without a budget might never end.
///
/// ```
/// use endstate_linear::Budget;
///
/// let budget = Budget { steps: 1_000, ..Budget::USUAL };
/// # assert_eq!(budget.states, Budget::USUAL.states);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Operations that are tried as the next one: each is one call of [`Model::step`](crate::Model::step), or two.
    pub steps: u64,
    /// States that are remembered, each with the set of operations that led there: what bounds the memory.
    pub states: usize,
}

impl Budget {
    /// Some seconds and some hundred megabytes in the worst case, if states are small.
    pub const USUAL: Self = Self { steps: 50_000_000, states: 2_000_000 };
}

/// Whether one order explains all answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<V = Violation> {
    /// There is one.
    Linearizable,
    /// There is none.
    Violation(V),
    /// The budget ran out before that was known. Nothing is wrong with the parts that are not named here.
    Undecided(Undecided),
}

impl<V> Verdict<V> {
    /// Whether an order was found.
    pub fn is_linearizable(&self) -> bool {
        matches!(self, Self::Linearizable)
    }

    /// The same verdict with another kind of violation.
    pub fn map<W>(self, f: impl FnOnce(V) -> W) -> Verdict<W> {
        match self {
            Self::Linearizable => Verdict::Linearizable,
            Self::Violation(it) => Verdict::Violation(f(it)),
            Self::Undecided(it) => Verdict::Undecided(it),
        }
    }
}

impl<V: Display> Display for Verdict<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linearizable => writeln!(f, "linearizable"),
            Self::Violation(it) => it.fmt(f),
            Self::Undecided(it) => writeln!(f, "{it}"),
        }
    }
}

/// A part of a history that no order explains, cut where that is certain.
///
/// Its text shows the end of the longest order, the state that it leads to, and what cannot follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which part.
    pub part: String,
    /// How many operations it has.
    pub operations: usize,
    /// The first answer that no order gets past was there at this time. What was called later plays no role.
    pub returned: u64,
    /// The longest order that explains its answers, among those that get so far.
    pub linearized: Vec<Shown>,
    /// Where it leads to.
    pub state: String,
    /// The answered operations of which one would have to be next, and none can, with or without those that follow:
    /// the state is another, or one of them has a lower [rank](crate::Model::rank). One of them had its answer at
    /// [`returned`](Self::returned).
    pub refused: Vec<Shown>,
    /// Operations with an unknown outcome that might have taken effect here, and do not help.
    pub unknown: Vec<Shown>,
}

impl Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, operations, returned, linearized, state, refused, unknown } = self;
        writeln!(f, "{part}: no order of its {operations} operations explains their answers")?;
        writeln!(f, "the longest that gets to the answer at {returned}:")?;
        let hidden = linearized.len().saturating_sub(SHOWN_MAX);
        if hidden > 0 {
            writeln!(f, "  ({hidden} before)")?;
        }
        lines(f, &linearized[hidden..])?;
        writeln!(f, "  => {state}")?;
        writeln!(f, "none of these can be next:")?;
        lines(f, refused)?;
        if unknown.is_empty() {
            return Ok(());
        }
        writeln!(f, "nor after any of these, of unknown outcome:")?;
        lines(f, &unknown[..unknown.len().min(SHOWN_MAX)])?;
        match unknown.len().saturating_sub(SHOWN_MAX) {
            0 => Ok(()),
            more => writeln!(f, "  (and {more} more)"),
        }
    }
}

fn lines(f: &mut fmt::Formatter<'_>, operations: &[Shown]) -> fmt::Result {
    operations.iter().try_for_each(|it| writeln!(f, "  {it}"))
}

/// An operation, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its place in [`History::operations`](crate::History::operations).
    pub index: usize,
    /// Its times, its client, what was asked for and answered.
    pub text: String,
}

impl Shown {
    /// What a person is shown of the operation at this place.
    ///
    /// ```
    /// use endstate_linear::{Client, Operation, Shown};
    ///
    /// let read = Operation::new(Client(1), 10, "get x").answered(25, 7);
    /// assert_eq!(Shown::of(0, &read).text, "[10, 25] client 1: get x -> 7");
    /// let write: Operation<_, u8> = Operation::new(Client(2), 12, "put x");
    /// assert_eq!(Shown::of(1, &write).text, "[12, ?] client 2: put x -> unknown");
    /// ```
    pub fn of<I: Display, O: Display>(index: usize, operation: &Operation<I, O>) -> Self {
        let Operation { client, called, input, answer } = operation;
        let text = match answer {
            Some(it) => format!("[{called}, {}] {client}: {input} -> {}", it.returned, it.output),
            None => format!("[{called}, ?] {client}: {input} -> unknown"),
        };
        Self { index, text }
    }
}

impl Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How far a search came that was not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecided {
    /// The first part of which nothing is known.
    pub part: String,
    /// How many of its operations have an answer.
    pub answered: usize,
    /// How many of those the longest order explains that was found.
    pub linearized: usize,
    /// What ran out.
    pub limit: Limit,
    /// The steps that were taken in it.
    pub steps: u64,
    /// The states that were remembered of it.
    pub states: usize,
}

impl Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, answered, linearized, limit, steps, states } = self;
        write!(
            f,
            "{part}: undecided, {linearized} of {answered} answers explained when the {limit} "
        )?;
        write!(f, "ran out ({steps} steps, {states} states)")
    }
}

/// What of a [`Budget`] ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// [`Budget::steps`].
    Steps,
    /// [`Budget::states`].
    States,
}

impl Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Steps => "steps",
            Self::States => "states",
        })
    }
}
