//! Storage classes and drivers.

use k8s_openapi::api::storage::v1 as api;

use super::{CLUSTER, NAMESPACED, WITH_STATUS};
use crate::kind::{Kind, Strategy, schema_of};
use crate::{printer, strategy};

const GROUP: &str = "storage.k8s.io";

pub(super) static KINDS: &[Kind] = &[
    Kind {
        group: GROUP,
        kind: "CSIDriver",
        plural: "csidrivers",
        singular: "csidriver",
        schema: schema_of::<api::CSIDriver>,
        strategy: Strategy { unconditional_update: false, ..Strategy::PLAIN },
        printer: printer::storage::CSI_DRIVER,
        ..CLUSTER
    },
    Kind {
        group: GROUP,
        kind: "CSINode",
        plural: "csinodes",
        singular: "csinode",
        schema: schema_of::<api::CSINode>,
        strategy: Strategy { unconditional_update: false, ..Strategy::PLAIN },
        printer: printer::storage::CSI_NODE,
        ..CLUSTER
    },
    Kind {
        group: GROUP,
        kind: "CSIStorageCapacity",
        plural: "csistoragecapacities",
        singular: "csistoragecapacity",
        schema: schema_of::<api::CSIStorageCapacity>,
        printer: printer::storage::CSI_CAPACITY,
        ..NAMESPACED
    },
    Kind {
        group: GROUP,
        kind: "StorageClass",
        plural: "storageclasses",
        singular: "storageclass",
        short_names: &["sc"],
        schema: schema_of::<api::StorageClass>,
        strategy: strategy::storage::CLASS,
        printer: printer::storage::CLASS,
        ..CLUSTER
    },
    Kind {
        group: GROUP,
        kind: "VolumeAttachment",
        plural: "volumeattachments",
        singular: "volumeattachment",
        subresources: WITH_STATUS,
        schema: schema_of::<api::VolumeAttachment>,
        strategy: Strategy { status: true, unconditional_update: false, ..Strategy::PLAIN },
        printer: printer::storage::VOLUME_ATTACHMENT,
        ..CLUSTER
    },
];
