//! A seeded world over the real planners: the model checker.
