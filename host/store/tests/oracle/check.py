"""A store in a directory: everything that its refs reach, read and verified."""

import hashlib
import json
import pathlib
import sqlite3

from content import read
from keys import Project, Refused, digest, sha256, text
from node import FILE
from packs import BLOB, NODE, decode_index, open_envelope
from tree import Built, Tree, difference


class Store:
    """A project's objects as files below a directory, at their keys or in packs with an index."""

    def __init__(self, directory, project):
        self.directory, self.project = directory, Project(project)
        self.packed, self.read = {}, set()
        for path in sorted((directory / self.project.base / "indexes").glob("*")):
            pack, length, rows = decode_index(path.read_bytes(), bytes.fromhex(path.name))
            if self.path(self.project.object("packs", pack)).stat().st_size != length:
                raise Refused("pack-length", pack.hex())
            for kind, h, offset, size in rows:
                self.packed[kind, h] = pack, offset, size

    def path(self, key):
        return self.directory / key

    def fetch(self, kind, h):
        path = self.path(self.project.object("blobs" if kind == BLOB else "trees", h))
        if path.exists():
            raw = path.read_bytes()
        elif (kind, h) in self.packed:
            pack, offset, size = self.packed[kind, h]
            with self.path(self.project.object("packs", pack)).open("rb") as file:
                file.seek(offset)
                raw = file.read(size)
        else:
            raise Refused("missing", path.name, code="STORE_MISSING")
        content = open_envelope(raw)
        if sha256(content) != h:
            raise Refused("hash", h.hex())
        self.read.add((kind, h))
        return content

    def tree(self, root):
        return Tree(lambda h: self.fetch(NODE, h), root)

    def has(self, root):
        return (NODE, root) in self.packed or self.path(self.project.object("trees", root)).exists()

    def file(self, key):
        try:
            return self.path(key).read_bytes()
        except FileNotFoundError:
            raise Refused("missing", key, code="STORE_MISSING") from None

    def document(self, raw, key):
        try:
            value = json.loads(raw)
        except ValueError as e:
            raise Refused("json", f"{key}: {e}") from None
        if value.get("format") != 1:
            raise Refused("format", key, code="STORE_FORMAT")
        return value

    def refs(self):
        """The refs of the project by their names below it."""
        base = self.project.base
        with sqlite3.connect(f"file:{self.path('refs.db')}?mode=ro", uri=True) as db:
            rows = db.execute("SELECT name, value FROM refs ORDER BY name").fetchall()
        return {name[len(base):]: bytes(value) for name, value in rows if name.startswith(base)}


def whole(store, root, seen):
    """Checks a tree and the content of its files; the number of entries."""
    entries = store.tree(root).check()
    for entry in entries.values():
        if entry.kind != FILE or entry[2:6] in seen:
            continue
        content = hashlib.sha256()
        for part in read(lambda h: store.fetch(BLOB, h), entry.size, entry.depth, entry.root):
            content.update(part)
        if content.digest() != entry.sha256:
            raise Refused("content", text(entry.sha256))
        seen.add(entry[2:6])
    return len(entries)


def path_in(row):
    return bytes(row["path_bytes"]) if row.get("path_bytes") else row["path"].encode()


def told(record, changed, key):
    """What a landing's record says of its changes is the difference of its trees."""
    words = {path: "added" if old is None else "removed" if new is None else "modified"
             for path, (old, new) in changed.items()}
    counts = {word: list(words.values()).count(word) for word in ("added", "modified", "removed")}
    if record["counts"] != counts:
        raise Refused("landing-counts", key)
    changes = record.get("changes")
    if changes is None and len(words) <= 256:
        raise Refused("landing-changes", key)
    if changes is not None and words != {
        path_in(row): row["change"] for row in changes
    }:
        raise Refused("landing-changes", key)


def projection(store, session):
    """Whether `tree.json` is there and as new as its session; then it tells what that changed."""
    key = store.project.session(session["id"], "tree.json")
    if not store.path(key).exists():
        return 0
    document = store.document(store.file(key), key)
    if document["seq"] < session["seq"]:
        return 0
    sides = [session["base"]["tree"], session["tree"]]
    if [document["base"], document["tree"], document["seq"]] != sides + [session["seq"]]:
        raise Refused("projection", key)
    told, changed = {}, difference(*(store.tree(digest(side)) for side in sides))
    for row in document["diff"]:
        told[path_in(row)] = row["op"], *(row.get(f) for f in ("mode", "size", "sha256"))
    wanted = {}
    for path, (old, new) in changed.items():
        wanted[path] = ("-", None, None, None) if new is None else (
            "+" if old is None else "~", new.mode,
            *((new.size, text(new.sha256)) if new.kind == FILE else (None, None)))
    if told != wanted:
        raise Refused("projection", f"{key}: {set(told.items()) ^ set(wanted.items())}")
    return 1


def landings(store, head):
    """Follows the records from the head to the first landing; how many there are."""
    tree, id, undo = head["tree"], head.get("landing"), head.get("undo")
    for position in range(head["position"], 0, -1):
        key = store.project.landing(position, id)
        record = store.document(store.file(key), key)
        if (record["position"], record["id"], record["new_tree"]) != (position, id, tree):
            raise Refused("landing", key)
        undoes = record.get("undo_of")
        if undoes is not None and not 0 < undoes < position:
            raise Refused("undo-of", key)
        named = {"position": position, "id": id}
        if undo != (record.get("undo") if undoes is None else named):
            raise Refused("undo-chain", key)
        undo = record.get("undo")
        old, new = digest(record["old_tree"]), digest(tree)
        if store.has(old) and store.has(new):
            told(record, difference(store.tree(old), store.tree(new)), key)
        tree, id = record["old_tree"], record.get("previous")
    if digest(tree) != Built({}).root or id is not None or undo is not None:
        raise Refused("landing-first", tree)
    return head["position"]


def store(directory, project, root=None):
    """Checks what the refs of a project reach, or one tree."""
    store, seen = Store(pathlib.Path(directory), project), set()
    if root is not None:
        answer = {"trees": {text(root): whole(store, root, seen)}}
    else:
        key = store.project.document()
        document = store.document(store.file(key), key)
        if document["project"] != project:
            raise Refused("project", document["project"])
        answer = {"position": 0, "trees": {}, "landings": 0, "sessions": 0, "projections": 0}
        roots = []
        for name, value in store.refs().items():
            if name == "head":
                head = store.document(value, name)
                roots.append(head["tree"])
                answer |= {"position": head["position"], "landings": landings(store, head)}
            elif name.startswith("sessions/"):
                session = store.document(value, name)
                roots += [session["base"]["tree"], session["tree"]]
                answer["sessions"] += 1
                answer["projections"] += projection(store, session)
        for tree in dict.fromkeys(roots):
            answer["trees"][tree] = whole(store, digest(tree), seen)
    kinds = [kind for kind, _ in store.read]
    return answer | {"files": len(seen), "blobs": kinds.count(BLOB), "nodes": kinds.count(NODE)}
