"""Reading the gateway's log from the newest part back, as far as it takes."""

import time

from .heard import Heard
from .trouble import Trouble

# How far back each part begins, in seconds. The retention comes after them.
PARTS = (15 * 60, 86_400, 7 * 86_400)
UPDATES = '{ $.endpoint = "update" }'


class Log:
    """What was read of the log, back to when, and in how many calls."""

    def __init__(self, aws, stack):
        level = stack.parameters.get("LogLevel", "info")
        if level != "info":
            raise Trouble(
                f"LogLevel={level}: the log does not name the hosts that are well, so nobody can know which are alive; "
                f"./deploy --set LogLevel=info{stack.flags(aws)} has it name them from then on"
            )
        self.aws = aws
        self.group = stack.outputs["Log"]
        self.retention = int(stack.parameters.get("LogRetention", 30)) * 86_400
        self.heard = Heard()
        self.now = int(time.time())
        # In seconds since 1970.
        self.back_to = self.now
        self.calls = 0

    def read_until(self, is_enough, least=0):
        """Read part after part until `is_enough` says so and `least` seconds were read, or the log is at its end."""
        for age in [*(part for part in PARTS if part < self.retention), self.retention]:
            self.read(self.now - age, self.back_to)
            self.back_to = self.now - age
            if age >= least and is_enough(self.heard):
                return

    def read(self, since, until):
        """Read the lines from `since` on and before `until`."""
        # What comes in meanwhile belongs to the newest part. The last millisecond is included by the API.
        last = {} if until == self.now else {"endTime": until * 1000 - 1}
        following = {}
        while True:
            self.calls += 1
            page = self.aws(
                "logs filter-log-events",
                "--no-paginate",
                logGroupName=self.group,
                startTime=since * 1000,
                filterPattern=UPDATES,
                **last,
                **following,
            )
            for event in page.get("events", []):
                self.heard.read(event["timestamp"], event["message"])
            if not page.get("nextToken"):
                return
            following = {"nextToken": page["nextToken"]}
