"""The golden vectors: what every implementation of FORMAT.md makes, byte by byte."""

import json

import refusals
from content import BLOB_MAX, MAXIMUM, MINIMUM, Stored, chunks, encode_list
from generate import RULES, content, listed
from keys import Project, sha256, text
from node import DIRECTORY, FILE, LINK, Entry
from packs import BLOB, NODE, envelope, pack, rle_envelope
from shown import show_difference, show_entry, show_levels
from tree import Built, Tree, difference

MIB = 1 << 20


def file(data, mode=0o644):
    stored = Stored(data)
    return Entry(FILE, mode, len(data), sha256(data), stored.depth, stored.root)


def small_trees():
    """Trees of a few entries, with the bytes of their one node."""
    directory, empty = Entry(DIRECTORY, 0o755), file(b"")
    yield "empty", {}
    yield "one file", {b"a": file(b"hello\n")}
    yield "an empty directory", {b"d": directory}
    yield "kinds", {
        b"big": Entry(FILE, 0o7777, 1 << 40, sha256(b"big"), 2, sha256(b"list")),
        b"dir": Entry(DIRECTORY, 0o7000), b"file": Entry(FILE, 0, 0, sha256(b""), 0, sha256(b"")),
        b"link": Entry(LINK, 0o777, target=b"../\xff"), b"run": file(b"#!/bin/sh\n", 0o755),
    }
    yield "names that are no UTF-8", {
        b"\x01": empty, b"\x7f": empty, b"\xff\xfe": empty, b"\xc3(": directory, b"\xc3(/\x80": empty,
        "\u00e9".encode(): empty, "e\u0301".encode(): empty, b"\\": empty, b" ": empty, b"\n": empty,
    }
    yield "order", {
        b"a": directory, b"a.b": directory, b"a-b": directory, b"a0": directory, b"a/b": directory,
        b"a.b/x": empty, b"a-b/x": empty, b"a0/x": empty, b"a/b/x": empty, b"a/b.x": empty,
        b"a/b-x": empty, b"a/b0": empty, b"A": empty, b"a/x": empty, b"a\xff": directory,
        b"a\xff/x": empty, b"a\x01": directory, b"a\x01/x": empty, b"aa": empty, b"ab": empty,
    }
    yield "nearly reserved", {
        b".brio2": empty, b"..brio": empty, b".Brio": directory, b".bri": empty, b"...": empty,
        b".Brio/brio": empty, b".git": directory, b".git/.brio~": empty,
    }
    deep = b"/".join(bytes([97 + k]) * 255 for k in range(15)) + b"/" + b"y" * 254 + b"/z"
    above = {deep[:n]: directory for n in range(len(deep)) if deep[n:n + 1] == b"/"}
    yield "a path of 4096 bytes", above | {deep: Entry(LINK, 0o777, target=b"t" * 4095)}


def trees():
    rows = []
    for name, entries in small_trees():
        built = Built(entries)
        shown = [show_entry(path, entry) for path, entry in entries.items()]
        rows.append({"name": name, "entries": shown, "tree": text(built.root),
                     "levels": show_levels(built)})
        if len(built.nodes) == 1 and len(built.nodes[built.root]) < 4096:
            rows[-1]["node"] = built.nodes[built.root].hex()
    return rows


def generated():
    rows = []
    for rule, seed, count in (
        ("entries", 1, 60), ("entries", 2, 500), ("entries", 3, 5000), ("entries", 12, 100_000),
        ("long_names", 5, 2), ("long_names", 6, 2400), ("flat", 7, 20_000),
    ):
        built = Built(RULES[rule](seed, count))
        size = sum(map(len, built.nodes.values()))
        rows.append({"rule": rule, "seed": seed, "count": count, "tree": text(built.root),
                     "bytes": size, "levels": show_levels(built)})
    return rows


def differences():
    """Between the first `old` and the first `new` of one rule's entries, and of two seeds'."""
    rows = []
    for old, new in (((8, 0), (8, 3000)), ((8, 3000), (8, 3001)), ((8, 3000), (8, 2000)),
                     ((8, 300), (9, 300))):
        sides = [Built(RULES["entries"](*side)) for side in (old, new)]
        changed = difference(*(Tree(b.nodes.__getitem__, b.root) for b in sides))
        rows.append({
            "old": {"seed": old[0], "count": old[1]}, "new": {"seed": new[0], "count": new[1]},
            "added": sum(a is None for a, _ in changed.values()),
            "removed": sum(b is None for _, b in changed.values()),
            "modified": sum(None not in pair for pair in changed.values()),
            "paths": sha256(b"".join(path + b"\0" for path in changed)).hex(),
        })
    assert show_difference({}) == []
    return rows


def odd_end(seed):
    """A size at which the byte that would cut is the last of an odd number, and so does not."""
    data, at = content(seed, 4 * MIB), 0
    for chunk in chunks(data):
        if at + len(chunk) > BLOB_MAX and len(chunk) % 2 == 0 and MINIMUM < len(chunk) < MAXIMUM:
            return at + len(chunk) + 1
        at += len(chunk)
    raise ValueError("no such chunk")


def contents():
    rows, odd = [], odd_end(5)
    for seed, size in ((1, 0), (1, 1), (2, 4096), (3, MIB - 1), (3, MIB), (3, MIB + 1),
                       (4, 5 * MIB), (5, odd), (5, odd + 1), (6, 40 * MIB)):
        rows.append({"seed": seed, "size": size} | show_content(content(seed, size)))
    for byte, size in ((0, 5 * MIB), (0, 5 * MIB + 131073), (255, 3 * MIB)):
        rows.append({"byte": byte, "size": size} | show_content(bytes([byte]) * size))
    return rows


def show_content(data):
    stored = Stored(data)
    row = {"sha256": sha256(data).hex(), "depth": stored.depth, "root": stored.root.hex()}
    return row | ({"chunks": stored.lengths[0]} if stored.depth else {})


def lists():
    """Lists that were made of contents nobody has: what their own depth and root are."""
    rows = []
    for seed, count in ((7, 3), (7, 29_127), (7, 29_128), (8, 300_000)):
        stored = Stored(listed(seed, count), 1)
        row = {"seed": seed, "chunks": count, "depth": stored.depth, "root": stored.root.hex()}
        rows.append(row | ({"cut": stored.lengths[0]} if stored.lengths else {}))
    assert encode_list([b"a"]) == b"\1\0\0\0" + sha256(b"a")
    return rows


def packs():
    node = Built({b"a": file(b"hello\n")})
    objects = [
        (BLOB, b"hello\n", envelope(b"hello\n")), (BLOB, b"", envelope(b"")),
        (NODE, node.nodes[node.root], envelope(node.nodes[node.root])),
        (BLOB, b"a" * 300_000, rle_envelope(ord("a"), 300_000)),
        # The same bytes may be a blob and a node.
        (BLOB, node.nodes[node.root], envelope(node.nodes[node.root])),
    ]
    raw, index = pack(objects)
    none, none_index = pack([])
    return {
        "envelopes": [
            {"of": {"byte": 97, "size": 300_000}, "hex": rle_envelope(97, 300_000).hex()},
            {"of": {"byte": 0, "size": 1}, "hex": rle_envelope(0, 1).hex()},
            {"of": {"byte": 98, "size": 4 * MIB}, "hex": rle_envelope(98, 4 * MIB).hex()},
            {"of": {"byte": 99, "size": 3}, "hex": envelope(b"ccc").hex()},
            {"of": {"byte": 0, "size": 0}, "hex": envelope(b"").hex()},
        ],
        "packs": [
            {"pack": raw.hex(), "sha256": sha256(raw).hex(), "index": index.hex(),
             "objects": [{"kind": k, "sha256": sha256(c).hex(), "size": len(c)} for k, c, _ in objects]},
            {"pack": none.hex(), "sha256": sha256(none).hex(), "index": none_index.hex(), "objects": []},
        ],
        "refused_envelopes": refusals.envelopes(),
        "refused_indexes": refusals.indexes(index, none_index),
    }


def keys():
    project, h = Project("acme/web-1.0"), sha256(b"")
    return {
        "project": "acme/web-1.0", "sha256": h.hex(),
        "keys": {
            "project": project.document(), "head": project.head(), "blob": project.object("blobs", h),
            "node": project.object("trees", h), "pack": project.object("packs", h),
            "index": project.index(h), "landing": project.landing(17, "x"),
            "session": project.session("sess-x"), "session_tree": project.session("sess-x", "tree.json"),
            "note": project.note("a/b.md"), "gc": project.gc(), "pin": project.pin("x"),
        },
        "notes": {path: project.note(path) for path in (
            "a", "A", "a/b", "a_2fb", "sessions/session", "..", "_", "__", "con", ".", "%2e", "~ *?",
            "\u00fc", "u\u0308", "a" * 200, "a" * 201, "\u00fc" * 33, "\u00fc" * 34, "/" * 255)},
        "accepted": ["a/b", "0/9", "a.b_c-d/e", "a" * 64 + "/" + "b" * 64, "a../b", "a/b."],
        "refused": ["", "a", "a/", "/a", "a/b/c", "a//b", "A/b", "a/B", ".a/b", "a/.b", "-a/b", "_a/b",
                    "a/../b", "../a", "a/..", "a b/c", "a/b ", "a/b\n", "a\0/b", "\u00e9/a", "a/\u00df",
                    "a\\b/c", "a:b/c", "a" * 65 + "/b", "a/" + "b" * 65],
    }


FILES = {
    "trees.json": lambda: {"trees": trees(), "generated": generated(), "differences": differences()},
    "contents.json": lambda: {"contents": contents(), "lists": lists(),
                              "refused_contents": refusals.contents()},
    "nodes.json": lambda: {"accepted": refusals.accepted(), "refused": refusals.nodes(),
                           "refused_trees": refusals.trees()},
    "packs.json": packs,
    "keys.json": keys,
}


def made(name):
    return json.dumps(FILES[name](), indent=1, ensure_ascii=True) + "\n"


def write(directory):
    directory.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (directory / name).write_text(made(name))
        print(f"{name}: {(directory / name).stat().st_size} bytes")
