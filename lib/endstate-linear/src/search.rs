//! The search for an order: Wing and Gong's, with Lowe's memory of where it has been.
//!
//! Operations are put into an order one after the other. Next can be whichever was called before all that are left have
//! returned, if the state that was reached lets it be answered as it was. Where none can be next the last one is taken
//! back. What was reached before, as a set of placed operations and a state, is not gone on from again, in whichever
//! order they stood.
//!
//! An operation whose outcome is unknown may be placed, and need not be. Since each doubles the number of sets, none is
//! placed that makes no difference: because it changes nothing, because what follows hides what it did, or because the
//! same state was reached with fewer of them.

use crate::model::Model;
use crate::part::{Asked, Part};
use crate::placed::Placed;
use crate::reached::Reached;
use crate::verdict::{Budget, Limit};
use crate::waiting::Waiting;

/// How a search ended.
pub(crate) enum End {
    Linearizable,
    NoOrder,
    RanOut(Limit),
}

/// A search in one part of a history.
pub(crate) struct Search<'a, M: Model> {
    model: &'a M,
    part: &'a Part<'a, M>,
    waiting: Waiting,
    placed: Placed,
    reached: Reached<M::State>,
    /// The way to where the search is, the start included.
    frames: Vec<Frame<M::State>>,
    pub(crate) furthest: Furthest,
    pub(crate) steps: u64,
}

/// A place on the way.
struct Frame<S> {
    /// The operation that was placed last; none at the start.
    placed: Option<usize>,
    state: S,
    /// When the first answer is there of the operations that are left: what is called later cannot be next.
    horizon: u64,
    /// The lowest rank of those that were called by then: none of a higher one can be next.
    lowest: Option<u64>,
    /// The operation that was tried last as the next one, or the start of a list.
    tried: usize,
}

/// The order that got past most answers, and of those the one that explains most.
#[derive(Default)]
pub(crate) struct Furthest {
    pub(crate) order: Vec<usize>,
    /// The answer that it did not get past.
    pub(crate) horizon: u64,
    /// How many answers it explains.
    pub(crate) answered: usize,
    /// How many operations from the start it shares with the way to where the search is.
    shared: usize,
}

impl<'a, M: Model> Search<'a, M> {
    pub(crate) fn new(model: &'a M, part: &'a Part<'a, M>) -> Self {
        let (answered, total) = (part.answered, part.operations.len());
        Self {
            model,
            part,
            waiting: Waiting::new(answered, total),
            placed: Placed::new(answered, total),
            reached: Reached::new(),
            frames: vec![],
            furthest: Furthest::default(),
            steps: 0,
        }
    }

    /// Goes every way that differs, until an order holds all operations with an answer.
    pub(crate) fn run(&mut self, budget: Budget) -> End {
        self.push(None, self.model.init());
        while let Some(frame) = self.frames.last() {
            if self.placed.n_answered() == self.part.answered {
                return End::Linearizable;
            }
            if let Some(limit) = self.exceeded(budget) {
                return End::RanOut(limit);
            }
            match self.candidate(frame) {
                Some(it) => self.try_next(it),
                None => self.pop(),
            }
        }
        End::NoOrder
    }

    /// The state that an order leads to which was found.
    pub(crate) fn replay(&self, order: &[usize]) -> M::State {
        order.iter().fold(self.model.init(), |state, it| {
            self.step(&state, *it).expect("the way was gone before")
        })
    }

    fn exceeded(&self, budget: Budget) -> Option<Limit> {
        if self.steps > budget.steps {
            return Some(Limit::Steps);
        }
        (self.reached.len() > budget.states).then_some(Limit::States)
    }

    /// How many states are remembered.
    pub(crate) fn states(&self) -> usize {
        self.reached.len()
    }

    /// The next operation to try: those with an answer come first, because they have to be placed at last.
    fn candidate(&self, frame: &Frame<M::State>) -> Option<usize> {
        let is_called = |it: &usize| self.asked(*it).operation.called <= frame.horizon;
        let mut last = frame.tried;
        if self.waiting.is_answered(last) {
            let in_turn = |it: &usize| self.asked(*it).rank <= frame.lowest;
            if let Some(next) = self.waiting.from(last).take_while(is_called).find(in_turn) {
                return Some(next);
            }
            last = self.waiting.first_unknown();
        }
        let in_turn = |it: &usize| self.asked(*it).twin.is_none_or(|it| self.placed.contains(it));
        self.waiting.from(last).take_while(is_called).find(in_turn)
    }

    /// Places an operation if it can be next and leads to where the search has not been.
    fn try_next(&mut self, operation: usize) {
        self.steps += 1;
        let frame = self.frames.last_mut().expect("a candidate is that of a frame");
        frame.tried = operation;
        let Some(state) = self.next_state(operation) else { return };
        self.waiting.take(operation);
        self.placed.insert(operation);
        let first = self.waiting.after(self.waiting.first_answered());
        let answered = self.placed.answered(first.unwrap_or(self.part.answered));
        if self.reached.insert(answered, self.placed.unknown(), state.clone()) {
            self.push(Some(operation), state);
        } else {
            self.take_back(operation);
        }
    }

    /// The state with this operation as the next one, if it can be that and makes a difference.
    fn next_state(&self, operation: usize) -> Option<M::State> {
        let before = &self.frames.last()?.state;
        let after = self.step(before, operation)?;
        let changes = *before != after || !self.is_unknown(operation);
        (changes && !self.hides_the_last(operation, &after)).then_some(after)
    }

    /// Whether the operation that was placed last is of unknown outcome, and this one leads to the same state without
    /// it. Then all that can follow can follow there too, and that way is gone as well.
    fn hides_the_last(&self, operation: usize, after: &M::State) -> bool {
        let [.., earlier, last] = &self.frames[..] else { return false };
        last.placed.is_some_and(|it| self.is_unknown(it))
            && self.step(&earlier.state, operation).as_ref() == Some(after)
    }

    fn step(&self, state: &M::State, operation: usize) -> Option<M::State> {
        let operation = self.asked(operation).operation;
        self.model.step(state, &operation.input, operation.output())
    }

    fn push(&mut self, placed: Option<usize>, state: M::State) {
        let (horizon, tried) = (self.horizon(), self.waiting.first_answered());
        let lowest = self.lowest_rank(horizon);
        self.frames.push(Frame { placed, state, horizon, lowest, tried });
        self.furthest.note(horizon, self.placed.n_answered(), &self.frames[1..]);
    }

    fn pop(&mut self) {
        let frame = self.frames.pop().expect("the frame whose candidates are at an end");
        if let Some(operation) = frame.placed {
            self.take_back(operation);
        }
        self.furthest.shared = self.furthest.shared.min(self.frames.len().saturating_sub(1));
    }

    fn take_back(&mut self, operation: usize) {
        self.waiting.put_back(operation);
        self.placed.remove(operation);
    }

    /// When the first answer is there of the operations that are left; never if none of them has one. It is among those
    /// in front: whatever was called after an answer has its own later.
    fn horizon(&self) -> u64 {
        let mut horizon = u64::MAX;
        for operation in self.waiting.from(self.waiting.first_answered()) {
            let operation = self.asked(operation).operation;
            if operation.called > horizon {
                break;
            }
            horizon = horizon.min(operation.returned().unwrap_or(u64::MAX));
        }
        horizon
    }

    fn lowest_rank(&self, horizon: u64) -> Option<u64> {
        let left = self.waiting.from(self.waiting.first_answered()).map(|it| self.asked(it));
        left.take_while(|it| it.operation.called <= horizon).filter_map(|it| it.rank).min()
    }

    fn is_unknown(&self, operation: usize) -> bool {
        operation >= self.part.answered
    }

    fn asked(&self, operation: usize) -> &'a Asked<'a, M> {
        &self.part.operations[operation]
    }
}

impl Furthest {
    /// Keeps a way if it is the furthest. What it shares with the one before is not copied again, so that all this
    /// copying takes no longer than the search.
    fn note<S>(&mut self, horizon: u64, answered: usize, way: &[Frame<S>]) {
        if (horizon, answered) <= (self.horizon, self.answered) {
            return;
        }
        (self.horizon, self.answered) = (horizon, answered);
        self.order.truncate(self.shared);
        self.order.extend(way[self.shared..].iter().filter_map(|it| it.placed));
        self.shared = self.order.len();
    }
}
