#!/usr/bin/env python3
"""Writes what was measured into a page of the documentation, between marks.

A mark is a line `<!-- NAME -->`; what is replaced ends at the line `<!-- /NAME -->`."""

import argparse
import re
import sys
from pathlib import Path

BLOCK = re.compile(r"(?ms)^<!-- ([\w:-]+) -->\n(.*?)^<!-- /\1 -->$")


def main() -> None:
    options = arguments()
    text = options.file.read_text()
    if options.rows:
        text = tables(text)
    # A file with marks of its own fills several blocks.
    measured = dict(BLOCK.findall(text)) or {options.name: text}
    try:
        options.page.write_text(replaced(options.page.read_text(), measured))
    except KeyError as missing:
        sys.exit(f"{options.page}: expected the marks <!-- {missing.args[0]} --> and <!-- /{missing.args[0]} -->")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path, metavar="PAGE", help="the page to change")
    parser.add_argument("name", metavar="NAME", help="the mark, unless FILE has marks of its own")
    parser.add_argument("file", type=Path, metavar="FILE", help="the markdown to put there")
    parser.add_argument("--rows", action="store_true", help="FILE has lines HEADING<tab>WHAT<tab>FOUND instead")
    return parser.parse_args()


def replaced(page: str, measured: dict[str, str]) -> str:
    """The page with each of these blocks replaced. A KeyError names a block that the page does not have."""
    for name in measured:
        if name not in dict(BLOCK.findall(page)):
            raise KeyError(name)

    def block(match: re.Match) -> str:
        name, before = match.groups()
        return f"<!-- {name} -->\n{measured.get(name, before)}<!-- /{name} -->"

    return BLOCK.sub(block, page)


def tables(rows: str) -> str:
    """A table for each heading, the headings in order. A row that comes twice counts as it came last."""
    by_heading: dict[str, dict[str, str]] = {}
    for row in rows.splitlines():
        heading, what, found = row.split("\t")
        by_heading.setdefault(heading, {})[what] = found
    return "\n" + "\n".join(table(heading, found) for heading, found in sorted(by_heading.items())) + "\n"


def table(heading: str, found: dict[str, str]) -> str:
    """One heading and its table."""
    lines = [f"### {heading}", "", "| What | Found |", "|---|---|", *(f"| {a} | {b} |" for a, b in found.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
