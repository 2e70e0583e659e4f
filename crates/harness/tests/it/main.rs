//! The shipped executable from outside, end to end.

mod anywhere;
mod auth;
mod backup;
mod certmanager;
mod chaos;
mod claims;
mod corruption;
mod drains;
mod etcd_volumes;
mod evictions;
mod faults;
mod hand;
mod input;
mod kubectl;
mod learners;
mod person;
mod plan;
mod readme;
mod restart;
mod restricted;
mod survey;
mod tasks;
mod tls;
mod versions;
mod volumes;
mod zookeeper;
