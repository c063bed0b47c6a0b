"""The AWS CLI: commands, answers and errors."""

import json
import os
import re
import shutil
import subprocess
import tempfile

from .trouble import Trouble


class Aws:
    """The AWS CLI, in one region."""

    def __init__(self, region):
        self.region = region
        if not shutil.which("aws"):
            raise Trouble("the AWS CLI is not installed: https://aws.amazon.com/cli/")

    def __call__(self, command, *words, **request):
        """Run a command and give its answer. The request goes in by a file of our own, since a secret in an argument is
        seen by everyone on the machine."""
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(request, file)
            file.flush()
            done = subprocess.run(
                ["aws", *command.split(), "--region", self.region, "--output", "json"]
                + ["--cli-input-json", f"file://{file.name}", *words],
                capture_output=True,
                text=True,
                env={**os.environ, "AWS_PAGER": ""},
            )
        if done.returncode:
            raise AwsError(command, done.stderr.strip())
        try:
            return json.loads(done.stdout or "{}")
        except ValueError:
            raise AwsError(command, f"answered {done.stdout[:80].strip()!r}, and JSON was expected")


class AwsError(Exception):
    """An error of the AWS CLI."""

    def __init__(self, command, text):
        super().__init__(f"aws {command}: {text}")
        self.text = text
        code = re.search(r"\((\w+)\) when calling", text)
        self.code = code[1] if code else ""


def caller(aws):
    """Who signs the requests."""
    try:
        return aws("sts get-caller-identity")
    except AwsError as error:
        raise Trouble(f"no usable AWS credentials: run aws configure, or aws sso login ({error.text})")
