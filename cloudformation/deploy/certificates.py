"""Certificates: whose challenges the role may write."""

from .names import challenge_names
from .trouble import Trouble

# The challenges of every name.
EVERY = "_acme-challenge.*"


def certificates(options, stack, before, grants):
    """The parameters of challenges, where this command line changes them. `before` are the grants that there were."""
    present = stack.parameters
    if options.acme is None and present.get("AllowAcme") != "true":
        return {}
    if options.acme is False:
        return {"AllowAcme": "false", "ChallengeNames": ""}
    refuse_plain_http(options, stack)
    names = every_name(options, present) if not grants else given_names(options, present, before, grants)
    if not names:
        raise Trouble("--acme: none of these names can have a certificate: the token of a wildcard has no challenge")
    return {"AllowAcme": "true", "ChallengeNames": names}


def every_name(options, present):
    """The challenges if every name is served."""
    return EVERY if options.acme or options.any_name else present.get("ChallengeNames", "")


def given_names(options, present, before, grants):
    """The challenges of the names that are served. Without --acme, those that were taken out stay out."""
    new = {name: kind for name, kind in grants.items() if options.acme or before.get(name) != kind}
    kept = set(present.get("ChallengeNames", "").split(",")) & set(challenge_names(grants))
    wanted = {*kept, *challenge_names(new)}
    return ",".join(name for name in challenge_names(grants) if name in wanted)


def refuse_plain_http(options, stack):
    """Refuse challenges where the token is sent in the clear."""
    if options.plain_http or ("PlainHttpUrl" in stack.outputs and options.plain_http is None):
        raise Trouble(
            "--acme and --plain-http do not go together: whoever reads one request on the way could get certificates "
            "for the host; leave one of them out, with --no-acme or --no-plain-http"
        )
