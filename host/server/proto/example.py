"""A session by gRPC: started, edited, looked at, landed. `example.py ADDRESS PROJECT`"""

import pathlib
import subprocess
import sys
import tempfile

import grpc
from brio.v1 import session_pb2 as brio
from brio.v1.session_pb2_grpc import SessionServiceStub

address, project = sys.argv[1:]
with grpc.insecure_channel(address) as channel:
    sessions = SessionServiceStub(channel)
    asked = brio.StartSessionRequest(project_id=project, goal="Say what we sell")
    session = sessions.StartSession(asked)
    print("session", session.session_id, "on", session.base_tree_hash or "a directory")

    # Work in it: here in a copy. `brio session path ID` mounts it, and RunAgent runs an agent there.
    with tempfile.TemporaryDirectory() as scratch:
        files = pathlib.Path(scratch, "files")
        subprocess.run(["brio", "session", "export", session.session_id, files], check=True)
        (files / "index.html").write_text("<h1>Bread and rolls</h1>\n")
        subprocess.run(["brio", "session", "import", session.session_id, files], check=True)

    for piece in sessions.DiffSession(brio.DiffSessionRequest(session_id=session.session_id)):
        sys.stdout.write(piece.diff.decode())
    try:
        asked = brio.LandSessionRequest(session_id=session.session_id, commit_message="as agreed")
        landed = sessions.LandSession(asked)
    except grpc.RpcError as error:  # ABORTED, say: others changed the same, and nothing landed
        sys.exit(f"{error.code().name}: {error.details()}")
    print("landed", landed.landed_commit, landed.new_tree_hash)
    print(*(f"{brio.ChangeKind.Name(change.kind)} {change.path}" for change in landed.changes))
