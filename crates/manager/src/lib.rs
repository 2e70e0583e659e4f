//! Runs the built-in controllers and the scheduler on the SDK's engine.
