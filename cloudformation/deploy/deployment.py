"""Deploying: from the command line to a stack."""

import hashlib

from .archive import ROOT, archive, check_fleet
from .bucket import bucket_of, check_bucket, make_bucket, own_bucket, upload
from .challenge import print_challenge
from .change_set import alone, create_change_set, drop_change_set, print_change_set
from .forget import forget_added, forget_dropped
from .names import grants_of
from .permissions import check_permissions
from .settings import changes_settings, planned, tried, wanted
from .show import show_changed
from .stack import Stack, delete_stack, following
from .steps import State
from .trouble import Trouble

TEMPLATE = ROOT / "cloudformation" / "nic53.yaml"


def deploy(aws, identity, stack, options):
    """Make the stack as the command line says, or change it; with --dry-run, print what would change."""
    account = identity["Account"]
    failed = failed_before(stack, options)
    if failed:
        stack = tried(failed, options)
    template = TEMPLATE.read_text()
    known = known_parameters(aws, template)
    changed = wanted(aws, options, stack, known)
    bucket = bucket_of(account, stack, options)
    check_permissions(aws, identity, options, planned(stack, {**changed, "CodeBucket": bucket}))
    if keeps_code(stack, options):
        print("The code that is deployed stays as it is; ./deploy alone deploys this version.")
    else:
        changed.update(code(aws, account, bucket, stack, options))
    if failed:
        print("The first deployment had failed; its empty stack is removed first.")
        delete_stack(aws, failed)
    if not options.dry_run:
        forget_added(aws, stack, changed)
    with alone(stack):
        apply(aws, stack, template, known, changed, options)
    if not options.dry_run:
        made = Stack.read(aws, options.stack)
        show_changed(aws, stack, made)
        print_left(account, bucket, stack, made, options)
        forget_dropped(aws, stack, made)
        print_challenge(made, made.flags(aws))


def failed_before(stack, options):
    """The stack, if its first deployment failed, so that only a new one can follow."""
    if stack.exists and stack.status.endswith("_IN_PROGRESS"):
        raise Trouble(
            f"another deployment is running: stack {stack.name} is {stack.status}; "
            "wait until CloudFormation is done, then run this again"
        )
    if stack.status != "ROLLBACK_COMPLETE":
        return None
    if options.dry_run:
        raise Trouble(
            f"stack {stack.name} was never deployed: its first deployment failed, and only another one can follow"
        )
    return stack


def known_parameters(aws, template):
    """The names of the template's parameters."""
    return {p["ParameterKey"] for p in aws("cloudformation validate-template", TemplateBody=template)["Parameters"]}


def keeps_code(stack, options):
    """Whether only settings change: then the code stays, and whoever changes them needs no Rust."""
    given = options.archive or options.arch or options.bucket
    return bool(stack.exists and stack.parameters.get("CodeKey") and not given and changes_settings(options))


def code(aws, account, bucket, stack, options):
    """The parameters of the archive, which is built, checked and uploaded."""
    exists = check_bucket(aws, account, bucket, options)
    path, arch = archive(options, options.arch or (None if options.archive else stack.parameters.get("Architecture")))
    if options.fleet or not State.of(stack.parameters).is_off:
        check_fleet(path)
    key = f"{stack.name}-{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}.zip"
    if not options.dry_run:
        if not exists:
            make_bucket(aws, bucket)
        upload(aws, account, bucket, key, path)
    return {"Architecture": arch, "CodeBucket": bucket, "CodeKey": key}


def apply(aws, stack, template, known, changed, options):
    """Have CloudFormation make the changes, or only print them."""
    change_set = create_change_set(aws, stack, template, known, changed)
    if change_set is None:
        print("Nothing to change.")
        return
    if options.dry_run or stack.exists:
        print_change_set(change_set, stack, changed)
    if options.dry_run:
        drop_change_set(aws, stack, change_set)
        return
    check_unchanged(aws, stack, change_set)
    with following(aws, change_set["StackId"]):
        aws("cloudformation execute-change-set", ChangeSetName=change_set["ChangeSetId"])


def check_unchanged(aws, stack, change_set):
    """Refuse to go on if the stack is not as it was read: the change set would undo what somebody else deployed."""
    # From here on CloudFormation sees to it: it takes a change set away when another one is executed.
    if stack.exists and Stack.read(aws, stack.name).parameters != stack.parameters:
        drop_change_set(aws, stack, change_set)
        raise Trouble(f"another deployment of stack {stack.name} came in between; nothing was changed; run this again")


def print_left(account, bucket, stack, made, options):
    """Name what is left: the tokens of names that were dropped, and archives in a bucket that is no longer used."""
    dropped = grants_of(stack.parameters.get("RecordNames", "")).keys() - grants_of(made.parameters["RecordNames"]).keys()
    for name in sorted(dropped):
        print(f"left: the token of {name}. If the name is added again, it is good again; add --revoke {name} then")
    before = stack.parameters.get("CodeBucket", bucket)
    if before not in (bucket, own_bucket(account, options)):
        print(f"left: the archives of before, s3://{before}/{stack.name}-*.zip")
