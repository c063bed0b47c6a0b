"""Fleet mode's steps, what they wait for, and what is printed of the table: first against made-up answers, then in the
emulator, where the tests play the publisher."""

import contextlib
import io
import itertools
import json
import re
import sys
import tempfile
import threading
import time
import unittest
import zipfile
from pathlib import Path
from unittest import mock

from botocore.exceptions import ClientError
from cloud import TEMPLATE, AwsCli, Cloud, archive
from deploy.__main__ import arguments
from deploy.aws import AwsError
from deploy.deployment import code
from deploy.fleet import await_conditions, begins_anew, switch
from deploy.fleet_hosts import fleet_hosts
from deploy.forget import forget_added, forget_dropped
from deploy.quotas import concurrency, throttle
from deploy.remove import promised
from deploy.settings import others
from deploy.stack import Stack
from deploy.steps import (
    ANEW,
    DRAIN,
    DRAINING,
    NARROW,
    OFF,
    ON,
    PREPARE,
    READY,
    State,
    after,
    next_step,
    remaining,
    settling,
)
from deploy.table import straight
from deploy.trouble import Trouble
from deploy.waiting import await_drained, await_pass
from test_steps import IDENTITY, Stub
from test_template import STATES, resources

# Every state, by the names that the tests of the template use.
NAMED = {"off": OFF, "prepare": PREPARE, "ready": READY, "on": ON, "narrow": NARROW, "draining": DRAINING, "drain": DRAIN}
DAY = 86_400


class Steps(unittest.TestCase):
    def ways(self):
        """Each step from each state, into fleet mode and out of it."""
        for (name, state), on in itertools.product(NAMED.items(), (True, False)):
            if step := next_step(state, on):
                yield name, on, state, step, after(state, step)

    def test_the_states_are_those_that_the_template_takes(self):
        for name, state in NAMED.items():
            self.assertEqual(State.of(STATES[name]), state, name)
        self.assertEqual(State.of({}), OFF)
        for name, on, _, _, then in self.ways():
            self.assertIn(then, NAMED.values(), (name, on))

    def test_from_every_state_both_ways_end(self):
        ways = {
            True: ["off", "prepare", "ready", "on", "narrow"],
            False: ["narrow", "on", "draining", "drain", "off"],
        }
        for on, names in ways.items():
            for place, name in enumerate(names):
                self.assertEqual(remaining(NAMED[name], on), len(names) - 1 - place, name)
        # Turning back on the way.
        self.assertEqual(remaining(DRAINING, True), 2)
        self.assertEqual(remaining(DRAIN, True), 4)
        self.assertEqual((remaining(READY, False), remaining(PREPARE, False)), (1, 1))

    def test_a_state_that_no_step_leads_to_is_explained(self):
        for on in (True, False):
            with self.assertRaisesRegex(Trouble, "^Fleet=drain with FleetGateway=off is no state .*: set Fleet=prepare"):
                next_step(State("drain", "off", False), on)

    def test_the_publisher_is_switched_first_and_its_old_invocations_end_before_the_gateway_follows(self):
        timeout = resources["Publisher"]["Properties"]["Timeout"]
        for name, on, state, step, then in self.ways():
            with self.subTest(name, on=on):
                if then.gateway != state.gateway and then.gateway in ("on", "drain"):
                    self.assertEqual(then.publisher, state.publisher)
                    self.assertGreater(step.settles, timeout)
                # While the gateway promises, the publisher publishes. It drains beside it for a moment only.
                if then.gateway == "on":
                    self.assertIn(then.publisher, ("on", "drain"))
                if then.gateway == "drain":
                    self.assertEqual(then.publisher, "drain")

    def test_a_pass_is_never_that_of_an_old_publisher(self):
        timeout = resources["Publisher"]["Properties"]["Timeout"]
        quick = []
        for name, on, state, step, _ in self.ways():
            befores = {before: name for name, way, before, _, then in self.ways() if (way, then) == (on, state)}
            for before, came_from in {None: "anywhere", **befores}.items():
                seconds = settling(step, state, before)
                with self.subTest(name, on=on, came_from=came_from):
                    self.assertGreaterEqual(seconds, min(step.settles, 60))
                    if step.needs_pass and seconds <= timeout:
                        quick.append((came_from, name))
        # There is no old one if there was none before, or one that works the same.
        self.assertEqual(quick, [("off", "prepare"), ("ready", "on")])
        # The usual way waits no longer than it must.
        waits = ((READY, PREPARE, 310), (DRAINING, ON, 310), (DRAIN, DRAINING, 60))
        for state, before, expected in waits:
            self.assertEqual(settling(next_step(state, state == READY), state, before), expected)

    def test_a_gateway_that_changes_route53_itself_has_the_right_to(self):
        for name, on, state, step, then in self.ways():
            with self.subTest(name, on=on):
                self.assertFalse(then.narrow and then.gateway != "on")
                # The role and the way to the records change in two steps.
                self.assertFalse(state.narrow != then.narrow and state.gateway != then.gateway)

    def test_nothing_that_was_promised_is_left_behind(self):
        for name, on, state, step, then in self.ways():
            with self.subTest(name, on=on):
                # In READY the gateway has asked the table if CloudFormation took the next step back.
                leaves = (state.asks_table and not then.asks_table) or state == READY
                self.assertEqual(step.needs_drained, leaves)
                self.assertEqual(step.needs_unpromised, state == READY and on)
                # What was written to Route 53 is in the table before the table counts for more.
                joins = (state, then) in ((PREPARE, READY), (ON, NARROW), (DRAINING, ON))
                self.assertEqual(step.needs_pass, joins)
                if step.needs_drained or step.needs_pass:
                    self.assertGreaterEqual(step.settles, 60)

    def test_a_step_into_fleet_mode_keeps_the_table(self):
        for name, on, _, step, _ in self.ways():
            self.assertIn(step.changes.get("FleetTable"), (None, "true"), (name, on))


class Quotas(unittest.TestCase):
    def stack(self, **parameters):
        return Stack("nic53", parameters=parameters)

    def test_the_throttle_fits_the_hosts_and_the_account(self):
        rows = [
            (0, {}, 10_000, {}),
            (100_000, {}, 10_000, {}),
            (100_001, {}, 10_000, {"ThrottleRate": "1001", "ThrottleBurst": "2000"}),
            (400_000, {}, 10_000, {"ThrottleRate": "4000", "ThrottleBurst": "4000"}),
            (1_000_000, {}, 10_000, {"ThrottleRate": "10000", "ThrottleBurst": "5000"}),
            (1_000_001, {}, 10_000, "1,000,001 hosts come back from an outage with 10,001 requests a second"),
            (200_000, {"ThrottleRate": "3000"}, 10_000, {}),
            (300_000, {}, 2_500, "API Gateway allows this account 2,500 in us-east-1: have the quota L-8A5B8E43"),
            # What is set already has no effect if the account does not allow it.
            (0, {"ThrottleRate": "3000"}, 2_500, "ThrottleRate is 3,000"),
            (0, {}, 500, "API Gateway allows this account 500"),
            (10_000_000, {"FrontDoor": "FunctionUrl"}, 1, {}),
        ]
        for hosts, parameters, allowed, expected in rows:
            aws = Stub(get_account={"throttleSettings": {"rateLimit": float(allowed), "burstLimit": 1}})
            with self.subTest(hosts=hosts, parameters=parameters, allowed=allowed):
                if isinstance(expected, dict):
                    self.assertEqual(throttle(aws, self.stack(**parameters), hosts), expected)
                    continue
                with self.assertRaises(Trouble) as refused:
                    throttle(aws, self.stack(**parameters), hosts)
                self.assertIn(expected, str(refused.exception))
                self.assertNotIn("\n", str(refused.exception))

    def test_one_publisher_at_a_time_if_the_account_can_spare_it(self):
        for left, expected in ((1000, "1"), (101, "1"), (100, ""), (10, "")):
            aws = Stub(get_account_settings={"AccountLimit": {"UnreservedConcurrentExecutions": left}})
            self.assertEqual(concurrency(aws), {"PublisherConcurrency": expected}, left)


class TakenBack(unittest.TestCase):
    """CloudFormation may have taken back a step that had switched the gateway."""

    def test_the_table_begins_anew_if_anything_was_promised(self):
        taken_over, promised = item("a.example.org", v=3, i=3, pv=3), item("b.example.org", v=3, i=2, pv=3)
        zone = item("#", c="org.example.x.", ca=1)
        stack = Stack("nic53", parameters={"Zones": "example.org=Z1,example.net=Z2"}, outputs={"TableName": "table"})
        for (name, state), on, before, found in itertools.product(
            NAMED.items(), (True, False), (None, PREPARE, ON), ([zone, taken_over], [zone, taken_over, promised])
        ):

            def query(request):
                return {"Items": found if request["ExpressionAttributeValues"][":z"]["S"] == "Z2" else []}

            if step := next_step(state, on):
                expected = (state, on) == (READY, True) and before != PREPARE and promised in found
                with self.subTest(name, on=on, before=before, found=found):
                    self.assertEqual(begins_anew(Stub(query=query), stack, step, before), expected)
        self.assertEqual(after(READY, ANEW), PREPARE)


class WithoutTable(unittest.TestCase):
    def test_there_is_a_way_back_and_none_forward(self):
        gone = AwsError("c", "An error occurred (ResourceNotFoundException) when calling the DescribeTable operation: no")
        with contextlib.redirect_stdout(io.StringIO()), mock.patch("time.sleep", side_effect=AssertionError):
            for name, on in itertools.product(STATES, (True, False)):
                stack = Stack("nic53", parameters=STATES[name], outputs={"TableName": "table"})
                step = next_step(State.of(STATES[name]), on)
                if step is None or State.of(STATES[name]).is_off:
                    continue
                with self.subTest(name, on=on):
                    given = (Stub(describe_table=gone), stack, step, on, None)
                    if on:
                        self.assertRaisesRegex(Trouble, "the table table is gone: .*--no-fleet", await_conditions, *given)
                    else:
                        await_conditions(*given)


class Permissions(unittest.TestCase):
    def switch(self, on, parameters, *refused):
        """The error of a switch whose caller lacks these permissions, and the calls that were made."""

        def simulate(request):
            decision = {True: "implicitDeny", False: "allowed"}
            names = request["ActionNames"]
            return {"EvaluationResults": [{"EvalActionName": n, "EvalDecision": decision[n in refused]} for n in names]}

        with mock.patch.object(sys, "argv", ["deploy", "--fleet" if on else "--no-fleet"]):
            options = arguments()
        parameters = {"CodeBucket": "mine", "Zones": "example.org=Z1", **parameters}
        stack = Stack("nic53", "id", "UPDATE_COMPLETE", parameters, {"TableName": "table", "UpdateUrl": "url"})
        aws = Stub(simulate_principal_policy=simulate)
        with self.assertRaises(Trouble) as found:
            switch(aws, IDENTITY, stack, options, on)
        return str(found.exception), {name for name, _ in aws.calls}

    def test_what_is_missing_is_named_before_anything_is_waited_for_or_made(self):
        missing = ("dynamodb:Query", "lambda:CreateEventSourceMapping", "logs:PutMetricFilter")
        for name, on in itertools.product(STATES, (True, False)):
            parameters = {**STATES[name], "AlarmEmail": "you@example.org"}
            if next_step(State.of(parameters), on):
                with self.subTest(name, on=on):
                    trouble, calls = self.switch(on, parameters, *missing)
                    self.assertEqual(calls, {"simulate-principal-policy"})
                    for action in missing:
                        self.assertIn(f"{action} on ", trouble)


class FakeTable:
    """A table whose passes and pending hosts follow a script: each look takes the next entry."""

    def __init__(self, passes=(), pending=()):
        self.passes = {zone: list(script) for zone, script in dict(passes).items()}
        self.script = list(pending)
        self.asked = []

    def pass_of(self, zone_id):
        script = self.passes[zone_id]
        return script.pop(0) if len(script) > 1 else script[0]

    def ask_for_pass(self, zone_id):
        self.asked.append(zone_id)

    def count_pending(self, _zone_id):
        return self.script.pop(0)


class Waiting(unittest.TestCase):
    def setUp(self):
        self.said = io.StringIO()
        self.enterContext(contextlib.redirect_stdout(self.said))
        self.enterContext(mock.patch("time.sleep"))

    def test_each_zone_is_waited_for_and_its_pass_asked_for_once(self):
        table = FakeTable({"Z1": [(None, 0), (None, 3), "more"], "Z2": [(None, 0), ("h.example.net", 0), (None, 9), "more"]})
        await_pass(table, {"example.org": "Z1", "example.net": "Z2"}, "hint")
        self.assertEqual(table.asked, ["Z1", "Z2"])
        # No zone is looked at again once its pass has ended.
        self.assertEqual(table.passes, {"Z1": ["more"], "Z2": ["more"]})
        said = [line.split("s  ")[1] for line in self.said.getvalue().splitlines()]
        self.assertEqual(
            said,
            [
                "compared 0 of 2 zones: example.org, example.net",
                "compared 1 of 2 zones: example.net at h.example.net",
                "compared 2 of 2 zones",
            ],
        )

    def test_one_that_is_pending_anywhere_is_waited_for(self):
        table = FakeTable(pending=[0, 3, 0, 1, 0, 0])
        await_drained(table, {"example.org": "Z1", "example.net": "Z2"}, "hint")
        self.assertEqual(table.script, [])
        self.assertEqual([line.split("s  ")[1] for line in self.said.getvalue().splitlines()], ["pending: 3", "pending: 1", "pending: 0"])

    def test_no_progress_names_the_log(self):
        with mock.patch("time.monotonic", side_effect=itertools.count(0, 100)):
            await_drained(FakeTable(pending=[2] * 9 + [0]), {"example.org": "Z1"}, "see the log")
        self.assertIn("no progress for 5 minutes: see the log", self.said.getvalue())


def item(name, zone="Z1", **attributes):
    """An item of the table: numbers and texts."""
    key = ".".join(reversed(name.replace("*", "\\052").split("."))) + "."
    kind = {str: "S", int: "N"}
    return {"z": {"S": zone}, "n": {"S": key}, **{k: {kind[type(v)]: str(v)} for k, v in attributes.items()}}


def rename(parameters):
    """RecordNames as the argument of `stack`."""
    return {"names" if name == "RecordNames" else name: value for name, value in parameters.items()}


class Hosts(unittest.TestCase):
    NOW = 20_000 * DAY + 3600

    def setUp(self):
        self.enterContext(mock.patch("time.time", lambda: self.NOW))

    def stack(self, names="a.example.org,b.example.org,dyn.example.org,*.dyn.example.org", **parameters):
        parameters = {"Zones": "example.org=Z1,example.net=Z2", "RecordNames": names, **STATES["narrow"], **parameters}
        outputs = {"TableName": "table", "Log": "log"}
        return Stack("nic53", "id", "UPDATE_COMPLETE", parameters, outputs, self.NOW - 100 * DAY)

    def aws(self, *items, page=2):
        """A DynamoDB with these items, this many a page."""

        def query(request):
            zone = request["ExpressionAttributeValues"][":z"]["S"]
            found = sorted((i for i in items if i["z"]["S"] == zone), key=lambda i: i["n"]["S"])
            if "IndexName" in request:
                found = [{name: i[name] for name in ("z", "n", "d")} for i in found if "d" in i]
            begin = int(request.get("ExclusiveStartKey", {"at": {"N": "0"}})["at"]["N"])
            more = {"LastEvaluatedKey": {"at": {"N": str(begin + page)}}} if begin + page < len(found) else {}
            return {"Items": found[begin : begin + page], "Count": len(found[begin : begin + page]), **more}

        def batch_get(request):
            ((name, asked),) = request["RequestItems"].items()
            keys = asked["Keys"]
            # Only one is processed at a time.
            found = [i for i in items if {k: i[k] for k in ("z", "n")} == keys[0]]
            left = {name: {"Keys": keys[1:]}} if keys[1:] else {}
            return {"Responses": {name: found}, "UnprocessedKeys": left}

        return Stub(query=query, batch_get_item=batch_get)

    def printed(self, aws, stack, *words):
        """What is printed, and the error if there is one."""
        said, trouble = io.StringIO(), None
        with mock.patch.object(sys, "argv", ["deploy", "--hosts", *words]):
            options = arguments()
        with contextlib.redirect_stdout(said):
            try:
                fleet_hosts(aws, stack, options)
            except Trouble as error:
                trouble = str(error)
        return said.getvalue(), trouble

    ITEMS = [
        item("#", c="org.example.x.", ca=1),
        item("a.example.org", v=3, i=0, w4="60 192.0.2.7 192.0.2.8", w6="60 2001:db8::7", p4="60 192.0.2.7", pv=3, a=1_727_999_000_000, s=20_000),
        item("b.example.org", v=4, i=0, w4="60 192.0.2.9", pv=3, d=1_728_000_000_000, t=1_727_999_940_000, s=19_990),
        item("x.dyn.example.org", v=2, i=0, w4="60 192.0.2.1", pv=1, e="refused: no", ea=1_727_999_000_000, s=20_000),
        item("www.example.org", v=1, i=1, w4="60 192.0.2.2", pv=1, s=20_000),
        item("y.example.net", zone="Z2", v=1, i=1, e="a CNAME is there", ea=1, s=20_000),
    ]
    ITEMS[0]["n"] = {"S": "#"}

    def names(self, *words, stack=None):
        said, trouble = self.printed(self.aws(*self.ITEMS), stack or self.stack(), "--json", *words)
        return [host["name"] for host in json.loads(said)["hosts"]], trouble

    def test_every_host_of_the_stack_is_printed(self):
        said, trouble = self.printed(self.aws(*self.ITEMS), self.stack(), "--json")
        self.assertIsNone(trouble)
        hosts = {host["name"]: host for host in json.loads(said)["hosts"]}
        # Neither www, which no token covers, nor the zone's own item.
        self.assertEqual(set(hosts), {"a.example.org", "b.example.org", "x.dyn.example.org"})
        self.assertEqual(
            hosts["a.example.org"],
            {
                "name": "a.example.org",
                "addresses": ["192.0.2.7", "192.0.2.8", "2001:db8::7"],
                "last_published": "2024-10-03T23:43:20Z",
                "last_heard": "2024-10-04",
                "pending_since": None,
                "left_alone": None,
                "left_alone_seen": None,
                "stale": False,
            },
        )
        self.assertEqual(hosts["b.example.org"]["pending_since"], "2024-10-03T23:59:00Z")
        self.assertEqual(hosts["x.dyn.example.org"]["left_alone"], "refused: no")
        # The same as a table.
        said, _ = self.printed(self.aws(*self.ITEMS), self.stack())
        self.assertIn("\n3 hosts, ", said)
        self.assertRegex(said, r"\nb\.example\.org +192\.0\.2\.9 +- +2024-09-24 +2024-10-03 23:59\n")
        self.assertRegex(said, r"\nx\.dyn\.example\.org +192\.0\.2\.1 +- +2024-10-04 +2024-10-03 23:43 refused: no\n")

    def test_some_of_them_can_be_asked_for(self):
        self.assertEqual(self.names("--pending"), (["b.example.org"], None))
        self.assertEqual(self.names("--refused"), (["x.dyn.example.org"], None))
        everything = self.stack("")
        self.assertEqual(len(self.names(stack=everything)[0]), 5)
        self.assertEqual(self.names("--refused", stack=everything)[0], ["x.dyn.example.org", "y.example.net"])
        # A host that was never heard has a row; a subtree need not be a host.
        rows = self.names(stack=self.stack("a.example.org,never.example.org,dyn.example.org,*.dyn.example.org"))[0]
        self.assertEqual(rows, ["a.example.org", "x.dyn.example.org", "never.example.org"])

    def test_a_silent_host_ends_with_1(self):
        self.assertEqual(self.names("--stale", "11d")[1], None)
        self.assertEqual(self.names("--stale", "9d")[1], "stale: b.example.org (last heard 10d ago)")
        self.assertEqual(self.names("--stale", "9d", "--stale", "b.example.org=30d")[1], None)
        never = self.stack("never.example.org")
        self.assertEqual(self.names("--stale", "9d", stack=never)[1], "stale: never.example.org (never heard)")
        never.created = self.NOW - DAY
        self.assertEqual(self.names("--stale", "9d", stack=never)[1], None)
        for age in ("1d", "12h", "49h"):
            said, trouble = self.printed(self.aws(), self.stack(), "--stale", age)
            self.assertEqual(said, "")
            self.assertIn("the table knows only the day on which a host was last heard", trouble)
        many = [item(f"h{n}.dyn.example.org", v=1, i=0, s=10) for n in range(30)]
        self.assertRegex(self.printed(self.aws(*many), self.stack("dyn.example.org,*.dyn.example.org"), "--stale", "9d")[1], r" and 10 more$")

    def test_a_host_that_was_dropped_is_promised_nothing(self):
        before = self.stack()
        changes = [
            ({}, []),
            ({"RecordNames": "a.example.org,b.example.org,dyn.example.org,*.dyn.example.org,c.example.org"}, []),
            ({"RecordNames": "b.example.org,dyn.example.org,*.dyn.example.org"}, ["a.example.org"]),
            ({"RecordNames": "a.example.org,b.example.org,dyn.example.org"}, ["x.dyn.example.org"]),
            ({"RecordNames": ""}, []),
            # Neither www nor y.example.net was ever promised anything.
            ({"Zones": "example.net=Z2"}, ["a.example.org", "b.example.org", "x.dyn.example.org"]),
            ({"Zones": "example.org=Z1"}, []),
            ({"Zones": "example.net=Z2", **STATES["kept"], "FleetGateway": "off", "FleetNarrow": "false", "Fleet": "off"}, []),
        ]
        for parameters, expected in changes:
            aws = self.aws(*self.ITEMS)
            with self.subTest(parameters), contextlib.redirect_stdout(io.StringIO()) as said:
                forget_dropped(aws, before, self.stack(**{"names": before.parameters["RecordNames"], **rename(parameters)}))
                forgotten = [straight(request["Key"]["n"]["S"]) for request in aws.called("update-item")]
                self.assertEqual(sorted(forgotten), expected)
                self.assertEqual(f"left: the records of {len(expected)} host" in said.getvalue(), bool(expected))

    def test_a_zone_that_comes_back_is_promised_nothing(self):
        for zones, ids, parameters, expected in (
            ("example.net=Z2", "Z1,Z2", {}, ["a.example.org", "b.example.org", "x.dyn.example.org"]),
            ("example.net=Z2", "Z2", {}, []),
            ("example.org=Z1", "Z1,Z2", {}, []),
            ("example.net=Z2", "Z1,Z2", {**STATES["off"], "Fleet": "off"}, []),
        ):
            aws = self.aws(*self.ITEMS)
            forget_added(aws, self.stack(Zones=zones, **parameters), {"ZoneIds": ids})
            forgotten = [straight(request["Key"]["n"]["S"]) for request in aws.called("update-item")]
            self.assertEqual(sorted(forgotten), expected, (zones, ids))

    def test_a_key_is_the_name_again(self):
        for name in ("home.example.org", "*.dyn.example.org", "a.b.c.example.org"):
            self.assertEqual(straight(item(name)["n"]["S"]), name)


class Words(unittest.TestCase):
    def others(self, given, **parameters):
        with mock.patch.object(sys, "argv", ["deploy", "--set", given]):
            options = arguments()
        known = {"Fleet", "FleetGateway", "FleetTable", "FleetNarrow", "FleetPace", "StaleDays"}
        return others(options, Stack("nic53", parameters=parameters), known)

    def test_only_the_steps_set_what_the_steps_set(self):
        for given in ("Fleet=on", "Fleet=off", "FleetGateway=off", "FleetNarrow=true", "FleetTable=true"):
            with self.subTest(given), self.assertRaisesRegex(Trouble, "is set step by step, by ./deploy --fleet"):
                self.others(given)
        with self.assertRaises(Trouble):
            self.others("FleetTable=false", **STATES["prepare"])
        # A table that is no longer used may be given up.
        self.assertEqual(self.others("FleetTable=false", **STATES["kept"]), {"FleetTable": "false"})
        self.assertEqual(self.others("FleetPace=8", **STATES["on"]), {"FleetPace": "8"})

    def test_an_archive_of_before_fleet_mode_is_refused_in_it(self):
        with tempfile.TemporaryDirectory() as folder:
            for content, refused in ((b"\x7fELF NIC53_TABLE", True), (b"\x7fELF NIC53_FLEET_NARROW", False)):
                path = Path(folder) / "archive.zip"
                with zipfile.ZipFile(path, "w") as zipped:
                    zipped.writestr("bootstrap", content)
                for words, parameters, checked in (
                    ([], STATES["off"], False),
                    (["--fleet"], STATES["off"], True),
                    *(([], STATES[name], True) for name in ("prepare", "on", "narrow", "drain")),
                ):
                    with mock.patch.object(sys, "argv", ["deploy", *words]):
                        options = arguments()
                    given = (Stub(), "0", "mine", Stack("nic53", "id", "CREATE_COMPLETE", parameters), options)
                    with self.subTest(words=words, parameters=parameters, content=content):
                        with mock.patch("deploy.deployment.archive", return_value=(path, "x86_64")):
                            if refused and checked:
                                self.assertRaisesRegex(Trouble, "that version knows nothing of fleet mode", code, *given)
                            else:
                                self.assertIn("CodeKey", code(*given))

    def test_removing_a_gateway_that_promises_is_warned_of(self):
        for name, parameters in STATES.items():
            warned = bool(promised(Stack("nic53", parameters=parameters)))
            self.assertEqual(warned, name in ("on", "narrow", "draining", "drain"), name)


class Publisher:
    """A publisher that only makes passes, and those at once."""

    def __init__(self, dynamodb, table):
        self.dynamodb, self.table = dynamodb, table
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def run(self):
        while not self.ended.wait(0.05):
            with contextlib.suppress(ClientError, KeyError):
                for zone in self.dynamodb.scan(TableName=self.table())["Items"]:
                    if zone["n"]["S"] == "#" and zone["ca"]["N"] == "0":
                        zone["ca"] = {"N": "1"}
                        self.dynamodb.put_item(TableName=self.table(), Item=zone)


class Walk(unittest.TestCase):
    """The whole way in the emulator, as a person types it. What the real publisher does there is another test."""

    QUICK = {"NIC53_DEPLOY_SETTLE": "0"}

    def setUp(self):
        self.cloud = self.enterContext(Cloud(self.enterContext(AwsCli())))
        self.zone_id = self.cloud.hosted_zone("example.org")
        self.cloud.deploy("--zone", f"example.org={self.zone_id}", "--host", "home.example.org")
        self.before = self.resources()

    def switch(self, *words):
        """Run ./deploy, which must succeed, with a publisher at work."""
        with Publisher(self.cloud.client("dynamodb"), lambda: self.stack()["Outputs"]["TableName"]):
            done = self.cloud.try_deploy(*words, environment=self.QUICK)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def stack(self):
        """The parameters and the outputs of the stack."""
        (found,) = self.cloud.client("cloudformation").describe_stacks(StackName="nic53")["Stacks"]
        parameters = {p["ParameterKey"]: p["ParameterValue"] for p in found["Parameters"]}
        return {"Parameters": parameters, "Outputs": {o["OutputKey"]: o["OutputValue"] for o in found["Outputs"]}}

    def state(self):
        """Where the stack is."""
        return State.of(self.stack()["Parameters"])

    def resources(self):
        """What the function and its role are, and all that is in the stack."""
        client = self.cloud.client
        made = client("cloudformation").describe_stack_resources(StackName="nic53")["StackResources"]
        made = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in made}
        role = client("iam").get_role_policy(RoleName=made["Role"], PolicyName="nic53")["PolicyDocument"]
        function = client("lambda").get_function_configuration(FunctionName="nic53")
        return set(made), role, function["Environment"], function["Handler"]

    def test_there_and_back(self):
        output = self.switch("--fleet", "--archive", archive())
        self.assertEqual(self.state(), NARROW)
        for said in ("4 steps to go. Next: the table and the publisher are made", "compared 1 of 1 zones", "Fleet mode is on."):
            self.assertIn(said, output)
        names, role, environment, _ = self.resources()
        self.assertNotIn("ChangeAddresses", [statement["Sid"] for statement in role["Statement"]])
        self.assertEqual(environment["Variables"]["NIC53_FLEET"], "on")
        self.assertIn("Publisher", names)
        # Again: nothing is left to do, and an archive would not be read.
        self.assertNotIn("to go", self.switch("--fleet"))
        done = self.cloud.try_deploy("--fleet", "--archive", archive())
        self.assertIn("./deploy with them deploys another version", done.stderr)
        self.assertIn("is set step by step", self.cloud.try_deploy("--set", "Fleet=off").stderr)
        # Names come and go as ever.
        self.cloud.deploy("--host", "two.example.org")
        promised = item("two.example.org", zone=self.zone_id, v=2, i=0, pv=2, w4="60 192.0.2.1", p4="60 192.0.2.1", s=20_000)
        self.cloud.client("dynamodb").put_item(TableName=self.stack()["Outputs"]["TableName"], Item=promised)
        self.assertIn("left: the records of 1 host;", self.cloud.deploy("--drop", "two.example.org"))
        self.cloud.deploy("--host", "two.example.org")
        self.assertEqual(self.state(), NARROW)
        self.assertRegex(self.cloud.deploy("--hosts"), r"\ntwo\.example\.org +192\.0\.2\.1 +- ")
        table = self.stack()["Outputs"]["TableName"]
        self.what_is_pending_is_waited_for(table)
        self.assertIn("pending: 0", self.switch("--no-fleet"))
        self.cloud.deploy("--drop", "two.example.org")
        names, *others = self.resources()
        self.assertEqual((names - {"Table"}, *others), self.before)
        self.assertIn("--pending is about fleet mode", self.cloud.try_deploy("--hosts", "--pending").stderr)
        # The table was kept, and is used again.
        self.assertIn(f"left: the table {table}", self.switch("--no-fleet"))
        self.switch("--fleet", "--archive", archive())
        self.assertEqual(self.stack()["Outputs"]["TableName"], table)
        # Removed as it is: the table stays, and is named.
        output = self.cloud.deploy("--remove", "--yes")
        self.assertIn("left: the table nic53-Table-", output)
        self.assertEqual(self.cloud.client("dynamodb").list_tables()["TableNames"], [table])

    def what_is_pending_is_waited_for(self, table):
        """Try to go back, and in again, while a host is pending."""
        dynamodb = self.cloud.client("dynamodb")
        # Not before tomorrow: the publisher is a real one too.
        due = int(time.time() + DAY) * 1000
        pending = item("home.example.org", zone=self.zone_id, v=2, i=0, pv=1, w4="60 192.0.2.1", d=due, t=1, s=20_000)
        dynamodb.put_item(TableName=table, Item=pending)
        for words in ("--no-fleet", "--fleet"):
            with Publisher(dynamodb, lambda: table):
                done = self.cloud.interrupt(lambda printed: "pending: 1" in printed[-1], words, environment=self.QUICK)
            said = f"deploy: interrupted; nothing is lost, and ./deploy {words} goes on from there\n"
            self.assertEqual((done.stderr, self.state()), (said, DRAIN))
        self.assertIn("home.example.org", self.cloud.deploy("--hosts", "--pending"))
        dynamodb.update_item(TableName=table, Key={k: pending[k] for k in "zn"}, UpdateExpression="REMOVE d, t")

    def test_interrupted_anywhere_it_goes_on_or_back_from_there(self):
        dynamodb = self.cloud.client("dynamodb")
        reached = []
        for on, words in ((True, ["--fleet"]), (False, ["--no-fleet"])):
            # By turns it is interrupted at the first wait or end of a deployment, and where the second step begins.
            for turn in range(12):
                given = [*words, *(["--archive", archive()] if on and self.state() == OFF else [])]
                quick = {"NIC53_DEPLOY_SETTLE": "0.1"}
                when = (lambda printed: "waiting" in printed[-1] or "COMPLETE nic53" in re.sub(" +", " ", printed[-1]))
                self.await_stack()
                with Publisher(dynamodb, lambda: self.stack()["Outputs"]["TableName"]):
                    done = self.cloud.interrupt(when, *given, environment=quick) if turn % 2 == 0 else None
                    if done is None:
                        done = self.cloud.interrupt(lambda printed: sum("to go" in line for line in printed) > 1, *given, environment=quick)
                self.assertIn(done.returncode, (0, 1), done.stderr)
                if done.returncode:
                    self.assertRegex(done.stderr, r"^deploy: (interrupted|another deployment)[^\n]*\n$")
                self.await_stack()
                self.assertIn(self.state(), NAMED.values())
                reached.append(self.state())
                if done.returncode == 0:
                    break
            self.assertEqual(self.state(), NARROW if on else OFF)
        # The emulator takes a changed condition alone for no change.
        self.cloud.deploy("--set", "FleetTable=false", "--set", "Memory=256")
        self.assertNotIn("TableName", self.stack()["Outputs"])
        self.assertEqual(len(dynamodb.list_tables()["TableNames"]), 1)
        # It was interrupted in between, not only at the ends.
        self.assertGreater(len(set(reached)), 4, reached)

    def test_a_first_step_that_fails_leaves_no_table(self):
        cloudformation = self.cloud.client("cloudformation")
        # Something else of the same update fails: there is no such zone.
        record = {"HostedZoneId": "ZNOTHING", "Name": "x.example.org", "Type": "A", "TTL": "60", "ResourceRecords": ["192.0.2.1"]}
        failing = {"Type": "AWS::Route53::RecordSet", "DependsOn": "Table", "Properties": record}
        template = TEMPLATE.read_text().replace("\nResources:\n", f"\nResources:\n  Failing: {json.dumps(failing)}\n")
        given = STATES["prepare"]
        kept = self.stack()["Parameters"].keys() - given.keys()
        cloudformation.update_stack(
            StackName="nic53",
            TemplateBody=template,
            Parameters=[
                *({"ParameterKey": name, "ParameterValue": value} for name, value in given.items()),
                *({"ParameterKey": name, "UsePreviousValue": True} for name in kept),
            ],
            Capabilities=["CAPABILITY_IAM"],
        )
        self.await_stack()
        events = cloudformation.describe_stack_events(StackName="nic53")["StackEvents"]
        events = {(event["LogicalResourceId"], event["ResourceStatus"]) for event in events}
        self.assertLessEqual({("Table", "DELETE_COMPLETE"), ("nic53", "UPDATE_ROLLBACK_COMPLETE")}, events)
        self.assertEqual((self.state(), self.cloud.client("dynamodb").list_tables()["TableNames"]), (OFF, []))

    def test_after_a_step_that_was_taken_back_the_table_begins_anew(self):
        dynamodb = self.cloud.client("dynamodb")
        with Publisher(dynamodb, lambda: self.stack()["Outputs"]["TableName"]):
            third = (lambda printed: sum("to go" in line for line in printed) > 2)
            slow = {"NIC53_DEPLOY_SETTLE": "2"}
            self.cloud.interrupt(third, "--fleet", "--archive", archive(), environment=slow)
        self.assertEqual(self.state(), READY)
        # The gateway promised this when it was on.
        promised = item("home.example.org", zone=self.zone_id, v=2, i=0, pv=2, w4="60 192.0.2.1", p4="60 192.0.2.1", s=20_000)
        dynamodb.put_item(TableName=self.stack()["Outputs"]["TableName"], Item=promised)
        output = self.switch("--fleet")
        self.assertIn("pending: 0\nA step that was taken back had promised something: the table begins anew.\n", output)
        self.assertEqual(output.count("the table has what Route 53 has"), 1)
        self.assertEqual(self.state(), NARROW)

    def await_stack(self):
        """Wait until CloudFormation is done with what it has begun."""
        cloudformation = self.cloud.client("cloudformation")
        while cloudformation.describe_stacks(StackName="nic53")["Stacks"][0]["StackStatus"].endswith("_IN_PROGRESS"):
            time.sleep(0.1)

    def test_of_two_at_once_one_is_told_to_run_it_again(self):
        others = []

        def meanwhile(printed):
            if "waiting" in printed[-1] and not others:
                others.append(self.cloud.try_deploy("--host", "two.example.org"))
            return False

        with Publisher(self.cloud.client("dynamodb"), lambda: self.stack()["Outputs"]["TableName"]):
            slow = {"NIC53_DEPLOY_SETTLE": "2"}
            done = self.cloud.interrupt(meanwhile, "--fleet", "--archive", archive(), environment=slow)
        self.assertEqual([other.returncode for other in others], [0])
        said = "deploy: another deployment of stack nic53 came in between; nothing was changed; run this again\n"
        self.assertEqual((done.returncode, done.stderr), (1, said))
        self.assertEqual(self.state(), PREPARE)
        self.switch("--fleet")
        self.assertEqual(self.state(), NARROW)
        self.assertIn("two.example.org", self.stack()["Parameters"]["RecordNames"])
        self.without_its_table_only_the_way_back_is_open()

    def without_its_table_only_the_way_back_is_open(self):
        """Go on with a table that somebody has deleted."""
        self.cloud.client("dynamodb").delete_table(TableName=self.stack()["Outputs"]["TableName"])
        self.assertRegex(self.cloud.try_deploy("--hosts").stderr, "^deploy: the table .* is gone, .*: ./deploy --no-fleet")
        self.cloud.deploy("--drop", "two.example.org")
        output = self.switch("--no-fleet")
        self.assertIn("The table is gone, and with it what was pending", output)
        self.assertNotIn("waiting", output)
        self.assertEqual(self.state(), OFF)
        # The emulator takes a changed condition alone for no change.
        self.cloud.deploy("--set", "FleetTable=false", "--set", "Memory=256")
        self.assertNotIn("TableName", self.stack()["Outputs"])
        # The way in begins anew.
        self.switch("--fleet", "--archive", archive())
        self.assertTrue(self.cloud.client("dynamodb").list_tables()["TableNames"])


if __name__ == "__main__":
    unittest.main()
