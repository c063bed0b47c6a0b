//! A look at each zone of Route 53 at the start, so that a mistake shows before the first update.

use aws_config::SdkConfig;
use aws_sdk_route53::Client;
use futures_util::future::join_all;

use crate::{
    aws,
    log::Log,
    protocol::zone::{Zone, Zones},
};

/// Reads one record set of each zone, and warns about a zone that cannot be read or has another name.
pub(super) async fn warn_about(config: &SdkConfig, zones: &Zones, log: Log) {
    let client = Client::new(config);
    let problems = join_all(zones.iter().map(|zone| problem_of(&client, zone))).await;
    for problem in problems.into_iter().flatten() {
        log.warn(&problem);
    }
}

/// What is wrong with a zone, if anything.
async fn problem_of(client: &Client, zone: &Zone) -> Option<String> {
    let Zone { name, id } = zone;
    // Without a name to start at, the first record set is one of the apex.
    match client.list_resource_record_sets().hosted_zone_id(id.as_str()).max_items(1).send().await {
        Ok(page) => {
            let apex = page.resource_record_sets.first()?.name.trim_end_matches('.').to_ascii_lowercase();
            (apex != name.as_str()).then(|| {
                format!("NIC53_ZONES: {name}={id}: this is the id of {apex}: expected the id of the hosted zone {name}")
            })
        }
        Err(error) => Some(format!(
            "NIC53_ZONES: {name}={id}: the zone could not be read: {}: expected the id of a hosted zone, and AWS credentials \
             that may read it; until then its hosts get dnserr",
            aws::causes(&error)
        )),
    }
}
