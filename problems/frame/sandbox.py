"""The trusted side of the sandbox: starts the nursery, sends it submissions, reads what comes back."""

import base64
import json
import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SECRET = "RMTLAB_SALT"


@dataclass(frozen=True)
class Limits:
    """What a submission may take: seconds in all, processor seconds in one cell, bytes beyond its imports.

    ``grace`` is what remains, after its time is over, for reading the answers that there are.
    """

    seconds: float = 300.0
    cell_seconds: float = 120.0
    memory: int = 2 * 2**30
    grace: float = 10.0


@dataclass
class Answer:
    """One value that a submission gave: numbers, or in words what there is instead."""

    numbers: np.ndarray | None = None
    text: str | None = None
    error: str | None = None
    missing: bool = False

    @classmethod
    def decoded(cls, found: Any) -> "Answer":
        """Read what :func:`problems.frame.nursery.encode` has written; anything else is an error."""
        try:
            if "numbers" in found:
                flat = np.frombuffer(base64.b64decode(found["numbers"]), dtype="<f8")
                return cls(numbers=flat.reshape([int(size) for size in found["shape"]]))
            if "text" in found:
                return cls(text=str(found["text"]))
            if "missing" in found:
                return cls(missing=True)
            if "error" in found:
                return cls(error=str(found["error"])[:300])
            kind = str(found["type"])[:80]
            return cls(error=f"It is of type {kind}, but a real number, or an array of them, is asked for.")
        except (TypeError, ValueError, KeyError):
            return cls(error="It cannot be read: hand in a number, or an array of numbers.")


@dataclass
class Run:
    """What came of running a submission.

    ``values`` and ``calls`` are by name; ``errors`` by cell; ``refused`` tells what it tried and may not;
    ``alone`` whether it ran in namespaces of its own; ``ended`` how it ended: "finished" or a sentence.
    """

    values: dict[str, Answer] = field(default_factory=dict)
    calls: dict[str, list[Answer]] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    alone: bool = False
    ended: str = "It ended without a word: run it from the top and look for what ends Python."


class Sandbox:
    """A nursery process; use as a context manager.

    ``hidden`` are the folders that no submission may see. ``isolate=False`` leaves the namespaces out, as on
    systems that have none.
    """

    def __init__(self, limits: Limits, hidden: Sequence[Path] = (), *, isolate: bool = True) -> None:
        self.limits, self.hidden, self.isolate = limits, [str(folder) for folder in hidden], isolate
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the nursery."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None

    def run(self, cells: Sequence[str], values: Sequence[str], functions: Mapping[str, list[tuple]]) -> Run:
        """Run the cells, then read the values and call the functions on their inputs."""
        request = {
            "cells": list(cells),
            "values": list(values),
            "functions": dict(functions),
            "seconds": self.limits.seconds,
            "cell_seconds": self.limits.cell_seconds,
            "memory": self.limits.memory,
            "grace": self.limits.grace,
            "hidden": self.hidden,
            "isolate": self.isolate,
        }
        try:
            return _read(self._ask(pickle.dumps(request)))
        except (OSError, EOFError):
            self.close()
            return Run(ended="It ended the process that ran it: take out what ends or replaces Python.")
        except BaseException:
            self.close()
            raise

    def _ask(self, body: bytes) -> bytes:
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(struct.pack("<Q", len(body)) + body)
        process.stdin.flush()
        head = process.stdout.read(8)
        if len(head) < 8:
            raise EOFError
        return process.stdout.read(struct.unpack("<Q", head)[0])

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            clean = {
                name: value
                for name, value in os.environ.items()
                if name not in (SECRET, "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR") and not name.startswith("DBUS_")
            }
            threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("nursery.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=ROOT,
                env={**clean, **threads, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"},
                start_new_session=True,
            )
        return self._process


def _read(report: bytes) -> Run:
    """Make sense of a report whose writer may have been hostile."""
    run, finished, status = Run(), False, None
    for line in report.split(b"\n"):
        try:
            told = json.loads(line)
            if "cell" in told:
                run.errors[int(told["cell"])] = str(told["error"])[:300]
            elif "refused" in told:
                run.refused.append(str(told["refused"])[:200])
            elif "calls" in told:
                run.calls[str(told["answer"])] = [Answer.decoded(found) for found in told["calls"]]
            elif "answer" in told:
                run.values[str(told["answer"])] = Answer.decoded(told["found"])
            elif "alone" in told:
                run.alone = bool(told["alone"])
            elif "status" in told:
                status = int(told["status"])
            finished = finished or "finished" in told
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
    run.ended = "finished" if finished else _ended(status)
    return run


def _ended(status: int | None) -> str:
    if status == 124:
        return "Its time was over: look for a loop that does not end."
    if status in (128 + 9, 128 + 11, 128 + 6):
        return "It took more memory than there is, or crashed Python: draw or multiply in smaller pieces."
    if status == 128 + 24:
        return "Its processor time was over: look for a loop that does not end."
    return "It ended Python before its answers could be read: take out exit(), quit() and the like."
