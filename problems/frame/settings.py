"""What an instructor sets, once a course: ``problems/course.toml``."""

import tomllib
from functools import cache
from typing import Any

from problems.frame.sandbox import ROOT, Limits


@cache
def _settings() -> dict[str, Any]:
    path = ROOT / "problems" / "course.toml"
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise SystemExit(
            f"{path} cannot be read: {error}. A name that holds double quotes or backslashes stands in single "
            "quotes; save the file as UTF-8."
        ) from None
    if not isinstance(found.get("course"), str) or not found["course"].strip():
        raise SystemExit(f'{path} names no course: write course = "…", with the name between the quotes.')
    if not isinstance(found.get("id_is_email", False), bool):
        raise SystemExit(f"{path}: id_is_email must be true or false, without quotes.")
    return found


def course() -> str:
    """The public name of the course, from which every student's numbers are drawn."""
    return _settings()["course"]


def id_is_email() -> bool:
    """Whether students write their email address as STUDENT_ID, so that Gradescope can tell whose it is."""
    return _settings().get("id_is_email", False)


def limits() -> Limits:
    """What a submission may take."""
    told = _settings()["limits"]
    return Limits(float(told["seconds"]), float(told["cell_seconds"]), int(told["memory_mb"]) * 2**20)
