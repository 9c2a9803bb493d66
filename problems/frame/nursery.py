"""The untrusted side of grading: a process that forks once a submission, and runs it where it can harm nothing.

Run as a script by :class:`problems.frame.sandbox.Sandbox`. It knows neither truths nor salt, and imports
nothing of ``problems``. Each submission runs in a fork of a fork. Where Linux allows, the inner one is alone
in namespaces of its own: no network, every file read-only but a scratch folder in memory, private folders
empty, no other process in sight. Everywhere, limits of time and memory hold, and an audit hook refuses
network, processes, and writing outside the scratch folder.
"""

import base64
import contextlib
import copy
import ctypes
import io
import json
import os
import pickle
import re
import resource
import select
import shutil
import signal
import struct
import sys
import tempfile
import time
import types
from collections.abc import Callable
from functools import partial

REPLY_BYTES = 64 * 2**20
FILE_BYTES = 64 * 2**20
MOST_PROCESSES = 1024
TIMED_OUT = 124
NEWNS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x00020000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE = 2, 4, 1 << 14, 1 << 18
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, ATTR_RDONLY = 442, -100, 0x8000, 1
CAPSET = {"x86_64": 126, "aarch64": 91}
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
PATHS = frozenset(("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "os.chown"))
PATHS |= {"os.link", "os.symlink", "os.utime", "shutil.rmtree", "shutil.move", "shutil.copyfile"}
NETWORK = frozenset(("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname"))
NETWORK |= {"socket.sendto", "socket.sendmsg"}
PROCESSES = frozenset(("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty"))
PROCESSES |= {"os.kill", "os.killpg", "pty.spawn"}
FOREIGN = frozenset(("ctypes.dlopen", "ctypes.dlsym"))


TIMING = re.compile(r"\A\s*%%(?:time|timeit|capture)\b[^\n]*\n|^%time[ \t]+", re.MULTILINE)


class TimeUp(BaseException):
    """The time of a cell or a call is over; no ``except Exception`` catches it."""


def serve() -> None:
    """Answer requests from standard input, each with one reply, until it ends.

    No name here holds a reply, or the next submission could read it in the frames below its own.
    """
    requests, replies = os.dup(0), os.dup(1)
    silent = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(silent, descriptor)
    preload()
    while (head := _exactly(requests, 8)) and (body := _exactly(requests, struct.unpack("<Q", head)[0])):
        _answer(replies, run(pickle.loads(body)))


def _answer(replies: int, reply: bytes) -> None:
    _write(replies, struct.pack("<Q", len(reply)))
    _write(replies, reply)


def preload() -> None:
    """Import once what every notebook imports."""
    import matplotlib
    import torch

    import rmtlab
    from rmtlab.networks import MLP

    matplotlib.use("Agg")
    import matplotlib.pyplot

    torch.set_num_threads(1)
    for room in rmtlab._ROOMS:
        getattr(rmtlab, room)
    MLP(depth=1, activation="tanh", weight_var=1.0).sample(width=2, in_features=2, seed=0)


def run(request: dict) -> bytes:
    """Run one submission and return its report: JSON lines, the last one telling how it ended."""
    scratch = tempfile.mkdtemp(prefix="submission-")
    reading, writing = os.pipe()
    try:
        supervisor = os.fork()
        if supervisor == 0:
            os.close(reading)
            os._exit(_supervise(request, scratch, writing))
        os.close(writing)
        report = _drain(reading, request["seconds"] + 2 * request["grace"])
        with contextlib.suppress(ProcessLookupError):
            os.kill(supervisor, signal.SIGTERM)
        status = os.waitstatus_to_exitcode(os.waitpid(supervisor, 0)[1])
    finally:
        os.close(reading)
        shutil.rmtree(scratch, ignore_errors=True)
    return report + b"\n" + json.dumps({"status": status}).encode()


def _drain(descriptor: int, seconds: float) -> bytes:
    """Read until the other side is closed, too much has come, or the time is over."""
    deadline, pieces, size = time.monotonic() + seconds, [], 0
    while (left := deadline - time.monotonic()) > 0 and size < REPLY_BYTES:
        if not select.select([descriptor], [], [], left)[0]:
            break
        piece = os.read(descriptor, 2**16)
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


def _supervise(request: dict, scratch: str, writing: int) -> int:
    """Start the submission in its own world; end it when its time is over. Return its exit status."""
    os.setpgid(0, 0)
    alone = request["isolate"] and _own_world()
    inner = os.fork()
    if inner == 0:
        try:
            _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            _submission(request, scratch, writing, alone)
        finally:
            os._exit(0)
    os.close(writing)

    def end(*_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(inner, signal.SIGKILL)

    signal.signal(signal.SIGTERM, end)
    deadline = time.monotonic() + request["seconds"] + request["grace"]
    while not (ended := os.waitpid(inner, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            end()
            os.waitpid(inner, 0)
            return TIMED_OUT
        time.sleep(0.02)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    status = os.waitstatus_to_exitcode(ended[1])
    if not alone:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(0, signal.SIGTERM)
    return 128 - status if status < 0 else status


def _own_world() -> bool:
    """Leave the machine's users, mounts, processes and network for namespaces of our own, if Linux lets us."""
    user, group = os.getuid(), os.getgid()
    if _call("unshare", NEWUSER | NEWNS | NEWPID | NEWNET | NEWIPC) != 0:
        return False
    try:
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"1000 {user} 1"),
            ("gid_map", f"1000 {group} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    except OSError:
        return False
    return True


def _lock_files(scratch: str, hidden: list[str]) -> None:
    """Make every file read-only, the hidden folders empty, and the scratch folder a disk in memory."""
    if _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        raise OSError("The mounts cannot be made private.")
    attributes = struct.pack("<QQQQ", ATTR_RDONLY, 0, 0, 0)
    if _call("syscall", MOUNT_SETATTR, AT_FDCWD, b"/", AT_RECURSIVE, attributes, len(attributes)) != 0:
        raise OSError("The files cannot be made read-only.")
    for folder, size in [*((folder, "4k") for folder in hidden if os.path.isdir(folder)), (scratch, "256m")]:
        flags, options = MS_NOSUID | MS_NODEV, f"size={size},mode=0700".encode()
        if _call("mount", b"tmpfs", os.fsencode(folder), b"tmpfs", flags, options) != 0:
            raise OSError(f"{folder} cannot be covered.")


def _drop_powers() -> None:
    """Give up every capability for good, so that nothing of this can be undone."""
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    number = CAPSET.get(os.uname().machine)
    if number is None or _call("syscall", number, struct.pack("<Ii", 0x20080522, 0), bytes(24)) != 0:
        raise OSError("The capabilities cannot be dropped.")


def _call(name: str, *arguments: object) -> int:
    """Call a function of the C library; -1 where there is none."""
    try:
        function = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (AttributeError, OSError):
        return -1
    whole = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return int(function(*whole))


def _submission(request: dict, scratch: str, writing: int, alone: bool) -> None:
    """Run the cells, then collect the answers. This is the process that a submission may wreck."""
    if alone:
        _lock_files(scratch, request["hidden"])
        _drop_powers()
    os.closerange(3, writing)
    os.closerange(writing + 1, 4096)
    os.chdir(scratch)
    os.environ.update(HOME=scratch, TMPDIR=scratch, MPLCONFIGDIR=scratch, TQDM_DISABLE="1")
    tempfile.tempdir = scratch
    _limit(request)
    tell = Report(writing)
    tell(alone=alone)
    _refuse(scratch, request["hidden"], tell, FOREIGN if not alone else frozenset())
    sys.stdout = sys.stderr = Nowhere()
    world = _notebook_world()
    clock = Clock(request["seconds"], request["cell_seconds"])
    for index, source in enumerate(request["cells"]):
        error = clock.limited(partial(_execute, source, world))
        if error is not None:
            tell(cell=index, error=_described(error))
    clock.allow(request["grace"] / 2)
    for name in request["values"]:
        tell(answer=name, found=encode(world.get(name)))
    for name, inputs in request["functions"].items():
        tell(answer=name, calls=[_called(clock, world.get(name), arguments) for arguments in inputs])
    tell(finished=True)
    os._exit(0)


class Nowhere(io.TextIOBase):
    """Where a submission prints to."""

    def write(self, text: str) -> int:
        return len(text)


class Report:
    """Writes what is told as JSON lines."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __call__(self, **told: object) -> None:
        _write(self._descriptor, json.dumps(told).encode() + b"\n")


class Clock:
    """Ends what takes too long, by an exception at first; the supervisor ends the rest.

    A cell is timed by the processor, so that a busy machine costs nobody marks; the whole by the clock.
    """

    def __init__(self, seconds: float, cell_seconds: float) -> None:
        self._end, self._all, self._most = time.monotonic() + seconds, seconds, cell_seconds
        for signalled in (signal.SIGALRM, signal.SIGPROF):
            signal.signal(signalled, self._ring)

    def allow(self, seconds: float) -> None:
        self._end = max(self._end, time.monotonic() + seconds)

    def limited(self, action: Callable[[], object]) -> BaseException | None:
        """Return what `action` raises, or None."""
        left = self._end - time.monotonic()
        if left <= 0:
            return TimeUp("Its time was over before this began.")
        try:
            signal.setitimer(signal.ITIMER_REAL, left, 1.0)
            signal.setitimer(signal.ITIMER_PROF, self._most, 1.0)
            action()
        except BaseException as error:
            return error
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.setitimer(signal.ITIMER_PROF, 0)
        return None

    def _ring(self, *_: object) -> None:
        raise TimeUp(
            f"Its time was over: a cell may take {self._most:g} seconds of the processor, and the notebook "
            f"{self._all:g} seconds. Look for a loop that does not end."
        )


def _limit(request: dict) -> None:
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    memory = _size() + request["memory"]
    processor = int(request["seconds"] + request["grace"]) + 1
    limits = {"RLIMIT_AS": memory, "RLIMIT_CPU": processor, "RLIMIT_FSIZE": FILE_BYTES, "RLIMIT_CORE": 0}
    limits["RLIMIT_NPROC"] = MOST_PROCESSES
    for name, most in limits.items():
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(getattr(resource, name), (most, most))


def _size() -> int:
    """The address space that this process takes now, most of it shared with the nursery."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 8 * 2**30


def _refuse(scratch: str, hidden: list[str], tell: Report, foreign: frozenset[str]) -> None:
    """Refuse, from here on, what no problem needs; calls into C too, where nothing else holds them."""
    own = os.path.realpath(scratch) + os.sep
    covered = tuple(os.path.realpath(folder) + os.sep for folder in hidden)
    paths, network, processes = PATHS, NETWORK, PROCESSES

    def refused(deed: str) -> None:
        tell(refused=deed[:200])
        raise PermissionError(f"A submission may not {deed}.")

    def inside(path: object) -> str | None:
        """The whole path, or None for what is no path."""
        if not isinstance(path, str | bytes | os.PathLike):
            return None
        return os.path.realpath(os.fsdecode(path))

    def watch(event: str, arguments: tuple) -> None:
        if event == "open":
            path = inside(arguments[0])
            if path is not None and f"{path}{os.sep}".startswith(covered):
                refused(f"read {path}")
            mode, flags = arguments[1], arguments[2] or 0
            writes = bool(set(mode) & set("wax+")) if isinstance(mode, str) else bool(flags & WRITING)
            if path is not None and writes and path != os.devnull and not path.startswith(own):
                refused(f"write {path}")
        elif event in paths:
            for path in filter(None, map(inside, arguments[:2])):
                if not f"{path}{os.sep}".startswith(own):
                    refused(f"change {path}")
        elif event in network:
            refused("use the network")
        elif event in processes:
            refused("start or end processes")
        elif event in ("os.listdir", "os.scandir"):
            path = inside(arguments[0] or ".")
            if path is not None and f"{path}{os.sep}".startswith(covered):
                refused(f"read {path}")
        elif event in foreign:
            refused("call C functions")

    sys.addaudithook(watch)


def _notebook_world() -> dict:
    """The namespace of a notebook, with what Jupyter puts into it."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    module.__dict__.update(get_ipython=_Shell, display=lambda *_, **__: None)
    return module.__dict__


class _Shell:
    """Jupyter's magics: they have no say here."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


def _execute(source: str, world: dict) -> None:
    from IPython.core.inputtransformer2 import TransformerManager

    untimed = TIMING.sub("", source)
    code = compile(TransformerManager().transform_cell(untimed), "<cell>", "exec")
    try:
        exec(code, world)
    finally:
        sys.modules["matplotlib.pyplot"].close("all")


def _called(clock: Clock, function: object, arguments: tuple) -> dict:
    """What a function returns, encoded; of an error its kind alone, since a message could tell the hidden inputs."""
    found: list = []
    if not callable(function):
        return encode(None)
    error = clock.limited(lambda: found.append(encode(function(*copy.deepcopy(arguments)))))
    if error is None:
        return found[0]
    known = isinstance(error, TimeUp | MemoryError)
    return {"error": _described(error) if known else f"It raised {type(error).__name__[:80]}."}


def encode(value: object) -> dict:
    """An answer as something that JSON can carry: numbers, a text, nothing, or what kind of thing it is."""
    import numpy as np

    if value is None or value is ...:
        return {"missing": True}
    if isinstance(value, str):
        return {"text": value[:200]}
    try:
        if hasattr(value, "detach"):
            value = value.detach().cpu().numpy()
        held = np.asarray(value)
        if held.dtype.kind not in "iufb" or held.nbytes > REPLY_BYTES // 8:
            return {"type": f"{type(value).__name__} of {held.dtype}"[:80]}
        numbers = np.ascontiguousarray(held, dtype="<f8")
        return {"shape": held.shape, "numbers": base64.b64encode(numbers.tobytes()).decode()}
    except Exception:
        return {"type": type(value).__name__[:80]}


def _described(error: BaseException) -> str:
    if isinstance(error, TimeUp):
        return str(error)
    if isinstance(error, MemoryError):
        return "It took more memory than a submission may: draw or multiply in smaller pieces."
    try:
        return f"{type(error).__name__}: {error}"[:300]
    except BaseException:
        return type(error).__name__[:300]


def _exactly(descriptor: int, size: int) -> bytes:
    pieces = []
    while size > 0 and (piece := os.read(descriptor, min(size, 2**20))):
        pieces.append(piece)
        size -= len(piece)
    return b"" if size else b"".join(pieces)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    serve()
