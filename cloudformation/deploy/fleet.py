"""Fleet mode on and off: step by step, each safe to stop after and to repeat."""

from .bucket import bucket_of
from .change_set import alone
from .deployment import TEMPLATE, apply, code, failed_before, known_parameters
from .permissions import check_permissions
from .quotas import concurrency, throttle
from .settings import planned
from .stack import Stack, deployed
from .steps import ANEW, OFF, PREPARE, State, next_step, remaining, settling
from .table import table_of, zones_of
from .trouble import Trouble
from .waiting import await_drained, await_pass, settle


def switch(aws, identity, stack, options, on):
    """Take the stack into fleet mode, or out of it, from wherever it is."""
    command = f"./deploy --{'fleet' if on else 'no-fleet'}{stack.flags(aws)}"
    failed_before(deployed(stack, options), options)
    check_code(stack, options, on)
    try:
        print_end(aws, walk(aws, identity, stack, options, on))
    except KeyboardInterrupt:
        raise Trouble(f"interrupted; nothing is lost, and {command} goes on from there")


def check_code(stack, options, on):
    """Refuse an archive that no step would deploy."""
    if (options.archive or options.arch or options.bucket) and not (on and State.of(stack.parameters) == OFF):
        raise Trouble(
            "--archive, --arch and --bucket go with the first step into fleet mode, and that is done; "
            "./deploy with them deploys another version"
        )


def walk(aws, identity, stack, options, on):
    """Take one step after the other, and give the stack as it is then."""
    template = TEMPLATE.read_text()
    if next_step(State.of(stack.parameters), on):
        # Whatever the step, it may come to change all that fleet mode has.
        needed = {"Fleet": "on", "CodeBucket": bucket_of(identity["Account"], stack, options)}
        check_permissions(aws, identity, options, planned(stack, needed))
    known = known_parameters(aws, template)
    before = None
    while step := next_step(state := State.of(stack.parameters), on):
        left = remaining(state, on)
        print(f"\n{left} step{'s'[: left != 1]} to go. Next: {step.says}.", flush=True)
        await_conditions(aws, stack, step, on, before)
        if begins_anew(aws, stack, step, before):
            print("A step that was taken back had promised something: the table begins anew.", flush=True)
            step = ANEW
        changed = {**step.changes, **beside(aws, identity, stack, options, on)}
        stack = update(aws, stack, template, known, changed, options)
        if State.of(stack.parameters) == state:
            raise Trouble(f"CloudFormation left stack {stack.name} as it was; see its events")
        before = state
    if on and (raised := throttle(aws, stack, hosts_of(aws, stack))):
        stack = update(aws, stack, template, known, raised, options)
    return stack


def update(aws, stack, template, known, changed, options):
    """Have CloudFormation change these parameters, and give the stack as it is then."""
    with alone(stack):
        apply(aws, stack, template, known, changed, options)
    return Stack.read(aws, stack.name)


def await_conditions(aws, stack, step, on, before):
    """Wait for what has to come true before a step. `before` is the state that this run came from, None for its first step."""
    state = State.of(stack.parameters)
    if not state.is_off and not table_of(aws, stack).exists():
        return without_table(stack, on)
    if seconds := settling(step, state, before):
        settle(seconds)
    hint = f"aws logs tail {stack.outputs.get('PublisherLog')} --region {aws.region} --since 10m"
    if step.needs_pass:
        await_pass(table_of(aws, stack), zones_of(stack), hint)
    if step.needs_drained:
        await_drained(table_of(aws, stack), zones_of(stack), hint)


def begins_anew(aws, stack, step, before):
    """Whether the table holds promises that the gateway may have broken since. There are none if this run has just come
    from `prepare`, where it waited for a pass."""
    if not step.needs_unpromised or before == PREPARE:
        return False
    table = table_of(aws, stack)
    return any(host.promised for zone_id in zones_of(stack).values() for host in table.hosts(zone_id))


def without_table(stack, on):
    """If the table is gone, go back without waiting: nobody can read or write it. There is no way forward."""
    if on:
        raise Trouble(
            f"the table {stack.outputs['TableName']} is gone: ./deploy --no-fleet, then ./deploy --set FleetTable=false, "
            "then ./deploy --fleet makes a new one"
        )
    print("The table is gone, and with it what was pending; it comes back with the routers' next updates.")


def beside(aws, identity, stack, options, on):
    """What is changed together with a step: the code comes with the first one, the throttle with the second."""
    state = State.of(stack.parameters)
    if on and state == OFF:
        throttle(aws, stack, 0)
        account = identity["Account"]
        bucket = bucket_of(account, stack, options)
        return {**code(aws, account, bucket, stack, options), **concurrency(aws)}
    if on and state == PREPARE:
        return throttle(aws, stack, hosts_of(aws, stack))
    return {}


def hosts_of(aws, stack):
    """How many hosts the table has. A pass puts in every A and AAAA of the zones, so this is rather too many."""
    return sum(map(table_of(aws, stack).count, zones_of(stack).values()))


def print_end(aws, stack):
    """Print where the stack is now."""
    if not State.of(stack.parameters).is_off:
        print(f"\nFleet mode is on. ./deploy --hosts{stack.flags(aws)} prints every host; docs/fleet.md says the rest.")
        return
    print("\nFleet mode is off.")
    if table := stack.outputs.get("TableName"):
        print(f"left: the table {table}, which costs 0.25 dollars a GB a month. ./deploy --fleet uses it again;")
        print(f"      ./deploy --set FleetTable=false{stack.flags(aws)} takes it out of the stack, so that you can delete it")
