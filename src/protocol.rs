//! `docs/protocol.md` as code: what a request asks for, who may ask it, and what is answered.
//!
//! Plain functions and values without I/O. Nothing here imports another room of the crate;
//! `tests/it/rooms.rs` checks that.

pub mod access;
pub mod address;
pub mod asked;
pub mod browser;
pub mod challenge;
pub mod credentials;
pub mod desired;
pub mod element;
pub mod endpoint;
pub mod hostname;
pub mod meaning;
pub mod parameters;
pub mod plan;
pub mod record;
pub mod reply;
pub mod source;
pub mod token;
pub mod update;
pub mod zone;
