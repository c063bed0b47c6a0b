"""Deploy nic53 to AWS in one command; rotate, revoke, take it all down.

  ./deploy --zone example.org=Z0123ABC --host home.example.org

builds the Lambda archive, deploys cloudformation/nic53.yaml and prints what to type into the router. Run it
again to change something: what you leave out stays as it is. docs/deploy.md has the rest."""

import argparse
import os
import sys
from pathlib import Path

from .archive import archive
from .aws import Aws, AwsError, caller
from .deployment import deploy
from .flags import check_flags
from .fleet import switch
from .fleet_hosts import fleet_hosts
from .hosts import hosts
from .parser import Parser
from .remove import remove
from .rotation import end_grace, rotate
from .show import show, show_json
from .stack import Stack, deployed
from .steps import State
from .trouble import Trouble


def main():
    """Run the command line. What is wrong ends it with a message and the status 1."""
    options = arguments()
    try:
        run(options)
        sys.stdout.flush()
    except (Trouble, AwsError) as trouble:
        sys.exit(f"deploy: {trouble}")
    except BrokenPipeError:
        # Whoever reads has seen enough, such as `head`. Python would flush once more at its end, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit("deploy: interrupted; what CloudFormation has begun, it goes on with by itself")


def run(options):
    """Do what the command line says."""
    if options.build:
        archive(options, options.arch)
        return
    aws = Aws(options.region)
    identity = caller(aws)
    account = identity["Account"]
    place = f"account {account}, region {options.region}, stack {options.stack}"
    # What a program reads has nothing else in it.
    print(place, file=sys.stderr if options.json else sys.stdout)
    stack = Stack.read(aws, options.stack)
    if options.remove:
        remove(aws, account, stack, options)
    elif options.rotate:
        rotate(aws, deployed(stack, options), options)
    elif options.end_grace:
        end_grace(aws, deployed(stack, options))
    elif options.fleet or options.no_fleet:
        switch(aws, identity, stack, options, on=options.fleet)
    elif options.hosts:
        asks_table = State.of(deployed(stack, options).parameters).asks_table
        (fleet_hosts if asks_table else hosts)(aws, stack, options)
    elif options.show is not None:
        (show_json if options.json else show)(aws, deployed(stack, options), options.show)
    else:
        deploy(aws, identity, stack, options)


def arguments():
    """The command line, read."""
    parser = Parser(
        prog="deploy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add_what(parser.add_argument_group("what to serve; each may be given several times"))
    add_how(parser.add_argument_group("how"))
    add_with(parser.add_argument_group("with"))
    add_instead(parser.add_argument_group("instead of deploying").add_mutually_exclusive_group())
    parser.add_argument("--json", action="store_true", help="with --show and --hosts: print it for a program to read")
    parser.add_argument(
        "--stale",
        action="append",
        default=[],
        metavar="[NAME=]AGE",
        help="with --hosts: end with 1 if a host is silent for longer, such as 30d; units are m, h, d, w",
    )
    some = parser.add_mutually_exclusive_group()
    some.add_argument("--pending", action="store_true", help="with --hosts in fleet mode: those not in Route 53 yet")
    some.add_argument("--refused", action="store_true", help="with --hosts in fleet mode: those left alone, and why")
    parser.add_argument("--keep-secret", action="store_true", help="with --remove: keep the secret, and so the tokens")
    options = parser.parse_args()
    check_flags(options)
    options.stack = options.stack or "nic53"
    # Not the CLI's own region: Route 53 is in us-east-1, and a second run must find the first one's stack.
    options.region = options.region or "us-east-1"
    return options


def add_what(group):
    """Zones and names."""
    several = {"action": "append", "default": [], "metavar": "NAME"}
    group.add_argument("--zone", **{**several, "metavar": "NAME[=ID]"}, help="a hosted zone")
    group.add_argument("--host", **several, help="a name that gets a token")
    group.add_argument("--subtree", **several, help="a name and all below it, one token")
    group.add_argument("--drop", **several, help="a host, subtree or zone no longer served; its token is not revoked")
    group.add_argument("--any-name", action="store_true", help="let the role change every A and AAAA of the zones")
    group.add_argument("--revoke", **several, help="make a new token for NAME, refuse the old")


def add_how(group):
    """The template's parameters."""
    either = argparse.BooleanOptionalAction
    group.add_argument("--front-door", choices=["http-api", "function-url"])
    group.add_argument("--domain", metavar="NAME", help="a name of your own for the gateway; '' for none")
    group.add_argument("--family-names", action=either, help="also ipv4.DOMAIN and ipv6.DOMAIN")
    group.add_argument("--plain-http", action=either, help="CloudFront in front, for old routers")
    group.add_argument("--challenge-mapping", action=either, help="have the HTTP API write WWW-Authenticate on a 401")
    group.add_argument("--acme", action=either, help="let each token get certificates for its host and the wildcard of it")
    group.add_argument("--alarm-email", metavar="ADDRESS", help="who gets a mail when it is broken; '' for nobody")
    group.add_argument("--secret", metavar="ARN", help="a secret kept by --remove --keep-secret")
    group.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="any other parameter of the template"
    )


def add_with(group):
    """What the command itself needs."""
    group.add_argument("--arch", choices=["x86_64", "arm64"], help="default: this machine's")
    group.add_argument("--archive", type=Path, metavar="ZIP", help="a built or released archive, instead of building")
    group.add_argument(
        "--bucket", metavar="NAME", help="an S3 bucket of yours for the archive, instead of one made for it"
    )
    group.add_argument("--stack", metavar="NAME", help="default: nic53")
    group.add_argument("--region", help="default: us-east-1")
    group.add_argument("--yes", action="store_true", help="ask nothing; needed without a terminal")


def add_instead(group):
    """What to do other than to deploy."""
    group.add_argument("--dry-run", action="store_true", help="show what would change")
    group.add_argument("--build", action="store_true", help="only build the archive")
    group.add_argument(
        "--show", nargs="*", metavar="NAME", help="print the URL and the router's fields again, of these names or of all"
    )
    group.add_argument("--hosts", action="store_true", help="print when each host was last seen, newest trouble first")
    group.add_argument("--fleet", action="store_true", help="for thousands of hosts: a table in front of Route 53")
    group.add_argument("--no-fleet", action="store_true", help="back to Route 53 alone; nothing is lost")
    group.add_argument("--rotate", action="store_true", help="make a new secret; the previous tokens go on working")
    group.add_argument("--end-grace", action="store_true", help="refuse the previous tokens")
    group.add_argument("--remove", action="store_true", help="take it all down")


if __name__ == "__main__":
    main()
