"""The whole story of a fleet in the emulator, with the real template and archive: into fleet mode and back, twice, while
routers keep asking. After each chapter Route 53 has what the routers were last answered, and nothing moved back.

FLEET_HOSTS sets how many routers there are."""

import contextlib
import os
import random
import signal
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from cloud import AwsCli, Cloud, archive
from deploy.steps import NARROW, OFF, State
from test_deploy import printed

HOSTS = int(os.environ.get("FLEET_HOSTS", "200"))
ZONE = "example.org"
NAMES = [f"h{number:05}.dyn.{ZONE}" for number in range(HOSTS)]
# The one becomes somebody else's alias, the other is changed by hand.
ALIASED, BY_HAND = NAMES[3], NAMES[4]
HAND = "9.9.9.9"
# The emulator replaces a function at once; this is long enough for a request that is under way.
SETTLE = {"NIC53_DEPLOY_SETTLE": "0.5"}
# How often the rule wakes the publisher here, in seconds.
MINUTE = 1
# How often a router tries if it is answered `dnserr`.
TRIES = 5
FIRST = int(IPv4Address("5.0.0.0"))


def address(number, turn):
    """The address of a host at its turn. Later turns have greater addresses."""
    return str(IPv4Address(FIRST + turn * HOSTS + number))


def turn_of(address):
    """The turn of an address; 0 of one that was put there by hand."""
    return 0 if address == HAND else (int(IPv4Address(address)) - FIRST) // HOSTS


class Routers:
    """The routers: what each was last answered."""

    def __init__(self, cloud, url, token):
        self.cloud, self.url, self.token = cloud, url, token
        self.answered = {}
        self.refused = {}
        self.turn = 0
        self.lock = threading.Lock()

    def update(self, numbers, turn):
        """One request for these hosts. All of them get the address of the first."""
        names = [NAMES[number] for number in numbers]
        asked = address(numbers[0], turn)
        target = f"{self.url}?hostname={','.join(names)}&myip={asked}"
        for _ in range(TRIES):
            response, body = self.cloud.request(target, user=f"dyn.{ZONE}", password=self.token)
            # The emulator ends a function's process when its settings change, whatever that is doing. Lambda does not.
            while "Runtime exited" in body:
                response, body = self.cloud.request(target, user=f"dyn.{ZONE}", password=self.token)
            # A router that hears this comes again. Here the emulator was too busy to answer the gateway in time.
            if "dnserr" not in body:
                break
            time.sleep(1)
        lines = body.split("\n") if response.status == 200 else [f"{response.status} {body}"] * len(names)
        with self.lock:
            for name, line in zip(names, lines):
                if line in (f"good {asked}", f"nochg {asked}"):
                    self.answered[name] = asked
                else:
                    self.refused[name] = line

    def all(self, together=1):
        """Every router asks for its next address. `together` is the number of hosts in one request."""
        self.turn += 1
        groups = [list(range(HOSTS))[begin : begin + together] for begin in range(0, HOSTS, together)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda group: self.update(group, self.turn), groups))

    @contextlib.contextmanager
    def at_work(self):
        """Routers ask one after the other while the block lasts."""
        ended = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            working = pool.submit(self.work, ended)
            try:
                yield
            finally:
                ended.set()
            working.result()

    def work(self, ended):
        """Have one router after the other ask, until that event."""
        chance = random.Random(14)
        while not ended.wait(0.05):
            number = chance.randrange(HOSTS)
            # Many ask for what they have already. A host that was in a request with others may have another's address.
            kept = self.answered.get(NAMES[number])
            if kept and kept == address(number, turn_of(kept)) and chance.random() < 0.5:
                self.update([number], turn_of(kept))
            else:
                self.turn += 1
                self.update([number], self.turn)


class Watcher:
    """Looks at Route 53 all the time, and remembers what moved back."""

    def __init__(self, route53, zone_id):
        self.route53, self.zone_id = route53, zone_id
        self.latest, self.back = {}, []
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def run(self):
        while not self.ended.wait(0.3):
            self.look()

    def look(self):
        """The address of each host that has one. Each was compared with what was there before."""
        with self.lock:
            pages = self.route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=self.zone_id)
            sets = [found for page in pages for found in page["ResourceRecordSets"] if found["Type"] == "A"]
            there = {s["Name"].rstrip("."): s["ResourceRecords"][0]["Value"] for s in sets if s.get("ResourceRecords")}
            for name, found in there.items():
                turn, latest = turn_of(found), self.latest.get(name, 0)
                if turn < latest and found != HAND:
                    self.back.append((name, latest, turn))
                self.latest[name] = max(turn, latest)
        return there


class Story(unittest.TestCase):
    def setUp(self):
        self.cloud = self.enterContext(Cloud(self.enterContext(AwsCli())))
        self.zone_id = self.cloud.hosted_zone(ZONE)
        # Its own pace would make the story long: the emulator takes any.
        words = ["--zone", f"{ZONE}={self.zone_id}", "--subtree", f"dyn.{ZONE}", "--set", "FleetPace=50"]
        url, tokens = printed(self.cloud.deploy(*words))
        self.routers = Routers(self.cloud, url, tokens[f"dyn.{ZONE}"])
        self.route53 = self.cloud.client("route53")
        self.watcher = self.enterContext(Watcher(self.cloud.new_client("route53"), self.zone_id))
        self.enterContext(self.ticking())

    @contextlib.contextmanager
    def ticking(self):
        """The rule's minute is a second here."""
        ended = threading.Event()
        client = self.cloud.new_client("lambda")

        def tick():
            while not ended.wait(MINUTE):
                with contextlib.suppress(ClientError, BotoCoreError):
                    client.invoke(FunctionName="nic53-publisher", InvocationType="Event")

        thread = threading.Thread(target=tick)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def switch(self, *words):
        """Run ./deploy --fleet or --no-fleet while routers keep asking."""
        with self.routers.at_work():
            done = self.cloud.try_deploy(*words, environment=SETTLE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def state(self):
        """Where the stack is."""
        (found,) = self.cloud.client("cloudformation").describe_stacks(StackName="nic53")["Stacks"]
        return State.of({p["ParameterKey"]: p["ParameterValue"] for p in found["Parameters"]})

    def assert_published(self, *besides):
        """Route 53 comes to what the routers were last answered, but for these hosts, and none moved back."""
        expected = {name: found for name, found in self.routers.answered.items() if name not in besides}
        deadline = time.monotonic() + 120
        while True:
            found = self.watcher.look()
            wrong = {name: (found.get(name), at) for name, at in expected.items() if found.get(name) != at}
            if not wrong or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        if wrong:
            shown = dict(list(wrong.items())[:5])
            self.fail(f"{len(wrong)} of {len(expected)} hosts: {shown}\n{self.items(shown)}\n{self.lines()}")
        self.assertTrue(self.watcher.thread.is_alive())
        self.assertEqual(self.watcher.back, [])
        refused = {name: line for name, line in self.routers.refused.items() if name not in besides}
        if refused:
            self.fail(f"{refused}\n{self.lines()}")

    def items(self, names):
        """What the table has of these hosts."""
        dynamodb, zone = self.cloud.client("dynamodb"), {"S": self.zone_id}
        keys = [{"z": zone, "n": {"S": ".".join(reversed(name.split("."))) + "."}} for name in names]
        return [dynamodb.get_item(TableName=self.table(), Key=key).get("Item") for key in keys] if self.table() else []

    def lines(self):
        """The last lines of both logs."""
        logs, lines = self.cloud.client("logs"), []
        for group in ("/aws/lambda/nic53", "/aws/lambda/nic53-publisher"):
            with contextlib.suppress(ClientError):
                pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
                found = [event["message"] for page in pages for event in page["events"]]
                lines += [line for line in found if '"level":"warn' in line or '"level":"error' in line or "dnserr" in line][-8:]
        return "\n".join(["", *lines])

    def change_by_hand(self, name, **record_set):
        """Somebody else's change of a host's A."""
        change = {"Action": "UPSERT", "ResourceRecordSet": {"Name": name, "Type": "A", **record_set}}
        self.route53.change_resource_record_sets(HostedZoneId=self.zone_id, ChangeBatch={"Changes": [change]})

    def put_alias(self):
        """Somebody makes a host's name an alias."""
        target = {"HostedZoneId": self.zone_id, "DNSName": "elsewhere.example.org", "EvaluateTargetHealth": False}
        self.change_by_hand(ALIASED, AliasTarget=target)

    def ask_for_pass(self):
        """Have the next pass begin at once instead of within six hours."""
        self.cloud.client("dynamodb").update_item(
            TableName=self.table(),
            Key={"z": {"S": self.zone_id}, "n": {"S": "#"}},
            UpdateExpression="SET ca = :never",
            ExpressionAttributeValues={":never": {"N": "0"}},
        )

    def assert_alias(self):
        """The alias is what it was when it was put there."""
        listed = self.route53.list_resource_record_sets(HostedZoneId=self.zone_id, StartRecordName=ALIASED)
        found = next(s for s in listed["ResourceRecordSets"] if s["Name"] == f"{ALIASED}.")
        self.assertEqual(found["AliasTarget"]["DNSName"].rstrip("."), "elsewhere.example.org")

    def kill_publisher(self):
        """Kill every publisher that runs, as a machine that is lost would."""
        killed = 0
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                environment = (process / "environ").read_bytes().split(b"\0")
                ours = b"AWS_LAMBDA_FUNCTION_NAME=nic53-publisher" in environment
                if ours and str(self.cloud.port).encode() in b" ".join(environment):
                    os.kill(int(process.name), signal.SIGKILL)
                    killed += 1
        return killed

    def test_it(self):
        # Without fleet mode.
        self.routers.all()
        self.assert_published()

        # Into fleet mode, while updates keep coming.
        self.switch("--fleet", "--archive", archive())
        self.assertEqual(self.state(), NARROW)
        self.assert_published()

        # An alias is put by hand, and a record changed. Then all are re-addressed at once, and the publisher is killed
        # when it has sent the first of them.
        self.put_alias()
        self.change_by_hand(BY_HAND, TTL=60, ResourceRecords=[{"Value": HAND}])
        killer = threading.Thread(target=self.kill_when_sent)
        killer.start()
        self.routers.all(together=10)
        killer.join()
        self.assertGreater(self.killed, 0)
        self.assert_published(ALIASED)
        self.assert_alias()
        self.assertIn(ALIASED, self.cloud.deploy("--hosts", "--refused"))

        # A record is changed by hand, and no router asks for another: a pass puts it right.
        self.change_by_hand(BY_HAND, TTL=60, ResourceRecords=[{"Value": HAND}])
        self.ask_for_pass()
        self.assert_published(ALIASED)

        # Back, while updates keep coming; all are re-addressed in stateless mode.
        self.switch("--no-fleet")
        self.assertEqual(self.state(), OFF)
        self.assert_published(ALIASED)
        self.routers.all()
        self.assert_published(ALIASED)
        self.assert_alias()

        # On again with the table that was kept, which knows nothing of that, and off again.
        self.switch("--fleet", "--archive", archive())
        self.assert_published(ALIASED)
        self.routers.all(together=5)
        self.assert_published(ALIASED)
        self.switch("--no-fleet")
        self.assertEqual(self.state(), OFF)
        self.assert_published(ALIASED)
        self.assert_alias()

    def kill_when_sent(self):
        """Wait until Route 53 has a host's next address, and kill the publisher then."""
        self.killed, before = 0, self.routers.turn
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if any(turn_of(found) > before for found in self.watcher.look().values()):
                self.killed = self.kill_publisher()
                return

    def table(self):
        """The name of the table; None before there is one."""
        (found,) = self.cloud.client("cloudformation").describe_stacks(StackName="nic53")["Stacks"]
        return next((o["OutputValue"] for o in found["Outputs"] if o["OutputKey"] == "TableName"), None)


if __name__ == "__main__":
    unittest.main()
