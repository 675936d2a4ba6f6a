"""Contents, modes and times of files."""

import filecmp
import hashlib
import mmap
import os
import random
import stat
import time

from place import AT, HERE, SEEN, run, noise


def a_mapped_file_is_written_through():
    path = HERE / "mapped"
    size = 3 * 1024 * 1024 + 123
    path.write_bytes(b"\0" * size)
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        generator, wanted = random.Random(7), bytearray(size)
        for _ in range(500):
            at = generator.randrange(size - 5000)
            piece = generator.randbytes(generator.randrange(1, 5000))
            view[at:at + len(piece)] = piece
            wanted[at:at + len(piece)] = piece
        view.flush()
        assert hashlib.sha256(view).digest() == hashlib.sha256(wanted).digest()
    assert (SEEN / "mapped").read_bytes() == wanted


def none_is_left():
    """A client removes what it has renamed away when the last one closes it, but waits for nobody."""
    left = lambda: [n for n in os.listdir(HERE) if n.startswith(".nfs")]
    end = time.monotonic() + 20
    while left() and time.monotonic() < end:
        time.sleep(0.05)
    assert not left(), os.listdir(HERE)


def what_is_removed_while_open_stays():
    path = HERE / "open"
    path.write_text("before")
    with open(path, "r+") as file:
        os.unlink(path)
        assert not path.exists() and any(n.startswith(".nfs") for n in os.listdir(HERE))
        file.seek(0, os.SEEK_END)
        file.write(" and after")
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        assert file.read() == "before and after" and os.fstat(file.fileno()).st_size == 16
    none_is_left()


def what_is_renamed_over_while_open_stays():
    old, new = HERE / "old", HERE / "new"
    old.write_text("the old text")
    new.write_text("the new one")
    with open(old) as file:
        os.rename(new, old)
        assert file.read() == "the old text" and old.read_text() == "the new one"
        assert (SEEN / "old").read_text() == "the new one"
    none_is_left()
    for number in range(200):
        temporary = HERE / f"state.{number}"
        temporary.write_text(str(number) * 50)
        os.replace(temporary, HERE / "state")
        assert (HERE / "state").read_text() == str(number) * 50


def modes_and_times_are_kept():
    path = HERE / "moded"
    path.touch()
    for mode in (0o600, 0o755, 0o444, 0o4711, 0o2755, 0o000, 0o777):
        os.chmod(path, mode)
        assert stat.S_IMODE((SEEN / "moded").stat().st_mode) == mode, oct(mode)
    os.chmod(path, 0o644)
    for at in (1_000_000_001, 1_000_000_000_123_456_789, 4_000_000_000_000_000_001):
        os.utime(path, ns=(at, at + 5))
        told = (SEEN / "moded").stat()
        times = told.st_atime_ns, told.st_mtime_ns
        assert times == (at, at + 5), f"{times}, not from {at}"
    before = time.time()
    os.utime(path)
    assert abs(path.stat().st_mtime - before) < 60
    ctime = path.stat().st_ctime_ns
    time.sleep(0.05)
    path.write_text("more")
    assert (SEEN / "moded").stat().st_ctime_ns > ctime
    os.umask(0o027)
    (HERE / "masked").mkdir()
    (HERE / "masked/file").touch()
    os.umask(0o022)
    assert stat.S_IMODE((HERE / "masked").stat().st_mode) == 0o750
    assert stat.S_IMODE((HERE / "masked/file").stat().st_mode) == 0o640


def holes_and_far_ends():
    path = HERE / "sparse"
    with open(path, "w+b") as file:
        for at in (0, 123_456, (1 << 31) - 3, (1 << 32) - 3, 5 << 30):
            file.seek(at)
            file.write(b"edge-of-it")
        file.flush()
        os.fsync(file.fileno())
        assert os.fstat(file.fileno()).st_size == (5 << 30) + 10
        with open(SEEN / "sparse", "rb") as other:
            for at in (0, 123_456, (1 << 31) - 3, (1 << 32) - 3, 5 << 30):
                other.seek(at)
                assert other.read(10) == b"edge-of-it"
            other.seek(1 << 30)
            assert other.read(4096) == b"\0" * 4096
        file.truncate(123_460)
        file.seek(0)
        assert file.read() == b"edge-of-it" + b"\0" * 123_446 + b"edge"
    os.truncate(path, 200_000)
    assert (SEEN / "sparse").read_bytes()[123_456:] == b"edge" + b"\0" * 76_540


def a_file_that_is_large_comes_back():
    digest = hashlib.sha256()
    with open(HERE / "large", "wb") as file:
        for part in range(96):
            data = noise(1 << 20, part)
            digest.update(data)
            file.write(data)
    run("cp", HERE / "large", HERE / "large2")
    assert filecmp.cmp(HERE / "large", SEEN / "large2", shallow=False)
    read = hashlib.sha256()
    with open(SEEN / "large", "rb") as file:
        for part in iter(lambda: file.read(777_777), b""):
            read.update(part)
    assert read.digest() == digest.digest()


def room_is_told():
    told = os.statvfs(AT)
    assert told.f_blocks > 0 and 0 < told.f_bavail <= told.f_bfree <= told.f_blocks, told
    assert told.f_namemax == 255 and told.f_files >= told.f_ffree >= 0, told
