"""The secret that the tokens are derived from, in Secrets Manager."""

from .times import parse_time


def secret_value(aws, arn, stage):
    """The secret's value at a stage."""
    return aws("secretsmanager get-secret-value", SecretId=arn, VersionStage=stage)["SecretString"].strip()


def secret_stages(aws, arn):
    """The secret's versions by their stage."""
    versions = aws("secretsmanager list-secret-version-ids", SecretId=arn)["Versions"]
    for version in versions:
        version["CreatedDate"] = parse_time(version["CreatedDate"])
    return {stage: version for version in versions for stage in version.get("VersionStages", [])}
