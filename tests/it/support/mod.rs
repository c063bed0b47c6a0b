//! What the tests share: servers, fakes, clients and models.

pub(crate) mod authority;
pub(crate) mod captured;
pub(crate) mod clients;
pub(crate) mod dig;
pub(crate) mod fake_dynamodb;
pub(crate) mod fake_route53;
pub(crate) mod fake_server;
pub(crate) mod faulty_store;
pub(crate) mod flaky_transport;
pub(crate) mod fleet;
pub(crate) mod front_end;
pub(crate) mod gateway;
pub(crate) mod history;
pub(crate) mod hosted_zone;
pub(crate) mod http_service;
pub(crate) mod linearizable;
pub(crate) mod process;
pub(crate) mod raw;
pub(crate) mod results;
pub(crate) mod reverse_proxy;
pub(crate) mod rows;
pub(crate) mod runtime_api;
pub(crate) mod stage;
pub(crate) mod transcript;
pub(crate) mod xml;
