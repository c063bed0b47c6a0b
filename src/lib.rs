//! A dyndns2 gateway to Amazon Route 53.
//!
//! A router asks `GET /nic/update?hostname=…&myip=…` with a token as its password; the A and AAAA
//! records of that host become what it asked for. The request goes from value to value, a module a
//! step: [`source`] (who calls), [`endpoint`], [`parameters`], [`update`] (what is asked),
//! [`access`] (which hosts it may change), [`store`] (what is there), [`plan`] (what differs), the
//! store again, and [`reply`]. [`gateway`] joins them. `docs/design.md` says why.

#![warn(missing_docs, unreachable_pub, clippy::missing_docs_in_private_items)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod access;
pub mod address;
#[cfg(feature = "cli")]
pub mod apex;
pub mod aws;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod client;
#[cfg(feature = "cli")]
pub mod dns;
pub mod endpoint;
pub mod gateway;
pub mod hostname;
#[cfg(feature = "lambda")]
pub mod lambda;
pub mod log;
pub mod parameters;
pub mod plan;
pub mod record;
pub mod reply;
pub mod secrets;
#[cfg(feature = "cli")]
pub mod serve;
pub mod settings;
pub mod source;
pub mod store;
pub mod token;
pub mod update;
pub mod zone;
#[cfg(feature = "cli")]
pub mod zone_file;
