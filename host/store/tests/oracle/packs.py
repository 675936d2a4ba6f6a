"""Envelopes, packs and their indexes. See "Envelope" and "Pack and index" in FORMAT.md."""

import struct

from keys import Bytes, Refused, sha256

CONTENT_MAX = 4 << 20
PLAIN, ZSTD = 0, 1
PACK, INDEX, VERSION = b"BRIOPACK", b"BRIOPIDX", 1
PACK_MAX = 16 << 20
BLOB, NODE = 1, 2


def envelope(content):
    """An envelope with the content as it is."""
    return struct.pack("<BI", PLAIN, len(content)) + content


def rle_envelope(byte, n):
    """An envelope of n times one byte in zstd: a frame with its size, and RLE blocks of 128 KiB."""
    frame = bytes.fromhex("28b52ffd") + struct.pack("<BI", 0b1010_0000, n)
    left = n
    while True:
        size = min(left, 1 << 17)
        left -= size
        frame += struct.pack("<I", (left == 0) | 1 << 1 | size << 3)[:3] + bytes([byte])
        if not left:
            return struct.pack("<BI", ZSTD, n) + frame


def decoder():
    """A decoder of one zstd frame and the error that it raises, by what Python there is."""
    try:
        from compression import zstd

        return zstd.ZstdDecompressor(), zstd.ZstdError
    except ImportError:
        pass
    try:
        import zstandard

        return zstandard.ZstdDecompressor().decompressobj(), zstandard.ZstdError
    except ImportError:
        raise Refused("zstd-missing", "pip install zstandard", code="ORACLE") from None


def inflate(frame, most):
    """One zstd frame and nothing after it; no more is decoded than shows that it is over `most`."""
    decode, failed = decoder()
    data = b""
    for at in range(0, len(frame), 1024):
        if decode.eof:
            raise Refused("zstd-trailing")
        try:
            data += decode.decompress(frame[at : at + 1024])
        except failed as e:
            raise Refused("zstd", str(e)) from None
        if len(data) > most:
            raise Refused("content-length", f"over {most}")
    if not decode.eof:
        raise Refused("zstd-short")
    if decode.unused_data:
        raise Refused("zstd-trailing")
    return data


def open_envelope(raw):
    data = Bytes(raw)
    codec, length = data.number(1), data.number(4)
    if length > CONTENT_MAX:
        raise Refused("content-length", str(length))
    rest = data.take(len(raw) - 5)
    if codec == ZSTD:
        rest = inflate(rest, length)
    elif codec != PLAIN:
        raise Refused("codec", str(codec))
    if len(rest) != length:
        raise Refused("content-length", f"{len(rest)}, not {length}")
    return rest


def pack(objects):
    """A pack of `(kind, content, envelope)` in their order, and its index."""
    raw, rows = PACK + struct.pack("<I", VERSION), []
    for kind, content, wrapped in objects:
        rows.append((kind, sha256(content), len(raw), len(wrapped)))
        raw += wrapped
    return raw, encode_index(sha256(raw), len(raw), sorted(rows))


def encode_index(digest, length, rows):
    raw = INDEX + struct.pack("<I", VERSION) + digest + struct.pack("<QI", length, len(rows))
    for kind, h, offset, size in rows:
        raw += struct.pack("<B", kind) + h + struct.pack("<QI", offset, size)
    return raw + sha256(raw)


def decode_index(raw, of=None):
    """`(hash of the pack, its length, rows)`; `of` is the hash in the index's key."""
    if len(raw) < 32 or sha256(raw[:-32]) != raw[-32:]:
        raise Refused("index-hash")
    data = Bytes(raw[:-32])
    if data.take(8) != INDEX:
        raise Refused("magic")
    version = data.number(4)
    if version != VERSION:
        raise Refused("version", str(version), "STORE_FORMAT")
    digest, length, count, rows = data.take(32), data.number(8), data.number(4), []
    if of is not None and digest != of:
        raise Refused("index-pack", digest.hex())
    for _ in range(count):
        row = data.number(1), data.take(32), data.number(8), data.number(4)
        if row[0] not in (BLOB, NODE):
            raise Refused("kind", str(row[0]))
        if rows and rows[-1][:2] >= row[:2]:
            raise Refused("order", row[1].hex())
        if row[2] < 12 or row[3] < 5 or row[2] + row[3] > length:
            raise Refused("offset", row[1].hex())
        rows.append(row)
    data.end()
    return digest, length, rows


def open_pack(raw, index):
    """The contents of a pack by `(kind, hash)`, all checked."""
    digest, length, rows = decode_index(index)
    if len(raw) != length:
        raise Refused("pack-length", f"{len(raw)}, not {length}")
    if sha256(raw) != digest:
        raise Refused("pack-hash")
    if raw[:12] != PACK + struct.pack("<I", VERSION):
        raise Refused("magic")
    found = {}
    for kind, h, offset, size in rows:
        content = open_envelope(raw[offset : offset + size])
        if sha256(content) != h:
            raise Refused("hash", h.hex())
        found[kind, h] = content
    return found
