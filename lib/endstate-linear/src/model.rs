//! What an object is: its states, and what each operation makes of them.

use std::fmt::Display;
use std::hash::Hash;

/// An object that concurrent clients use, described as if one used it alone.
///
/// ```
/// use endstate_linear::Model;
///
/// /// A counter: an operation adds to it and is answered the sum.
/// struct Counter;
///
/// impl Model for Counter {
///     type Part = &'static str;
///     type State = u64;
///     type Input = u64;
///     type Output = u64;
///
///     fn part(&self, _: &u64) -> Option<&'static str> {
///         Some("the counter")
///     }
///
///     fn init(&self) -> u64 {
///         0
///     }
///
///     fn step(&self, sum: &u64, added: &u64, answer: Option<&u64>) -> Option<u64> {
///         let sum = sum + added;
///         answer.is_none_or(|it| *it == sum).then_some(sum)
///     }
/// }
///
/// assert_eq!(Counter.step(&3, &2, Some(&5)), Some(5));
/// assert_eq!(Counter.step(&3, &2, Some(&4)), None);
/// assert_eq!(Counter.step(&3, &2, None), Some(5), "if it took effect");
/// ```
pub trait Model {
    /// What operations must share to have anything to do with each other: the key of a key-value store. A history is
    /// linearizable if that of each part is, and parts are checked one by one.
    type Part: Ord + Display;
    /// A state of one part.
    type State: Clone + Eq + Hash + Display;
    /// What is asked for.
    type Input: Eq + Hash + Display;
    /// What is answered.
    type Output: Display;

    /// The part that an operation is about. `None` leaves it out: it promises nothing that an order could break.
    fn part(&self, input: &Self::Input) -> Option<Self::Part>;

    /// The state of a part before the history.
    fn init(&self) -> Self::State;

    /// The state of a part after an operation, or `None` if it cannot have been answered so in this state.
    ///
    /// Without an output it is the state after the operation has taken effect, whatever the answer would have been.
    /// That it never did is tried too, and not asked for here. A state has at most one successor: where there could be
    /// several, let the state say what is not known of it.
    fn step(
        &self,
        state: &Self::State,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<Self::State>;

    /// A number that an answer tells and that never falls from one operation of a part to the next, like the revision
    /// of a store. [`step`](Self::step) refuses an answer with a lower one than was there before; this spares the
    /// search the orders that end so, and there are many where operations overlap.
    fn rank(&self, _input: &Self::Input, _output: &Self::Output) -> Option<u64> {
        None
    }
}
