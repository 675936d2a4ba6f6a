"""Bytes that must be refused, each with the rule that it breaks, and such as are just allowed."""

import struct

from content import encode_list, read
from keys import Refused, encode_key, sha256
from node import DIRECTORY, FILE, LINK, Child, Entry, decode_node, encode_child, encode_node, raw_entry
from packs import decode_index, encode_index, envelope, open_envelope, rle_envelope
from tree import Built, Tree

EMPTY = Entry(FILE, 0o644, 0, sha256(b""), 0, sha256(b""))
HERE = Entry(DIRECTORY, 0o755)
TO = Entry(LINK, 0o777, target=b"t")
H = sha256(b"child")


def leaf(*pairs):
    return encode_node(0, [raw_entry(key, entry) for key, entry in pairs])


def one(key, entry=EMPTY):
    return leaf((key, entry))


def inner(level, *keys, count=1):
    return encode_node(level, [encode_child(key, Child(H, count)) for key in keys])


def file(size, depth, mode=0o644):
    return Entry(FILE, mode, size, H, depth, H)


A, B, C = (b"", b"a"), (b"", b"b"), (b"", b"c")
LONG = b"/".join([b"d" * 255] * 15)  # 3839 bytes
GOOD = leaf((A, EMPTY), (B, EMPTY))


def node_cases():
    """`(what, bytes)`; the reason is the oracle's own answer."""
    yield "nothing", b""
    yield "another magic", b"BRTM" + GOOD[4:]
    yield "a later version", GOOD[:4] + b"\2" + GOOD[5:]
    yield "version 0", GOOD[:4] + b"\0" + GOOD[5:]
    yield "level 16", inner(16, A, B)
    yield "level 255", inner(255, A, B)
    yield "a header cut short", GOOD[:9]
    yield "an entry cut short", GOOD[:-1]
    yield "one entry too few", GOOD[:6] + struct.pack("<I", 3) + GOOD[10:]
    yield "more entries than can be", GOOD[:6] + b"\xff" * 4 + GOOD[10:]
    yield "a byte after the last entry", GOOD + b"\0"
    yield "an entry that is not counted", GOOD[:6] + struct.pack("<I", 1) + GOOD[10:]
    yield "an inner node without entries", inner(1)
    yield "bytes after an empty leaf", leaf() + b"\0"
    yield "names out of order", leaf((B, EMPTY), (A, EMPTY))
    yield "a name twice", leaf((A, EMPTY), (A, HERE))
    yield "dirs out of order", leaf((B, HERE), ((b"b", b"x"), EMPTY), (C, HERE))
    yield "ordered as paths", leaf((A, HERE), ((b"a", b"x"), EMPTY), ((b"", b"a.b"), EMPTY))
    yield "inner keys out of order", inner(1, B, A)
    yield "an inner key twice", inner(1, A, A)
    yield "an empty name", one((b"", b""))
    yield "a name with NUL", one((b"", b"a\0b"))
    yield "a name with a slash", one((b"", b"a/b"))
    yield "the name .", one((b"", b"."))
    yield "the name ..", one((b"", b".."))
    yield "the reserved name", one((b"", b".brio"))
    yield "below the reserved name", one((b".brio", b"x"))
    yield "the reserved name below", one((b"a", b".brio"), HERE)
    yield "the reserved name in between", one((b"a/.brio/b", b"c"))
    yield "the reserved name in an inner key", inner(1, (b".brio", b"x"), B)
    yield "a dir with .", one((b"a/.", b"x"))
    yield "a dir with ..", one((b"..", b"x"))
    yield "a dir that begins with a slash", one((b"/a", b"x"))
    yield "a dir that ends with a slash", one((b"a/", b"x"))
    yield "a dir that is a slash", one((b"/", b"x"))
    yield "a dir with two slashes", one((b"a//b", b"x"))
    yield "a dir with NUL", one((b"a\0", b"x"))
    yield "a component of 256 bytes", one((b"d" * 256, b"x"))
    yield "a path of 4097 bytes", one((LONG + b"/e", b"x" * 255))
    yield "a path of 4097 bytes in an inner key", inner(1, (LONG + b"/e", b"x" * 255))
    yield "kind 0", one(A, Entry(0, 0o644))
    yield "kind 4", one(A, Entry(4, 0o644))
    yield "a mode over 0o7777", one(A, EMPTY._replace(mode=0o10000))
    yield "the type in the mode", one(A, EMPTY._replace(mode=0o100644))
    yield "a directory's mode over 0o7777", one(A, Entry(DIRECTORY, 0o40755))
    yield "a link's mode", one(A, TO._replace(mode=0o755))
    yield "a link's mode over 0o777", one(A, TO._replace(mode=0o1777))
    yield "a link to nothing", one(A, TO._replace(target=b""))
    yield "a target with NUL", one(A, TO._replace(target=b"a\0b"))
    yield "a target of 4096 bytes", one(A, TO._replace(target=b"t" * 4096))
    yield "depth 5", one(A, file(1 << 60, 5))
    yield "depth 255", one(A, file(1 << 60, 255))
    yield "depth 0 over 1 MiB", one(A, file((1 << 20) + 1, 0))
    yield "depth 1 of 1 MiB", one(A, file(1 << 20, 1))
    yield "a child without entries", inner(1, A, count=0)


def nodes():
    rows = []
    for what, raw in node_cases():
        try:
            decode_node(raw)
        except Refused as refused:
            rows.append({"what": what, "code": refused.code, "reason": refused.reason,
                         "node": raw.hex()})
        else:
            raise AssertionError(what)
    return rows


def accepted():
    """Nodes in which nothing is to be refused, though they are at a limit."""
    cases = {
        "the empty tree": leaf(),
        "a name of 255 bytes": one((b"", b"n" * 255)),
        "a path of 4096 bytes": one((LONG + b"/ee", b"x" * 253), HERE),
        "a target of 4095 bytes": one(A, TO._replace(target=b"t" * 4095)),
        "mode 0": one(A, EMPTY._replace(mode=0)),
        "mode 0o7777": leaf((A, Entry(DIRECTORY, 0o7777)), (B, EMPTY._replace(mode=0o7777))),
        "depth 0 of 1 MiB": one(A, file(1 << 20, 0)),
        "depth 1 over 1 MiB": one(A, file((1 << 20) + 1, 1)),
        "depth 4, a size of 64 bits": one(A, file((1 << 64) - 1, 4)),
        "level 15": inner(15, A, B),
        "an inner node of one entry": inner(1, A),
        "order by dir, then name": leaf(
            (A, HERE), ((b"", b"a-b"), HERE), ((b"", b"b"), HERE), ((b"a", b"z"), EMPTY),
            ((b"a-b", b"a"), HERE), ((b"a-b/a", b"a"), EMPTY), ((b"b", b"a"), EMPTY)),
    }
    for raw in cases.values():
        decode_node(raw)
    return [{"what": what, "node": raw.hex()} for what, raw in cases.items()]


def tree_cases():
    """`(what, root, nodes)`: each node may stand, but not where it does."""
    ab, cd = GOOD, leaf((C, EMPTY), ((b"", b"d"), EMPTY))
    d = (b"", b"d")

    def root(*children, level=1):
        return encode_node(level, [encode_child(k, Child(sha256(raw), n)) for k, raw, n in children])

    yield "a last key that is another", [root((C, ab, 2), (d, cd, 2)), ab, cd]
    yield "a child of the same level", [root((B, ab, 2), (d, cd, 2), level=2), ab, cd]
    yield "a parent's level two above", [root((B, ab, 2), (d, cd, 2), level=3), ab, cd]
    yield "a child that is empty", [root((A, leaf(), 1), (d, cd, 2)), leaf(), cd]
    yield "a count that is too high", [root((B, ab, 3), (d, cd, 2)), ab, cd]
    bd = leaf((B, EMPTY), (d, EMPTY))
    yield "children that overlap", [root((B, ab, 2), (d, bd, 2)), ab, bd]
    yield "a root with one child", [root((B, ab, 2)), ab]
    # The first two nodes would be one: nothing ends a node before MIN.
    yield "nodes that end too early", [root((B, ab, 2), (d, cd, 2)), ab, cd]
    orphan = leaf((A, EMPTY), ((b"b", b"x"), EMPTY))
    yield "an entry without its directory", [orphan]
    below = leaf((A, EMPTY), ((b"a", b"x"), EMPTY))
    yield "an entry below a file", [below]


# What shows only when a tree is checked as a whole.
WHOLE = ("not-canonical", "parent")


def trees():
    rows = []
    for what, nodes in tree_cases():
        by_hash = {sha256(raw): raw for raw in nodes}
        try:
            Tree(by_hash.__getitem__, sha256(nodes[0])).check()
        except Refused as refused:
            rows.append({"what": what, "reason": refused.reason, "by_reading": refused.reason not in WHOLE,
                         "tree": sha256(nodes[0]).hex(), "nodes": [raw.hex() for raw in nodes]})
        else:
            raise AssertionError(what)
    return rows


def envelopes():
    """Each with the hashes of what a careless reader takes it for: not even by these is it read."""
    good, squeezed, a = envelope(b"hello"), rle_envelope(97, 1000), b"a" * 1000
    claims = lambda n, frames=1: squeezed[:1] + struct.pack("<I", n) + squeezed[5:] * frames
    cases = {
        "nothing": (b"", [b""]),
        "a header cut short": (good[:4], [b""]),
        "codec 2": (b"\2" + good[1:], [b"hello"]),
        "fewer bytes than the length": (good[:-1], [b"hell"]),
        "more bytes than the length": (good + b"!", [b"hello", b"hello!"]),
        "over 4 MiB": (struct.pack("<BI", 0, (4 << 20) + 1) + b"x", [b"x", b""]),
        "zstd over 4 MiB": (rle_envelope(97, (4 << 20) + 1), [b"a" * ((4 << 20) + 1)]),
        "zstd that is longer than the length": (claims(999), [a, a[:999]]),
        "zstd that is shorter than the length": (claims(1001), [a]),
        "zstd cut short": (squeezed[:-1], [a, b""]),
        "zstd with a byte behind": (squeezed + b"\0", [a]),
        "two frames": (claims(2000, 2), [a, a * 2]),
        "two frames, the length of one": (claims(1000, 2), [a, a * 2]),
        "no zstd": (squeezed[:5] + b"hello", [b"hello", b""]),
        "no frame": (squeezed[:5], [b""]),
    }
    rows = []
    for what, (raw, taken_for) in cases.items():
        try:
            open_envelope(raw)
        except Refused:  # or the oracle cannot say, where there is no decoder of zstd
            taken_for = [sha256(content).hex() for content in taken_for]
            rows.append({"what": what, "envelope": raw.hex(), "taken_for": taken_for})
        else:
            raise AssertionError(what)
    return rows


def content_cases():
    """`(what, size, depth, root, blobs, taken for)`: roots under which no file can be read.

    The last is the content that a careless reader takes it for: its hash is the entry's.
    """
    part, other = b"a" * 600_000, b"b" * 600_000
    good = encode_list([part, other])
    row = lambda length, of: struct.pack("<I", length) + sha256(of)
    whole = 1_200_000

    def above(listed):
        """A list of that list, as one chunk; a list so short would have no other above it."""
        return row(len(listed), listed)

    yield "a list that is cut short", whole, 1, good[:-1], [part, other], part + other
    yield "a list with a byte too many", whole, 1, good + b"\0", [part, other], part + other
    yield "an empty list", whole, 1, b"", [], b""
    yield "a chunk of length 0", whole, 1, good + row(0, b""), [part, other, b""], part + other
    yield "a chunk too few", whole, 1, good[:36], [part], part
    yield "a chunk too many", whole, 1, good + good[:36], [part, other], part + other + part
    wide = row((1 << 32) - 1, part) * 2 + good
    yield "lengths that overflow", whole, 1, wide, [part, other], part * 3 + other
    uneven = row(600_001, part) + row(599_999, part)
    yield "a chunk shorter than its list says", whole, 1, uneven, [part], part * 2
    yield "a list below that is not one", whole, 2, above(part), [part], part
    yield "a list below that is shorter", whole, 2, row(73, good), [good, part, other], part + other
    yield "depth 5", whole, 5, good, [part, other], part + other
    yield "depth 255", whole, 255, good, [part, other], part + other
    yield "a blob shorter than the size", 7, 0, b"hello\n", [], b"hello\n"
    yield "a blob longer than the size", 5, 0, b"hello\n", [], b"hello\n"
    yield "a list of what one blob holds", 6, 1, row(6, b"hello\n"), [b"hello\n"], b"hello\n"
    yield "a list above a list that is one blob", whole, 2, above(good), [good, part, other], part + other


def contents():
    rows = []
    for what, size, depth, root, parts, taken_for in content_cases():
        blobs = {sha256(blob): blob for blob in [root, *parts]}
        try:
            list(read(blobs.__getitem__, size, depth, sha256(root)))
        except Refused as refused:
            wrapped = [rle_envelope(b[0], len(b)) if len(b) == 600_000 else envelope(b)
                       for b in blobs.values()]
            rows.append({"what": what, "reason": refused.reason, "size": size, "depth": depth,
                         "sha256": sha256(taken_for).hex(), "root": sha256(root).hex(),
                         "blobs": {h.hex(): e.hex() for h, e in zip(blobs, wrapped)}})
        else:
            raise AssertionError(what)
    return rows


def indexes(good, empty):
    digest, length, rows = decode_index(good)
    sealed = lambda body: body + sha256(body)
    made = lambda *rows, n=length: encode_index(digest, n, list(rows))
    first, second = rows[:2]
    cases = {
        "nothing": b"",
        "cut short": good[:-1],
        "a byte that is another": good[:60] + bytes([good[60] ^ 1]) + good[61:],
        "another magic": sealed(b"BRIOPIDY" + empty[8:-32]),
        "version 2": sealed(empty[:8] + struct.pack("<I", 2) + empty[12:-32]),
        "an entry that is not counted": sealed(made(first)[:52] + struct.pack("<I", 0) + made(first)[56:-32]),
        "an entry that is missing": sealed(made(first)[:52] + struct.pack("<I", 2) + made(first)[56:-32]),
        "more entries than can be": sealed(empty[:52] + b"\xff" * 4),
        "out of order": made(second, first),
        "an entry twice": made(first, first),
        "kind 0": made((0, *first[1:])),
        "kind 3": made((3, *first[1:])),
        "an offset in the pack's header": made((1, H, 11, 5)),
        "beyond the pack": made((1, H, length - 5, 6)),
        "an offset that overflows": made((1, H, (1 << 64) - 1, 5)),
        "an envelope without a header": made((1, H, 12, 4)),
    }
    found = []
    for what, raw in cases.items():
        try:
            decode_index(raw)
        except Refused as refused:
            row = {"what": what, "code": refused.code, "reason": refused.reason}
            found.append(row | {"index": raw.hex()})
        else:
            raise AssertionError(what)
    return found


assert encode_key(A) == b"\0\0\1a" and Built({}).nodes == {sha256(leaf()): leaf()}
