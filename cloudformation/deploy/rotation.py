"""A new secret, and the end of the previous one."""

import secrets
from datetime import datetime, timezone

from .confirm import confirm
from .secret import secret_stages
from .show import show


def rotate(aws, stack, options):
    """Make a new secret, and print the tokens derived from it."""
    arn = stack.outputs["SecretArn"]
    stages = secret_stages(aws, arn)
    age = (datetime.now(timezone.utc) - stages["AWSCURRENT"]["CreatedDate"]).days
    if "AWSPREVIOUS" in stages and age < 30:
        print(
            f"The last rotation was {age} days ago. Routers that still have a token from before it are refused after this one."
        )
        confirm("Rotate all the same?", options)
    aws("secretsmanager put-secret-value", SecretId=arn, SecretString=secrets.token_urlsafe(32))
    show(aws, stack)
    print("\nThese tokens work within five minutes. The ones before them go on working until ./deploy --end-grace")
    print("or the next rotation: move the routers one by one.")


def end_grace(aws, stack):
    """Refuse the tokens of the previous secret."""
    arn = stack.outputs["SecretArn"]
    previous = secret_stages(aws, arn).get("AWSPREVIOUS")
    if previous is None:
        print("There is no previous secret: only the tokens of the present one work.")
        return
    aws(
        "secretsmanager update-secret-version-stage",
        SecretId=arn,
        VersionStage="AWSPREVIOUS",
        RemoveFromVersionId=previous["VersionId"],
    )
    print("The previous tokens are refused within five minutes.")
