"""The work itself. It uses the standard library only, so that `make test` runs it natively."""

import os
from dataclasses import dataclass

# The file that is written.
FILE = "INDEX.md"


class InvalidTask(Exception):
    """The task cannot be understood."""


class NothingToList(Exception):
    """There are no files."""


@dataclass
class Index:
    """What was listed."""

    files: int
    lines: int


def write(directory: str, title: str) -> Index:
    """Lists the files in a directory, with their lines, in its INDEX.md."""
    if "\n" in title:
        raise InvalidTask("the title of the list must be one line")
    with os.scandir(directory) as entries:
        names = sorted(e.name for e in entries if e.is_file(follow_symlinks=False))
    names = [name for name in names if name != FILE]
    if not names:
        raise NothingToList("there are no files to list")
    text = f"# {title}\n\n| file | lines |\n|---|---|\n"
    total = 0
    for name in names:
        with open(os.path.join(directory, name), "rb") as file:
            lines = count_lines(file.read())
        text += f"| {name} | {lines} |\n"
        total += lines
    with open(os.path.join(directory, FILE), "w", encoding="utf-8") as file:
        file.write(text)
    return Index(len(names), total)


def count_lines(content: bytes) -> int:
    """Lines, the last one also without an end."""
    return content.count(b"\n") + (content != b"" and not content.endswith(b"\n"))
