#!/usr/bin/env python3
"""Prints the source hash of one agent; README.md says what is hashed and how.

usage: source-hash.py AGENT_DIR   (relative to example-agents/, such as `hello`)
"""
import hashlib
import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(here)
agent = sys.argv[1].strip("/")


def files(directory):
    for parent, directories, names in os.walk(os.path.join(root, directory)):
        directories[:] = [d for d in directories if d != "target" and not d.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield os.path.relpath(os.path.join(parent, name), root)


paths = ["example-agents/Cargo.toml", "example-agents/Cargo.lock"]
for directory in (f"example-agents/{agent}", "guest-sdk", "wit"):
    paths.extend(files(directory))

digest = hashlib.sha256()
for path in sorted(path.encode() for path in paths):
    with open(os.path.join(root.encode(), path), "rb") as file:
        content = file.read()
    for field in (path, content):
        digest.update(len(field).to_bytes(8, "little"))
        digest.update(field)
print(digest.hexdigest())
