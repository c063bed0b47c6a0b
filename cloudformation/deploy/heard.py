"""What the lines of the gateway's log say about each host, without AWS."""

import json
from dataclasses import dataclass, field

# The gateway gives these to a host only if the request had its token.
GRANTED = ("good", "nochg", "dnserr")
# The reasons of a `nohost` that any token gets for any name (src/protocol/access.rs).
NOT_COVERED = ("the token does not cover it", "no configured zone holds it")


@dataclass
class Host:
    """What the log says of a host. Times are in milliseconds since 1970, and 0 if nothing was found."""

    name: str
    # The newest request with the host's token, and how it was answered.
    seen: int = 0
    answer: str = ""
    # The newest `good` or `nochg`, and its addresses. A line has the addresses of all its hosts together.
    well: int = 0
    addresses: list = field(default_factory=list)
    # The newest `good`.
    changed: int = 0
    # The newest request that named the host without its token, and how it was answered.
    refused: int = 0
    refusal: str = ""

    def hear(self, time, code, addresses):
        """Take in the answer to a request that had the host's token."""
        if time >= self.seen:
            self.seen, self.answer = time, code
        if code in ("good", "nochg") and time >= self.well:
            self.well, self.addresses = time, addresses
        if code == "good":
            self.changed = max(self.changed, time)

    @property
    def trouble(self):
        """When the host was last refused or failed, if no success came after that; else 0."""
        if self.refused > self.seen:
            return self.refused
        return self.seen if self.answer in ("dnserr", "nohost") else 0


class Heard:
    """The hosts that the log names."""

    def __init__(self):
        self.hosts = {}

    def read(self, time, message):
        """Take in a line. The order matters only among lines of the same time."""
        line = parsed(message)
        for name, code in answers(line):
            host = self.hosts.setdefault(name, Host(name))
            if is_granted(line, name, code):
                host.hear(time, code, list(map(str, listed(line, "addresses"))))
            elif time >= host.refused:
                host.refused, host.refusal = time, code


def answers(line):
    """Each host of a line with its code. The code of a whole request stands beside its first host."""
    if line.get("endpoint") != "update":
        return []
    pairs = zip(listed(line, "hosts"), listed(line, "codes"))
    return [(name, code) for name, code in pairs if isinstance(name, str) and isinstance(code, str)]


def is_granted(line, name, code):
    """Whether the request had the host's token, as the answer shows."""
    if code != "nohost":
        return code in GRANTED
    # Any other reason is about the record: a CNAME is there, and the like.
    reasons = [reason for reason in listed(line, "reasons") if str(reason).startswith(f"{name}: ")]
    return bool(reasons) and not any(f"{name}: {reason}" in reasons for reason in NOT_COVERED)


def listed(line, key):
    """A list in a line; empty if the line has no such list."""
    return line[key] if isinstance(line.get(key), list) else []


def parsed(message):
    """A line as a dictionary; empty if the gateway did not write it."""
    try:
        line = json.loads(message)
    except (ValueError, RecursionError):
        return {}
    return line if isinstance(line, dict) else {}
