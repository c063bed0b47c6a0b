"""The template's parameters: what the command line changes, and what they will be."""

import secrets

from .certificates import certificates
from .flags import NAMES, PARAMETERS, given
from .names import canonical, grants_of, is_in, parse_pairs, record_names, zone_of
from .stack import Stack
from .steps import State
from .trouble import Trouble
from .zones import check_zone, domain_zone, find_zone

# The parameters that the steps of fleet mode set.
STEPPED = ("Fleet", "FleetGateway", "FleetTable", "FleetNarrow")
# The most characters that CloudFormation takes in one parameter.
LONGEST = 4096


def wanted(aws, options, stack, known):
    """The parameters that this command line sets, checked. `known` are the names that the template has."""
    present = stack.parameters
    zones = given_zones(aws, options, present)
    before = grants_of(present.get("RecordNames", ""))
    grants = given_grants(options, before)
    drop(options, zones, grants)
    check_zones(options, zones, grants)
    grants = check_grants(options, present, grants)
    # Without names, every name is served.
    if grants:
        for name in map(canonical, options.revoke):
            check_revoked(name, {**before, **grants})
    changed = {
        "Zones": ",".join(f"{name}={zone_id}" for name, zone_id in zones.items()),
        "ZoneIds": ",".join(dict.fromkeys(zones.values())),
        "RecordNames": ",".join(record_names(grants)),
        **revoked(options, present, zones),
        **front(aws, options, stack, zones),
        **certificates(options, stack, before, grants),
        **others(options, stack, known),
    }
    check_lengths(changed)
    return changed


def given_zones(aws, options, present):
    """The zones of before and those of this command line, by name."""
    zones = parse_pairs(present.get("Zones", ""))
    for given in options.zone:
        name, _, zone_id = given.partition("=")
        name = canonical(name)
        zones[name] = check_zone(aws, name, zone_id) if zone_id else find_zone(aws, name)
    return zones


def given_grants(options, before):
    """The hosts and subtrees of before and those of this command line, by name."""
    grants = dict(before)
    for kind, names in (("host", options.host), ("subtree", options.subtree)):
        for name in map(canonical, names):
            if kind == "subtree" and name.startswith("*."):
                raise Trouble(f"--subtree {name}: a subtree is of a plain name; say --subtree {name[2:]}")
            grants[name] = kind
    return grants


def drop(options, zones, grants):
    """Take away what --drop names."""
    for name in map(canonical, options.drop):
        # A name can be both.
        if (grants.pop(name, None), zones.pop(name, None)) == (None, None):
            raise Trouble(f"--drop {name}: neither a host nor a zone here")
    for zone in map(canonical, options.drop):
        left = [name for name in grants if is_in(name, [zone]) and not is_in(name, zones)]
        if left:
            others = f" and {len(left) - 1} more" if left[1:] else ""
            raise Trouble(f"--drop {zone}: {left[0]}{others} would be in no zone: drop the names of a zone with it")


def check_zones(options, zones, grants):
    """Refuse names that no zone contains."""
    if not zones:
        raise Trouble("which zone? Say --zone example.org, or --zone example.org=Z0123ABC")
    for name in [*grants, *map(canonical, options.revoke)]:
        zone_of(name, zones)


def check_grants(options, present, grants):
    """The hosts and subtrees as they will be; empty if every name is served (--any-name)."""
    if options.any_name and (options.host or options.subtree):
        raise Trouble("--any-name needs no --host and no --subtree; `nic53 token NAME` prints the token of any name")
    if options.any_name:
        return {}
    if not grants and (not present or present.get("RecordNames")):
        raise Trouble(
            "which names? Say --host home.example.org or --subtree dyn.example.org; "
            "--any-name lets the gateway change every address in the zones"
        )
    return grants


def check_revoked(name, grants):
    """Refuse a name that nobody has a token of: it is mistyped."""
    subtrees = [subtree for subtree, kind in grants.items() if kind == "subtree"]
    if name not in grants and not any(name.endswith(f".{subtree}") for subtree in subtrees):
        expected = ", ".join([*grants, *(f"a name below {subtree}" for subtree in subtrees)])
        raise Trouble(f"--revoke {name}: that name has no token here; those that have: {expected}")


def revoked(options, present, zones):
    """The generations, one higher for each name that is revoked, without the names of zones that are dropped."""
    before = {name: int(n) for name, n in parse_pairs(present.get("Generations", "")).items()}
    # The gateway refuses the others: they could be mistyped.
    generations = {name: n for name, n in before.items() if is_in(name, zones)}
    if not options.revoke and generations == before:
        return {}
    for name in map(canonical, options.revoke):
        generations[name] = generations.get(name, 0) + 1
    return {"Generations": ",".join(f"{name}={n}" for name, n in generations.items())}


def front(aws, options, stack, zones):
    """How the gateway is reached."""
    changed = {}
    if options.front_door:
        changed["FrontDoor"] = {"http-api": "HttpApi", "function-url": "FunctionUrl"}[options.front_door]
    if options.domain is not None:
        changed["Domain"] = canonical(options.domain) if options.domain else ""
        changed["DomainZoneId"] = domain_zone(aws, changed["Domain"], zones) if options.domain else ""
    if options.family_names is not None:
        changed["FamilyNames"] = "true" if options.family_names else "false"
    if options.challenge_mapping is not None:
        changed["ChallengeMapping"] = "true" if options.challenge_mapping else "false"
    if options.plain_http is False:
        changed["OriginSecret"] = ""
    elif options.plain_http and "PlainHttpUrl" not in stack.outputs:
        changed["OriginSecret"] = secrets.token_urlsafe(32)
    return changed


def others(options, stack, known):
    """Everything else, and what is set by its own name."""
    changed = {}
    if options.alarm_email is not None:
        changed["AlarmEmail"] = options.alarm_email
    if options.secret:
        changed["SecretArn"] = options.secret
    for given in options.set:
        name, equals, value = given.partition("=")
        if not equals or name not in known:
            raise Trouble(f"--set {given}: say --set NAME=VALUE; the names are {', '.join(sorted(known))}")
        check_fleet(name, value, stack)
        changed[name] = value
    return changed


def check_fleet(name, value, stack):
    """Refuse what only the steps of fleet mode may set. The table may be given up once it is no longer used."""
    if name not in STEPPED or (name == "FleetTable" and value == "false" and State.of(stack.parameters).is_off):
        return
    raise Trouble(
        f"--set {name}={value}: {name} is set step by step, by ./deploy --fleet and ./deploy --no-fleet; docs/fleet.md"
    )


def changes_settings(options):
    """Whether the command line names anything that is to be other than it is."""
    return any(flag in NAMES + PARAMETERS for flag in given(options))


def check_lengths(changed):
    """Refuse what CloudFormation would, but say what to do."""
    for name, value in changed.items():
        if len(value) > LONGEST:
            raise Trouble(
                f"{name} has {len(value)} characters and CloudFormation takes {LONGEST}: "
                "use --subtree, or more stacks"
            )


def planned(stack, changed):
    """All parameters as they will be."""
    parameters = {**stack.parameters, **changed}
    # CloudFormation shows asterisks for it, perhaps even if it is empty.
    if "OriginSecret" not in changed and "PlainHttpUrl" not in stack.outputs:
        parameters["OriginSecret"] = ""
    return parameters


def tried(failed, options):
    """The stack that a first deployment that failed was to make, for the next one."""
    parameters = dict(failed.parameters)
    # CloudFormation shows asterisks for it, perhaps even if it is empty.
    if parameters.pop("OriginSecret", "") and parameters.get("Domain") and options.plain_http is None:
        if options.domain != "":
            raise Trouble(
                f"the first deployment of stack {failed.name} failed, and CloudFormation does not tell whether it was "
                "with CloudFront: say --plain-http or --no-plain-http"
            )
    return Stack(failed.name, parameters=parameters)
