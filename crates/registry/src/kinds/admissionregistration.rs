//! Who is asked before an object is stored.

use k8s_openapi::api::admissionregistration::v1 as api;

use super::{CLUSTER, WITH_STATUS};
use crate::kind::{Kind, Strategy, schema_of};
use crate::{printer, strategy};

const GROUP: &str = "admissionregistration.k8s.io";
const CATEGORIES: &[&str] = &["api-extensions"];

pub(super) static KINDS: &[Kind] = &[
    Kind {
        group: GROUP,
        kind: "MutatingWebhookConfiguration",
        plural: "mutatingwebhookconfigurations",
        singular: "mutatingwebhookconfiguration",
        categories: CATEGORIES,
        schema: schema_of::<api::MutatingWebhookConfiguration>,
        strategy: strategy::webhook::MUTATING,
        printer: printer::policy::WEBHOOKS,
        ..CLUSTER
    },
    Kind {
        group: GROUP,
        kind: "ValidatingAdmissionPolicy",
        plural: "validatingadmissionpolicies",
        singular: "validatingadmissionpolicy",
        categories: CATEGORIES,
        subresources: WITH_STATUS,
        schema: schema_of::<api::ValidatingAdmissionPolicy>,
        strategy: Strategy { unconditional_update: false, ..Strategy::SPEC_AND_STATUS },
        printer: printer::policy::ADMISSION_POLICY,
        ..CLUSTER
    },
    Kind {
        group: GROUP,
        kind: "ValidatingAdmissionPolicyBinding",
        plural: "validatingadmissionpolicybindings",
        singular: "validatingadmissionpolicybinding",
        categories: CATEGORIES,
        schema: schema_of::<api::ValidatingAdmissionPolicyBinding>,
        strategy: Strategy { unconditional_update: false, generation: true, ..Strategy::PLAIN },
        printer: printer::policy::ADMISSION_BINDING,
        ..CLUSTER
    },
    Kind {
        group: GROUP,
        kind: "ValidatingWebhookConfiguration",
        plural: "validatingwebhookconfigurations",
        singular: "validatingwebhookconfiguration",
        categories: CATEGORIES,
        schema: schema_of::<api::ValidatingWebhookConfiguration>,
        strategy: strategy::webhook::VALIDATING,
        printer: printer::policy::WEBHOOKS,
        ..CLUSTER
    },
];
