#!/usr/bin/env python3
"""The store's format, written a second time, from FORMAT.md alone: what Rust is compared with.

    oracle.py tree < ENTRIES       the tree's hash and nodes; ENTRIES is a JSON array (see shown.py)
    oracle.py diff < {old, new}    the difference of the trees of two such arrays, found by the trees
    oracle.py chunks FILE ...      each file's SHA-256, depth, root and the lengths of its chunks
    oracle.py list FILE            the same of a list that was made elsewhere: from depth 1 on
    oracle.py judge < LINES        of each line, a node in hex: `ok`, or why it is refused
    oracle.py check DIR PROJECT [sha256:TREE]
                                   everything reachable in a store in a directory, or from one tree
    oracle.py vectors [DIR]        writes the golden vectors, to ../golden if nowhere else

Exit codes: 0, or 1 if something was refused, 2 for a wrong use.
"""

import json
import pathlib
import sys

sys.dont_write_bytecode = True  # these files lie in a source tree

import check
import vectors
from content import Stored
from keys import Refused, digest, sha256, text
from node import decode_node
from shown import read_entries, show_difference, show_nodes
from tree import Built, Tree, difference


def tree():
    built = Built(read_entries(json.load(sys.stdin)))
    return {"tree": text(built.root), "nodes": show_nodes(built)}


def diff():
    given = json.load(sys.stdin)
    built = [Built(read_entries(given[side])) for side in ("old", "new")]
    return show_difference(difference(*(Tree(b.nodes.__getitem__, b.root) for b in built)))


def chunks(path, depth=0):
    data = pathlib.Path(path).read_bytes()
    stored = Stored(data, depth)
    return {"size": len(data), "sha256": sha256(data).hex(), "depth": stored.depth,
            "root": stored.root.hex(), "lengths": stored.lengths}


def judge():
    for line in sys.stdin:
        try:
            decode_node(bytes.fromhex(line.strip()))
            print("ok")
        except Refused as refused:
            print(refused)


def here_or(rest):
    return pathlib.Path(*rest) if rest else pathlib.Path(__file__).resolve().parent.parent / "golden"


def main(command, *rest):
    """Runs a command; None if there is no such one, or not with so many arguments."""
    match command, len(rest):
        case "judge", 0:
            return judge() or ""
        case "vectors", 0 | 1:
            return vectors.write(here_or(rest)) or ""
        case "check", 2 | 3:
            return check.store(pathlib.Path(rest[0]), rest[1], *map(digest, rest[2:]))
        case "tree", 0:
            return tree()
        case "diff", 0:
            return diff()
        case "chunks", n if n > 0:
            return [chunks(path) for path in rest]
        case "list", 1:
            return chunks(rest[0], 1)


if __name__ == "__main__":
    try:
        answer = main(*sys.argv[1:]) if len(sys.argv) > 1 else None
    except Refused as refused:
        print(refused, file=sys.stderr)
        sys.exit(1)
    if answer is None:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    if answer != "":
        print(json.dumps(answer, indent=1))
