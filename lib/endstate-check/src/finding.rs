//! What an exploration tells.

use std::fmt;

use crate::world::Property;

/// What was explored, and the first thing that is wrong.
#[derive(Clone, Debug)]
pub struct Report<P> {
    /// States told apart.
    pub states: usize,
    /// Steps between them.
    pub steps: usize,
    /// How many steps the furthest state is away.
    pub depth: usize,
    /// States at rest.
    pub at_rest: usize,
    /// Whether every state was visited. If not, nothing is known of ESR.
    pub complete: bool,
    /// The first thing that is wrong.
    pub finding: Option<Finding<P>>,
}

impl<P> fmt::Display for Report<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, steps, depth, at_rest, .. } = self;
        write!(f, "{states:>9} states {steps:>9} steps {depth:>4} deep {at_rest:>6} at rest")
    }
}

/// A property that does not hold, with the way there.
#[derive(Clone, Debug)]
pub struct Finding<P> {
    /// Which.
    pub property: P,
    /// The steps from the start, readable.
    pub script: Vec<String>,
    /// What more can be said.
    pub detail: Vec<String>,
}

impl<P: Property> fmt::Display for Finding<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:", self.property)?;
        for step in &self.script {
            writeln!(f, "  {step}")?;
        }
        for line in &self.detail {
            writeln!(f, "  -> {line}")?;
        }
        Ok(())
    }
}
