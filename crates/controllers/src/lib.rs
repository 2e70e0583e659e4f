//! The built-in controllers, as pure plans.
