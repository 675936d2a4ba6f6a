"""Entries and nodes of a tree as bytes. See "Tree" in FORMAT.md."""

import struct
from typing import NamedTuple

from content import BLOB_MAX, DEPTH_MAX
from keys import Bytes, Refused, check_key, decode_key, encode_key, sha256

MAGIC, VERSION, LEVEL_MAX = b"BRTN", 1, 15
FILE, DIRECTORY, LINK = 1, 2, 3
MODE_MAX, LINK_MODE, TARGET_MAX = 0o7777, 0o777, 4095
HEADER = 10


class Entry(NamedTuple):
    """What a path is. `root` is a file's SHA-256 where its depth is 0."""

    kind: int
    mode: int
    size: int = 0
    sha256: bytes = b""
    depth: int = 0
    root: bytes = b""
    target: bytes = b""


class Child(NamedTuple):
    """An inner entry."""

    hash: bytes
    count: int


class Node(NamedTuple):
    level: int
    entries: list  # of (key, Entry) in a leaf, (key, Child) above


def check_entry(entry):
    if entry.kind not in (FILE, DIRECTORY, LINK):
        raise Refused("kind", str(entry.kind))
    if entry.mode > MODE_MAX:
        raise Refused("mode", oct(entry.mode))
    if entry.kind == LINK:
        if entry.mode != LINK_MODE:
            raise Refused("link-mode", oct(entry.mode))
        if not 1 <= len(entry.target) <= TARGET_MAX:
            raise Refused("target-length", str(len(entry.target)))
        if b"\0" in entry.target:
            raise Refused("target-byte")
    if entry.kind == FILE:
        if entry.depth > DEPTH_MAX:
            raise Refused("depth", str(entry.depth))
        if (entry.size > BLOB_MAX) != (entry.depth > 0):
            raise Refused("depth-of-size", f"{entry.size} bytes, depth {entry.depth}")


def encode_entry(key, entry):
    check_key(key)
    check_entry(entry)
    return raw_entry(key, entry)


def raw_entry(key, entry):
    """The bytes of an entry, be it allowed or not."""
    data = encode_key(key) + struct.pack("<BH", entry.kind, entry.mode)
    if entry.kind == FILE:
        data += struct.pack("<Q", entry.size) + entry.sha256 + struct.pack("<B", entry.depth)
        data += entry.root if entry.depth else b""
    if entry.kind == LINK:
        data += struct.pack("<H", len(entry.target)) + entry.target
    return data


def encode_child(key, child):
    return encode_key(key) + child.hash + struct.pack("<Q", child.count)


def encode_node(level, encoded):
    return MAGIC + struct.pack("<BBI", VERSION, level, len(encoded)) + b"".join(encoded)


def decode_entry(data):
    kind, mode = data.number(1), data.number(2)
    entry = Entry(kind, mode)
    if kind == FILE:
        size, digest, depth = data.number(8), data.take(32), data.number(1)
        entry = Entry(kind, mode, size, digest, depth, data.take(32) if depth else digest)
    if kind == LINK:
        entry = Entry(kind, mode, target=data.take(data.number(2)))
    check_entry(entry)
    return entry


def decode_node(raw):
    """A node that breaks no rule which can be seen in it alone."""
    data = Bytes(raw)
    if data.take(4) != MAGIC:
        raise Refused("magic")
    version = data.number(1)
    if version != VERSION:
        raise Refused("version", str(version), "STORE_FORMAT")
    level = data.number(1)
    if level > LEVEL_MAX:
        raise Refused("level", str(level))
    count, entries = data.number(4), []
    if count == 0 and level > 0:
        raise Refused("empty")
    for _ in range(count):
        key = decode_key(data)
        if entries and entries[-1][0] >= key:
            raise Refused("order", repr(key))
        if level == 0:
            entries.append((key, decode_entry(data)))
        else:
            child = Child(data.take(32), data.number(8))
            if child.count == 0:
                raise Refused("count", repr(key))
            entries.append((key, child))
    data.end()
    return Node(level, entries)


# (MIN, MAX, MASK) of a level
LIMITS = {0: (8192, 131072, 0xFF)}
ABOVE = (8192, 262144, 0x7FF)


def ends(level, key, n, size):
    """Whether a node ends after the entry of `key`, its n-th, which makes it `size` bytes of entries."""
    least, most, mask = LIMITS.get(level, ABOVE)
    if n < 2 or size < least:
        return False
    if size >= most:
        return True
    h = sha256(struct.pack("<B", level) + encode_key(key))
    return int.from_bytes(h[:4], "little") & mask == 0
