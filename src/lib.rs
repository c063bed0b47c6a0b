//! A dyndns2 gateway to Amazon Route 53.
//!
//! A router asks `GET /nic/update?hostname=…&myip=…` with a token as its password. nic53 sets the A
//! and AAAA records of that host. The request becomes one value after another, a module a step:
//! [`source`](protocol::source) (who calls), [`endpoint`](protocol::endpoint),
//! [`parameters`](protocol::parameters), [`update`](protocol::update) (who asks, for which hosts),
//! [`access`](protocol::access) (which hosts it may change), [`asked`](protocol::asked) (what they
//! are to become), [`store`] (what is there),
//! [`plan`](protocol::plan) (what differs), the store again, and [`reply`](protocol::reply).
//! [`gateway`] joins them.
//!
//! # Rooms
//!
//! - [`protocol`]: the protocol as plain functions, without I/O.
//! - [`gateway`]: the path of a request, from its bytes' values to the reply.
//! - [`acme`]: the path of a request for a certificate's challenge.
//! - [`store`]: the records, in Route 53 or in the embedded store.
//! - [`table`]: the table of fleet mode, which the gateway and the publisher share.
//! - [`publisher`]: from that table to Route 53, and the comparison of the two.
//! - [`recipes`]: what to type or paste into each client.
//! - [`page`]: the page that a browser is shown.
//! - [`settings`], [`secrets`], [`aws`], [`log`], [`problem`]: what both programs need around it.
//! - `lambda` and `server`: the two ways in, an event and a socket.
//! - `dns`: the embedded store as a name server and as a zone file.
//! - `client`: what `nic53 update` runs. `cli`: the commands of `nic53`.
//!
//! `docs/design.md` gives the reasons.

#![warn(missing_docs, unreachable_pub, clippy::missing_docs_in_private_items)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod acme;
pub mod aws;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod client;
#[cfg(feature = "cli")]
pub mod dns;
#[cfg(feature = "cli")]
mod files;
pub mod gateway;
#[cfg(feature = "lambda")]
pub mod lambda;
pub mod log;
pub mod page;
pub mod printable;
pub mod problem;
pub mod protocol;
pub mod publisher;
pub mod recipes;
pub mod secrets;
#[cfg(feature = "cli")]
pub mod server;
pub mod settings;
pub mod store;
pub mod table;
