//! Service addresses (10.96.0.0/16) and node ports.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use machinery::error::{ApiError, FieldError};
use serde_json::{Value, json};
use store::{ListOptions, Prefix};

use crate::call::Call;
use crate::{encode, errors};

/// Addresses below this offset are given out only to those who ask for them.
const RESERVED: u16 = 256;
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30000..=32767;

#[derive(Default)]
struct Taken {
    addresses: HashSet<String>,
    node_ports: HashSet<u64>,
}

pub(super) async fn allocate(
    call: &Call,
    old: Option<&Value>,
    service: &mut Value,
) -> Result<(), ApiError> {
    let kind = service["spec"]["type"].as_str().unwrap_or("ClusterIP").to_owned();
    if kind == "ExternalName" {
        return Ok(());
    }
    let wants_address = service["spec"]["clusterIP"].as_str().unwrap_or("").is_empty();
    let given_address = !wants_address && service["spec"]["clusterIP"] != "None";
    let wants_ports = matches!(kind.as_str(), "NodePort" | "LoadBalancer");
    let unchanged = old.is_some_and(|old| old["spec"]["clusterIP"] == service["spec"]["clusterIP"]);
    if !wants_address && !wants_ports && (!given_address || unchanged) {
        return Ok(());
    }
    let taken = taken(call, service).await?;
    if wants_address {
        let address = free_address(call, &taken)?;
        service["spec"]["clusterIP"] = address.clone().into();
        service["spec"]["clusterIPs"] = json!([address]);
    } else if given_address && !unchanged {
        check_address(call, service, &taken)?;
    }
    if wants_ports {
        assign_ports(call, service, &taken)?;
    }
    Ok(())
}

/// What the other services have.
async fn taken(call: &Call, service: &Value) -> Result<Taken, ApiError> {
    let mut taken = Taken::default();
    let prefix = Prefix::new(&["core", "services"]).expect("constant segments are valid");
    let page = call.store().list(&prefix, ListOptions::default()).await.map_err(errors::store)?;
    for object in &page.objects {
        let other = encode::parse(object)?;
        if other["metadata"]["uid"] == service["metadata"]["uid"] {
            continue;
        }
        let addresses = other["spec"]["clusterIPs"].as_array().into_iter().flatten();
        taken.addresses.extend(addresses.filter_map(Value::as_str).map(str::to_owned));
        let ports = other["spec"]["ports"].as_array().into_iter().flatten();
        taken.node_ports.extend(ports.filter_map(|port| port["nodePort"].as_u64()));
    }
    Ok(taken)
}

fn address(offset: u16) -> String {
    let [high, low] = offset.to_be_bytes();
    Ipv4Addr::new(10, 96, high, low).to_string()
}

/// From a random place on, so that an address is not at once given to another service.
fn free_address(call: &Call, taken: &Taken) -> Result<String, ApiError> {
    let range = RESERVED..u16::MAX;
    let start = u16::try_from(call.server.random_below(range.len() as u64)?).unwrap_or(0);
    let count = u16::MAX - RESERVED;
    range
        .map(|offset| RESERVED + (offset - RESERVED + start) % count)
        .map(address)
        .find(|address| !taken.addresses.contains(address))
        .ok_or_else(|| ApiError::internal("failed to allocate a serviceIP: range is full"))
}

fn check_address(call: &Call, service: &Value, taken: &Taken) -> Result<(), ApiError> {
    let text = service["spec"]["clusterIP"].as_str().unwrap_or("");
    let valid = text.parse::<Ipv4Addr>().is_ok_and(|it| it.octets()[..2] == [10, 96]);
    let why = match (valid, taken.addresses.contains(text)) {
        (false, _) => {
            "failed to allocate IP: the provided IP is not in the valid range. The range of valid IPs is 10.96.0.0/16"
        }
        (true, true) => "failed to allocate IP: provided IP is already allocated",
        (true, false) => return Ok(()),
    };
    let error = FieldError::invalid("spec.clusterIPs", json!([text]), why);
    Err(call.invalid(service["metadata"]["name"].as_str().unwrap_or(""), vec![error]))
}

fn assign_ports(call: &Call, service: &mut Value, taken: &Taken) -> Result<(), ApiError> {
    let name = service["metadata"]["name"].as_str().unwrap_or("").to_owned();
    let mut used = taken.node_ports.clone();
    let ports = service["spec"]["ports"].as_array_mut().into_iter().flatten();
    for (index, port) in ports.enumerate() {
        match port["nodePort"].as_u64().filter(|number| *number > 0) {
            Some(number) if !used.insert(number) => {
                let field = format!("spec.ports[{index}].nodePort");
                let error =
                    FieldError::invalid(field, number, "provided port is already allocated");
                return Err(call.invalid(&name, vec![error]));
            }
            Some(_) => {}
            None => {
                let start = call.server.random_below(NODE_PORTS.count() as u64)?;
                let count = NODE_PORTS.count() as u64;
                let free = (0..count)
                    .map(|step| u64::from(*NODE_PORTS.start()) + (start + step) % count)
                    .find(|number| !used.contains(number))
                    .ok_or_else(|| {
                        ApiError::internal("failed to allocate a nodePort: range is full")
                    })?;
                used.insert(free);
                port["nodePort"] = free.into();
            }
        }
    }
    Ok(())
}
