"""What fleet mode does with the hosts of names and zones that are dropped, and of zones that come back."""

from .aws import AwsError
from .roster import Roster
from .steps import State
from .table import table_of, zones_of


def forget_dropped(aws, before, made):
    """Take back what was promised to hosts that no token covers any more. Else a pass would restore it, over what their
    owner has put there since, as soon as the name is served again."""
    if State.of(made.parameters).is_off or not was_dropped(before, made):
        return
    roster, table = Roster(made, {}), table_of(aws, made)
    if not table.exists():
        return
    served = zones_of(made).values()
    count = sum(
        forget(table, item)
        for zone_id in zones_of(before).values()
        for item in table.hosts(zone_id)
        if not (zone_id in served and roster.covers(item.name))
    )
    if count:
        print(f"left: the records of {count:,} host{'s'[: count != 1]}; the table promises them nothing any more")


def forget_added(aws, stack, changed):
    """The same for the hosts of zones that are about to be added: the table may know them from an earlier time."""
    if State.of(stack.parameters).is_off:
        return
    table = table_of(aws, stack)
    added = set(changed["ZoneIds"].split(",")) - set(zones_of(stack).values())
    if not added or not table.exists():
        return
    for zone_id in added:
        for item in table.hosts(zone_id):
            forget(table, item)


def was_dropped(before, made):
    """Whether a name or a zone is served no more."""
    old, new = Roster(before, {}), Roster(made, {})
    names = [] if new.is_open else old.grants.items() - new.grants.items()
    narrower = old.is_open and not new.is_open
    return bool(names or narrower or set(zones_of(before).values()) - set(zones_of(made).values()))


def forget(table, item):
    """Make the host one that no router has written. Whether it was another."""
    if not item.promised:
        return False
    try:
        table.call(
            "update-item",
            Key=item.key,
            UpdateExpression="SET i = v, pv = v REMOVE d, t, e, ea",
            ConditionExpression="v = :v",
            ExpressionAttributeValues={":v": {"N": str(item.version)}},
        )
    except AwsError as error:
        if error.code != "ConditionalCheckFailedException":
            raise
        return False
    return True
