"""Packages from the registries, by their ordinary clients, of pinned versions and checksums."""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import zipfile

PINS = json.loads((pathlib.Path(__file__).parent / "pins.json").read_text())


class Unavailable(Exception):
    """A package cannot be had on this machine; the text says why."""


def cache():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base) / "brio-tests" / "programs"


def package(key):
    """The unpacked directory of a pinned package."""
    pin = PINS[key]
    at = cache() / f"{key}-{pin['version']}-{pin['sha256'][:12]}"
    if at.is_dir():
        return at
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache()) as work:
        work = pathlib.Path(work)
        file = CLIENTS[pin["client"]](pin, work)
        found = hashlib.sha256(file.read_bytes()).hexdigest()
        if found != pin["sha256"]:
            raise Unavailable(f"{file.name} has SHA-256 {found}, and {pin['sha256']} is expected")
        unpacked = work / "unpacked"
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as whole:
                whole.extractall(unpacked)
        else:
            with tarfile.open(file) as whole:
                whole.extractall(unpacked, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        unpacked.rename(at)
    return at


def client(name, *args, cwd):
    if not shutil.which(name):
        raise Unavailable(f"there is no {name}")
    ran = subprocess.run([name, *args], cwd=cwd, capture_output=True, text=True)
    if ran.returncode:
        last = (ran.stderr.strip() or "it said nothing").splitlines()[-1]
        raise Unavailable(f"{name} cannot fetch it: {last}")
    return ran.stdout


def only(work, pattern):
    found = sorted(work.glob(pattern))
    if len(found) != 1:
        raise Unavailable(f"{len(found)} files {pattern} were fetched")
    return found[0]


def npm(pin, work):
    client("npm", "pack", "--silent", f"{pin['name']}@{pin['version']}", cwd=work)
    return only(work, "*.tgz")


def pip(pin, work):
    wanted = f"{pin['name']}=={pin['version']}"
    # A wheel for any platform, whatever Python this is.
    flags = ["--no-deps", "--only-binary=:all:", "--python-version=3.12", "--dest=."]
    client("python3", "-m", "pip", "download", "--quiet", *flags, wanted, cwd=work)
    return only(work, "*.whl")


def cargo(pin, work):
    (work / "src").mkdir()
    (work / "src/lib.rs").touch()
    (work / "Cargo.toml").write_text(
        '[package]\nname = "fetched"\nversion = "0.0.0"\n[workspace]\n'
        f'[dependencies]\n{pin["name"]} = "={pin["version"]}"\n'
    )
    client("cargo", "fetch", "--quiet", cwd=work)
    home = pathlib.Path(os.environ.get("CARGO_HOME") or os.path.expanduser("~/.cargo"))
    found = sorted(home.glob(f"registry/cache/*/{pin['name']}-{pin['version']}.crate"))
    if not found:
        raise Unavailable("cargo did not keep the package")
    return found[0]


CLIENTS = {"npm": npm, "pip": pip, "cargo": cargo}
