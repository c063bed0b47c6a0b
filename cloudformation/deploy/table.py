"""Fleet mode's table, as the gateway and the publisher write it (src/table/): items, passes, what is pending."""

from dataclasses import dataclass
from typing import Optional

from .aws import AwsError
from .names import parse_pairs

# The item of a zone itself, which says where its pass is.
ZONE_ITEM = "#"
PENDING = "pending"
# The most keys of one BatchGetItem.
KEYS = 100


@dataclass
class Item:
    """What the table has of a host. Times are in milliseconds since 1970; None is what is not there."""

    name: str
    # The key, in DynamoDB's JSON.
    key: dict
    addresses: list
    version: int
    # Whether a router has written the host through the table. Only then is anything promised.
    promised: bool
    published: Optional[int]
    # The day since 1970 on which the host was last heard.
    heard: Optional[int]
    pending_since: Optional[int]
    # Why the host is left alone, and when that was last seen.
    left_alone: Optional[str]
    left_alone_seen: Optional[int]

    @classmethod
    def read(cls, item):
        """A host of DynamoDB's JSON; None for a zone's own item."""
        if item["n"]["S"] == ZONE_ITEM:
            return None
        sets = [text(item, name) for name in ("w4", "w6")]
        return cls(
            straight(item["n"]["S"]),
            {part: item[part] for part in ("z", "n")},
            # A record set is its TTL and then its addresses.
            [address for given in sets if given for address in given.split(" ")[1:]],
            number(item, "v") or 0,
            (number(item, "v") or 0) > (number(item, "i") or 0),
            number(item, "a"),
            number(item, "s"),
            number(item, "t") if "d" in item else None,
            text(item, "e"),
            number(item, "ea"),
        )


class Table:
    """The table of a stack."""

    def __init__(self, aws, name):
        self.aws = aws
        self.name = name
        self.calls = 0

    def exists(self):
        """Whether it is there. Somebody may have deleted it."""
        try:
            self.call("describe-table")
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise
            return False
        return True

    def hosts(self, zone_id):
        """All hosts of a zone, in the order of Route 53."""
        for page in self.pages(zone_id):
            yield from filter(None, map(Item.read, page.get("Items", [])))

    def pending(self, zone_id):
        """The hosts of a zone that are pending, those first that are due first."""
        for page in self.pages(zone_id, IndexName=PENDING):
            keys = [{name: item[name] for name in ("z", "n")} for item in page.get("Items", [])]
            for begin in range(0, len(keys), KEYS):
                found = self.get(keys[begin : begin + KEYS])
                # One that was published meanwhile is pending no longer.
                yield from (item for item in found if item.pending_since is not None)

    def count(self, zone_id, **request):
        """How many items a query finds."""
        return sum(page["Count"] for page in self.pages(zone_id, Select="COUNT", **request))

    def count_pending(self, zone_id):
        """How many hosts of a zone are pending, those too that are not due yet."""
        return self.count(zone_id, IndexName=PENDING)

    def pass_of(self, zone_id):
        """The host that the pass of a zone is at (None if none is under way), and when it last went round."""
        item = self.call("get-item", Key=zone_key(zone_id), ConsistentRead=True).get("Item", {})
        return text(item, "c"), number(item, "ca") or 0

    def ask_for_pass(self, zone_id):
        """Have a pass of a zone begin anew when the publisher wakes. One that is under way does not count: its next step
        finds that it is no longer where it was."""
        self.call(
            "update-item",
            Key=zone_key(zone_id),
            UpdateExpression="REMOVE c SET ca = :never",
            ExpressionAttributeValues={":never": {"N": "0"}},
        )

    def get(self, keys):
        """The items of these keys that are there."""
        left, found = keys, []
        while left:
            answer = self.aws(
                "dynamodb batch-get-item", RequestItems={self.name: {"Keys": left, "ConsistentRead": True}}
            )
            self.calls += 1
            found += filter(None, map(Item.read, answer["Responses"].get(self.name, [])))
            left = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
        return found

    def pages(self, zone_id, **request):
        """The pages of a consistent query of a zone."""
        following = {}
        while True:
            page = self.call(
                "query",
                "--no-paginate",
                KeyConditionExpression="z = :z",
                ExpressionAttributeValues={":z": {"S": zone_id}},
                ConsistentRead=True,
                **request,
                **following,
            )
            yield page
            if not page.get("LastEvaluatedKey"):
                return
            following = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def call(self, command, *words, **request):
        """One call to the table."""
        self.calls += 1
        return self.aws(f"dynamodb {command}", *words, TableName=self.name, **request)


def table_of(aws, stack):
    """The table of the stack."""
    return Table(aws, stack.outputs["TableName"])


def zones_of(stack):
    """The zones of the stack, by name, each id once."""
    names = {zone_id: name for name, zone_id in parse_pairs(stack.parameters["Zones"]).items()}
    return {name: zone_id for zone_id, name in names.items()}


def zone_key(zone_id):
    """The key of a zone's own item."""
    return {"z": {"S": zone_id}, "n": {"S": ZONE_ITEM}}


def straight(name):
    """The host's name from its key, whose labels are reversed as Route 53 sorts them."""
    labels = [label.replace("\\052", "*") for label in name.rstrip(".").split(".")]
    return ".".join(reversed(labels))


def text(item, name):
    """A text of an item; None if it is not there."""
    return item.get(name, {}).get("S")


def number(item, name):
    """A number of an item; None if it is not there."""
    return int(item[name]["N"]) if "N" in item.get(name, {}) else None
