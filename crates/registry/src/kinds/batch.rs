//! Work that ends.

use k8s_openapi::api::batch::v1 as api;

use super::{NAMESPACED, WITH_STATUS};
use crate::kind::{Kind, schema_of};
use crate::{printer, strategy};

pub(super) static KINDS: &[Kind] = &[
    Kind {
        group: "batch",
        kind: "CronJob",
        plural: "cronjobs",
        singular: "cronjob",
        short_names: &["cj"],
        categories: &["all"],
        subresources: WITH_STATUS,
        schema: schema_of::<api::CronJob>,
        strategy: strategy::job::CRON_JOB,
        printer: printer::job::CRON_JOB,
        ..NAMESPACED
    },
    Kind {
        group: "batch",
        kind: "Job",
        plural: "jobs",
        singular: "job",
        categories: &["all"],
        subresources: WITH_STATUS,
        schema: schema_of::<api::Job>,
        strategy: strategy::job::JOB,
        printer: printer::job::JOB,
        ..NAMESPACED
    },
];
