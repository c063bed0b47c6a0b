"""Hosted zones of the account, as Route 53 has them."""

import re

from .aws import AwsError
from .trouble import Trouble


def check_zone(aws, name, zone_id):
    """The id of a zone given as NAME=ID, if it is a public zone of that name."""
    given, zone_id = f"--zone {name}={zone_id}", zone_id.rsplit("/", 1)[-1]
    if not re.fullmatch("Z[A-Z0-9]+", zone_id):
        raise Trouble(f"{given}: the id of a hosted zone is Z, then capitals and digits, for example Z0123ABC")
    try:
        zone = aws("route53 get-hosted-zone", Id=zone_id).get("HostedZone", {})
    except AwsError as error:
        raise Trouble(f"{given}: {error.text}")
    found = zone.get("Name", "").rstrip(".")
    if found != name:
        raise Trouble(f"{given}: that zone is {found or 'one without a name'}, not {name}")
    if is_private(zone):
        raise Trouble(f"{given}: that zone is private, so nobody outside would see the addresses")
    return zone_id


def find_zone(aws, name):
    """The id of the only public zone of that name."""
    found = zones_named(aws, name)
    if len(found) == 1:
        return found[0]
    if found:
        raise Trouble(
            f"--zone {name}: this account has {len(found)} public zones of that name, {', '.join(found)}: "
            f"say which, for example --zone {name}={found[0]}"
        )
    raise Trouble(f"--zone {name}: this account has no public zones named {name}; if it is there, say --zone {name}=ID")


def zones_named(aws, name):
    """The ids of this account's public zones of that name."""
    listed = aws("route53 list-hosted-zones-by-name", DNSName=name)["HostedZones"]
    return [
        zone["Id"].rsplit("/", 1)[-1]
        for zone in listed
        if zone["Name"].rstrip(".") == name and not is_private(zone)
    ]


def is_private(zone):
    """Whether only VPCs see the zone."""
    return bool(zone.get("Config", {}).get("PrivateZone"))


def domain_zone(aws, domain, zones):
    """The zone that holds the gateway's own name: one of those given, or another of the account."""
    labels = domain.split(".")
    for parent in (".".join(labels[i:]) for i in range(len(labels) - 1)):
        if parent in zones:
            return zones[parent]
        found = zones_named(aws, parent)
        if found:
            return found[0]
    raise Trouble(f"--domain {domain}: this account has no public zone that holds it")
