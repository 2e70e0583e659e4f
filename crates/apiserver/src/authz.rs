//! Whether somebody may do something.
//!
//! The one place where that is decided. For now: who is authenticated may do everything, and who is not may see
//! that the server is alive. Rules (RBAC) go here, behind [`allows`].

use crate::authn::Identity;

/// What is to be done.
pub(crate) enum Action<'a> {
    Resource,
    Path { segments: &'a [String] },
}

/// Paths that anybody may see.
const PUBLIC: [&str; 4] = ["healthz", "livez", "readyz", "version"];

/// Whose kinds say what is allowed, where they are enforced.
pub(crate) const RULES_GROUP: &str = "rbac.authorization.k8s.io";
/// What to tell who writes such rules. One text for all kinds: clients show a text once, however many roles and bindings
/// an operator comes with.
pub(crate) const UNENFORCED: &str = "roles and their bindings are stored here and not enforced yet: every authenticated user may do everything";

pub(crate) fn allows(identity: &Identity, action: &Action<'_>) -> bool {
    match action {
        Action::Path { segments }
            if segments.first().is_some_and(|it| PUBLIC.contains(&it.as_str())) =>
        {
            true
        }
        Action::Path { .. } | Action::Resource => !identity.is_anonymous(),
    }
}
