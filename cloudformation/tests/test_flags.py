"""Every mode of `./deploy` with every flag: one that a mode does not read is refused, before anything is asked of AWS."""

import contextlib
import io
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from cloud import ROOT
from deploy.__main__ import arguments

MODES = {
    "deploy": [],
    "dry-run": ["--dry-run"],
    "build": ["--build"],
    "show": ["--show"],
    "show a name": ["--show", "home.example.org"],
    "hosts": ["--hosts"],
    "fleet": ["--fleet"],
    "no-fleet": ["--no-fleet"],
    "rotate": ["--rotate"],
    "end-grace": ["--end-grace"],
    "remove": ["--remove"],
}
DEPLOYING = {"deploy", "dry-run"}
SHOWING = {"show", "show a name"}
EXISTING = {*DEPLOYING, *SHOWING, "hosts", "fleet", "no-fleet", "rotate", "end-grace", "remove"}

# Each flag, and the modes that read it.
FLAGS = [
    (["--zone", "example.org=Z1"], DEPLOYING),
    (["--host", "home.example.org"], DEPLOYING),
    (["--subtree", "dyn.example.org"], DEPLOYING),
    (["--drop", "home.example.org"], DEPLOYING),
    (["--any-name"], DEPLOYING),
    (["--revoke", "home.example.org"], DEPLOYING),
    (["--front-door", "http-api"], DEPLOYING),
    (["--domain", "ddns.example.org"], DEPLOYING),
    (["--domain", ""], DEPLOYING),
    (["--family-names"], DEPLOYING),
    (["--no-family-names"], DEPLOYING),
    (["--plain-http"], DEPLOYING),
    (["--no-plain-http"], DEPLOYING),
    (["--challenge-mapping"], DEPLOYING),
    (["--no-challenge-mapping"], DEPLOYING),
    (["--acme"], DEPLOYING),
    (["--no-acme"], DEPLOYING),
    (["--alarm-email", "you@example.org"], DEPLOYING),
    (["--alarm-email", ""], DEPLOYING),
    (["--secret", "arn:aws:secretsmanager:x"], DEPLOYING),
    (["--set", "Memory=256"], DEPLOYING),
    (["--bucket", "mine"], {*DEPLOYING, "fleet"}),
    (["--arch", "arm64"], {*DEPLOYING, "build", "fleet"}),
    (["--archive", "nic53.zip"], {*DEPLOYING, "build", "fleet"}),
    (["--stack", "nic53"], EXISTING),
    (["--region", "us-east-1"], EXISTING),
    (["--json"], {*SHOWING, "hosts"}),
    (["--pending"], {"hosts"}),
    (["--refused"], {"hosts"}),
    (["--stale", "30d"], {"hosts"}),
    (["--stale", "home.example.org=2d"], {"hosts"}),
    (["--keep-secret"], {"remove"}),
    (["--yes"], set(MODES)),
]
# The way that some of them are shown.
WAYS = [
    ("--remove --host site41.example.org --yes", "./deploy --drop site41.example.org"),
    ("--remove --zone example.org=Z1", "./deploy --drop example.org"),
    ("--remove --revoke home.example.org", "./deploy --revoke home.example.org"),
    ("--rotate --yes --revoke home.example.org", "./deploy --revoke home.example.org"),
    ("--end-grace --no-plain-http", "./deploy --no-plain-http"),
    ("--show --host home.example.org", "./deploy --show home.example.org"),
    ("--keep-secret", "./deploy --remove --keep-secret"),
    ("--host home.example.org --json", "./deploy --show --json"),
    ("--rotate --alarm-email=", "./deploy --alarm-email ''"),
    ("--stale 30d", "./deploy --hosts --stale 30d"),
    ("--rotate --stale home.example.org=2d", "./deploy --hosts --stale home.example.org=2d"),
    ("--hosts --host home.example.org", "it prints every name of the stack"),
    ("--hosts --drop home.example.org", "./deploy --drop home.example.org"),
    ("--fleet --host home.example.org", "./deploy --host home.example.org"),
    ("--no-fleet --pending", "./deploy --hosts --pending"),
    ("--hosts --stale soon", "'soon' is no age; say an age such as --stale 30d"),
    ("--hosts --stale 0d", "'0d' is no age"),
    ("--hosts --stale home.example.org=", "'' is no age"),
    ("--hosts --stale home=2d", "'home' is not a fully qualified name"),
    ("--hosts --stale 2d --stale 3d", "--stale 3d: given twice for all names"),
]
# What no flag or value is, and what the line about it says.
WRONG = [
    ("--hots", "deploy: --hots: expected a flag, such as --hosts; ./deploy --help lists all flags"),
    ("remove --yes", "deploy: remove: expected a flag, such as --remove; "),
    ("--frobnicate", "deploy: --frobnicate: expected a flag, such as --"),
    ("--host", "deploy: --host: expected one argument; "),
    ("--arch mips", "deploy: --arch: invalid choice: 'mips' (choose from "),
    ("--show --hosts", "deploy: --hosts: not allowed with argument --show; "),
]


class Flags(unittest.TestCase):
    def refused(self, words):
        """What is printed if these words are refused, or None."""
        printed = io.StringIO()
        with mock.patch.object(sys, "argv", ["deploy", *words]), contextlib.redirect_stderr(printed):
            try:
                arguments()
            except SystemExit as end:
                self.assertEqual(end.code, 2)
                return printed.getvalue()
        return None

    def test_a_flag_that_a_mode_does_not_read_is_refused(self):
        for mode, words in MODES.items():
            for flag, read in FLAGS:
                # What takes names would take the flag's value too.
                with self.subTest(mode=mode, flag=flag):
                    said = self.refused([*flag, *words])
                    self.assertEqual(said is None, mode in read, said)
                    if said:
                        self.assertRegex(said, rf"^deploy: {flag[0]}\b.*(\./deploy|leave )[^\n]*\n$")

    def test_no_flag_is_forgotten_here(self):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), self.assertRaises(SystemExit):
            with mock.patch.object(sys, "argv", ["deploy", "--help"]):
                arguments()
        words = {word.strip("[],.;:") for word in printed.getvalue().split()}
        known = {flag[0] for flag, _ in FLAGS} | {word for words in MODES.values() for word in words}
        # --help itself, and a placeholder of the text.
        self.assertEqual({word for word in words if word.startswith("--")} - known, {"--help"})

    def test_the_way_to_what_was_meant_is_named(self):
        for words, way in WAYS:
            with self.subTest(words):
                self.assertIn(way, self.refused(words.split()))

    def test_what_is_no_flag_is_refused_in_one_line(self):
        for words, line in WRONG:
            with self.subTest(words):
                said = self.refused(words.split())
                self.assertIn(line, said)
                self.assertEqual(said.count("\n"), 1, said)

    def test_nothing_is_asked_of_aws_first(self):
        # Without the AWS CLI, since nothing runs it.
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "python3").symlink_to(Path(sys.executable).resolve())
            words = ["--remove", "--host", "site41.example.org", "--yes"]
            done = subprocess.run([ROOT / "deploy", *words], env={"PATH": folder}, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("--host site41.example.org does not go with --remove", done.stderr)

    def test_a_reader_that_has_seen_enough_is_no_trouble(self):
        # As in `./deploy --hosts | head`.
        main = "from deploy import __main__ as deploy; deploy.run = lambda _: print('a line'); deploy.main()"
        reader, writer = os.pipe()
        os.close(reader)
        words = [sys.executable, "-c", main, "--hosts"]
        done = subprocess.run(words, cwd=ROOT / "cloudformation", stdout=writer, stderr=subprocess.PIPE, text=True)
        os.close(writer)
        self.assertEqual((done.returncode, done.stderr), (1, ""))


if __name__ == "__main__":
    unittest.main()
