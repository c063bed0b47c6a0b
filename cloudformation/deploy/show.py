"""Printing what goes into the routers."""

import json

from .names import canonical, grants_of, parse_pairs
from .secret import secret_value
from .tokens import tokens


def show(aws, stack, names=()):
    """Print the URL and the fields of a router's form for these names, or for all."""
    print_url(stack)
    print_tokens(stack, chosen(aws, stack, names))
    if not grants_of(stack.parameters["RecordNames"]):
        print_command(stack)
    print_removal(aws, stack)


def show_changed(aws, before, stack):
    """The same after a deployment: for the names whose fields are new; the others are counted."""
    print_url(stack)
    found = chosen(aws, stack, ())
    changed = changed_names(before, stack)
    print_tokens(stack, [token for token in found if token.name in changed])
    others = len(found) - len(changed)
    if others:
        print(f"\n{others} other name{'s'[: others != 1]}, as before: ./deploy --show{stack.flags(aws)} prints them")
    if not found:
        print_command(stack)
    print_removal(aws, stack)


def show_json(aws, stack, names=()):
    """Print the same for a program to read."""
    given = [
        {"name": token.name, "kind": token.kind, "user": token.name, "password": token.password}
        for token in chosen(aws, stack, names)
    ]
    urls = {"update_url": stack.outputs["UpdateUrl"], "plain_http_url": stack.outputs.get("PlainHttpUrl")}
    urls["page_url"] = page_url(stack) if has_page(stack) else None
    print(json.dumps({**urls, "hosts": given}, indent=2))


def chosen(aws, stack, names):
    """The tokens of these names, or of all, under the present secret."""
    secret = secret_value(aws, stack.outputs["SecretArn"], "AWSCURRENT")
    return tokens(stack, secret, [canonical(name) for name in names])


def changed_names(before, stack):
    """The names whose fields in the router are not those of before."""
    whole = ("UpdateUrl", "SecretArn")
    if any(before.outputs.get(output) != stack.outputs[output] for output in whole):
        return set(fields(stack))
    known = fields(before)
    return {name for name, given in fields(stack).items() if known.get(name) != given}


def fields(stack):
    """What a name's token depends on, other than the secret, by name."""
    generations = parse_pairs(stack.parameters.get("Generations", ""))
    grants = grants_of(stack.parameters.get("RecordNames", ""))
    return {name: (kind, generations.get(name, "0")) for name, kind in grants.items()}


def print_url(stack):
    """Print the gateway's addresses."""
    print(f"\nUpdate URL  {stack.outputs['UpdateUrl']}")
    if "PlainHttpUrl" in stack.outputs:
        print(f"            {stack.outputs['PlainHttpUrl']}  (readable on its way; for routers that can do no better)")
    print_page(stack)


def print_page(stack):
    """Print where a person looks, unless there is no page."""
    if has_page(stack):
        print(f"Page        {page_url(stack)}  (what to type into a router, and whether a token works)")


def has_page(stack):
    """Whether the page is not switched off."""
    return stack.parameters.get("Page") != "false"


def page_url(stack):
    """The URL of the page."""
    return base_url(stack) + "/ui"


def base_url(stack):
    """The gateway's URL, as `nic53 setup` and `nic53 check` take it."""
    return stack.outputs["UpdateUrl"].removesuffix("/nic/update")


def print_tokens(stack, found):
    """Print the fields of a router's form for each of these tokens."""
    url = stack.outputs["UpdateUrl"]
    for token in found:
        print(f"\n{token.name}" + (" and all below it" if token.kind == "subtree" else ""))
        print("  in the router, as type dyndns2, DynDNS or custom:")
        print(f"    server     {url.split('/')[2]}")
        print(f"    host name  {token.name}")
        print(f"    user name  {token.name}")
        print(f"    password   {token.password}")
        print(f"  to try it, which sets {token.name} to your own address:")
        print(f"    curl -u '{token.name}:{token.password}' '{url}?hostname={token.name}'")
    if found:
        print_tools(stack, found[0].name)


def print_tools(stack, name):
    """Print what says more: the settings of one kind of device, and whether all is well from outside."""
    base = base_url(stack)
    print("\nMore, by the program nic53 (cargo run --) with the password in NIC53_TOKEN:")
    print(f"  nic53 setup fritzbox {name} --url {base}    # what that device wants; `nic53 setup` lists all")
    print(f"  nic53 check {base} {name}    # whether all is well, seen from here")


def print_command(stack):
    """Print how to get the token of any name, if no names were given."""
    print("\nNo --host was given. The token of a name is printed by ./deploy --show NAME, or by")
    generations = stack.parameters.get("Generations", "")
    revoked = f" NIC53_GENERATIONS={generations}" if generations else ""
    settings = f"NIC53_ZONES={stack.parameters['Zones']} NIC53_SECRET_ARN={stack.outputs['SecretArn']}{revoked}"
    print(f"  {settings} nic53 token NAME")


def print_removal(aws, stack):
    """Print how to take it down."""
    print(f"\nTo remove everything: ./deploy --remove{stack.flags(aws)}")
