"""The oracle's own tests: `python3 -m unittest discover host/store/tests/oracle`. BRIO_SEED repeats one."""

import json
import os
import pathlib
import random
import sqlite3
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import check
import content
import generate
import vectors
from keys import Project, Refused, key_of, path_of, sha256, text
from node import DIRECTORY, FILE, LINK, Entry
from packs import BLOB, NODE, envelope, open_envelope, open_pack, pack, rle_envelope
from shown import read_entries, show_entry
from tree import Built, Tree, difference

HERE = pathlib.Path(__file__).resolve().parent
SEED = int(os.environ.get("BRIO_SEED", 0)) or random.SystemRandom().getrandbits(32)


def random_name(r):
    alphabet = r.choice((b"ab-", b"ab-.0\xff", bytes(range(1, 47)), b"abcdefgh"))
    name = bytes(r.choices(alphabet, k=r.choice((1, 1, 2, 3, 8, 60))))
    return name if name not in (b".", b"..", b".brio") else b"x"


def random_entry(r):
    kind, digest = r.choice((FILE, FILE, DIRECTORY, LINK)), r.randbytes(32)
    if kind == DIRECTORY:
        return Entry(DIRECTORY, r.choice((0o755, 0o700, 0o1777)))
    if kind == LINK:
        return Entry(LINK, 0o777, target=bytes(r.choices(range(1, 256), k=r.choice((1, 20, 4095)))))
    size = r.choice((0, 1, 1 << 20, (1 << 20) + 1, r.getrandbits(64)))
    depth = r.randint(1, 4) if size > 1 << 20 else 0
    return Entry(FILE, r.choice((0o644, 0o755)), size, digest, depth, r.randbytes(32) if depth else digest)


def random_entries(r, count):
    """Valid entries: directories are made before what lies in them."""
    made, directories = {}, [b""]
    for _ in range(count):
        above = r.choice(directories)
        path = (above + b"/" if above else b"") + random_name(r)
        if len(path) > 4000 or path in made:
            continue
        made[path] = random_entry(r)
        if made[path].kind == DIRECTORY:
            directories.append(path)
    return made


def changed(r, entries):
    """Some entries removed with what is below them, some replaced, some added."""
    left = dict(entries)
    for path in r.sample(sorted(left), min(len(left), r.choice((0, 1, 5, 40)))):
        if r.random() < 0.4:
            for other in [p for p in left if p == path or p.startswith(path + b"/")]:
                del left[other]
        elif path in left and left[path].kind != DIRECTORY:
            left[path] = random_entry(r)
    return left | {b"new-" + p: e for p, e in random_entries(r, r.choice((0, 1, 30))).items()
                   if b"/" not in p}


class Seeded(unittest.TestCase):
    def setUp(self):
        self.r = random.Random(SEED)

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            print(f"BRIO_SEED={SEED}", file=sys.stderr)


def opened(built):
    return Tree(built.nodes.__getitem__, built.root)


class Trees(Seeded):
    def test_the_order_of_the_entries_does_not_matter(self):
        for count in (0, 1, 2, 300, 3000):
            entries = random_entries(self.r, count)
            rows = list(entries.items())
            built = Built(entries)
            for _ in range(3):
                self.r.shuffle(rows)
                again = Built(dict(rows))
                self.assertEqual((again.root, again.nodes), (built.root, built.nodes))

    def test_what_was_built_is_read_and_canonical(self):
        for count in (0, 1, 50, 2000):
            entries = random_entries(self.r, count)
            tree = opened(Built(entries))
            self.assertEqual(tree.check(), entries)
            self.assertEqual(list(tree.entries()), sorted(entries, key=key_of))
            self.assertEqual(tree.count(), len(entries))

    def test_a_lookup_is_a_linear_search_and_reads_one_node_of_a_level(self):
        entries = random_entries(self.r, 4000)
        built = Built(entries)
        linear = list(entries.items())
        absent = [p + b"~" for p in entries] + [b"zz\xff", b"\1\1"]
        for path in self.r.sample(sorted(entries), 200) + self.r.sample(absent, 100):
            tree = opened(built)
            self.assertEqual(tree.lookup(path), next((e for p, e in linear if p == path), None))
            self.assertLessEqual(tree.reads, len(built.levels))

    def test_a_listing_is_what_lies_in_the_directory(self):
        entries = random_entries(self.r, 3000)
        built = Built(entries)
        directories = [b""] + [p for p, e in entries.items() if e.kind == DIRECTORY]
        for directory in self.r.sample(directories, min(60, len(directories))):
            tree = opened(built)
            wanted = {name: e for (d, name), e in ((key_of(p), e) for p, e in entries.items())
                      if d == directory}
            self.assertEqual(list(tree.listing(directory)), sorted(wanted.items()))
        self.assertEqual(list(opened(built).listing(b"no such")), [])

    def test_a_difference_is_that_of_the_maps(self):
        for _ in range(25):
            old = random_entries(self.r, self.r.choice((0, 3, 200, 2000)))
            new = changed(self.r, old)
            found = difference(opened(Built(old)), opened(Built(new)))
            wanted = {p: (old.get(p), new.get(p)) for p in old.keys() | new.keys()
                      if old.get(p) != new.get(p)}
            self.assertEqual(found, wanted)
            self.assertEqual(list(found), sorted(wanted, key=key_of))

    def test_a_small_difference_reads_few_nodes(self):
        old = generate.entries(self.r.getrandbits(63) | 1, 20_000)
        new = old | {b"one more": Entry(DIRECTORY, 0o755)}
        trees = [opened(Built(side)) for side in (old, new)]
        self.assertEqual(list(difference(*trees)), [b"one more"])
        self.assertLess(sum(tree.reads for tree in trees), 16)

    def test_a_change_makes_few_nodes(self):
        old = generate.entries(self.r.getrandbits(63) | 1, 20_000)
        first = Built(old)
        for path in self.r.sample(sorted(old), 10):
            new = dict(old) | {path: old[path]._replace(mode=0o777 if old[path].kind == LINK else 0o711)}
            self.assertLess(len(Built(new).nodes.keys() - first.nodes.keys()), 8)

    def test_entries_that_make_no_tree_are_refused(self):
        empty = Entry(FILE, 0o644, 0, sha256(b""), 0, sha256(b""))
        for bad in (b"", b"/a", b"a/", b"a//b", b".", b"x/..", b".brio", b"no/parent", b"a\0", b"n" * 256):
            with self.assertRaises(Refused, msg=bad):
                Built({bad: empty})
        with self.assertRaises(Refused):
            Built({b"a": empty, b"a/b": empty})

    def test_a_changed_byte_of_a_node_never_goes_unseen(self):
        built = Built(generate.entries(5, 300))
        root = bytearray(built.nodes[built.root])
        for _ in range(200):
            at = self.r.randrange(len(root))
            torn = bytes(root[:at]) + bytes([root[at] ^ 1 << self.r.randrange(8)]) + bytes(root[at + 1:])
            with self.assertRaises(Refused):
                Tree((built.nodes | {built.root: torn}).__getitem__, built.root).check()

    def test_entries_pass_through_json(self):
        entries = random_entries(self.r, 300)
        rows = json.loads(json.dumps([show_entry(*pair) for pair in entries.items()]))
        self.assertEqual(read_entries(rows), entries)


def scalar_cut(data):
    """The cut of one chunk byte by byte, from the paper: to be the same but at an odd end."""
    h, limit = 0, min(len(data), content.MAXIMUM)
    if len(data) <= content.MINIMUM:
        return len(data)
    for at in range(content.MINIMUM, limit):
        h = (h * 2 + content.GEAR[data[at]]) % (1 << 64)
        if not h & (content.MASK_S if at < content.AVERAGE else content.MASK_L):
            return limit if at == limit - 1 and limit % 2 else at
    return limit


class Contents(Seeded):
    def test_chunks_are_the_content_and_within_bounds(self):
        for size in (0, 1, content.MINIMUM, content.MINIMUM + 1, 3_000_001, 6_000_000):
            data = self.r.randbytes(size)
            parts = content.chunks(data)
            self.assertEqual(b"".join(parts), data)
            for part in parts[:-1]:
                self.assertTrue(content.MINIMUM <= len(part) <= content.MAXIMUM)
            at = 0
            for part in parts:
                self.assertEqual(len(part), scalar_cut(data[at:at + content.MAXIMUM]))
                at += len(part)

    def test_an_inserted_byte_moves_few_cuts(self):
        data = self.r.randbytes(12_000_000)
        before = {sha256(part) for part in content.chunks(data)}
        after = {sha256(part) for part in content.chunks(data[:50] + b"!" + data[50:])}
        self.assertLess(len(after - before), len(after) / 2)

    def test_what_is_stored_is_read(self):
        for size in (0, 1, 1 << 20, (1 << 20) + 1, 5_000_000):
            data = self.r.randbytes(size)
            stored = content.Stored(data)
            read = content.read(stored.blobs.__getitem__, size, stored.depth, stored.root)
            self.assertEqual(b"".join(read), data)
            with self.assertRaises(Refused):
                list(content.read(stored.blobs.__getitem__, size + 1, stored.depth, stored.root))

    def test_a_list_of_depth_two_is_read(self):
        part = self.r.randbytes(1)
        listed = content.encode_list([part] * 40_000)  # chunks of one byte: no writer's, a reader's
        stored = content.Stored(listed, 1)
        self.assertEqual(stored.depth, 2)
        # 40,000 bytes are one blob's, so the reader refuses the list.
        blobs = stored.blobs | {sha256(part): part}
        with self.assertRaisesRegex(Refused, "depth-of-size"):
            list(content.read(blobs.__getitem__, 40_000, 2, stored.root))
        part = self.r.randbytes(1000)
        stored = content.Stored(content.encode_list([part] * 40_000), 1)
        blobs = stored.blobs | {sha256(part): part}
        read = content.read(blobs.__getitem__, 40_000_000, 2, stored.root)
        self.assertEqual(sum(map(len, read)), 40_000_000)


class Packs(Seeded):
    def test_a_pack_gives_back_what_was_put_in(self):
        objects = [(self.r.choice((BLOB, NODE)), data, envelope(data))
                   for data in (self.r.randbytes(self.r.randrange(3000)) for _ in range(50))]
        raw, index = pack(objects)
        self.assertEqual(open_pack(raw, index), {(k, sha256(c)): c for k, c, _ in objects})
        for _ in range(50):
            at = self.r.randrange(len(raw))
            with self.assertRaises(Refused):
                open_pack(raw[:at] + bytes([raw[at] ^ 4]) + raw[at + 1:], index)

    def test_zstd(self):
        for n in (1, 1000, 131_072, 131_073, 4 << 20):
            try:
                self.assertEqual(open_envelope(rle_envelope(7, n)), b"\7" * n)
            except Refused as refused:
                if refused.code != "ORACLE":
                    raise
                self.skipTest("neither compression.zstd nor zstandard is there")


class Stores(Seeded):
    """A store in a directory, written here from the page, and checked by the command."""

    def make(self, directory, packed):
        project = Project("org/name")
        data = {b"small": b"hello\n", b"big": self.r.randbytes(2_500_000), b"none": b""}
        built = Built({p: vectors.file(d) for p, d in data.items()} | generate.long_names(1, 0))
        objects = [(NODE, raw) for raw in built.nodes.values()]
        for d in data.values():
            objects += [(BLOB, raw) for raw in content.Stored(d).blobs.values()]

        def put(key, raw):
            path = directory / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(raw)

        if packed:
            raw, index = pack([(kind, c, envelope(c)) for kind, c in objects])
            put(project.object("packs", sha256(raw)), raw)
            put(project.index(sha256(raw)), index)
        else:
            for kind, c in objects:
                put(project.object("blobs" if kind == BLOB else "trees", sha256(c)), envelope(c))
        empty, tree = text(Built({}).root), text(built.root)
        put(project.object("trees", Built({}).root), envelope(Built({}).nodes[Built({}).root]))
        put(project.document(), json.dumps({"format": 1, "project": "org/name"}).encode())
        counts = {"added": 18, "modified": 0, "removed": 0}
        changes = [{"path": path.decode(), "change": "added"} for path in opened(built).entries()]
        put(project.landing(1, "x"), json.dumps({
            "format": 1, "position": 1, "id": "x", "old_tree": empty, "new_tree": tree,
            "counts": counts, "changes": changes}).encode())
        head = json.dumps({"format": 1, "position": 1, "tree": tree, "landing": "x"}).encode()
        with sqlite3.connect(directory / "refs.db") as db:
            db.execute("CREATE TABLE refs(name TEXT PRIMARY KEY, value BLOB, version INTEGER)")
            db.execute("INSERT INTO refs VALUES (?, ?, 1)", (project.head(), head))
        db.close()
        return project

    def command(self, directory):
        oracle = subprocess.run([sys.executable, HERE / "oracle.py", "check", directory, "org/name"],
                                capture_output=True, text=True)
        return oracle.returncode, oracle.stdout, oracle.stderr

    def test_a_store_is_checked(self):
        for packed in (False, True):
            with tempfile.TemporaryDirectory() as directory:
                directory = pathlib.Path(directory)
                self.make(directory, packed)
                code, out, err = self.command(directory)
                self.assertEqual(code, 0, err)
                answer = json.loads(out)
                self.assertEqual((answer["position"], answer["landings"], answer["files"]), (1, 1, 3))
                self.assertEqual(list(answer["trees"].values()), [18])

    def test_every_file_that_is_torn_or_gone_is_found(self):
        with tempfile.TemporaryDirectory() as directory:
            directory = pathlib.Path(directory)
            self.make(directory, False)
            for path in sorted(p for p in directory.rglob("*") if p.is_file() and p.name != "refs.db"):
                raw = path.read_bytes()
                at = self.r.randrange(len(raw))
                for torn in (raw[:at] + bytes([raw[at] ^ 0x80]) + raw[at + 1:], None):
                    path.unlink() if torn is None else path.write_bytes(torn)
                    code, out, err = self.command(directory)
                    # An old landing's tree may be gone.
                    if torn or Built({}).root.hex() != path.name:
                        self.assertEqual((code, out), (1, ""), f"{path}: {err}")
                        self.assertNotIn("Traceback", err)
                    path.write_bytes(raw)


class Golden(unittest.TestCase):
    maxDiff = 500

    def test_the_golden_vectors_are_what_is_made_now(self):
        for name in vectors.FILES:
            self.assertEqual((HERE.parent / "golden" / name).read_text(), vectors.made(name), name)

    def test_they_reach_what_they_are_for(self):
        trees = json.loads((HERE.parent / "golden" / "trees.json").read_text())["generated"]
        deep = {row["rule"] for row in trees if len(row["levels"]) > 2}
        self.assertEqual(deep, {"entries", "long_names"})  # level 1 ended by its mask, and by MAX
        lists = json.loads((HERE.parent / "golden" / "contents.json").read_text())["lists"]
        self.assertEqual({row["depth"] for row in lists}, {1, 2})

    def test_they_are_small(self):
        golden = HERE.parent / "golden"
        self.assertLess(sum(path.stat().st_size for path in golden.iterdir()), 200_000)

    def test_the_gear_table_is_that_of_the_crate(self):
        for byte, number in ((0, 0x3B5D3C7D207E37DC), (1, 0x784D68BA91123086), (255, 0xAABD2B2A451504E1)):
            self.assertEqual(content.GEAR[byte], number & content.KEPT)

    def test_keys(self):
        for name in vectors.keys()["accepted"]:
            Project(name)
        for name in vectors.keys()["refused"]:
            with self.assertRaises(Refused, msg=name):
                Project(name)
        self.assertEqual(path_of(key_of(b"a/b/c")), b"a/b/c")


if __name__ == "__main__":
    unittest.main()
