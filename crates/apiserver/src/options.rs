//! The options of reads: resourceVersion rules, selectors, continue tokens.
//!
//! Invariant: what is forged or from another place is refused here; behind this, an option means what it says.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use machinery::error::{ApiError, FieldError, Reason};
use machinery::selector::{FieldSelector, LabelSelector};
use registry::Resource;
use serde::{Deserialize, Serialize};
use store::{Index, Revision};

use crate::query::Query;

const MATCH: &str = "resourceVersionMatch";
/// The token version that upstream writes.
const TOKEN_VERSION: &str = "meta.k8s.io/v1";

/// How a client wants the state at its revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    Exact,
    NotOlderThan,
}

/// What a list or watch asks for, as it stands in the query.
#[derive(Debug)]
pub(crate) struct ReadOptions {
    /// `None` if absent; 0 means any.
    pub(crate) revision: Option<u64>,
    pub(crate) revision_match: Option<Match>,
    pub(crate) limit: Option<usize>,
    pub(crate) next: Option<Token>,
    pub(crate) send_initial_events: Option<bool>,
    pub(crate) bookmarks: bool,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) selector: Selector,
}

/// Where a list goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token {
    v: String,
    rv: i64,
    start: String,
}

impl Token {
    /// Goes on after `last`, a key without its prefix, at a revision; `None` goes on with whatever is newest.
    pub(crate) fn new(revision: Option<Revision>, last: &str) -> Self {
        let rv = revision.map_or(-1, |revision| revision.0.cast_signed());
        Self { v: TOKEN_VERSION.to_owned(), rv, start: format!("{last}\0") }
    }

    pub(crate) fn encode(&self) -> String {
        BASE64.encode(serde_json::to_vec(self).expect("plain data always encodes"))
    }

    fn decode(text: &str) -> Result<Self, ApiError> {
        let refuse = |why: String| {
            ApiError::bad_request(format!(
                "invalid continue token: continue key is not valid: {why}"
            ))
        };
        let bytes =
            BASE64.decode(text.trim_end_matches('=')).map_err(|it| refuse(it.to_string()))?;
        let token: Self = serde_json::from_slice(&bytes).map_err(|it| refuse(it.to_string()))?;
        let start = token.start.trim_end_matches('\0');
        let harmless = !start.is_empty()
            && start.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        match token.v == TOKEN_VERSION && token.rv != 0 && harmless {
            true => Ok(token),
            false => Err(refuse("not a position in this list".to_owned())),
        }
    }

    /// The revision of the first page; `None` for an inconsistent continuation.
    pub(crate) fn revision(&self) -> Option<Revision> {
        u64::try_from(self.rv).ok().map(Revision)
    }

    /// The last key of the page before, without its prefix.
    pub(crate) fn last(&self) -> &str {
        self.start.trim_end_matches('\0')
    }
}

/// Which objects are meant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Selector {
    fn parse(query: &Query, resource: &Resource) -> Result<Self, ApiError> {
        let labels = LabelSelector::parse(query.get("labelSelector").unwrap_or(""))?;
        let fields = FieldSelector::parse(query.get("fieldSelector").unwrap_or(""))?;
        let known = resource.selectable_fields();
        fields.check_supported(|field| known.iter().any(|it| it == field))?;
        if resource.group == resource.storage_group {
            return Ok(Self { labels, fields });
        }
        // Events of events.k8s.io are found by the names of the form in which they are stored.
        let text = query.get("fieldSelector").unwrap_or("");
        let text = text
            .replace("regarding.", "involvedObject.")
            .replace("reportingController", "reportingComponent");
        Ok(Self { labels, fields: FieldSelector::parse(&text)? })
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.labels.is_everything() && self.fields.is_everything()
    }

    pub(crate) fn matches(&self, index: &Index) -> bool {
        fn find<'a>(pairs: &'a [(Box<str>, Box<str>)], key: &str) -> Option<&'a str> {
            pairs.iter().find(|(name, _)| &**name == key).map(|(_, value)| &**value)
        }
        self.labels.matches(|key| find(&index.labels, key))
            && self.fields.matches(|key| find(&index.fields, key).or(Some("")))
    }

    /// As well as everything else, this name.
    pub(crate) fn and_name(self, name: &str) -> Self {
        Self { fields: self.fields.and_name(name), ..self }
    }

    /// The only name that can match, if there is one.
    pub(crate) fn name(&self) -> Option<&str> {
        self.fields.requirement("metadata.name")
    }
}

impl ReadOptions {
    pub(crate) fn parse(query: &Query, resource: &Resource) -> Result<Self, ApiError> {
        let options = Self {
            revision: query.get("resourceVersion").map(revision).transpose()?,
            revision_match: revision_match(query.get(MATCH))?,
            limit: query.get("limit").map(number).transpose()?.filter(|limit| *limit > 0),
            next: query.get("continue").map(Token::decode).transpose()?,
            send_initial_events: query.get("sendInitialEvents").map(|it| it == "true" || it == "1"),
            bookmarks: query.flag("allowWatchBookmarks"),
            timeout_seconds: query.get("timeoutSeconds").and_then(|text| text.parse().ok()),
            selector: Selector::parse(query, resource)?,
        };
        Ok(options)
    }

    /// The list that a watch begins with: everything selected, as it is now.
    pub(crate) fn for_initial_state(&self) -> Self {
        Self {
            revision: None,
            revision_match: None,
            limit: None,
            next: None,
            send_initial_events: None,
            bookmarks: false,
            timeout_seconds: None,
            selector: self.selector.clone(),
        }
    }

    /// The rules of a list.
    pub(crate) fn check_list(&self) -> Result<(), ApiError> {
        let mut errors = Vec::new();
        if self.send_initial_events.is_some() {
            errors.push(FieldError::forbidden(
                "sendInitialEvents",
                "sendInitialEvents is forbidden for list",
            ));
        }
        if self.revision_match.is_some() {
            errors.extend(self.match_error());
        }
        refuse(errors)?;
        if self.next.is_some() && self.revision.is_some_and(|revision| revision > 0) {
            return Err(ApiError::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        Ok(())
    }

    fn match_error(&self) -> Option<FieldError> {
        let text = match (self.revision, self.revision_match) {
            _ if self.next.is_some() => {
                "resourceVersionMatch is forbidden when continue is provided"
            }
            (None, _) => "resourceVersionMatch is forbidden unless resourceVersion is provided",
            (Some(0), Some(Match::Exact)) => {
                "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""
            }
            _ => return None,
        };
        Some(FieldError::forbidden(MATCH, text))
    }

    /// The rules of a watch.
    pub(crate) fn check_watch(&self) -> Result<(), ApiError> {
        let text = match (self.send_initial_events, self.revision_match) {
            (Some(_), None) => {
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            }
            (None, Some(_)) => {
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            }
            (Some(_), Some(Match::Exact)) => {
                let error = FieldError::not_supported(MATCH, "Exact", &["NotOlderThan"]);
                return refuse(vec![error]);
            }
            _ => return Ok(()),
        };
        refuse(vec![FieldError::forbidden(MATCH, text)])
    }
}

fn refuse(errors: Vec<FieldError>) -> Result<(), ApiError> {
    match errors.is_empty() {
        true => Ok(()),
        false => Err(ApiError::invalid("meta.k8s.io", "ListOptions", "", errors)),
    }
}

fn revision_match(text: Option<&str>) -> Result<Option<Match>, ApiError> {
    match text {
        None => Ok(None),
        Some("Exact") => Ok(Some(Match::Exact)),
        Some("NotOlderThan") => Ok(Some(Match::NotOlderThan)),
        Some(other) => {
            let error = FieldError::not_supported(MATCH, other, &["Exact", "NotOlderThan"]);
            refuse(vec![error]).map(|()| None)
        }
    }
}

/// Parses a resourceVersion. The failure is upstream's, which has no reason and the code of an internal error.
pub(crate) fn revision(text: &str) -> Result<u64, ApiError> {
    text.parse().map_err(|_| {
        let why = format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax");
        ApiError::new(500, Reason::Unknown, why)
    })
}

fn number(text: &str) -> Result<usize, ApiError> {
    text.parse().map_err(|_| {
        ApiError::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))
    })
}
