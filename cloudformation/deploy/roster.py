"""Which hosts there should be, which of them were heard, and which are silent for too long. Without AWS."""

from .heard import Host
from .names import grants_of, is_in, parse_pairs
from .trouble import Trouble


class Roster:
    """The names of a stack, with what each one's token covers, and the ages of --stale."""

    def __init__(self, stack, limits):
        self.grants = grants_of(stack.parameters.get("RecordNames", ""))
        self.zones = parse_pairs(stack.parameters["Zones"])
        self.limits = limits
        self.created = stack.created
        named = [name for name in limits if name]
        for name in named:
            self.check(name)
        # A name below a subtree is looked for if --stale names it.
        self.sought = {**dict.fromkeys(named, "host"), **self.grants}

    @property
    def is_open(self):
        """Whether every name is served, so that nobody knows which there are."""
        return not self.grants

    @property
    def subtrees(self):
        """The names whose token covers all below them."""
        return [name for name, kind in self.grants.items() if kind == "subtree"]

    def check(self, name):
        """Refuse a name that is not served: it is mistyped."""
        if name not in self.grants and not is_in(name, self.zones if self.is_open else self.subtrees):
            expected = [*self.grants, *(f"a name below {above}" for above in self.zones if self.is_open)]
            raise Trouble(f"--stale {name}=…: that name is not served here; those that are: {', '.join(expected)}")

    def is_complete(self, heard):
        """Whether every name was heard. A subtree was if any name below it was."""
        return all(self.was_heard(name, heard) for name in self.sought)

    def was_heard(self, name, heard):
        """Whether a name, or one below a subtree, was heard."""
        below = [name] if self.sought[name] == "subtree" else []
        return any(host.seen and (other == name or is_in(other, below)) for other, host in heard.hosts.items())

    def rows(self, heard):
        """The hosts to be shown, newest trouble first, then those that were not heard, the longest silent first."""
        # A stranger can name any host in a request that is refused: only one that was heard has a row of its own.
        found = [host for host in heard.hosts.values() if host.seen and self.covers(host.name)]
        names = {host.name for host in found}
        for name, kind in self.sought.items():
            # A subtree need not be a host itself.
            if name not in names and (kind == "host" or not self.was_heard(name, heard)):
                found.append(heard.hosts.get(name, Host(name)))
        return sorted(found, key=lambda host: (not host.trouble, -host.trouble, host.seen, host.name))

    def covers(self, name):
        """Whether a token of this stack covers the name."""
        return self.is_open or name in self.grants or is_in(name, self.subtrees)

    def is_stale(self, host, now):
        """Whether a host is silent for longer than --stale allows."""
        limit = self.limit(host.name)
        # Nobody could be heard before there was a gateway.
        return limit is not None and now - (host.seen / 1000 or self.created) > limit

    def limit(self, name):
        """The age that --stale gives a name: its own, that of a subtree that holds it, or that of all."""
        holding = [other for other in self.limits if other in self.subtrees and is_in(name, [other])]
        return self.limits.get(name, self.limits.get(max(holding, key=len, default=None)))
