//! The Endstate SDK: the engine that runs pure planners against a Kubernetes API.
