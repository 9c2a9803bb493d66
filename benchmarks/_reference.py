"""The reference library, neural-tangents, in an environment of its own under _build/benchmarks.

    python benchmarks/_reference.py          # make it; the benchmarks do so themselves

Its last release needs a jax of its time, and three things put right at import: a subpackage that wants TensorFlow is
stubbed, and two names that jax has moved are put where the library looks for them.
"""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

PINS = (
    "jax==0.4.38",
    "jaxlib==0.4.38",
    "ml_dtypes==0.6.0",
    "opt_einsum==3.4.0",
    "frozendict==2.5.1",
    "typing_extensions==4.16.0",
    "numpy==2.2.6",
    "scipy==1.17.1",
    "neural-tangents==0.6.5",
)
ROOM = Path(__file__).resolve().parents[1] / "_build" / "benchmarks" / "neural-tangents"
PRELUDE = """
import sys, types
sys.modules["neural_tangents.experimental"] = types.ModuleType("experimental")
import jax
from jax._src import source_info_util
jax.interpreters.ad.source_info_util = source_info_util
jax.interpreters.ad.config = types.SimpleNamespace(jax_enable_checks=False)
import neural_tangents as nt
from neural_tangents import stax
"""
ONE_THREAD = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
}


def interpreter(given: str | None = None) -> str | None:
    """Return an interpreter that has the library, made if need be; None, with a sentence, where that fails."""
    python = Path(given) if given else ROOM / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not given and not (ROOM / "installed").exists():
        print(f"Installing neural-tangents into {ROOM} (half a minute, once) …", flush=True)
        venv.create(ROOM, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        done = subprocess.run([*pip, *PINS], capture_output=True, text=True)
        if done.returncode == 0:
            (ROOM / "installed").touch()
        elif done.stderr:
            print(done.stderr.strip().splitlines()[-1])
    works = [str(python), "-c", PRELUDE]
    if python.exists() and subprocess.run(works, env=environment(), capture_output=True).returncode == 0:
        return str(python)
    print(
        "The reference can't be run here, and its columns stay empty: make an environment of Python 3.11 to 3.13 "
        f"with pip install --no-deps {' '.join(PINS)}, and name its interpreter by --peer."
    )
    return None


def environment() -> dict[str, str]:
    """Return the variables of a child process that computes on one thread."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | ONE_THREAD


@contextmanager
def worker(python: str, program: str, *arguments: Any) -> Iterator["Worker"]:
    """Run a program that answers each line it reads by a line of JSON, in a folder that goes with it."""
    with TemporaryDirectory() as folder:
        child = subprocess.Popen(
            [python, "-c", program, *map(str, arguments)],
            cwd=folder,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield Worker(child, Path(folder))
        finally:
            child.communicate()


class Worker:
    """A child process."""

    def __init__(self, child: subprocess.Popen, folder: Path) -> None:
        self._child, self.folder = child, folder

    def ask(self, question: str) -> Any:
        """Send a line, and return what comes back."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        print(question, file=self._child.stdin, flush=True)
        answer = self._child.stdout.readline()
        if not answer:
            sys.exit(
                f"A process of the benchmark ended before it answered; its status is {self._child.wait()}."
            )
        return json.loads(answer)


if __name__ == "__main__":
    print(f"neural-tangents answers to {interpreter()}." if interpreter() else "There is no reference.")
