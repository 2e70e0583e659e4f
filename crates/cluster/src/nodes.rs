//! How many virtual nodes a state directory has: pods and their volumes are on them, so none may be left out by
//! accident.

use std::path::Path;

use anyhow::{Context, Result, bail};

const FILE: &str = "nodes";

/// The number to run: as asked, but never fewer than there were.
pub(crate) fn decide(state: &Path, asked: Option<u16>) -> Result<u16> {
    let path = state.join(FILE);
    let known = match std::fs::read_to_string(&path) {
        Ok(text) => {
            text.trim().parse().with_context(|| format!("{} is no number", path.display()))?
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let nodes = asked.unwrap_or(known.max(1));
    if nodes < known {
        bail!(
            "{} has {known} nodes, and {nodes} would lose the pods of the others with their volumes; \
             start with --nodes {known}, or take another --state-dir",
            state.display()
        );
    }
    std::fs::write(&path, format!("{nodes}\n")).with_context(|| path.display().to_string())?;
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use super::decide;

    #[test]
    fn nodes_may_come_and_never_go() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(decide(state.path(), None).unwrap(), 1);
        assert_eq!(decide(state.path(), Some(3)).unwrap(), 3);
        assert_eq!(decide(state.path(), None).unwrap(), 3);
        assert!(decide(state.path(), Some(2)).unwrap_err().to_string().contains("--nodes 3"));
        assert_eq!(decide(state.path(), Some(5)).unwrap(), 5);
    }
}
