"""Tokens: what is derived from the secret."""

import hashlib
import hmac
from dataclasses import dataclass

from .names import grants_of, parse_pairs, zone_of
from .trouble import Trouble


@dataclass(frozen=True)
class Token:
    """A name, what its token covers ("host" or "subtree"), and the token."""

    name: str
    kind: str
    password: str


def tokens(stack, secret, names=()):
    """The tokens of these names, or of all that have one."""
    grants = grants_of(stack.parameters["RecordNames"])
    chosen = {name: kind_of(name, grants) for name in names} if names else grants
    generations = parse_pairs(stack.parameters.get("Generations", ""))
    zones = parse_pairs(stack.parameters["Zones"])
    return [
        Token(name, kind, token(secret, kind, name, zones[zone_of(name, zones)], generations.get(name, "0")))
        for name, kind in chosen.items()
    ]


def kind_of(name, grants):
    """What a name's token covers. Without grants, every name is a host."""
    if not grants:
        return "host"
    if name in grants:
        return grants[name]
    above = next((n for n, kind in grants.items() if kind == "subtree" and name.endswith(f".{n}")), None)
    if above:
        raise Trouble(f"{name} has no token of its own; that of {above} covers it: --show {above}")
    raise Trouble(f"{name} has no token here; those that have: {', '.join(grants)}")


def token(secret, kind, name, zone_id, generation):
    """The token of a name: what `nic53 token` prints. Here too so that deploying needs no second build."""
    message = "\0".join(["nic53 token 1", kind, name, zone_id, str(generation)])
    number = int.from_bytes(hmac.new(secret.encode(), message.encode(), hashlib.sha256).digest()[:15], "big")
    return "".join("0123456789abcdefghjkmnpqrstvwxyz"[number >> shift & 31] for shift in range(115, -1, -5))
