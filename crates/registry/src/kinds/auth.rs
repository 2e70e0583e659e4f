//! Questions about identity and permission, and certificates.

use k8s_openapi::api::authentication::v1 as authn;
use k8s_openapi::api::authorization::v1 as authz;
use k8s_openapi::api::certificates;

use super::{CLUSTER, REVIEW, STATUS};
use crate::kind::{Kind, Strategy, schema_of};
use crate::printer;
use crate::resource::Subresource;

const AUTHN: &str = "authentication.k8s.io";
const AUTHZ: &str = "authorization.k8s.io";

pub(super) static KINDS: &[Kind] = &[
    Kind {
        group: AUTHN,
        kind: "SelfSubjectReview",
        plural: "selfsubjectreviews",
        singular: "selfsubjectreview",
        schema: schema_of::<authn::SelfSubjectReview>,
        ..REVIEW
    },
    Kind {
        group: AUTHN,
        kind: "TokenReview",
        plural: "tokenreviews",
        singular: "tokenreview",
        schema: schema_of::<authn::TokenReview>,
        ..REVIEW
    },
    Kind {
        group: AUTHZ,
        kind: "LocalSubjectAccessReview",
        plural: "localsubjectaccessreviews",
        singular: "localsubjectaccessreview",
        namespaced: true,
        schema: schema_of::<authz::LocalSubjectAccessReview>,
        ..REVIEW
    },
    Kind {
        group: AUTHZ,
        kind: "SelfSubjectAccessReview",
        plural: "selfsubjectaccessreviews",
        singular: "selfsubjectaccessreview",
        schema: schema_of::<authz::SelfSubjectAccessReview>,
        ..REVIEW
    },
    Kind {
        group: AUTHZ,
        kind: "SelfSubjectRulesReview",
        plural: "selfsubjectrulesreviews",
        singular: "selfsubjectrulesreview",
        schema: schema_of::<authz::SelfSubjectRulesReview>,
        ..REVIEW
    },
    Kind {
        group: AUTHZ,
        kind: "SubjectAccessReview",
        plural: "subjectaccessreviews",
        singular: "subjectaccessreview",
        schema: schema_of::<authz::SubjectAccessReview>,
        ..REVIEW
    },
    Kind {
        group: "certificates.k8s.io",
        kind: "CertificateSigningRequest",
        plural: "certificatesigningrequests",
        singular: "certificatesigningrequest",
        short_names: &["csr"],
        subresources: &[
            Subresource { name: "approval", kind: None, verbs: &["get", "patch", "update"] },
            STATUS,
        ],
        schema: schema_of::<certificates::v1::CertificateSigningRequest>,
        strategy: Strategy { status: true, fields: &[("spec.signerName", "")], ..Strategy::PLAIN },
        printer: printer::policy::SIGNING_REQUEST,
        ..CLUSTER
    },
];
