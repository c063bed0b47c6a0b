"""What the pages tell to type: each `./deploy` line in them is one that `./deploy` takes."""

import contextlib
import io
import re
import shlex
import sys
import unittest
from unittest import mock

from cloud import ROOT
from deploy.__main__ import arguments

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


class Pages(unittest.TestCase):
    def test_every_command_is_understood(self):
        commands = [(page.name, command) for page in PAGES for command in commands_of(page.read_text())]
        self.assertGreater(len(commands), 40, commands)
        for page, command in commands:
            with self.subTest(page=page, command=command):
                # A sentence may name a flag without its value.
                self.assertRegex(complaint(command), r"^(deploy: --[a-z-]+: expected one argument; .*\n)?$")

    def test_a_command_that_is_not_understood_is_noticed(self):
        text = "`./deploy --shwo` and\n```\n./deploy --remove --host home.example.org\n```\n"
        self.assertEqual([complaint(command) != "" for command in commands_of(text)], [True, True])


def commands_of(text):
    """The command lines of a page, in its blocks and between backticks."""
    text = text.replace("\\\n", " ")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    spans = [span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", prose)]
    return [command for line in lines + spans for command in re.findall(r"(?:^|&& )(\./deploy(?: .*)?)$", line)]


def complaint(command):
    """What `./deploy` says of a line before it asks anything of AWS; nothing if it takes it."""
    # A shell's part of it, and what stands for something that only the reader knows.
    command = re.sub(r" *(?:#|>|;).*", "", re.sub(r"\$\(printf.*\)\)", "--host site01.sites.example.org", command))
    words = [word for word in shlex.split(command)[1:] if word != "…"]
    said = io.StringIO()
    with mock.patch.object(sys, "argv", ["deploy", *words]), contextlib.redirect_stderr(said):
        # The help goes to standard output.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
            arguments()
    return said.getvalue()
