"""The parser of the command line."""

import argparse
import difflib
import re
import sys


class Parser(argparse.ArgumentParser):
    """argparse's, whose errors are one line."""

    def error(self, message):
        """End with 2 and the message, and without the list of all flags."""
        if unknown := re.match(r"unrecognized arguments: (\S+)", message):
            word = unknown[1]
            flags = re.findall(r"--[a-z-]+", self.format_usage())
            near = difflib.get_close_matches(f"--{word.lstrip('-')}", flags, n=1)
            message = f"{word}: expected a flag, such as {(near or ['--show'])[0]}"
        print(f"deploy: {message.removeprefix('argument ')}; ./deploy --help lists all flags", file=sys.stderr)
        sys.exit(2)
