"""Deploying: from the command line to a stack."""

import hashlib

from .archive import ROOT, archive
from .bucket import check_bucket, make_bucket, own_bucket, upload
from .challenge import print_challenge
from .change_set import create_change_set, drop_change_set, print_change_set
from .permissions import check_permissions
from .settings import planned, tried, wanted
from .stack import Stack, delete_stack, following
from .tokens import show
from .trouble import Trouble

TEMPLATE = ROOT / "cloudformation" / "nic53.yaml"


def deploy(aws, identity, stack, options):
    """Make the stack as the command line says, or change it; with --dry-run, print what would change."""
    account = identity["Account"]
    failed = failed_before(stack, options)
    if failed:
        stack = tried(failed, options)
    template = TEMPLATE.read_text()
    known = {p["ParameterKey"] for p in aws("cloudformation validate-template", TemplateBody=template)["Parameters"]}
    changed = wanted(aws, options, stack, known)
    bucket = options.bucket or stack.parameters.get("CodeBucket") or own_bucket(account, options)
    check_permissions(aws, identity, options, planned(stack, {**changed, "CodeBucket": bucket}))
    changed.update(code(aws, account, bucket, stack, options))
    if failed:
        print("The first deployment had failed; its empty stack is removed first.")
        delete_stack(aws, failed)
    apply(aws, stack, template, known, changed, options)
    if not options.dry_run:
        made = Stack.read(aws, options.stack)
        show(aws, made)
        print_left(account, bucket, stack, options)
        print_challenge(made, made.flags(aws))


def failed_before(stack, options):
    """The stack, if its first deployment failed, so that only a new one can follow."""
    if stack.exists and stack.status.endswith("_IN_PROGRESS"):
        raise Trouble(f"stack {stack.name} is {stack.status}: wait until CloudFormation is done, then run this again")
    if stack.status != "ROLLBACK_COMPLETE":
        return None
    if options.dry_run:
        raise Trouble(
            f"stack {stack.name} was never deployed: its first deployment failed, and only another one can follow"
        )
    return stack


def code(aws, account, bucket, stack, options):
    """The parameters of the archive, which is built and uploaded."""
    exists = check_bucket(aws, account, bucket, options)
    path, arch = archive(options, options.arch or (None if options.archive else stack.parameters.get("Architecture")))
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
    with following(aws, change_set["StackId"]):
        aws("cloudformation execute-change-set", ChangeSetName=change_set["ChangeSetId"])


def print_left(account, bucket, stack, options):
    """Name the archives that are left in a bucket of the user's that is no longer used."""
    before = stack.parameters.get("CodeBucket", bucket)
    if before not in (bucket, own_bucket(account, options)):
        print(f"left: the archives of before, s3://{before}/{stack.name}-*.zip")
