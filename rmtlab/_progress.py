"""When a progress bar is shown: one rule for every loop of the package."""

import os
import sys


def shown(progress: bool | None) -> bool:
    """Tell whether to show a bar that was asked for (True), refused (False) or left to us (None)."""
    if os.environ.get("RMTLAB_PROGRESS") == "0":
        return False
    if progress is None:
        # A Jupyter server names the session of a kernel that a person has open; a build has no such name.
        return sys.stdout.isatty() or "JPY_SESSION_NAME" in os.environ
    return progress
