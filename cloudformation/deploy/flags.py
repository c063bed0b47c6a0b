"""The flags that each mode reads. Any other flag is an error, so that none is ignored in silence."""

import sys

from .ages import limits_of
from .trouble import Trouble

# What is deployed: names, the template's parameters, and the archive.
NAMES = ("zone", "host", "subtree", "drop", "any_name", "revoke")
PARAMETERS = (
    "front_door",
    "domain",
    "family_names",
    "plain_http",
    "challenge_mapping",
    "acme",
    "alarm_email",
    "secret",
    "set",
)
CODE = ("arch", "archive", "bucket")
STACK = ("stack", "region")
# Answers every question with yes. If nothing is asked, it changes nothing.
ALWAYS = ("yes",)

# What each mode reads.
READ = {
    "deploy": (*NAMES, *PARAMETERS, *CODE, *STACK),
    "dry_run": (*NAMES, *PARAMETERS, *CODE, *STACK),
    "build": ("arch", "archive"),
    "show": (*STACK, "json"),
    "hosts": (*STACK, "json", "stale", "pending", "refused"),
    "fleet": (*STACK, *CODE),
    "no_fleet": STACK,
    "rotate": STACK,
    "end_grace": STACK,
    "remove": (*STACK, "keep_secret"),
}
DOES = {
    "deploy": "a deployment does not read it",
    "dry_run": "a deployment does not read it",
    "build": "--build only builds the archive",
    "show": "--show only prints what is deployed",
    "hosts": "--hosts only reads the log, or the table of fleet mode",
    "fleet": "--fleet only switches to fleet mode",
    "no_fleet": "--no-fleet only switches back from fleet mode",
    "rotate": "--rotate makes a new secret, and with it new tokens for all names",
    "end_grace": "--end-grace refuses the previous tokens of all names",
    "remove": "--remove takes the whole stack down, with the tokens of all names",
}
# What to type instead, by mode and flag.
WAY = {
    ("remove", "host"): "to take one name away: ./deploy --drop {value}",
    ("remove", "subtree"): "to take one name away: ./deploy --drop {value}",
    ("remove", "zone"): "to take one zone away: ./deploy --drop {name}",
    ("remove", "drop"): "to take one name away: ./deploy --drop {value}",
    ("remove", "revoke"): "to refuse the token of one name: ./deploy --revoke {value}",
    ("remove", "secret"): "to keep the secret of the stack: ./deploy --remove --keep-secret",
    ("remove", "bucket"): "the archives of the stack go wherever they are; leave --bucket out",
    ("show", "host"): "to print one name: ./deploy --show {value}",
    ("show", "subtree"): "to print one name: ./deploy --show {value}",
    ("hosts", "host"): "it prints every name of the stack; leave it out",
    ("hosts", "subtree"): "it prints every name of the stack; leave it out",
    ("build", "stack"): "leave it out",
    ("build", "region"): "leave it out",
}
INSTEAD = {
    "keep_secret": "it goes with --remove: ./deploy --remove --keep-secret",
    "json": "it goes with --show and --hosts: ./deploy --show --json",
    "pending": "it goes with --hosts: ./deploy --hosts --pending",
    "refused": "it goes with --hosts: ./deploy --hosts --refused",
    "stale": "it goes with --hosts: ./deploy --hosts --stale {value}",
}


def check_flags(options):
    """Exit with 2 if the mode does not read one of the flags, or if --stale is not an age."""
    mode = mode_of(options)
    for flag, value in given(options).items():
        if flag not in READ[mode]:
            refuse(complaint(mode, flag, value))
    try:
        limits_of(options.stale)
    except Trouble as trouble:
        refuse(trouble)


def refuse(complaint):
    """Exit with 2: the command line itself is wrong."""
    print(f"deploy: {complaint}", file=sys.stderr)
    sys.exit(2)


def mode_of(options):
    """What the command line asks for."""
    # --show may be given with no names.
    return next((mode for mode in READ if getattr(options, mode, None) not in (None, False)), "deploy")


def given(options):
    """The flags that were given, without the modes, with their values."""
    nothing = (None, False, [])
    values = {name: value for name, value in vars(options).items() if name not in READ and name not in ALWAYS}
    # An explicit --no-... has the value False, but was given.
    return {
        name: value
        for name, value in values.items()
        if value not in nothing or (value is False and name in ("family_names", "plain_http", "challenge_mapping", "acme"))
    }


def complaint(mode, flag, value):
    """Why a mode does not read a flag, and what to type instead."""
    written = as_typed(flag, value)
    if mode in ("deploy", "dry_run"):
        return f"{written}: {DOES[mode]}; {instead(flag, value)}"
    one = value[0] if isinstance(value, list) else value
    if (mode, flag) in WAY:
        way = WAY[mode, flag].format(value=one, name=str(one).partition("=")[0])
    elif flag in INSTEAD:
        way = instead(flag, value)
    else:
        way = f"leave it out here and give it to a command of its own: ./deploy {written}"
    return f"{written} does not go with --{mode.replace('_', '-')}: {DOES[mode]}; {way}"


def instead(flag, value):
    """The command that reads a flag of one mode alone."""
    return INSTEAD[flag].format(value=value[0] if isinstance(value, list) else value)


def as_typed(flag, value):
    """A flag as it is typed, with the first of its values."""
    name = flag.replace("_", "-")
    if value is True:
        return f"--{name}"
    if value is False:
        return f"--no-{name}"
    one = value[0] if isinstance(value, list) else value
    return f"--{name} {one if one != '' else chr(39) * 2}"
