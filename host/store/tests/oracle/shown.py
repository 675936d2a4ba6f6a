"""Entries and trees as JSON. A path or target that is no UTF-8 is `path_hex`, `target_hex`."""

from keys import sha256
from node import DIRECTORY, FILE, LINK, Entry, decode_node

KINDS = {"file": FILE, "directory": DIRECTORY, "link": LINK}
WORDS = {kind: word for word, kind in KINDS.items()}


def put(into, field, raw):
    try:
        into[field] = raw.decode()
    except UnicodeDecodeError:
        into[field + "_hex"] = raw.hex()


def get(of, field):
    if field + "_hex" in of:
        return bytes.fromhex(of[field + "_hex"])
    return of[field].encode()


def show_entry(path, entry):
    shown = {}
    put(shown, "path", path)
    shown |= {"kind": WORDS[entry.kind], "mode": entry.mode}
    if entry.kind == FILE:
        shown |= {"size": entry.size, "sha256": entry.sha256.hex()}
        if entry.depth:
            shown |= {"depth": entry.depth, "root": entry.root.hex()}
    if entry.kind == LINK:
        put(shown, "target", entry.target)
    return shown


def read_entry(of):
    kind, mode = KINDS[of["kind"]], of["mode"]
    if kind == FILE:
        digest, depth = bytes.fromhex(of["sha256"]), of.get("depth", 0)
        root = bytes.fromhex(of["root"]) if depth else digest
        return get(of, "path"), Entry(kind, mode, of["size"], digest, depth, root)
    if kind == LINK:
        return get(of, "path"), Entry(kind, mode, target=get(of, "target"))
    return get(of, "path"), Entry(kind, mode)


def read_entries(rows):
    pairs = [read_entry(row) for row in rows]
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("a path is there twice")
    return entries


def show_difference(changed):
    rows = []
    for path, (old, new) in changed.items():
        row = {"op": "+" if old is None else "-" if new is None else "~"}
        rows.append(row | show_entry(path, new if new else old))
    return rows


def show_nodes(built):
    """Each node, level by level."""
    rows = []
    for level, hashes in enumerate(built.levels):
        for h in hashes:
            node = decode_node(built.nodes[h])
            rows.append({"hash": h.hex(), "level": level, "entries": len(node.entries),
                         "bytes": len(built.nodes[h])})
    return rows


def show_levels(built):
    """How many nodes each level has, the first and the last, and the SHA-256 of all their hashes."""
    return [{"nodes": len(hashes), "first": hashes[0].hex(), "last": hashes[-1].hex(),
             "all": sha256(b"".join(hashes)).hex()} for hashes in built.levels]
