"""The content of a file: FastCDC, lists, depth. See "Content of a file" in FORMAT.md."""

import hashlib
import struct

from keys import Bytes, Refused, sha256

BLOB_MAX = 1 << 20
MINIMUM, AVERAGE, MAXIMUM = 1 << 17, 1 << 19, 1 << 21
DEPTH_MAX = 4

# A cut is where no bit of a mask is set: up to AVERAGE one of the next size up, then of the next
# size down (normalisation level 1).
MASK_S, MASK_L = 0x0000D91747537000, 0x0000D90707537000
KEPT = (1 << 48) - 1  # no mask has a higher bit, and none moves down
GEAR = [
    int.from_bytes(hashlib.md5(bytes([b]) * 64, usedforsecurity=False).digest()[:8], "big") & KEPT
    for b in range(256)
]


def cut(data, start):
    """Where the chunk that begins at `start` ends."""
    left = len(data) - start
    if left <= MINIMUM:
        return len(data)
    limit = min(left, MAXIMUM)
    # The bytes are tested in pairs from MINIMUM on, so the last one of an odd number is not.
    tested = start + limit - limit % 2
    middle = min(start + AVERAGE, tested)
    at, mask, h = start + MINIMUM, MASK_S, 0
    gear = GEAR
    for end, mask in ((middle, MASK_S), (tested, MASK_L)):
        for byte in memoryview(data)[at:end]:
            h = ((h << 1) + gear[byte]) & KEPT
            if not h & mask:
                return at  # the byte that made the cut begins the next chunk
            at += 1
    return start + limit


def chunks(data):
    """The chunks of `data`, in order."""
    at, found = 0, []
    while at < len(data):
        end = cut(data, at)
        found.append(data[at:end])
        at = end
    return found


def encode_list(parts):
    return b"".join(struct.pack("<I", len(part)) + sha256(part) for part in parts)


def decode_list(data):
    """`(length, hash)` of each chunk that a list names."""
    if len(data) % 36:
        raise Refused("list-length", str(len(data)))
    data, found = Bytes(data), []
    while data.at < len(data.data):
        length, digest = data.number(4), data.take(32)
        if not 1 <= length <= MAXIMUM:
            raise Refused("chunk-length", str(length))
        found.append((length, digest))
    return found


class Stored:
    """What storing `data` makes: `blobs` by hash, `depth`, `root`, the chunks' lengths by depth."""

    def __init__(self, data, depth=0):
        self.blobs, self.depth, self.lengths = {}, depth, []
        while len(data) > BLOB_MAX:
            parts = chunks(data)
            self.lengths.append([len(part) for part in parts])
            for part in parts:
                self.blobs[sha256(part)] = part
            data = encode_list(parts)
            self.depth += 1
        self.root = sha256(data)
        self.blobs[self.root] = data
        if self.depth > DEPTH_MAX:
            raise Refused("depth", str(self.depth))


def read(fetch, size, depth, root):
    """The content of a file in pieces, by `fetch(hash)`; whoever takes them checks the whole's hash."""
    if depth > DEPTH_MAX:
        raise Refused("depth", str(depth))
    if (size > BLOB_MAX) != (depth > 0):
        raise Refused("depth-of-size", f"{size} bytes, depth {depth}")
    if depth == 0:
        data = fetch(root)
        if len(data) != size:
            raise Refused("size", f"{len(data)} bytes, not {size}")
        yield data
        return
    listed = fetch(root)
    if len(listed) > BLOB_MAX:
        raise Refused("list-size", str(len(listed)))
    for level in range(depth, 0, -1):
        parts, whole = decode_list(listed), []
        total = sum(length for length, _ in parts)
        if total <= BLOB_MAX:
            raise Refused("list-needless", f"{total} bytes at depth {level}")
        if level == 1 and total != size:
            raise Refused("size", f"{total} bytes, not {size}")
        for length, digest in parts:
            part = fetch(digest)
            if len(part) != length:
                raise Refused("chunk-length", f"{len(part)} bytes, not {length}")
            if level == 1:
                yield part
            else:
                whole.append(part)
        listed = b"".join(whole)
