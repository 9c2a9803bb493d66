"""Execute a notebook under nbval in its own process and say what it cost.

    python tools/notebook_budget.py book/foundations/mlp.ipynb

The CPU time and the peak memory are the operating system's own accounting of the finished process
tree, kernel included; the time on the clock also sees a cell that only waits.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CPU_SECONDS = 40.0
WALL_SECONDS = 120.0
MEGABYTES = 1000.0
CELL_TIMEOUT = 120


@dataclass(frozen=True)
class Run:
    """What one execution of a notebook cost, and whether every cell ran."""

    notebook: Path
    passed: bool
    cpu_seconds: float
    wall_seconds: float
    megabytes: float
    output: str

    def complaints(
        self,
        cpu_seconds: float = CPU_SECONDS,
        wall_seconds: float = WALL_SECONDS,
        megabytes: float = MEGABYTES,
    ) -> list[str]:
        """Return a sentence for each thing that is wrong with the run."""
        found = []
        if not self.passed:
            found.append(f"{self.notebook.name}: a cell failed:\n{self.output[-4000:]}")
        if self.cpu_seconds > cpu_seconds:
            found.append(
                f"{self.notebook.name} took {self.cpu_seconds:.1f} CPU-seconds; its budget is {cpu_seconds:g}."
            )
        if self.wall_seconds > wall_seconds:
            found.append(
                f"{self.notebook.name} took {self.wall_seconds:.1f} seconds on the clock; "
                f"its budget is {wall_seconds:g}."
            )
        if self.megabytes > megabytes:
            found.append(
                f"{self.notebook.name} peaked at {self.megabytes:.0f} MB; its budget is {megabytes:g}."
            )
        return found


def execute(notebook: Path) -> Run:
    """Run every cell of `notebook` under nbval, on one thread, and measure the process tree."""
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull,
        "--rootdir", str(notebook.parent), "--nbval-lax", "--nbval-current-env",
        f"--nbval-cell-timeout={CELL_TIMEOUT}", str(notebook),
    ]  # fmt: skip
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=_environment(), cwd=ROOT
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        output = log.read()
    scale = 1e6 if sys.platform == "darwin" else 1e3
    return Run(
        notebook=notebook,
        passed=process.returncode == 0,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        wall_seconds=wall_seconds,
        megabytes=usage.ru_maxrss / scale,
        output=output,
    )


def cheapest(notebook: Path) -> Run:
    """Execute once, and once more if it overspent CPU time: what else a machine does only ever adds to it.

    A run with a cell that failed is what is returned, whatever it cost.
    """
    run = execute(notebook)
    if not run.passed or run.cpu_seconds <= CPU_SECONDS:
        return run
    return min(run, execute(notebook), key=attrgetter("passed", "cpu_seconds"))


def _environment() -> dict[str, str]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    hidden = ("PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS", "RMTLAB_LEDGER")
    as_built = {"RMTLAB_STATIC": "1"}  # every frame of the interactive figures, as on the page
    return {k: v for k, v in os.environ.items() if k not in hidden} | threads | as_built


def main(paths: list[str]) -> int:
    """Execute each notebook named and print its cost; return 1 if any complains."""
    failed = False
    for path in paths:
        run = cheapest(Path(path).resolve())
        print(f"{path}: {run.cpu_seconds:.1f} CPU-seconds, {run.megabytes:.0f} MB")
        for complaint in run.complaints():
            print(complaint)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
