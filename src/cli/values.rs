//! Values of flags: parsers whose errors say what was expected.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// Reads an address and a port.
///
/// # Errors
///
/// If it is a name, or has no port.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an IP address and a port, such as 127.0.0.1:8053".to_owned())
}

/// Reads an address.
///
/// # Errors
///
/// If it is not one.
pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    text.trim().parse().map_err(|_| "expected an IP address, such as 203.0.113.7".to_owned())
}

/// Reads a number of names.
///
/// # Errors
///
/// If it is not a whole number of at least 1.
pub(super) fn count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| "expected a whole number of at least 1, such as 10000".to_owned())
}

/// Reads a generation.
///
/// # Errors
///
/// If it is not a number of 32 bits.
pub(super) fn generation(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "expected a whole number of at most 4294967295, such as 1".to_owned())
}

/// Reads the seconds to wait for a response.
///
/// # Errors
///
/// If they are not 1 to 300.
pub(super) fn response_time(text: &str) -> Result<Duration, String> {
    seconds(text, 1, 300).ok_or_else(|| "expected whole seconds from 1 to 300, such as 10".to_owned())
}

/// Reads the seconds to wait for DNS.
///
/// # Errors
///
/// If they are more than a day.
pub(super) fn dns_time(text: &str) -> Result<Duration, String> {
    seconds(text, 0, 86400).ok_or_else(|| "expected whole seconds from 0 to 86400, such as 120".to_owned())
}

/// What to do about a name that is not ASCII; empty if it is.
pub(super) fn ascii_hint(text: &str) -> &'static str {
    if text.chars().any(|letter| !letter.is_ascii() && letter.is_alphabetic()) {
        "; write a name with other letters in its ASCII form, such as xn--mnchen-3ya.de"
    } else {
        ""
    }
}

/// Whole seconds within bounds.
fn seconds(text: &str, min: u64, max: u64) -> Option<Duration> {
    let seconds = text.parse().ok().filter(|seconds| (min..=max).contains(seconds))?;
    Some(Duration::from_secs(seconds))
}
