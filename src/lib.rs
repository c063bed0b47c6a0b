//! nic53.
pub mod access;
pub mod address;
pub mod endpoint;
pub mod hostname;
pub mod parameters;
pub mod plan;
pub mod record;
pub mod reply;
pub mod source;
pub mod store;
pub mod token;
pub mod update;
pub mod zone;
