"""Every host of fleet mode, from its table: what was promised, and what has become of it."""

import json
import time

from .ages import UNITS, limits_of, short
from .hosts import iso, utc
from .roster import Roster
from .table import Item, table_of, zones_of
from .trouble import Trouble

HEADER = ("NAME", "ADDRESS", "LAST PUBLISHED (UTC)", "LAST HEARD", "PENDING SINCE", "LEFT ALONE")
# A table of a million hosts is printed as it is read, so the columns are as wide as most of their texts.
WIDTHS = (36, 16, 20, 10, 16, 0)
DAY = UNITS["d"]
# The most hosts whose silence is described one by one.
DESCRIBED = 20


def fleet_hosts(aws, stack, options):
    """Print every host of the stack as the table has it, zone by zone. An error if one is stale."""
    roster = Roster(stack, limits_of(options.stale))
    check_limits(roster.limits)
    table, now = table_of(aws, stack), time.time()
    if not table.exists():
        raise Trouble(
            f"the table {table.name} is gone, and routers are answered dnserr: "
            f"./deploy --no-fleet{stack.flags(aws)} puts the gateway back on Route 53"
        )
    stale = []
    printer = (JsonRows if options.json else TextRows)(table)
    for item in items(table, stack, roster, options):
        is_stale = silent(item, roster, now)
        if is_stale:
            stale.append(item)
        printer.row(item, is_stale)
    printer.end()
    if stale:
        described = ", ".join(f"{item.name} ({silence(item, now)})" for item in stale[:DESCRIBED])
        more = len(stale) - DESCRIBED
        raise Trouble(f"stale: {described}" + (f" and {more:,} more" if more > 0 else ""))


def check_limits(limits):
    """Refuse an age that the table is too coarse for."""
    for name, limit in limits.items():
        if limit < 2 * DAY or limit % DAY:
            given = f"{name}=" if name else ""
            raise Trouble(
                f"--stale {given}{short(limit)}: the table knows only the day on which a host was last heard; "
                f"say whole days and at least --stale {given}2d"
            )


def items(table, stack, roster, options):
    """The hosts to be printed: those that a token covers, and those of the stack that the table does not have."""
    seen = set()
    for zone_id in zones_of(stack).values():
        for item in table.pending(zone_id) if options.pending else table.hosts(zone_id):
            # A pass puts in every address of the zone. What no token covers is not a host of this gateway.
            if roster.covers(item.name):
                seen.add(item.name)
                if item.left_alone or not options.refused:
                    yield item
    if not (options.pending or options.refused):
        for name, kind in roster.sought.items():
            if name not in seen and kind == "host":
                yield Item(name, {}, [], 0, False, None, None, None, None, None)


def silent(item, roster, now):
    """Whether a host was last heard longer ago than --stale allows. The whole of that day counts."""
    limit = roster.limit(item.name)
    if limit is None:
        return False
    heard = roster.created if item.heard is None else (item.heard + 1) * DAY
    return now - heard > limit


def silence(item, now):
    """How long a host is silent, in words."""
    return "never heard" if item.heard is None else f"last heard {int(now // DAY) - item.heard}d ago"


class TextRows:
    """Columns for a person."""

    def __init__(self, table):
        self.table = table
        self.count = 0
        self.write(HEADER)

    def row(self, item, _is_stale):
        """Print a host."""
        self.count += 1
        left_alone = f"{utc(item.left_alone_seen)} {item.left_alone}" if item.left_alone else ""
        addresses = ",".join(item.addresses) or "-"
        heard = "-" if item.heard is None else utc(item.heard * DAY * 1000)[:10]
        pending = utc(item.pending_since) if item.pending_since else ""
        self.write((item.name, addresses, utc(item.published), heard, pending, left_alone))

    def write(self, texts):
        """Print a line."""
        print("  ".join(text.ljust(width) for text, width in zip(texts, WIDTHS)).rstrip())

    def end(self):
        """Print how many there were."""
        print(f"\n{self.count:,} host{'s'[: self.count != 1]}, {self.table.calls} calls of the table")


class JsonRows:
    """The same for a program to read."""

    def __init__(self, table):
        self.table = table
        self.separator = ""
        print('{"hosts": [', end="")

    def row(self, item, is_stale):
        """Print a host."""
        heard = None if item.heard is None else iso(item.heard * DAY * 1000)[:10]
        given = {
            "name": item.name,
            "addresses": item.addresses,
            "last_published": iso(item.published),
            "last_heard": heard,
            "pending_since": iso(item.pending_since),
            "left_alone": item.left_alone,
            "left_alone_seen": iso(item.left_alone_seen),
            "stale": is_stale,
        }
        print(f"{self.separator}\n  {json.dumps(given)}", end="")
        self.separator = ","

    def end(self):
        """Close the list."""
        print(f'\n], "calls": {self.table.calls}}}')
