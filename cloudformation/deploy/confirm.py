"""Asking before something is lost."""

import sys

from .trouble import Trouble


def confirm(question, options):
    """Ask, unless --yes was given. Without a terminal the answer is no."""
    if options.yes:
        return
    if not sys.stdin.isatty():
        raise Trouble(f"{question} There is no terminal to ask on: say --yes")
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise Trouble("nothing done")
