//! Kubernetes API machinery that kube-core lacks, as pure functions over JSON values.
