"""Trees: made from entries, read, compared. See "Tree" in FORMAT.md."""

from bisect import bisect_left

from keys import Refused, key_of, path_of, sha256
from node import (
    DIRECTORY, LEVEL_MAX, Child, decode_node, encode_child, encode_entry, encode_node, ends,
)


class Built:
    """The tree of a map from paths to entries: `nodes` by hash, hashes of each level, `root`."""

    def __init__(self, entries):
        keyed = {key_of(path): entry for path, entry in entries.items()}
        for path in entries:
            if path_of(key_of(path)) != path:
                raise Refused("path", repr(path), code="STORE_ENTRIES")
        for key in keyed:
            parent = keyed.get(key_of(key[0])) if key[0] else None
            if key[0] and (parent is None or parent.kind != DIRECTORY):
                raise Refused("parent", repr(path_of(key)), code="STORE_ENTRIES")
        row = [(key, encode_entry(key, keyed[key]), 1) for key in sorted(keyed)]
        self.nodes, self.levels = {}, []
        while True:
            level = len(self.levels)
            if level > LEVEL_MAX:
                raise Refused("level", str(level), code="STORE_ENTRIES")
            row = self.fold(level, row)
            if len(row) == 1:
                break
        self.root = self.levels[-1][0]

    def fold(self, level, row):
        """Cuts a level's entries into nodes; the entries of the level above."""
        above, begun, size, hashes = [], [], 0, []
        for n, (key, encoded, count) in enumerate(row):
            begun.append((key, encoded, count))
            size += len(encoded)
            if n + 1 < len(row) and not ends(level, key, len(begun), size):
                continue
            above.append(self.node(level, begun, hashes))
            begun, size = [], 0
        if not row:
            above.append(self.node(level, [], hashes))
        self.levels.append(hashes)
        return above

    def node(self, level, entries, hashes):
        raw = encode_node(level, [encoded for _, encoded, _ in entries])
        digest, count = sha256(raw), sum(count for _, _, count in entries)
        self.nodes[digest] = raw
        hashes.append(digest)
        key = entries[-1][0] if entries else None
        return key, encode_child(key, Child(digest, count)) if key else b"", count


class Tree:
    """A tree that is read by `fetch(hash)`; what it is given is believed in nothing."""

    def __init__(self, fetch, root):
        self.fetch, self.root, self.reads = fetch, root, 0

    def node(self, digest):
        raw = self.fetch(digest)
        self.reads += 1
        if sha256(raw) != digest:
            raise Refused("hash", digest.hex())
        return decode_node(raw)

    def top(self):
        node = self.node(self.root)
        if node.level > 0 and len(node.entries) == 1:
            raise Refused("root", "an inner node with one child")
        return node

    def child(self, parent, at):
        """A parent's child, which is what the parent says and follows what stands before it."""
        key, child = parent.entries[at]
        node = self.node(child.hash)
        if node.level != parent.level - 1:
            raise Refused("child-level", f"{node.level} below {parent.level}")
        if not node.entries or node.entries[-1][0] != key:
            raise Refused("child-last", repr(path_of(key)))
        count = sum(1 if node.level == 0 else c.count for _, c in node.entries)
        if count != child.count:
            raise Refused("child-count", f"{count}, not {child.count}")
        if at and node.entries[0][0] <= parent.entries[at - 1][0]:
            raise Refused("child-order", repr(path_of(node.entries[0][0])))
        return node

    def count(self):
        top = self.top()
        return sum(c.count for _, c in top.entries) if top.level else len(top.entries)

    def lookup(self, path):
        """The entry of `path`, by one node of each level."""
        wanted, node = key_of(path), self.top()
        while True:
            at = bisect_left(node.entries, wanted, key=lambda e: e[0])
            if at == len(node.entries):
                return None
            if node.level == 0:
                key, entry = node.entries[at]
                return entry if key == wanted else None
            node = self.child(node, at)

    def since(self, key):
        """The leaf entries with keys of at least `key`, in order."""
        return self._since(self.top(), key)

    def _since(self, node, key):
        at = bisect_left(node.entries, key, key=lambda e: e[0])
        if node.level == 0:
            yield from node.entries[at:]
            return
        for n in range(at, len(node.entries)):
            yield from self._since(self.child(node, n), key)

    def listing(self, directory):
        """`(name, entry)` of what lies in a directory: neighbours, so few nodes are read."""
        for (parent, name), entry in self.since((directory, b"")):
            if parent != directory:
                return
            yield name, entry

    def entries(self):
        return {path_of(key): entry for key, entry in self.since((b"", b""))}

    def check(self):
        """Every rule: that the entries make just this tree, too. Returns the entries."""
        entries = self.entries()
        if Built(entries).root != self.root:
            raise Refused("not-canonical", self.root.hex())
        return entries


def difference(old, new):
    """`path -> (old entry or None, new entry or None)`, in the order of keys.

    Level by level, from the higher root down: a node that both have cancels out with all below it.
    """
    sides = [[(tree, tree.top())] if tree.root != other.root else []
             for tree, other in ((old, new), (new, old))]
    sides = [[node for _, node in side] for side in sides]
    trees = (old, new)
    while any(node.level for side in sides for node in side):
        highest = max(node.level for side in sides for node in side)
        below = [[], []]
        for n, side in enumerate(sides):
            for node in side:
                if node.level < highest:
                    below[n].append((None, node))
                else:
                    below[n] += [(c.hash, (node, at)) for at, (_, c) in enumerate(node.entries)]
        both = {h for h, _ in below[0] if h} & {h for h, _ in below[1] if h}
        sides = [
            [where if h is None else tree.child(*where) for h, where in row if h not in both]
            for tree, row in zip(trees, below)
        ]
    maps = [{key: entry for node in side for key, entry in node.entries} for side in sides]
    changed = sorted(key for key in maps[0].keys() | maps[1].keys()
                     if maps[0].get(key) != maps[1].get(key))
    return {path_of(key): (maps[0].get(key), maps[1].get(key)) for key in changed}
