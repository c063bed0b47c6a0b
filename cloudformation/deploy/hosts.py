"""Every host: when it was last heard, how it was answered, and whether it is silent for too long."""

import json
from datetime import datetime, timezone

from .ages import limits_of, short
from .log import Log
from .roster import Roster
from .trouble import Trouble

HEADER = ("NAME", "LAST SEEN (UTC)", "ANSWER", "ADDRESS", "LAST CHANGE", "REFUSED SINCE")
# If every name is served, nobody knows which there are, and how far back to look for them: a day.
OPEN = 86_400


def hosts(aws, stack, options):
    """Print every host of the stack, from the log. An error if one is stale."""
    if options.pending or options.refused:
        flag = "--pending" if options.pending else "--refused"
        raise Trouble(f"{flag} is about fleet mode, and the gateway is on Route 53 itself: leave it out")
    roster = Roster(stack, limits_of(options.stale))
    log = Log(aws, stack)
    check_limits(roster.limits, log.retention)
    log.read_until(roster.is_complete, least=OPEN if roster.is_open else 0)
    rows = roster.rows(log.heard)
    stale = [host for host in rows if roster.is_stale(host, log.now)]
    if options.json:
        print_json(rows, stale, log)
    else:
        print_table(rows, log)
    if stale:
        raise Trouble(f"stale: {', '.join(f'{host.name} ({silence(host, log)})' for host in stale)}")


def check_limits(limits, retention):
    """Refuse an age that the log does not go back to."""
    for name, limit in limits.items():
        if limit > retention:
            given = f"{name}=" if name else ""
            raise Trouble(
                f"--stale {given}{short(limit)}: the log keeps {short(retention)}, so nobody can know; "
                f"say at most --stale {given}{short(retention)}, or have more kept by ./deploy --set LogRetention=DAYS"
            )


def silence(host, log):
    """How long a host is silent, in words."""
    return f"last seen {short(log.now - host.seen / 1000)} ago" if host.seen else f"not seen in {short(log.now - log.back_to)}"


def print_table(rows, log):
    """Print the hosts as columns."""
    table = [HEADER, *map(columns, rows)]
    widths = [max(map(len, column)) for column in zip(*table)]
    for row in table:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())
    print(f"\n{log.calls} call{'s'[: log.calls != 1]} of the log, back to {utc(log.back_to * 1000)} UTC; what is older is -")


def columns(host):
    """The texts of a host's row."""
    refused = f"{utc(host.refused)} {host.refusal}" if host.refused > host.seen else ""
    return (host.name, utc(host.seen), host.answer or "-", ",".join(host.addresses) or "-", utc(host.changed), refused)


def utc(milliseconds):
    """A time to the minute; a dash for none."""
    if not milliseconds:
        return "-"
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M")


def print_json(rows, stale, log):
    """Print the same for a program to read."""
    given = [
        {
            "name": host.name,
            "last_seen": iso(host.seen),
            "answer": host.answer or None,
            "addresses": host.addresses,
            "last_change": iso(host.changed),
            "refused": iso(host.refused) if host.refused > host.seen else None,
            "refusal": host.refusal if host.refused > host.seen else None,
            "stale": host in stale,
        }
        for host in rows
    ]
    print(json.dumps({"hosts": given, "calls": log.calls, "back_to": iso(log.back_to * 1000)}, indent=2))


def iso(milliseconds):
    """A time as RFC 3339 has it, to the second; None for none."""
    if not milliseconds:
        return None
    return datetime.fromtimestamp(milliseconds // 1000, timezone.utc).isoformat().replace("+00:00", "Z")
