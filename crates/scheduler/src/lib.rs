//! Pure pod placement.
