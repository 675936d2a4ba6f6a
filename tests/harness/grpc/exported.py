"""Sessions started and landed by gRPC, and edited through their NFS exports by libnfs' tools.

`exported.py ADDRESS PROJECT PORT`"""

import os
import pathlib
import subprocess
import sys
import tempfile

import grpc
from brio.v1 import session_pb2 as brio
from brio.v1.session_pb2_grpc import SessionServiceStub

address, project, port = sys.argv[1:]
of = f"?nfsport={port}&mountport={port}&version=3&uid={os.getuid()}&gid={os.getgid()}"


def url(path):
    return f"nfs://127.0.0.1{path}{of}"


def cat(path):
    """What is in a file; None: it cannot be read."""
    done = subprocess.run(["nfs-cat", url(path)], capture_output=True)
    return done.stdout.decode() if done.returncode == 0 else None


def put(path, text):
    with tempfile.TemporaryDirectory() as scratch:
        file = pathlib.Path(scratch, "file")
        file.write_text(text)
        subprocess.run(["nfs-cp", file, url(path)], check=True, capture_output=True)


with grpc.insecure_channel(address) as channel:
    sessions = SessionServiceStub(channel)
    asked = brio.StartSessionRequest(project_id=project, goal="by NFS")
    one, two = sessions.StartSession(asked), sessions.StartSession(asked)
    assert one.nfs_export_path == f"/exports/sessions/{one.session_id}", one
    put(f"{one.nfs_export_path}/made", "one's\n")
    assert cat(f"{one.nfs_export_path}/made") == "one's\n"
    assert cat(f"{two.nfs_export_path}/made") is None, "the other session has it"
    put(f"{two.nfs_export_path}/made", "two's\n")
    assert cat(f"{one.nfs_export_path}/made") == "one's\n"
    assert cat(f"{one.nfs_export_path}/@/made") is None, "the base has it"

    diff = brio.DiffSessionRequest(session_id=one.session_id)
    assert b"+one's" in b"".join(piece.diff for piece in sessions.DiffSession(diff))
    land = brio.LandSessionRequest(session_id=one.session_id, commit_message="by NFS")
    landed = sessions.LandSession(land)
    assert [change.path for change in landed.changes] == ["made"], landed
    hash = landed.new_tree_hash.removeprefix("sha256:")
    assert cat(f"/exports/trees/{hash}/made") == "one's\n"
    before = one.base_tree_hash.removeprefix("sha256:")
    assert cat(f"/exports/trees/{before}/made") is None, "the tree before has changed"
    assert cat(f"/exports/trees/{before}/index.html") is not None
    try:
        land = brio.LandSessionRequest(session_id=two.session_id, commit_message="by NFS too")
        sessions.LandSession(land)
        sys.exit("it landed over the other")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.ABORTED, error
