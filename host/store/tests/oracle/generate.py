"""Inputs that are too large to keep, by rules that the readers of the golden vectors write again.

`Random(seed)` is xorshift64*: x ^= x >> 12, x ^= x << 25, x ^= x >> 27, and x * 2545F4914F6CDD1D
is the next number, all in 64 bits. Where a rule says `next` it is one such number.
"""

import struct

from keys import sha256
from node import DIRECTORY, FILE, LINK, Entry

ALL = (1 << 64) - 1


class Random:
    def __init__(self, seed):
        self.x = seed

    def next(self):
        x = self.x
        x ^= x >> 12
        x ^= x << 25 & ALL
        x ^= x >> 27
        self.x = x
        return x * 0x2545F4914F6CDD1D & ALL


def content(seed, size):
    """The numbers, little-endian, one after the other, cut at `size`."""
    random = Random(seed)
    n = -(-size // 8)
    return struct.pack(f"<{n}Q", *(random.next() for _ in range(n)))[:size]


def listed(seed, chunks):
    """A list as bytes. Chunk i has the length 131072 + next % 1966081 and the SHA-256 of i as u64."""
    random = Random(seed)
    return b"".join(
        struct.pack("<I", 131072 + random.next() % 1966081) + sha256(struct.pack("<Q", i))
        for i in range(chunks)
    )


def entries(seed, count):
    """`count` entries: files, and each sixteenth a link, each eighth a directory.

    The i-th: r = next, below the directory number r % (number of directories so far), the root being
    the first; its name is `{r >> 16 & 0xffff:04x}-{i:x}`; c = (r >> 32) % 16.
    c 0 or 1, and fewer than 8 components: a directory, 0o755. c 2: a link to `../{i}`.
    Otherwise a file: s = next; mode (r >> 40) % 4 of 0o644, 0o755, 0o600, 0o4755; the SHA-256 of i as
    u64; c 3: depth 1, size 1048577 + (s >> 34), root the SHA-256 of `root` and i as u64;
    otherwise depth 0, size s >> 44.
    """
    random, directories, made = Random(seed), [b""], {}
    for i in range(count):
        r = random.next()
        above = directories[r % len(directories)]
        path = (above + b"/" if above else b"") + b"%04x-%x" % (r >> 16 & 0xFFFF, i)
        c, number = (r >> 32) % 16, struct.pack("<Q", i)
        if c < 2 and path.count(b"/") < 7:
            made[path] = Entry(DIRECTORY, 0o755)
            directories.append(path)
        elif c == 2:
            made[path] = Entry(LINK, 0o777, target=b"../%d" % i)
        else:
            s, digest = random.next(), sha256(number)
            mode = (0o644, 0o755, 0o600, 0o4755)[(r >> 40) % 4]
            if c == 3:
                size, root = 1048577 + (s >> 34), sha256(b"root" + number)
                made[path] = Entry(FILE, mode, size, digest, 1, root)
            else:
                made[path] = Entry(FILE, mode, s >> 44, digest, 0, digest)
    return made


def long_names(seed, count):
    """Names and targets as long as they may be, so that one entry takes more than MIN bytes.

    15 directories, 0o755, one in the other, number k named 255 times the letter a + k; in the last
    `count` links: next as 16 hexadecimal digits and 239 times `x`, to 4095 times `t`.
    """
    made, path = {}, b""
    for k in range(15):
        path = (path + b"/" if path else b"") + bytes([97 + k]) * 255
        made[path] = Entry(DIRECTORY, 0o755)
    random = Random(seed)
    for _ in range(count):
        name = b"%016x" % random.next() + b"x" * 239
        made[path + b"/" + name] = Entry(LINK, 0o777, target=b"t" * 4095)
    return made


def flat(seed, count):
    """`count` empty files in the root, 0o644: next as 16 hexadecimal digits and r % 240 times `y`."""
    random, made, digest = Random(seed), {}, sha256(b"")
    for _ in range(count):
        r = random.next()
        made[b"%016x" % r + b"y" * (r % 240)] = Entry(FILE, 0o644, 0, digest, 0, digest)
    return made


RULES = {"entries": entries, "long_names": long_names, "flat": flat}
