//! The pure half of the Endstate SDK: snapshots, plans, waiting reasons, the plan linter, and the `App` trait with its planner.
