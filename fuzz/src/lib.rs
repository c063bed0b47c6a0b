//! The bodies of the fuzz targets, and the supports of the tests that they stand on.

#[path = "../targets/mod.rs"]
pub mod targets;

#[path = "../../tests/support/front_end.rs"]
#[allow(dead_code, reason = "the transcripts use the rest")]
mod front_end;
#[path = "../../tests/support/fake_route53.rs"]
#[allow(dead_code, reason = "the fake's own tests use the rest")]
mod fake_route53;
#[path = "../../tests/support/gateway.rs"]
mod gateway;
