"""The gateway as it is usually written: Python and boto3, one function behind an HTTP API.

It understands the tokens, `hostname` and `myip`, and answers `good`, `nochg`, `badauth`, `nohost`,
`notfqdn` and `dnserr`; the rest of the protocol is left out, which is in its favour.
"""

import base64
import hashlib
import hmac
import ipaddress
import json
import logging
import os

import boto3
from botocore.exceptions import BotoCoreError, ClientError

logger = logging.getLogger()
logger.setLevel(logging.INFO)

ZONES = dict(entry.split("=", 1) for entry in os.environ["NIC53_ZONES"].split(","))
SECRET = os.environ["NIC53_SECRET"].encode()
TTL = int(os.environ.get("NIC53_TTL", "60"))
CROCKFORD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789abcdefghjkmnpqrstvwxyz")

route53 = boto3.client("route53")


def handler(event, _context):
    """Answer one event of an HTTP API (payload 2.0) or a Function URL."""
    parameters = event.get("queryStringParameters") or {}
    credentials = basic_credentials(event.get("headers") or {})
    hosts = [host.strip().lower().rstrip(".") for host in parameters.get("hostname", "").split(",") if host.strip()]
    if credentials is None:
        return reply(401, "badauth")
    if not hosts:
        return reply(200, "notfqdn")
    zones = [zone_of(host) for host in hosts]
    allowed = [zone is not None and covers(credentials[1], host, zone) for host, zone in zip(hosts, zones)]
    if not any(allowed):
        return reply(401, "badauth")
    wanted = addresses(parameters.get("myip") or event["requestContext"]["http"]["sourceIp"])
    if not wanted:
        return reply(200, "dnserr")
    lines = [
        update(host, zone, wanted) if may else "nohost" for host, zone, may in zip(hosts, zones, allowed)
    ]
    logger.info(json.dumps({"hosts": hosts, "codes": [line.split()[0] for line in lines]}))
    return reply(200, "\n".join(lines))


def basic_credentials(headers):
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded).decode().partition(":")
    except ValueError:
        return None
    return (user, password) if colon and password else None


def zone_of(host):
    """The longest configured zone that holds the host."""
    holding = [zone for zone in ZONES if host == zone or host.endswith("." + zone)]
    return max(holding, key=len, default=None)


def covers(password, host, zone):
    """Whether the password is the host's own token, or one of a subtree that the host is in."""
    names = [host]
    while names[-1] != zone:
        names.append(names[-1].partition(".")[2])
    tokens = [token("host", host, zone)] + [token("subtree", name, zone) for name in names]
    given = password.strip().lower().encode()
    return any([hmac.compare_digest(given, known.encode()) for known in tokens])


def token(kind, name, zone):
    message = "\0".join(["nic53 token 1", kind, name, ZONES[zone], "0"])
    digest = hmac.new(SECRET, message.encode(), hashlib.sha256).digest()[:15]
    return base64.b32encode(digest).decode().translate(CROCKFORD)


def addresses(text):
    """The A and AAAA values asked for, by record type."""
    found = {}
    for element in text.split(","):
        try:
            address = ipaddress.ip_address(element.strip())
        except ValueError:
            continue
        found.setdefault("A" if address.version == 4 else "AAAA", []).append(str(address))
    return found


def update(host, zone, wanted):
    """Compare the host's records with the wanted ones and write those that differ."""
    said = " ".join(value for values in wanted.values() for value in values)
    try:
        present = record_sets(host, zone)
        changes = [
            {
                "Action": "UPSERT",
                "ResourceRecordSet": {
                    "Name": host,
                    "Type": kind,
                    "TTL": TTL,
                    "ResourceRecords": [{"Value": value} for value in values],
                },
            }
            for kind, values in wanted.items()
            if present.get(kind) != (TTL, values)
        ]
        if not changes:
            return f"nochg {said}"
        route53.change_resource_record_sets(HostedZoneId=ZONES[zone], ChangeBatch={"Changes": changes})
    except (BotoCoreError, ClientError):
        logger.exception("could not update %s", host)
        return "dnserr"
    return f"good {said}"


def record_sets(host, zone):
    """TTL and values of the host's record sets, by type."""
    answer = route53.list_resource_record_sets(HostedZoneId=ZONES[zone], StartRecordName=host, MaxItems="10")
    return {
        record_set["Type"]: (record_set.get("TTL"), [record["Value"] for record in record_set.get("ResourceRecords", [])])
        for record_set in answer["ResourceRecordSets"]
        if record_set["Name"].rstrip(".") == host
    }


def reply(status, body):
    headers = {"content-type": "text/plain"}
    if status == 401:
        headers["www-authenticate"] = 'Basic realm="dynamic DNS"'
    return {"statusCode": status, "headers": headers, "body": body}
