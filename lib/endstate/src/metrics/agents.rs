//! What is told of each object that has an agent: whether it is as asked for, and how old what it keeps is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

use crate::ObjectKey;

/// The name of a kind of agents, the group of the object that has one, and the object.
type Of = (&'static str, String, ObjectKey);

/// The figures of all objects with agents.
#[derive(Debug, Default)]
pub(crate) struct Agents(Mutex<BTreeMap<Of, Figures>>);

/// The figures of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    /// The cluster that it is for, if it names one.
    pub(crate) cluster: String,
    /// Whether it is as asked for, once that is known.
    pub(crate) ready: Option<bool>,
    /// The moment that the newest backup leads to.
    pub(crate) backup: Option<Timestamp>,
}

impl Agents {
    /// What was seen of an object.
    pub(crate) fn note(&self, of: Of, figures: Figures) {
        self.lock().insert(of, figures);
    }

    /// The object is gone.
    pub(crate) fn forget(&self, of: &Of) {
        self.lock().remove(of);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Of, Figures>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Gauges = (&'static str, &'static str, fn(&Figures) -> Option<f64>);

const GAUGES: [Gauges; 2] = [
    ("agent_ready", "Whether what an object with an agent asks for is so", |it| {
        it.ready.map(|it| f64::from(u8::from(it)))
    }),
    ("backup_timestamp_seconds", "The moment that the newest backup leads to", |it| {
        it.backup.map(|it| it.as_second() as f64)
    }),
];

impl Collector for Agents {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let agents = self.lock();
        for (name, help, value) in GAUGES {
            let kind = ConstGauge::new(0.0).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for ((agent, group, object), figures) in agents.iter() {
                let Some(value) = value(figures) else { continue };
                let labels = [
                    ("agent", (*agent).to_owned()),
                    ("group", group.clone()),
                    ("namespace", object.namespace().unwrap_or_default().to_owned()),
                    ("cluster", figures.cluster.clone()),
                    ("object", object.name().to_owned()),
                ];
                ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
