"""The bucket that the archive is put into."""

import base64
import hashlib
import re

from .aws import AwsError
from .trouble import Trouble


def bucket_of(account, stack, options):
    """The bucket of the archive: the one given, that of before, or one made for it."""
    return options.bucket or stack.parameters.get("CodeBucket") or own_bucket(account, options)


def own_bucket(account, options):
    """The name of the bucket that is made for the stack's archives."""
    stack = options.stack.lower()
    # A bucket's name has no capitals, and Nic53 is another stack than nic53.
    if stack != options.stack:
        stack += "-" + hashlib.sha256(options.stack.encode()).hexdigest()[:8]
    return f"{stack}-code-{account}-{options.region}"


def check_bucket(aws, account, bucket, options):
    """Whether the bucket is there. Only our own may be missing. The owner is checked each time: a bucket's name can be
    guessed, and somebody else's would run somebody else's code."""
    try:
        aws("s3api head-bucket", Bucket=bucket, ExpectedBucketOwner=account)
        return True
    except AwsError as error:
        if error.code != "404":
            raise Trouble(
                f"bucket {bucket} cannot be used: it must belong to account {account} and be in {options.region}; "
                f"choose another with --bucket ({error})"
            )
    if bucket != own_bucket(account, options):
        raise Trouble(f"bucket {bucket} does not exist: give one of yours in {options.region} with --bucket")
    return False


def make_bucket(aws, bucket):
    """Make a bucket that nothing public can be put into."""
    place = {} if aws.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
    aws("s3api create-bucket", Bucket=bucket, **place)
    closed = dict.fromkeys(["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"], True)
    aws("s3api put-public-access-block", Bucket=bucket, PublicAccessBlockConfiguration=closed)


def upload(aws, account, bucket, key, path):
    """Put the archive into the bucket, unless the very same is there."""
    digest = base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()
    place = {"Bucket": bucket, "Key": key, "ExpectedBucketOwner": account}
    if stored_digest(aws, place) != digest:
        print(f"uploading to s3://{bucket}/{key}")
        aws("s3api put-object", "--body", str(path), ChecksumAlgorithm="SHA256", ChecksumSHA256=digest, **place)


def stored_digest(aws, place):
    """The SHA-256 of an object as S3 computed it when it was put there; None if there is no object, or none was."""
    try:
        return aws("s3api head-object", ChecksumMode="ENABLED", **place).get("ChecksumSHA256")
    except AwsError as error:
        if error.code != "404":
            raise
        return None


def remove_archives(aws, account, stack, bucket):
    """Delete what was uploaded for the stack to a bucket of the user's. Gives what is left there."""
    ours = re.compile(re.escape(stack.name) + r"-[0-9a-f]{16}\.zip")
    code = stack.parameters.get("CodeKey")
    try:
        found = aws("s3api list-objects-v2", Bucket=bucket, Prefix=f"{stack.name}-", ExpectedBucketOwner=account)
        for key in [entry["Key"] for entry in found.get("Contents", []) if ours.fullmatch(entry["Key"])]:
            aws("s3api delete-object", Bucket=bucket, Key=key, ExpectedBucketOwner=account)
    except AwsError as error:
        if error.code == "NoSuchBucket":
            return []
        return [f"the archives s3://{bucket}/{stack.name}-*.zip ({error})"]
    # One of another name was put there by hand.
    return [f"the archive s3://{bucket}/{code}"] if code and not ours.fullmatch(code) else []


def remove_bucket(aws, account, bucket):
    """Delete the bucket with everything in it, if it is there."""
    try:
        found = aws("s3api list-objects-v2", Bucket=bucket, ExpectedBucketOwner=account)
    except AwsError as error:
        if error.code == "NoSuchBucket":
            return
        raise
    for entry in found.get("Contents", []):
        aws("s3api delete-object", Bucket=bucket, Key=entry["Key"], ExpectedBucketOwner=account)
    aws("s3api delete-bucket", Bucket=bucket, ExpectedBucketOwner=account)
    print(f"removed bucket {bucket}")
