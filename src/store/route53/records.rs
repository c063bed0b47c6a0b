//! Record sets as the SDK has them, and as we have them.

use std::borrow::Cow;

use aws_sdk_route53::types::{Change, ChangeAction, ResourceRecord, ResourceRecordSet, RrType};

use crate::{
    aws,
    problem::Problem,
    protocol::{
        address::{ByFamily, Family},
        hostname::HostName,
        record::{Current, RecordSet},
        zone::Zone,
    },
};

/// What a host of a zone has, given record sets that may be of other hosts too.
///
/// # Errors
///
/// If one of them is neither an alias nor has a TTL.
pub(crate) fn present(host: &HostName, zone: &Zone, sets: &[ResourceRecordSet]) -> Result<Current, Problem> {
    if let Some(reason) = not_ours(host, zone, &[RrType::A, RrType::Aaaa], sets) {
        return Ok(Current::not_ours(reason));
    }
    let mut ours = ByFamily::default();
    for set in sets.iter().filter(|set| is_name(&set.name, host)) {
        let family = match &set.r#type {
            RrType::A => Family::V4,
            RrType::Aaaa => Family::V6,
            _ => continue,
        };
        ours[family] = Some(RecordSet { family, ttl: ttl_of(set)?, values: values_of(set) });
    }
    Ok(Current::Simple(ours))
}

/// Why the record sets of these types at a name are not ours to change, if something there says so. The
/// list may have record sets of other names too.
pub(super) fn not_ours(
    name: &HostName,
    zone: &Zone,
    types: &[RrType],
    sets: &[ResourceRecordSet],
) -> Option<&'static str> {
    sets.iter().filter(|set| is_name(&set.name, name)).find_map(|set| match &set.r#type {
        RrType::Cname => Some("a CNAME is there"),
        // DNS answers with the other name servers, and never with a record of this zone.
        RrType::Ns if *name != zone.name => Some("it is delegated to other name servers"),
        record_type if types.contains(record_type) && set.alias_target.is_some() => Some("it is an alias"),
        record_type if types.contains(record_type) && set.set_identifier.is_some() => Some("it has a routing policy"),
        _ => None,
    })
}

/// The TTL of a record set.
///
/// # Errors
///
/// If it has none, as an alias.
pub(super) fn ttl_of(set: &ResourceRecordSet) -> Result<u32, Problem> {
    let ttl = set.ttl.and_then(|ttl| u32::try_from(ttl).ok());
    ttl.ok_or_else(|| Problem(format!("could not read the record sets: {} has no TTL", set.name)))
}

/// The values of a record set as they are listed.
pub(super) fn values_of(set: &ResourceRecordSet) -> Vec<String> {
    set.resource_records().iter().map(|record| record.value.clone()).collect()
}

/// A change of a host's record set as the SDK's type.
///
/// # Errors
///
/// If something that the SDK requires is missing.
pub(crate) fn change(action: ChangeAction, host: &HostName, set: &RecordSet) -> Result<Change, Problem> {
    let record_type = match set.family {
        Family::V4 => RrType::A,
        Family::V6 => RrType::Aaaa,
    };
    change_of(action, host, record_type, (set.ttl, &set.values))
}

/// A change of the record set of a name and type, with its TTL and values, as the SDK's type.
///
/// # Errors
///
/// If something that the SDK requires is missing.
pub(super) fn change_of(
    action: ChangeAction,
    name: &HostName,
    record_type: RrType,
    (ttl, values): (u32, &[String]),
) -> Result<Change, Problem> {
    let record = |value: &String| ResourceRecord::builder().value(value).build();
    let records = values.iter().map(record).collect::<Result<_, _>>().map_err(incomplete)?;
    let set = ResourceRecordSet::builder()
        .name(escaped(name))
        .r#type(record_type)
        .ttl(ttl.into())
        .set_resource_records(Some(records))
        .build()
        .map_err(incomplete)?;
    Change::builder().action(action).resource_record_set(set).build().map_err(incomplete)
}

/// A name as Route 53 lists it: with a trailing dot, `*` as `\052`
/// (Developer Guide, "DNS domain name format").
pub(crate) fn escaped(host: &HostName) -> String {
    format!("{}.", host.as_str().replacen('*', "\\052", 1))
}

/// Whether a name in a reply of Route 53 is that host.
pub(crate) fn is_name(listed: &str, host: &HostName) -> bool {
    let listed: Cow<'_, str> = match listed.strip_prefix("\\052") {
        Some(rest) => format!("*{rest}").into(),
        None => listed.into(),
    };
    listed.strip_suffix('.').unwrap_or(&listed).eq_ignore_ascii_case(host.as_str())
}

/// A value that the SDK requires and we did not set: a bug of ours.
#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn incomplete(error: aws_sdk_route53::error::BuildError) -> Problem {
    Problem(format!("could not make the change: {}", aws::causes(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_written_and_read_as_route_53_has_it() {
        for (name, listed) in [("home.example.org", "home.example.org."), ("*.example.org", "\\052.example.org.")] {
            let host: HostName = name.parse().unwrap();
            assert_eq!(escaped(&host), listed);
            assert!(is_name(listed, &host), "{listed}");
        }
        let wildcard = "*.example.org".parse().unwrap();
        for (listed, same) in [("*.example.org.", true), ("\\052.EXAMPLE.org", true), ("a.example.org.", false)] {
            assert_eq!(is_name(listed, &wildcard), same, "{listed}");
        }
    }
}
