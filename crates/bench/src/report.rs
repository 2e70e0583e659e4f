//! What was measured, as rows.

use anyhow::Result;
use serde::Serialize;

/// One figure.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// The same measure of the baseline in this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) baseline: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) of: Option<&'static str>,
}

/// All figures, in the order they were measured.
#[derive(Default)]
pub(crate) struct Report(Vec<Row>);

impl Report {
    pub(crate) fn add(&mut self, what: impl Into<String>, value: f64, unit: &'static str) {
        self.push(Row { what: what.into(), value, unit, baseline: None, ratio: None, of: None });
    }

    pub(crate) fn add_ratio(
        &mut self,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        baseline: (f64, &'static str),
    ) {
        let (baseline, of) = baseline;
        let ratio = Some(value / baseline);
        self.push(Row {
            what: what.into(),
            value,
            unit,
            baseline: Some(baseline),
            ratio,
            of: Some(of),
        });
    }

    fn push(&mut self, row: Row) {
        eprintln!("measured: {}", row.what);
        self.0.push(row);
    }

    pub(crate) fn print(&self, json: bool) -> Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(&self.0)?);
            return Ok(());
        }
        for row in &self.0 {
            println!("{}", line(row));
        }
        Ok(())
    }
}

fn line(row: &Row) -> String {
    let own = format!("{:<48} {:>10.2} {}", row.what, row.value, row.unit);
    match (row.baseline, row.ratio, row.of) {
        (Some(baseline), Some(ratio), Some(of)) => {
            format!("{own}   = {ratio:.2} × {of} ({baseline:.2} {})", row.unit)
        }
        _ => own,
    }
}
