"""Taking everything down."""

from .aws import AwsError
from .bucket import own_bucket, remove_archives, remove_bucket
from .confirm import confirm
from .secret import secret_stages, secret_value
from .stack import delete_stack
from .steps import State
from .trouble import Trouble


def remove(aws, account, stack, options):
    """Delete the stack and the archives; print what is left."""
    if stack.exists:
        confirm(f"{promised(stack)}Remove stack {stack.name}, and with it the tokens of all its hosts?", options)
        left = [f"the A and AAAA records that the routers set, in {stack.parameters.get('Zones')}"]
        left += certificate_records(aws, stack)
        if table := stack.outputs.get("TableName"):
            left.append(f"the table {table} of fleet mode; aws dynamodb delete-table --table-name {table} deletes it")
        bucket = stack.parameters.get("CodeBucket")
        if options.keep_secret:
            left.append(f"the secret {keep_secret(aws, stack)}; deploy with --secret ARN and the tokens are the same")
        delete_stack(aws, stack)
        if bucket and bucket != own_bucket(account, options):
            left += remove_archives(aws, account, stack, bucket)
    else:
        print(f"There is no stack {stack.name}.")
        left = []
    remove_bucket(aws, account, own_bucket(account, options))
    for line in left:
        print(f"left: {line}")


def promised(stack):
    """A warning if the gateway promises what Route 53 need not have yet."""
    if not State.of(stack.parameters).asks_table:
        return ""
    return "What routers were promised and is not in Route 53 yet is lost; ./deploy --no-fleet first waits for it. "


def certificate_records(aws, stack):
    """The records by which ACM proved the domain. It leaves them, and another certificate may need them."""
    if not stack.parameters.get("Domain"):
        return []
    resources = aws("cloudformation describe-stack-resources", StackName=stack.id)["StackResources"]
    arn = next((r["PhysicalResourceId"] for r in resources if r["LogicalResourceId"] == "Certificate"), None)
    if not arn:
        return []
    try:
        options = aws("acm describe-certificate", CertificateArn=arn)["Certificate"]["DomainValidationOptions"]
    except AwsError as error:
        # A deletion that failed may have taken it.
        if error.code != "ResourceNotFoundException":
            raise
        return []
    names = [option["ResourceRecord"]["Name"] for option in options if "ResourceRecord" in option]
    return [f"{name} CNAME, ACM's proof of the domain; delete it if no other certificate needs it" for name in names]


def keep_secret(aws, stack):
    """Copy the secret, previous value first, to one of its own. The copy is named after this very stack, so that it is
    found again when the deletion failed and is tried once more."""
    if stack.parameters.get("SecretArn"):
        return stack.parameters["SecretArn"]
    name = f"{stack.name}-kept-{stack.id.rsplit('/', 1)[-1]}"
    try:
        kept = aws("secretsmanager describe-secret", SecretId=name)["ARN"]
    except AwsError as error:
        if error.code != "ResourceNotFoundException":
            raise
        kept = None
    try:
        arn = deployed_secret(stack)
        stages = secret_stages(aws, arn)
        values = [secret_value(aws, arn, stage) for stage in ("AWSPREVIOUS", "AWSCURRENT") if stage in stages]
    except (AwsError, Trouble) as error:
        # The first try may have got as far as deleting it. Whatever else is wrong may pass, and the copy may be older.
        gone = ("ResourceNotFoundException", "InvalidRequestException")
        if not kept or (isinstance(error, AwsError) and error.code not in gone):
            raise
        values = []
    if not kept:
        made = {"SecretString": values[0], "Description": "nic53: the tokens of the routers"}
        kept = aws("secretsmanager create-secret", Name=name, **made)["ARN"]
    print(f"the secret is kept as {kept}", flush=True)
    if values:
        copied = secret_value(aws, kept, "AWSCURRENT")
        for value in values[values.index(copied) + 1 :] if copied in values else values:
            aws("secretsmanager put-secret-value", SecretId=kept, SecretString=value)
    return kept


def deployed_secret(stack):
    """The ARN of the stack's secret."""
    if "SecretArn" not in stack.outputs:
        raise Trouble(f"--keep-secret: stack {stack.name} is {stack.status} and has no secret; leave --keep-secret out")
    return stack.outputs["SecretArn"]
