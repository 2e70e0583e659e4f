//! Columns of events, in both forms.

use jiff::Timestamp;
use serde_json::Value;

use super::{name, or_blank, since};
use crate::kind::{Column, Printer, column, wide};
use crate::strategy::event::to_core;
use crate::value::{int, text};

const COLUMNS: &[Column] = &[
    column("Last Seen", "string"),
    column("Type", "string"),
    column("Reason", "string"),
    column("Object", "string"),
    wide("Subobject", "string"),
    wide("Source", "string"),
    column("Message", "string"),
    wide("First Seen", "string"),
    wide("Count", "string"),
    Column { format: "name", ..wide("Name", "string") },
];

pub(crate) const CORE: Printer = Printer { columns: COLUMNS, cells };

pub(crate) const EVENTS: Printer = Printer {
    columns: COLUMNS,
    cells: |object, now| {
        let mut event = object.clone();
        if event.is_object() {
            to_core(&mut event);
        }
        cells(&event, now)
    },
};

fn cells(event: &Value, now: Timestamp) -> Vec<Value> {
    let first = text(event, "firstTimestamp").or_else(|| text(event, "eventTime"));
    let first_seen = since(first, now);
    let last_seen =
        match text(event, "series.lastObservedTime").or_else(|| text(event, "lastTimestamp")) {
            Some(last) => since(Some(last), now),
            None => first_seen.clone(),
        };
    let count = int(event, "series.count").or_else(|| int(event, "count")).unwrap_or(1);
    let kind = text(event, "involvedObject.kind").unwrap_or_default().to_lowercase();
    let target = match text(event, "involvedObject.name").unwrap_or_default() {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    vec![
        last_seen.into(),
        or_blank(event, "type"),
        or_blank(event, "reason"),
        target.into(),
        or_blank(event, "involvedObject.fieldPath"),
        source(event).into(),
        text(event, "message").unwrap_or_default().trim().into(),
        first_seen.into(),
        count.into(),
        name(event),
    ]
}

fn source(event: &Value) -> String {
    let word = |path: &str| text(event, path).unwrap_or_default();
    let component = match word("source.component") {
        "" => word("reportingComponent"),
        component => component,
    };
    match word("source.host") {
        "" => component.to_owned(),
        host => format!("{component}, {host}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_print_the_same() {
        let now: Timestamp = "2026-01-01T00:05:00Z".parse().unwrap();
        let core = json!({"metadata": {"name": "e"}, "type": "Normal", "reason": "Started",
            "involvedObject": {"kind": "Pod", "name": "p"}, "message": " started\n",
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:04:00Z", "count": 3});
        let shown = cells(&core, now);
        assert_eq!(shown[0], "60s");
        assert_eq!(shown[3], "pod/p");
        assert_eq!(shown[6], "started");
        assert_eq!(shown[8], 3);
        let mut event = core.clone();
        crate::strategy::event::from_core(&mut event);
        assert_eq!((EVENTS.cells)(&event, now), shown);
    }
}
