"""Names of hosts, subtrees and zones, without asking AWS."""

import re

from .trouble import Trouble


def canonical(name):
    """The name in lower case and without the last dot. An error if it is not fully qualified."""
    name = name.strip().lower().rstrip(".")
    if not re.fullmatch(
        r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", name
    ):
        raise Trouble(f"{name!r} is not a fully qualified name")
    return name


def parse_pairs(given):
    """NAME=VALUE pairs with commas between, as a dictionary."""
    return dict(pair.split("=", 1) for pair in given.split(",") if pair)


def is_in(name, zones):
    """Whether a zone holds the name."""
    return any(name == zone or name.endswith(f".{zone}") for zone in zones)


def zone_of(name, zones):
    """The longest zone that holds the name."""
    holding = [zone for zone in zones if name == zone or name.endswith(f".{zone}")]
    if not holding:
        raise Trouble(f"{name} is in none of the zones {', '.join(zones)}: add its zone with --zone")
    return max(holding, key=len)


def record_names(grants):
    """The names the role may change, as IAM's condition key has them."""
    for name, kind in grants.items():
        yield name.replace("*", "\\052")
        if kind == "subtree":
            yield f"*.{name}"


def grants_of(names):
    """The hosts and subtrees that `record_names` was made from."""
    names = [name for name in names.split(",") if name]
    hosts = [name for name in names if not name.startswith("*.")]
    return {name.replace("\\052", "*"): "subtree" if f"*.{name}" in names else "host" for name in hosts}


def challenge_names(grants):
    """The names whose TXT records prove these hosts to a certificate authority, as IAM's condition key has them."""
    for name, kind in grants.items():
        # The record of a wildcard would prove the name above it as well.
        if not name.startswith("*."):
            yield f"_acme-challenge.{name}"
            if kind == "subtree":
                yield f"_acme-challenge.*.{name}"
