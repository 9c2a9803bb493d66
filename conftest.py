import sys

import pytest


@pytest.fixture(autouse=True)
def _close_figures():
    """Leave no figure open for the next test: pyplot warns above twenty, and warnings are errors."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
