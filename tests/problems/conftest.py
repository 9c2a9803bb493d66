"""A salt for the tests, and how many students they take: RMTLAB_STUDENTS, two by default."""

import os

import pytest

from problems.frame.sandbox import SECRET

STUDENTS = int(os.environ.get("RMTLAB_STUDENTS", "2"))


@pytest.fixture(autouse=True, scope="session")
def _salt():
    before = os.environ.get(SECRET)
    os.environ[SECRET] = "salt-of-the-tests"
    yield
    os.environ.pop(SECRET)
    if before is not None:
        os.environ[SECRET] = before
