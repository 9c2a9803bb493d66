"""What an instructor sets, once a course: ``problems/course.toml``."""

import tomllib
from functools import cache
from typing import Any

from problems.frame.sandbox import ROOT, Limits


@cache
def _settings() -> dict[str, Any]:
    return tomllib.loads((ROOT / "problems" / "course.toml").read_text(encoding="utf-8"))


def course() -> str:
    """The public name of the course, from which every student's numbers are drawn."""
    return str(_settings()["course"])


def limits() -> Limits:
    """What a submission may take."""
    told = _settings()["limits"]
    return Limits(float(told["seconds"]), float(told["cell_seconds"]), int(told["memory_mb"]) * 2**20)
