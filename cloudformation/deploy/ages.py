"""How old is too old: what --stale says."""

import re

from .names import canonical
from .trouble import Trouble

UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
EXAMPLE = "say an age such as --stale 30d, or one for a name such as --stale home.example.org=2d; units are m, h, d, w"


def limits_of(given):
    """What --stale says, as seconds by name. The age of all other names is that of None."""
    limits = {}
    for one in given:
        name, equals, age = one.rpartition("=")
        name = canonical(name) if equals else None
        if name in limits:
            raise Trouble(f"--stale {one}: given twice for {name or 'all names'}; leave one out")
        limits[name] = seconds(age, one)
    return limits


def seconds(age, given):
    """An age such as 30d, in seconds."""
    found = re.fullmatch(r"([1-9][0-9]{0,4})([mhdw])", age)
    if not found:
        raise Trouble(f"--stale {given}: {age!r} is no age; {EXAMPLE}")
    return int(found[1]) * UNITS[found[2]]


def short(age):
    """An age in seconds as a person says it: 50s, 12m, 5h, 40d."""
    for unit, least in (("d", 86_400), ("h", 3600), ("m", 60)):
        if age >= 2 * least or (unit == "m" and age >= least):
            return f"{int(age // least)}{unit}"
    return f"{max(0, int(age))}s"
