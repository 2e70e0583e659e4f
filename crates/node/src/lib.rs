//! Runs pods as isolated processes in one rootless namespace.
