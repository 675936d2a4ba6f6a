"""Names, paths and the keys of a store. See "Keys" and "Tree" in FORMAT.md."""

import hashlib
import re
import struct

NAME_MAX, PATH_MAX = 255, 4096
RESERVED = b".brio"


class Refused(Exception):
    """Bytes that FORMAT.md says to refuse: `code` is the store's, `reason` a word for the rule."""

    def __init__(self, reason, detail="", code="STORE_CORRUPT"):
        super().__init__(f"{code}: {reason}{': ' if detail else ''}{detail}")
        self.reason, self.code = reason, code


def sha256(data):
    return hashlib.sha256(data).digest()


def text(digest):
    return "sha256:" + digest.hex()


def digest(words):
    """The hash that a text of the form `sha256:` and 64 lower-case digits means."""
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", words):
        raise Refused("hash-text", words)
    return bytes.fromhex(words[7:])


class Bytes:
    """Bytes that are read once from the front."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if n > len(self.data) - self.at:
            raise Refused("short", f"{n} bytes at offset {self.at}")
        self.at += n
        return self.data[self.at - n : self.at]

    def number(self, n):
        return int.from_bytes(self.take(n), "little")

    def end(self):
        if self.at != len(self.data):
            raise Refused("trailing", f"{len(self.data) - self.at} bytes")


def check_name(name):
    if not name:
        raise Refused("name-empty")
    if len(name) > NAME_MAX:
        raise Refused("name-length", str(len(name)))
    if b"\0" in name or b"/" in name:
        raise Refused("name-byte", repr(name))
    if name in (b".", b".."):
        raise Refused("name-dots", repr(name))
    if name == RESERVED:
        raise Refused("name-reserved")


def check_key(key):
    directory, name = key
    for part in directory.split(b"/") if directory else []:
        check_name(part)
    check_name(name)
    if len(path_of(key)) > PATH_MAX:
        raise Refused("path-length", str(len(path_of(key))))


def key_of(path):
    """`(dir, name)`: keys are ordered by both as byte strings, which is Python's order of them."""
    directory, _, name = path.rpartition(b"/")
    return directory, name


def path_of(key):
    return key[0] + b"/" + key[1] if key[0] else key[1]


def encode_key(key):
    directory, name = key
    return struct.pack("<H", len(directory)) + directory + struct.pack("<B", len(name)) + name


def decode_key(data):
    key = data.take(data.number(2)), data.take(data.number(1))
    check_key(key)
    return key


class Project:
    """The keys of the project `org/name`, below the store's prefix."""

    PART = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

    def __init__(self, project):
        parts = project.split("/")
        if len(parts) != 2 or not all(self.PART.fullmatch(p) for p in parts):
            raise Refused("project", project, code="STORE_PROJECT")
        self.base = f"projects/{project}/"

    def document(self):
        return self.base + "project.json"

    def head(self):
        return self.base + "head"

    def object(self, kind, digest):
        """`kind` is `blobs`, `trees` or `packs`."""
        return f"{self.base}{kind}/{digest.hex()[:2]}/{digest.hex()}"

    def index(self, pack):
        return f"{self.base}indexes/{pack.hex()}"

    def landing(self, position, id):
        return f"{self.base}landings/{position:020}-{id}"

    def session(self, id, what="metadata.json"):
        return f"{self.base}sessions/{id}/{what}"

    def note(self, path):
        plain = b"abcdefghijklmnopqrstuvwxyz0123456789-"
        data = path.encode()
        name = "".join(chr(b) if b in plain else f"_{b:02x}" for b in data)
        return f"{self.base}notes/{name if len(name) <= 200 else '__' + sha256(data).hex()}"

    def gc(self):
        return self.base + "gc"

    def pin(self, id):
        return f"{self.base}pins/{id}"
