"""The steps into fleet mode and back: which comes next, without AWS.

One step changes a little and is safe to stop after; docs/fleet.md says what each is for. The publisher is switched
before the gateway, and only when its old invocations are over: a publisher that still prepares would undo what the
gateway promises, and one that is still on would undo what a stateless gateway wrote.

CloudFormation may have taken back the step that led on from a state. So no step relies on what the gateway has not done
yet: it may have promised for a moment, or written Route 53."""

from dataclasses import dataclass, field

from .trouble import Trouble

# Until no old instance of the gateway answers any more, in seconds: its time-out is at most 29.
GATEWAY_SETTLES = 60
# Until no old invocation of the publisher is running: its time-out is 300.
PUBLISHER_SETTLES = 310


@dataclass(frozen=True)
class State:
    """Where a stack is: the template's parameters of these names."""

    publisher: str
    gateway: str
    narrow: bool

    @classmethod
    def of(cls, parameters):
        """The state of a stack with these parameters. One of before fleet mode is off."""
        return cls(
            parameters.get("Fleet", "off"),
            parameters.get("FleetGateway", "off"),
            parameters.get("FleetNarrow", "false") == "true",
        )

    @property
    def is_off(self):
        """Whether there is no publisher."""
        return self.publisher == "off"

    @property
    def asks_table(self):
        """Whether the gateway asks the table, so that this has what was promised."""
        return self.gateway != "off"


@dataclass(frozen=True)
class Step:
    """What has to come true first, and then what is changed."""

    says: str
    changes: dict = field(hash=False)
    # Seconds to wait before anything else, unless `settling` says that fewer will do.
    settles: int = 0
    # A pass that begins and ends after that.
    needs_pass: bool = False
    # Nothing may be pending after that.
    needs_drained: bool = False
    # Nothing may be promised after that; else the table begins anew.
    needs_unpromised: bool = False


OFF = State("off", "off", False)
PREPARE = State("prepare", "off", False)
READY = State("on", "off", False)
ON = State("on", "on", False)
NARROW = State("on", "on", True)
DRAINING = State("drain", "on", False)
DRAIN = State("drain", "drain", False)

TO_ON = {
    OFF: Step("the table and the publisher are made; routers notice nothing", {"Fleet": "prepare", "FleetTable": "true"}),
    PREPARE: Step(
        "the table has what Route 53 has; the publisher goes to work",
        {"Fleet": "on"},
        settles=PUBLISHER_SETTLES,
        needs_pass=True,
    ),
    # The gateway may have asked the table already, and then have written Route 53 again.
    READY: Step(
        "the gateway answers from the table",
        {"FleetGateway": "on"},
        settles=PUBLISHER_SETTLES,
        needs_drained=True,
        needs_unpromised=True,
    ),
    ON: Step(
        "the gateway loses the right to change addresses",
        {"FleetNarrow": "true"},
        settles=PUBLISHER_SETTLES,
        needs_pass=True,
    ),
    # The gateway may have drained already, and have written Route 53: the table learns that first.
    DRAINING: Step("the publisher goes to work again", {"Fleet": "on"}, settles=PUBLISHER_SETTLES, needs_pass=True),
    # Route 53 is right again once nothing is pending, and the table learns it anew.
    DRAIN: Step(
        "the gateway is back on Route 53; the table begins anew",
        {"Fleet": "prepare", "FleetGateway": "off"},
        settles=GATEWAY_SETTLES,
        needs_drained=True,
    ),
}
ANEW = Step("the table begins anew", {"Fleet": "prepare"})
TO_OFF = {
    NARROW: Step("the gateway gets back the right to change addresses", {"FleetNarrow": "false"}),
    # The right takes a moment to arrive; it is needed only two steps later.
    ON: Step("the publisher gives way to Route 53", {"Fleet": "drain"}),
    DRAINING: Step(
        "the gateway is back on Route 53, but for hosts that are pending",
        {"FleetGateway": "drain"},
        settles=PUBLISHER_SETTLES,
    ),
    DRAIN: Step(
        "nothing is pending; the publisher is removed",
        {"Fleet": "off", "FleetGateway": "off"},
        settles=GATEWAY_SETTLES,
        needs_drained=True,
    ),
    # The gateway may have asked the table already.
    READY: Step("the publisher is removed", {"Fleet": "off"}, settles=GATEWAY_SETTLES, needs_drained=True),
    PREPARE: Step("the publisher is removed", {"Fleet": "off"}),
}
ENDS = {True: NARROW, False: OFF}


def next_step(state, on):
    """The step that leads on from a state, into fleet mode or out of it; None at the end of the way."""
    if state == ENDS[on]:
        return None
    way = TO_ON if on else TO_OFF
    if state not in way:
        raise Trouble(
            f"Fleet={state.publisher} with FleetGateway={state.gateway} is no state that ./deploy makes: "
            "set Fleet=prepare and FleetGateway=off in CloudFormation's console, then run this again"
        )
    return way[state]


def settling(step, state, before):
    """How many seconds a step from a state waits first, if this run has just come there from another state; None if an
    earlier run has. The gateway's time is enough where no publisher of another kind can be left."""
    is_alone = before is not None and (before.is_off or before.publisher == state.publisher)
    return min(step.settles, GATEWAY_SETTLES) if is_alone else step.settles


def after(state, step):
    """The state that a step leads to."""
    return State(
        step.changes.get("Fleet", state.publisher),
        step.changes.get("FleetGateway", state.gateway),
        step.changes.get("FleetNarrow", "true" if state.narrow else "false") == "true",
    )


def remaining(state, on):
    """How many steps are left from a state."""
    count = 0
    while step := next_step(state, on):
        count, state = count + 1, after(state, step)
    return count
