"""Several clients and processes, and a server that dies."""

import errno
import os
import random
import stat
import time

from place import TO, HERE, SEEN, refused, noise, in_processes


def one_of_many_creates():
    for number in range(15):
        def attempt(i, name=f"lock{number}"):
            try:
                at = os.open((HERE if i % 2 else SEEN) / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY,
                             0o640)
                os.write(at, str(i).encode())
                os.close(at)
                return 1
            except FileExistsError:
                return 0
        won = in_processes(6, attempt)
        assert sum(won) == 1, won
        made = (SEEN / f"lock{number}").stat()
        assert stat.S_IMODE(made.st_mode) == 0o640 and abs(made.st_mtime - time.time()) < 60, made
        assert (HERE / f"lock{number}").read_text() == str(won.index(1))


def what_one_client_writes_the_other_reads():
    for number in range(60):
        (HERE / "shared").write_text(f"{number} " * (number + 1))
        assert (SEEN / "shared").read_text() == f"{number} " * (number + 1)
        (SEEN / f"back{number}").write_text(str(number))
        os.rename(SEEN / f"back{number}", SEEN / "back")
        assert f"back{number}" not in os.listdir(SEEN)
    os.makedirs(SEEN / "a/b/c")
    (SEEN / "a/b/c/deep").write_text("deep")
    assert (HERE / "a/b/c/deep").read_text() == "deep"
    os.rename(SEEN / "a/b", SEEN / "a/moved")
    assert (SEEN / "a/moved/c/deep").read_text() == "deep"
    refused(errno.EINVAL, os.rename, HERE / "a", HERE / "a/moved/into")
    refused(errno.ENOTEMPTY, os.rmdir, HERE / "a/moved")


def many_processes_keep_apart():
    def each(i):
        generator, at, model = random.Random(i), HERE / f"process{i}", {}
        at.mkdir()
        for step in range(250):
            name = f"n{generator.randrange(20)}"
            choice = generator.randrange(5)
            if choice < 2:
                model[name] = noise(generator.randrange(60_000), step)
                (at / name).write_bytes(model[name])
            elif choice == 2 and name in model:
                os.unlink(at / name)
                del model[name]
            elif choice == 3 and name in model:
                os.rename(at / name, at / "moved")
                model["moved"] = model.pop(name)
            elif name in model:
                assert (at / name).read_bytes() == model[name]
                with open(at / name, "ab") as file:
                    file.write(b"end")
                model[name] += b"end"
        assert set(os.listdir(at)) == set(model)
        seen = SEEN / f"process{i}"
        assert all((seen / name).read_bytes() == model[name] for name in model)
    assert in_processes(5, each) == [0] * 5


def the_server_is_killed_and_the_client_goes_on():
    def kill():
        (TO / "kill").touch()
        while (TO / "kill").exists():
            time.sleep(0.1)
            os.sync()

    kept = open(HERE / "kept", "w+b")
    kept.write(b"synced")
    os.fsync(kept.fileno())
    there = os.open(HERE, os.O_RDONLY)
    # What is written and not yet committed is written again when the server is another one.
    late = open(HERE / "late", "wb", buffering=0)
    wanted = b""
    for part in range(24):
        data = noise(500_000, part)
        late.write(data)
        wanted += data
        if part in (7, 15):
            os.posix_fadvise(late.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            kill()
    os.fsync(late.fileno())
    late.close()
    assert (SEEN / "late").read_bytes() == wanted
    kept.write(b" and more")
    kept.flush()
    os.fsync(kept.fileno())
    kept.seek(0)
    assert kept.read() == b"synced and more"
    assert os.stat("kept", dir_fd=there).st_size == 15
    assert (SEEN / "kept").read_bytes() == b"synced and more"
