//! What the tests share: servers, fakes, clients and models.

pub(crate) mod dig;
pub(crate) mod fake_route53;
pub(crate) mod fake_server;
pub(crate) mod front_end;
pub(crate) mod gateway;
pub(crate) mod history;
pub(crate) mod hosted_zone;
pub(crate) mod linearizable;
pub(crate) mod measured;
pub(crate) mod mistaken;
pub(crate) mod process;
pub(crate) mod raw;
pub(crate) mod reverse_proxy;
pub(crate) mod runtime_api;
pub(crate) mod said;
pub(crate) mod transcript;
pub(crate) mod unreliable;
pub(crate) mod xml;
