"""Directories, links and names."""

import errno
import os

from place import AT, OTHER, FILES, HERE, SEEN, run, refused


def the_large_directory_is_listed():
    many = AT / "many"
    assert len(os.listdir(many)) == FILES, len(os.listdir(many))
    listed = run("ls", "-l", many).splitlines()
    assert len(listed) == FILES + 1 and listed[1].endswith("file-000001"), listed[:3]
    assert len(set(os.listdir(OTHER / "many"))) == FILES


def the_large_directory_grows_and_is_removed():
    many = AT / "many"
    for i in range(500):
        (many / f"new-{i}").write_text(str(i))
    for i in range(0, FILES, 100):
        os.rename(many / f"file-{i + 1:06}", many / f"renamed-{i}")
    names = set(os.listdir(OTHER / "many"))
    assert len(names) == FILES + 500 and "renamed-0" in names and "file-000001" not in names
    run("rm", "-rf", many)
    assert not os.path.lexists(OTHER / "many")


def names_are_removed_while_they_are_read():
    for round_ in range(3):
        at = HERE / f"scan{round_}"
        at.mkdir()
        for i in range(700):
            (at / f"{i}-{'x' * (i % 90)}").touch()
        seen = set()
        with os.scandir(at) as entries:
            for entry in entries:
                assert entry.name not in seen, entry.name
                seen.add(entry.name)
                os.unlink(entry.path)
        assert len(seen) == 700, len(seen)
        os.rmdir(at)


def links_share_their_file():
    one, two = HERE / "one", HERE / "sub/two"
    (HERE / "sub").mkdir()
    one.write_text("1")
    os.link(one, two)
    assert one.stat().st_nlink == 2 and one.stat().st_ino == two.stat().st_ino
    two.write_text("written by the other name")
    assert (SEEN / "one").read_text() == "written by the other name"
    os.unlink(one)
    assert two.stat().st_nlink == 1
    refused(errno.EEXIST, os.link, two, HERE / "sub/two")
    refused(errno.EPERM, os.link, HERE / "sub", HERE / "directory")
    os.symlink("sub/two", HERE / "soft")
    assert (HERE / "soft").read_text() == "written by the other name"
    long = "../work/" * 120 + "sub/two"
    os.symlink(long, HERE / "far")
    assert os.readlink(SEEN / "far") == long and (HERE / "far").stat().st_nlink == 1
    os.symlink("nowhere", HERE / "dangling")
    refused(errno.ENOENT, open, HERE / "dangling")


def names_are_bytes():
    at = os.fsencode(HERE / "names")
    os.mkdir(at)
    names = [b"x" * 255, b"\xff\xfe\x80", b"a b\nc\td", b"\\", b"*?[", "žluťoučký".encode(), b"-rf",
             b"...", b".hidden", b" ", "\u0301".encode(), "é".encode(), "e\u0301".encode(), b"A", b"a"]
    for name in names:
        with open(os.path.join(at, name), "wb") as file:
            file.write(name)
    assert sorted(os.listdir(at)) == sorted(names)
    other = os.fsencode(SEEN / "names")
    for name in names:
        with open(os.path.join(other, name), "rb") as file:
            assert file.read() == name
    refused(errno.ENAMETOOLONG, os.mkdir, os.path.join(at, b"x" * 256))
