"""The stack: what is deployed, and what CloudFormation does to it."""

import time
from contextlib import contextmanager
from dataclasses import dataclass, field

from .aws import AwsError
from .times import parse_time
from .trouble import Trouble

# The states that CloudFormation ends in, and whether each is a success.
FINAL = {
    "CREATE_COMPLETE": True,
    "UPDATE_COMPLETE": True,
    "DELETE_COMPLETE": True,
    "ROLLBACK_COMPLETE": False,
    "ROLLBACK_FAILED": False,
    "UPDATE_ROLLBACK_COMPLETE": False,
    "UPDATE_ROLLBACK_FAILED": False,
    "DELETE_FAILED": False,
}


@dataclass
class Stack:
    """What is deployed. One that is not there has no parameters."""

    name: str
    id: str = ""
    status: str = ""
    parameters: dict = field(default_factory=dict)
    outputs: dict = field(default_factory=dict)
    # In seconds since 1970; 0 if it is not known.
    created: float = 0

    @classmethod
    def read(cls, aws, name):
        """The stack of that name as CloudFormation has it."""
        try:
            stack = aws("cloudformation describe-stacks", StackName=name)["Stacks"][0]
        except AwsError as error:
            if "does not exist" in error.text:
                return cls(name)
            raise
        return cls(
            name,
            stack["StackId"],
            stack["StackStatus"],
            {p["ParameterKey"]: p["ParameterValue"] for p in stack.get("Parameters", [])},
            {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])},
            parse_time(stack.get("CreationTime", 0)).timestamp(),
        )

    @property
    def exists(self):
        """Whether anything was ever deployed."""
        # A change set that was never executed leaves a stack without anything in it.
        return self.status not in ("", "REVIEW_IN_PROGRESS")

    def flags(self, aws):
        """What a command line needs to mean this stack."""
        region = "" if aws.region == "us-east-1" else f" --region {aws.region}"
        return region + ("" if self.name == "nic53" else f" --stack {self.name}")


def deployed(stack, options):
    """The stack, which must be there."""
    if not stack.outputs:
        raise Trouble(
            f"there is no stack {stack.name} in {options.region}: deploy it first, or say --stack or --region"
        )
    return stack


def delete_stack(aws, stack):
    """Delete the stack, and wait until it is gone."""
    with following(aws, stack.id):
        aws("cloudformation delete-stack", StackName=stack.id)


@contextmanager
def following(aws, stack_id):
    """Print the stack's events from here on as they come, until CloudFormation is done with what was started inside."""
    seen = {event["EventId"] for event in events(aws, stack_id)}
    try:
        yield
        follow(aws, stack_id, seen)
    except KeyboardInterrupt:
        raise Trouble(
            f"interrupted; CloudFormation goes on with stack {stack_id.split('/')[1]} by itself. "
            "When it is done, run this again."
        )


def follow(aws, stack_id, seen):
    """Print events that were not seen before, until CloudFormation is done."""
    started = time.monotonic()
    reasons = []
    while True:
        for event in events(aws, stack_id):
            if event["EventId"] in seen:
                continue
            seen.add(event["EventId"])
            status, name = event["ResourceStatus"], event["LogicalResourceId"]
            print(f"{time.monotonic() - started:5.0f}s  {status:<20} {name}", flush=True)
            if status.endswith("_FAILED"):
                reasons.append(f"{name}: {event.get('ResourceStatusReason', 'no reason given')}")
            if event["PhysicalResourceId"] == stack_id and status in FINAL:
                if FINAL[status]:
                    return
                raise Trouble("\n  ".join([f"CloudFormation ended with {status}:", *reasons]))
        pause(started, 2)


def events(aws, stack_id):
    """The stack's last events, oldest first."""
    found = aws("cloudformation describe-stack-events", "--max-items", "100", StackName=stack_id)
    return reversed(found["StackEvents"])


def pause(started, longest):
    """Wait before asking again: as long as it has taken so far, so that what is quick is seen quickly."""
    time.sleep(min(time.monotonic() - started, longest))
