"""The whole service by a client that Python's own generator made.

    client.py ADDRESS PROJECT BASE BRIO
"""

import pathlib
import subprocess
import sys
import tempfile
import time

import grpc
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from brio.v1 import session_pb2 as brio
from brio.v1.session_pb2_grpc import SessionServiceStub

SERVICE = "brio.v1.SessionService"


def same(got, wanted, what):
    if got != wanted:
        sys.exit(f"{what}: {got!r} is not {wanted!r}")


def refused(call, status, reason):
    """The details of a call that must fail so."""
    try:
        call()
    except grpc.RpcError as error:
        same(error.code(), status, reason)
        same(error.details().split(":")[0], reason, "the text's code")
        details = rpc_status.from_call(error).details
        info = error_details_pb2.ErrorInfo()
        same(details[0].Unpack(info), True, "ErrorInfo")
        same((info.reason, info.domain), (reason, "brio"), "the reason")
        return details[1:]
    sys.exit(f"{reason}: it was not refused")


def edit(program, session, files):
    with tempfile.TemporaryDirectory() as scratch:
        at = pathlib.Path(scratch, "files")
        subprocess.run([program, "session", "export", session, at], check=True, stderr=subprocess.DEVNULL)
        for path, text in files.items():
            (at / path).write_text(text)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([program, "session", "import", session, at], check=True, **quiet)


def changed(sessions, session):
    pieces = sessions.DiffSession(brio.DiffSessionRequest(session_id=session))
    return [piece.change.path for piece in pieces if piece.HasField("change")]


def whole(sessions, project, program):
    start = lambda goal: sessions.StartSession(brio.StartSessionRequest(project_id=project, goal=goal))
    land = lambda id: sessions.LandSession(brio.LandSessionRequest(session_id=id, commit_message="by Python"))
    a, b = start("a"), start("b")
    same(a.session_id.startswith("sess-"), True, "an id")
    same(a.base_tree_hash.startswith("sha256:"), True, "a tree")
    same(a.base_tree_hash, b.base_tree_hash, "of both")
    # M-036: neither sees the other's work, before and after it lands.
    edit(program, a.session_id, {"a.txt": "a\n", "index.html": "by a\n"})
    same(changed(sessions, a.session_id), ["a.txt", "index.html"], "what a changed")
    same(changed(sessions, b.session_id), [], "what b changed")
    edit(program, b.session_id, {"b.txt": "b\n"})
    landed = land(a.session_id)
    same(landed.landed_commit.isdecimal(), True, "a landing")
    same(landed.new_tree_hash not in ("", a.base_tree_hash), True, "a new tree")
    same([c.path for c in landed.changes], ["a.txt", "index.html"], "what landed")
    same(changed(sessions, b.session_id), ["b.txt"], "what b changed")
    # The same path on both sides.
    edit(program, b.session_id, {"index.html": "by b\n"})
    detail = brio.ConflictDetail()
    details = refused(lambda: land(b.session_id), grpc.StatusCode.ABORTED, "CONFLICT")
    same(details[0].Unpack(detail), True, "ConflictDetail")
    same([c.path for c in detail.conflicts], ["index.html"], "the path")
    shown = sessions.GetSession(brio.GetSessionRequest(session_id=b.session_id))
    same(shown.session.state, brio.SESSION_STATE_CONFLICTED, "its state")
    sessions.RollbackSession(brio.RollbackSessionRequest(session_id=b.session_id))
    refused(lambda: land(b.session_id), grpc.StatusCode.FAILED_PRECONDITION, "SESSION_ENDED")


def errors(sessions, project):
    start = lambda project, goal: lambda: sessions.StartSession(
        brio.StartSessionRequest(project_id=project, goal=goal))
    refused(start(project, ""), grpc.StatusCode.INVALID_ARGUMENT, "USAGE")
    refused(start("acme/none", "x"), grpc.StatusCode.NOT_FOUND, "PROJECT_UNKNOWN")
    refused(start("/", "x"), grpc.StatusCode.PERMISSION_DENIED, "BASE_REFUSED")
    unknown = brio.DiffSessionRequest(session_id="sess-none")
    refused(lambda: list(sessions.DiffSession(unknown)), grpc.StatusCode.NOT_FOUND, "SESSION_UNKNOWN")


def runs(sessions, project):
    asked = brio.RunAgentRequest(agent="hello", task="say hello", project_id=project)
    told = [message.WhichOneof("event") for message in sessions.RunAgent(asked)]
    same((told[0], told[-1]), ("started", "ended"), "a run")
    # A deadline ends what runs, and its session.
    asked = brio.RunAgentRequest(agent="spin.wasm", project_id=project)
    try:
        list(sessions.RunAgent(asked, timeout=2))
        sys.exit("it ended by itself")
    except grpc.RpcError as error:
        same(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED, "a deadline")


def events(sessions, project):
    stream = sessions.WatchEvents(brio.WatchEventsRequest(), timeout=30)
    same(next(stream).WhichOneof("event"), "watching", "the first event")
    id = sessions.StartSession(brio.StartSessionRequest(project_id=project, goal="seen")).session_id
    seen = set()
    for message in stream:
        if message.WhichOneof("event") == "session_began":
            seen.add(message.session_began.session.session_id)
        if id in seen:
            break
    stream.cancel()
    sessions.RollbackSession(brio.RollbackSessionRequest(session_id=id))


def around(channel):
    health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=SERVICE))
    same(health.status, health_pb2.HealthCheckResponse.SERVING, "health")
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    listed = next(stub.ServerReflectionInfo(iter([asked]))).list_services_response
    same(SERVICE in [service.name for service in listed.service], True, "reflection")


address, project, base, program = sys.argv[1:]
# Of a socket gRPC's core makes the authority of its path, which is none for HTTP.
options = [("grpc.default_authority", "localhost")] if address.startswith("unix:") else []
with grpc.insecure_channel(address, options=options) as channel:
    sessions = SessionServiceStub(channel)
    around(channel)
    whole(sessions, project, program)
    errors(sessions, project)
    runs(sessions, project)
    events(sessions, project)
    left = lambda: sessions.ListSessions(brio.ListSessionsRequest()).sessions
    for _ in range(100):
        if not left():
            break
        time.sleep(0.1)
    same(list(left()), [], "sessions that are left")
    same((pathlib.Path(base) / "a.txt").read_text(), "a\n", "the directory")
