"""Tokens: shown, rotated, and the end of the previous ones."""

import hashlib
import hmac
import secrets
from datetime import datetime, timezone

from .confirm import confirm
from .names import grants_of, parse_pairs, zone_of


def show(aws, stack):
    """Print what goes into the routers."""
    url = stack.outputs["UpdateUrl"]
    server = url.split("/")[2]
    zones = parse_pairs(stack.parameters["Zones"])
    generations = parse_pairs(stack.parameters.get("Generations", ""))
    value = secret_value(aws, stack.outputs["SecretArn"], "AWSCURRENT")
    print(f"\nUpdate URL  {url}")
    if "PlainHttpUrl" in stack.outputs:
        print(f"            {stack.outputs['PlainHttpUrl']}  (readable on its way; for routers that can do no better)")
    grants = grants_of(stack.parameters["RecordNames"])
    for name, kind in grants.items():
        zone = zone_of(name, zones)
        password = token(value, kind, name, zones[zone], generations.get(name, "0"))
        print(f"\n{name}" + (" and all below it" if kind == "subtree" else ""))
        print("  in the router, as type dyndns2, DynDNS or custom:")
        print(f"    server     {server}")
        print(f"    host name  {name}")
        print(f"    user name  {name}")
        print(f"    password   {password}")
        print(f"  to try it, which sets {name} to your own address:")
        print(f"    curl -u '{name}:{password}' '{url}?hostname={name}'")
    if not grants:
        print("\nNo --host was given. The token of a name is printed by")
        revoked = f" NIC53_GENERATIONS={stack.parameters['Generations']}" if generations else ""
        settings = f"NIC53_ZONES={stack.parameters['Zones']} NIC53_SECRET_ARN={stack.outputs['SecretArn']}{revoked}"
        print(f"  {settings} nic53 token NAME")
    print(f"\nTo remove everything: ./deploy --remove{stack.flags(aws)}")


def token(secret, kind, name, zone_id, generation):
    """The token of a name: what `nic53 token` prints. Here too so that deploying needs no second build."""
    message = "\0".join(["nic53 token 1", kind, name, zone_id, str(generation)])
    number = int.from_bytes(hmac.new(secret.encode(), message.encode(), hashlib.sha256).digest()[:15], "big")
    return "".join("0123456789abcdefghjkmnpqrstvwxyz"[number >> shift & 31] for shift in range(115, -1, -5))


def secret_value(aws, arn, stage):
    """The secret's value at a stage."""
    return aws("secretsmanager get-secret-value", SecretId=arn, VersionStage=stage)["SecretString"].strip()


def rotate(aws, stack, options):
    """Make a new secret, and print the tokens derived from it."""
    arn = stack.outputs["SecretArn"]
    stages = secret_stages(aws, arn)
    age = (datetime.now(timezone.utc) - stages["AWSCURRENT"]["CreatedDate"]).days
    if "AWSPREVIOUS" in stages and age < 30:
        print(
            f"The last rotation was {age} days ago. Routers that still have a token from before it are refused after this one."
        )
        confirm("Rotate all the same?", options)
    aws("secretsmanager put-secret-value", SecretId=arn, SecretString=secrets.token_urlsafe(32))
    show(aws, stack)
    print("\nThese tokens work within five minutes. The ones before them go on working until ./deploy --end-grace")
    print("or the next rotation: move the routers one by one.")


def end_grace(aws, stack):
    """Refuse the tokens of the previous secret."""
    arn = stack.outputs["SecretArn"]
    previous = secret_stages(aws, arn).get("AWSPREVIOUS")
    if previous is None:
        print("There is no previous secret: only the tokens of the present one work.")
        return
    aws(
        "secretsmanager update-secret-version-stage",
        SecretId=arn,
        VersionStage="AWSPREVIOUS",
        RemoveFromVersionId=previous["VersionId"],
    )
    print("The previous tokens are refused within five minutes.")


def secret_stages(aws, arn):
    """The secret's versions by their stage."""
    versions = aws("secretsmanager list-secret-version-ids", SecretId=arn)["Versions"]
    for version in versions:
        version["CreatedDate"] = parse_time(version["CreatedDate"])
    return {stage: version for version in versions for stage in version.get("VersionStages", [])}


def parse_time(given):
    """A time of the AWS CLI: version 1 prints seconds, version 2 ISO 8601."""
    if isinstance(given, (int, float)):
        return datetime.fromtimestamp(given, timezone.utc)
    return datetime.fromisoformat(given.replace("Z", "+00:00"))
