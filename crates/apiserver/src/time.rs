//! Times as the API writes them.

use jiff::Timestamp;

/// RFC 3339 with whole seconds, as in metadata.
pub(crate) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
