"""`./deploy --hosts`: when each host was last heard, against an emulated log and against lines made up here."""

import contextlib
import io
import json
import random
import re
import sys
import time
import unittest
from unittest import mock

from cloud import AwsCli, Cloud
from deploy.__main__ import arguments
from deploy.heard import Heard
from deploy.hosts import hosts
from deploy.log import PARTS
from deploy.stack import Stack
from deploy.trouble import Trouble
from test_steps import Stub

DAY = 86_400
NAMES = [f"site{number:02}.example.org" for number in range(40)]
LOG_GROUP = "/aws/lambda/nic53"


def line(hosts, codes, addresses=(), reasons=(), **others):
    """A line as the gateway writes it."""
    entry = {"source": "198.51.100.7", "endpoint": "update", "status": 200, "hosts": hosts, "codes": codes}
    entry.update(addresses=list(addresses), reasons=list(reasons), calls=1, ms=12.3)
    return json.dumps({**{key: value for key, value in entry.items() if value != []}, **others})


def rubbish(chance):
    """A line that says nothing about a host."""
    return chance.choice(
        [
            "START RequestId: 6bc28136-xmpl-4365-b021-0ce6b2e64ab0 Version: $LATEST",
            '{"level":"warning","message":"home.example.org: the zone was slow"}',
            '{"source":"192.0.2.1","endpoint":"checkip","status":200,"calls":0,"ms":0.1}',
            '{"source":null,"endpoint":"unknown","status":404,"calls":0,"ms":0.1}',
            '{"endpoint":"update","hosts":"site01.example.org","codes":["good"]}',
            '{"endpoint":"update","hosts":[1,null],"codes":["good","good"]}',
            '{"endpoint":"update","codes":["badauth"]}',
            '["site01.example.org","good"]',
            "[" * 5000,
            "{",
            "",
            "null",
            line(["?"], ["notfqdn"]),
        ]
    )


class LongLog(unittest.TestCase):
    """A log of forty hosts and three days in the emulator."""

    @classmethod
    def setUpClass(cls):
        cls.cloud = cls.enterClassContext(Cloud(cls.enterClassContext(AwsCli())))
        zone = cls.cloud.hosted_zone("example.org")
        words = [word for name in NAMES for word in ("--host", name)]
        cls.cloud.deploy("--zone", f"example.org={zone}", *words)
        cls.logs = cls.cloud.client("logs")

    def setUp(self):
        self.logs.delete_log_group(logGroupName=LOG_GROUP)
        self.logs.create_log_group(logGroupName=LOG_GROUP)
        self.streams = 0

    def write(self, events):
        """Put events of (milliseconds, message) into the log, some into each of three streams."""
        for part in range(3):
            stream = {"logGroupName": LOG_GROUP, "logStreamName": f"stream-{self.streams}-{part}"}
            self.logs.create_log_stream(**stream)
            chosen = [{"timestamp": at, "message": message or " "} for at, message in sorted(events)[part::3]]
            for begin in range(0, len(chosen), 5000):
                self.logs.put_log_events(**stream, logEvents=chosen[begin : begin + 5000])
        self.streams += 1

    def three_days(self, now):
        """Events of three days, and the table that they come to, kept as they are made."""
        chance = random.Random(13)
        events, table = [], {name: dict.fromkeys(("seen", "answer", "addresses", "change", "refused", "refusal")) for name in NAMES}
        # Two were silent for more than a day, one for two, and one was never heard.
        silent = {NAMES[7]: 30 * 3600, NAMES[8]: 30 * 3600, NAMES[9]: 50 * 3600, NAMES[10]: 4 * DAY}
        times = sorted(chance.sample(range(60, 3 * DAY), 4000), reverse=True)
        for age in times:
            at = (now - age) * 1000 + chance.randrange(1000)
            kind = chance.random()
            if kind < 0.15:
                events.append((at, rubbish(chance)))
                continue
            some = [name for name in chance.sample(NAMES, chance.choice([1, 1, 1, 2, 5])) if silent.get(name, 0) < age]
            if not some:
                continue
            if kind < 0.25:
                # Anybody can ask for anybody's name.
                code = chance.choice(["badauth", "911", "numhost"])
                events.append((at, line(some[:1], [code], others=len(some) - 1, status=401)))
                table[some[0]].update(refused=at, refusal=code)
                continue
            address = f"192.0.2.{chance.randrange(256)}"
            codes = [chance.choice(["good", "nochg", "nochg", "nochg", "dnserr", "nohost", "alias"]) for _ in some]
            reasons = []
            for name, code in zip(some, codes):
                row = table[name]
                if code == "nohost":
                    reasons.append(f"{name}: the token does not cover it")
                    row.update(refused=at, refusal="nohost")
                    continue
                if code == "alias":
                    reasons.append(f"{name}: it is an alias")
                row.update(seen=at, answer="nohost" if code == "alias" else code)
                if code in ("good", "nochg"):
                    row["addresses"] = [address]
                if code == "good":
                    row["change"] = at
            codes = ["nohost" if code == "alias" else code for code in codes]
            events.append((at, line(some, codes, [address] if {"good", "nochg"} & set(codes) else [], reasons)))
        return events, table

    def test_it_equals_a_table_computed_another_way(self):
        now = int(time.time())
        events, table = self.three_days(now)
        self.write(events)
        found = json.loads(self.cloud.deploy("--hosts", "--json"))
        self.assertEqual(len(found["hosts"]), 40)
        # One host is never found: it is looked for in every part.
        self.assertEqual(found["calls"], 4)
        for row in found["hosts"]:
            expected = table[row["name"]]
            with self.subTest(row["name"]):
                self.assertEqual(row["last_seen"], stamp(expected["seen"]))
                self.assertEqual((row["answer"], row["addresses"]), (expected["answer"], expected["addresses"] or []))
                self.assertEqual(row["last_change"], stamp(expected["change"]))
                refused = expected["refused"] if (expected["refused"] or 0) > (expected["seen"] or 0) else None
                self.assertEqual(row["refused"], stamp(refused))
                self.assertEqual(row["refusal"], expected["refusal"] if refused else None)
        # Trouble first and the newest of it first, then the one that was never heard, then the longest silent.
        trouble = [row for row in found["hosts"] if row["refused"] or row["answer"] in ("dnserr", "nohost")]
        self.assertGreater(len(trouble), 3)
        self.assertEqual(found["hosts"][: len(trouble)], trouble)
        newest = [row["refused"] or row["last_seen"] for row in trouble]
        self.assertEqual(newest, sorted(newest, reverse=True))
        quiet = found["hosts"][len(trouble) :]
        self.assertEqual(quiet, sorted(quiet, key=lambda row: (row["last_seen"] or "", row["name"])))

        # The same as a table, and a status that cron understands.
        done = self.cloud.try_deploy("--hosts")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        rows = re.findall(r"^(site\d\d\.example\.org)  +(\S+(?: \d\d:\d\d)?)", done.stdout, re.M)
        self.assertEqual([name for name, _ in rows], [row["name"] for row in found["hosts"]])
        shown = [(row["last_seen"] or "-")[:16].replace("T", " ") for row in found["hosts"]]
        self.assertEqual([seen for _, seen in rows], shown)
        self.assertIn("4 calls of the log, back to ", done.stdout)

    def test_what_is_fresh_takes_one_call_and_silence_ends_with_1(self):
        now = int(time.time())
        ages = enumerate(NAMES)
        self.write([((now - 20 * number) * 1000, line([name], ["nochg"], ["192.0.2.1"])) for number, name in ages])
        done = self.cloud.try_deploy("--hosts", "--stale", "1h", "--json")
        self.assertEqual((done.returncode, json.loads(done.stdout)["calls"]), (0, 1), done.stderr)
        done = self.cloud.try_deploy("--hosts", "--stale", "1h", "--stale", f"{NAMES[6]}=1m")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, rf"^deploy: stale: {re.escape(NAMES[6])} \(last seen \dm ago\)\n$")
        self.assertIn(f"\n{NAMES[39]} ", done.stdout)

    def test_if_the_log_holds_only_errors_nobody_can_know(self):
        self.cloud.deploy("--set", "LogLevel=error")
        done = self.cloud.try_deploy("--hosts")
        self.assertEqual(done.returncode, 1)
        self.assertIn("LogLevel=error: the log does not name the hosts that are well", done.stderr)
        self.cloud.deploy("--set", "LogLevel=info")


class Steps(unittest.TestCase):
    """What is asked of the log and what is made of it, with answers made up here."""

    NOW = 1_800_000_000

    def setUp(self):
        self.enterContext(mock.patch("time.time", lambda: self.NOW))

    def stack(self, names="a.example.org,b.example.org", **parameters):
        parameters = {"Zones": "example.org=Z1", "RecordNames": names, **parameters}
        return Stack("nic53", "id", "CREATE_COMPLETE", parameters, {"Log": LOG_GROUP}, self.NOW - 100 * DAY)

    def log_of(self, *events, page=1000):
        """A log that answers as FilterLogEvents does, with `page` lines a page."""

        def answer(request):
            last = request.get("endTime", self.NOW * 1000)
            found = [e for e in sorted(events) if request["startTime"] <= e[0] <= last]
            begin = int(request.get("nextToken", 0))
            following = {"nextToken": str(begin + page)} if begin + page < len(found) else {}
            part = [{"timestamp": at, "message": message} for at, message in found[begin : begin + page]]
            return {"events": part, **following}

        return Stub(filter_log_events=answer)

    def ago(self, seconds):
        return (self.NOW - seconds) * 1000

    def hosts(self, aws, stack, *words):
        """What `--json` prints, and the error if there is one."""
        printed, trouble = io.StringIO(), None
        with mock.patch.object(sys, "argv", ["deploy", "--hosts", "--json", *words]):
            options = arguments()
        with contextlib.redirect_stdout(printed):
            try:
                hosts(aws, stack, options)
            except Trouble as error:
                trouble = str(error)
        return json.loads(printed.getvalue() or "null"), trouble

    def test_each_part_is_read_once_and_no_further_than_it_takes(self):
        a, b = (line([name], ["good"], ["192.0.2.1"]) for name in ("a.example.org", "b.example.org"))
        for oldest, parts in ((60, 1), (3600, 2), (3 * DAY, 3), (20 * DAY, 4), (40 * DAY, 4)):
            with self.subTest(oldest):
                aws = self.log_of((self.ago(30), a), (self.ago(oldest), b))
                found, _ = self.hosts(aws, self.stack())
                self.assertEqual(found["calls"], parts)
                asked = aws.called("filter-log-events")
                begins = [*PARTS, 30 * DAY][:parts]
                self.assertEqual([r["startTime"] for r in asked], [self.ago(age) for age in begins])
                ends = [None, *(self.ago(age) - 1 for age in begins)][:parts]
                self.assertEqual([r.get("endTime") for r in asked], ends)
        # A log that is kept for a day is read no further; each page is a call.
        aws = self.log_of(*[(self.ago(age), a) for age in range(10, 60)], page=7)
        found, _ = self.hosts(aws, self.stack(LogRetention="1"))
        self.assertEqual((found["calls"], found["back_to"]), (8 + 1, stamp(self.ago(DAY))))

    def test_the_lines_of_one_host_come_to_its_row(self):
        at = self.ago(100)
        good, nochg = (line(["a.example.org"], [code], ["192.0.2.1"]) for code in ("good", "nochg"))
        covered = line(["a.example.org"], ["nohost"], reasons=["a.example.org: a CNAME is there"])
        foreign = line(["a.example.org"], ["nohost"], reasons=["a.example.org: the token does not cover it"])
        refused = line(["a.example.org", "b.example.org"], ["badauth"], others=3)
        failed = line(["a.example.org"], ["dnserr"], reasons=["zone example.org: Throttling"])
        rows = [
            ([good], ("good", ["192.0.2.1"], True, None)),
            ([nochg], ("nochg", ["192.0.2.1"], False, None)),
            ([good, nochg], ("nochg", ["192.0.2.1"], True, None)),
            ([good, failed], ("dnserr", ["192.0.2.1"], True, None)),
            ([good, covered], ("nohost", ["192.0.2.1"], True, None)),
            # What anybody can have written says nothing about when the host was seen.
            ([good, foreign], ("good", ["192.0.2.1"], True, "nohost")),
            ([good, refused], ("good", ["192.0.2.1"], True, "badauth")),
            ([refused, good], ("good", ["192.0.2.1"], True, None)),
            ([refused], (None, [], False, "badauth")),
            ([foreign], (None, [], False, "nohost")),
        ]
        for lines, expected in rows:
            with self.subTest(lines):
                aws = self.log_of(*[(at + place, message) for place, message in enumerate(lines)])
                row = {row["name"]: row for row in self.hosts(aws, self.stack())[0]["hosts"]}["a.example.org"]
                found = (row["answer"], row["addresses"], row["last_change"] is not None, row["refusal"])
                self.assertEqual(found, expected)

    def test_the_order_of_the_parts_does_not_matter(self):
        events = [
            (1, line(["a.example.org"], ["good"], ["192.0.2.1"])),
            (2, line(["a.example.org"], ["dnserr"])),
            (3, line(["a.example.org"], ["badauth"])),
            (4, line(["a.example.org"], ["nochg"], ["192.0.2.4"])),
            (5, line(["a.example.org"], ["nohost"], reasons=["a.example.org: it is an alias"])),
        ]
        expected = None
        for turn in range(50):
            heard = Heard()
            for event in random.Random(turn).sample(events, 5):
                heard.read(*event)
            expected = expected or heard.hosts
            self.assertEqual(heard.hosts, expected)

    def test_a_subtree_has_a_row_for_each_name_that_was_heard_below_it(self):
        stack = self.stack("dyn.example.org,*.dyn.example.org,a.example.org")
        heard = [(self.ago(60), line(["x.dyn.example.org", "a.example.org"], ["good", "nochg"], ["192.0.2.1"]))]
        # A stranger invents names.
        heard += [(self.ago(50), line([f"{n}.dyn.example.org"], ["badauth"])) for n in range(9)]
        heard += [(self.ago(40), line(["dropped.example.org"], ["good"], ["192.0.2.1"]))]
        found, _ = self.hosts(self.log_of(*heard), stack)
        self.assertEqual({row["name"] for row in found["hosts"]}, {"x.dyn.example.org", "a.example.org"})
        self.assertEqual(found["calls"], 1)
        # None was heard: the subtree itself is the row.
        found, trouble = self.hosts(self.log_of(), stack, "--stale", "2d")
        self.assertEqual({row["name"] for row in found["hosts"]}, {"dyn.example.org", "a.example.org"})
        self.assertIn("dyn.example.org (not seen in 30d)", trouble)
        # One below it by name, and all below it.
        for given in ("x.dyn.example.org=1m", "dyn.example.org=1m"):
            _, trouble = self.hosts(self.log_of((self.ago(90), heard[0][1])), stack, "--stale", given)
            self.assertEqual(trouble, "stale: x.dyn.example.org (last seen 1m ago)")

    def test_if_every_name_is_served_the_last_day_is_read(self):
        events = [(self.ago(age), line([f"h{age}.example.org"], ["good"], ["192.0.2.1"])) for age in (60, 3600, 2 * DAY)]
        found, _ = self.hosts(self.log_of(*events), self.stack(""))
        self.assertEqual([row["name"] for row in found["hosts"]], ["h3600.example.org", "h60.example.org"])
        self.assertEqual(found["calls"], 2)

    def test_silence_is_judged_by_each_hosts_own_age(self):
        day_old = (self.ago(DAY + 60), line(["a.example.org"], ["nochg"], ["192.0.2.1"]))
        fresh = (self.ago(60), line(["b.example.org"], ["nochg"], ["192.0.2.1"]))
        # Somebody without the token does not make a host alive.
        forged = (self.ago(30), line(["a.example.org"], ["badauth"]))
        rows = [
            ([], None),
            (["2d"], None),
            (["1d"], "stale: a.example.org (last seen 24h ago)"),
            (["1d", "a.example.org=1w"], None),
            (["a.example.org=1d"], "stale: a.example.org (last seen 24h ago)"),
            (["A.Example.org.=24h"], "stale: a.example.org (last seen 24h ago)"),
            (["b.example.org=1h"], None),
            (["2w", "b.example.org=1d"], None),
        ]
        for given, expected in rows:
            with self.subTest(given):
                words = [word for age in given for word in ("--stale", age)]
                found, trouble = self.hosts(self.log_of(day_old, fresh, forged), self.stack(), *words)
                self.assertEqual(trouble, expected)
                self.assertEqual([row["name"] for row in found["hosts"] if row["stale"]], ["a.example.org"] * bool(expected))
        # One that was never heard is stale, but not before the gateway is as old.
        stack = self.stack("a.example.org")
        self.assertEqual(self.hosts(self.log_of(), stack, "--stale", "20d")[1], "stale: a.example.org (not seen in 30d)")
        stack.created = self.NOW - DAY
        self.assertIsNone(self.hosts(self.log_of(), stack, "--stale", "20d")[1])

    def test_what_nobody_can_know_is_refused_before_the_log_is_read(self):
        rows = [
            ({}, ["60d"], "--stale 60d: the log keeps 30d, so nobody can know; say at most --stale 30d"),
            ({"LogRetention": "1"}, ["a.example.org=2d"], "say at most --stale a.example.org=24h, or have more kept"),
            ({}, ["c.example.org=2d"], "that name is not served here; those that are: a.example.org, b.example.org"),
            ({"LogLevel": "error"}, ["2d"], "LogLevel=error: the log does not name the hosts that are well"),
            ({"LogLevel": "off"}, [], "./deploy --set LogLevel=info"),
        ]
        for parameters, given, said in rows:
            with self.subTest(parameters=parameters, given=given):
                aws = self.log_of()
                words = [word for age in given for word in ("--stale", age)]
                found, trouble = self.hosts(aws, self.stack(**parameters), *words)
                self.assertIn(said, trouble)
                self.assertNotIn("\n", trouble)
                self.assertEqual((found, aws.calls), (None, []))


def stamp(milliseconds):
    """A time as --json has it."""
    return milliseconds and time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(milliseconds // 1000))


if __name__ == "__main__":
    unittest.main()
