//! All integration tests as one crate, so that they link once. `tests/README.md` says what is where.

mod abuse;
mod bootstrap;
mod busy;
mod certificates;
mod challenges;
mod check;
mod clients;
mod corpus;
mod docs;
mod durability;
mod dynamodb;
mod export;
mod fake_route53;
mod first_start;
mod fleet_gateway;
mod fleet_load;
mod fleet_model;
mod functions;
mod fuzz;
mod health;
mod instructions;
mod model;
mod moto;
mod networks;
mod properties;
mod protocol;
mod publisher;
mod resolver;
mod rooms;
mod serve;
mod setup;
mod shells;
mod support;
mod timing;
mod update;
mod usage;
mod wiped;

#[path = "../../fuzz/targets/mod.rs"]
mod targets;
