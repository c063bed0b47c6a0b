"""Change sets: what CloudFormation would do, before it does it."""

import re
import time
from contextlib import contextmanager

from .aws import AwsError
from .stack import pause
from .trouble import Trouble

# What CloudFormation answers if another deployment of the stack is running or took this one's change set away.
OTHERS_CODES = {"ChangeSetNotFound", "InvalidChangeSetStatus", "OperationInProgressException"}
OTHERS_WORDS = re.compile(r"is in \w+_IN_PROGRESS state|already exists and cannot be created with the changeSet")


def create_change_set(aws, stack, template, known, changed):
    """A change set from the template and the parameters; None if nothing would change."""
    kept = {name: value for name, value in stack.parameters.items() if name in known and name not in changed}
    # One that starts anew has no previous values.
    same = [{"UsePreviousValue": True} if stack.exists else {"ParameterValue": value} for value in kept.values()]
    made = aws(
        "cloudformation create-change-set",
        StackName=stack.name,
        ChangeSetName=f"deploy-{int(time.time() * 1000)}",
        ChangeSetType="UPDATE" if stack.exists else "CREATE",
        TemplateBody=template,
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in changed.items()]
        + [{"ParameterKey": name, **value} for name, value in zip(kept, same)],
    )
    started = time.monotonic()
    while True:
        change_set = aws("cloudformation describe-change-set", ChangeSetName=made["Id"], StackName=made["StackId"])
        if change_set["Status"] == "CREATE_COMPLETE":
            return change_set
        if change_set["Status"] == "FAILED":
            drop_change_set(aws, stack, change_set)
            reason = change_set.get("StatusReason", "")
            if "didn't contain changes" in reason or "No updates are to be performed" in reason:
                return None
            raise Trouble(f"CloudFormation refuses: {reason}")
        pause(started, 1)


@contextmanager
def alone(stack):
    """Explain the errors that mean that somebody else is deploying the same stack."""
    try:
        yield
    except AwsError as error:
        if error.code in OTHERS_CODES or OTHERS_WORDS.search(error.text):
            raise Trouble(
                f"another deployment of stack {stack.name} is running, or came in between: wait until CloudFormation "
                f"is done, then run this again ({error})"
            )
        raise


def drop_change_set(aws, stack, change_set):
    """Delete a change set, and the empty stack that came with it."""
    aws("cloudformation delete-change-set", ChangeSetName=change_set["ChangeSetId"], StackName=change_set["StackId"])
    if not stack.exists:
        aws("cloudformation delete-stack", StackName=change_set["StackId"])


def print_change_set(change_set, stack, changed):
    """Print what would change: the parameters, then the resources."""
    for name, value in changed.items():
        before = stack.parameters.get(name, "")
        if name == "OriginSecret":
            print(f"  {name}: {'a new one' if value else 'none'}")
        elif value != before:
            print(f"  {name}: {value or 'none'}" + (f" (was {before or 'none'})" if stack.exists else ""))
    marks = {"Add": "+", "Modify": "~", "Remove": "-"}
    for change in change_set["Changes"]:
        change = change["ResourceChange"]
        replaced = {"True": ", replaced", "Conditional": ", perhaps replaced"}.get(change.get("Replacement"), "")
        print(
            f"  {marks.get(change['Action'], '?')} {change['LogicalResourceId']} ({change['ResourceType']}{replaced})"
        )
