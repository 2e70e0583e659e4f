//! What concurrent clients did and were answered.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

/// Who asks one thing after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client(pub u32);

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}", self.0)
    }
}

/// One request of a client, and its answer if there was one.
///
/// Times are in any unit, of one monotonic clock that all clients share. They are taken outside of the request: before
/// it is sent, and after its answer is there.
///
/// An operation that certainly failed, and so can never take effect, is left out of a history.
///
/// ```
/// use endstate_linear::{Client, Operation};
///
/// let answered = Operation::new(Client(1), 10, "put x").answered(25, "done");
/// assert_eq!(answered.returned(), Some(25));
/// let timed_out: Operation<_, &str> = Operation::new(Client(2), 12, "put y");
/// assert_eq!(timed_out.returned(), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation<I, O> {
    /// Who asked.
    pub client: Client,
    /// When.
    pub called: u64,
    /// For what.
    pub input: I,
    /// `None` if the outcome is unknown, as when the request timed out or its client died: then it may have taken
    /// effect at any time after its call, may still do so after the end of the history, or never.
    pub answer: Option<Answer<O>>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<O> {
    /// When it was there.
    pub returned: u64,
    /// What it said.
    pub output: O,
}

impl<I, O> Operation<I, O> {
    /// An operation whose outcome is unknown.
    pub fn new(client: Client, called: u64, input: I) -> Self {
        Self { client, called, input, answer: None }
    }

    /// The same with its answer.
    #[must_use]
    pub fn answered(self, returned: u64, output: O) -> Self {
        Self { answer: Some(Answer { returned, output }), ..self }
    }

    /// When its answer was there, if that ever was.
    pub fn returned(&self) -> Option<u64> {
        self.answer.as_ref().map(|it| it.returned)
    }

    /// What its answer said.
    pub fn output(&self) -> Option<&O> {
        self.answer.as_ref().map(|it| &it.output)
    }
}

/// What all clients did, each one thing after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History<I, O> {
    operations: Vec<Operation<I, O>>,
}

impl<I, O> History<I, O> {
    /// A history of these operations, in any order; what is told of one later tells its place here.
    ///
    /// A client may go on after an operation whose outcome is unknown. At equal times a call counts as made before an
    /// answer was there: what a coarse clock cannot tell apart is concurrent.
    ///
    /// ```
    /// use endstate_linear::{Client, History, Malformed, Operation};
    ///
    /// let first = Operation::new(Client(1), 10, "get x").answered(20, "1");
    /// let second = Operation::new(Client(1), 15, "get x").answered(30, "1");
    /// let error = History::new(vec![first, second]).expect_err("one client, two operations at a time");
    /// assert_eq!(error, Malformed::TwoAtATime { client: Client(1), first: 0, second: 1 });
    /// ```
    ///
    /// # Errors
    ///
    /// What no client can have done, by the places of the operations: see [`Malformed`].
    pub fn new(operations: Vec<Operation<I, O>>) -> Result<Self, Malformed> {
        if let Some(index) = operations.iter().position(returns_before_call) {
            return Err(Malformed::ReturnBeforeCall { index });
        }
        match overlap(&operations) {
            Some(overlap) => Err(overlap),
            None => Ok(Self { operations }),
        }
    }

    /// The operations, in the order in which they were given.
    pub fn operations(&self) -> &[Operation<I, O>] {
        &self.operations
    }
}

fn returns_before_call<I, O>(operation: &Operation<I, O>) -> bool {
    operation.returned().is_some_and(|it| it < operation.called)
}

/// Two operations of one client of which the second begins before the first has its answer.
fn overlap<I, O>(operations: &[Operation<I, O>]) -> Option<Malformed> {
    let mut order: Vec<usize> = (0..operations.len()).collect();
    order.sort_by_key(|it| (operations[*it].called, operations[*it].returned()));
    let mut last: BTreeMap<Client, usize> = BTreeMap::new();
    for second in order {
        let Operation { client, called, .. } = operations[second];
        if let Some(first) = last.insert(client, second)
            && operations[first].returned().is_some_and(|it| it > called)
        {
            return Some(Malformed::TwoAtATime { client, first, second });
        }
    }
    None
}

/// Why operations are no history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// An answer was there before its call.
    ReturnBeforeCall {
        /// The operation's place.
        index: usize,
    },
    /// A client made a call before the answer to its last one was there.
    TwoAtATime {
        /// Which.
        client: Client,
        /// The place of the operation that was not over.
        first: usize,
        /// The place of the one that it began meanwhile.
        second: usize,
    },
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReturnBeforeCall { index } => {
                write!(f, "operation {index} returned before it was called")
            }
            Self::TwoAtATime { client, first, second } => {
                write!(f, "{client} called operation {second} before operation {first} returned")
            }
        }
    }
}

impl Error for Malformed {}
