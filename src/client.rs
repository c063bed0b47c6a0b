//! The client of `nic53 update`, without its command line.
//!
//! A [`round`] goes through the hosts of the configuration ([`config`], in the format of [`ini`], makes
//! [`host`]s). The addresses of those that the [`state`] does not hold back are looked up ([`lookup`])
//! where their [`sources`] say. The hosts whose [`addresses`] changed go into as few [`request`]s as
//! possible, which [`http`] sends. From the [`reply`] comes the [`outcome`] of each host, which the
//! state remembers in a file ([`state_file`]).

pub mod addresses;
pub mod basic;
pub mod command;
pub mod config;
pub mod gateway_url;
pub mod host;
pub mod http;
pub mod ini;
pub mod interface;
pub mod lookup;
pub mod outcome;
pub mod reply;
pub mod request;
pub mod roots;
pub mod round;
pub mod settings;
pub mod sources;
pub mod state;
pub mod state_file;
pub mod trust;
