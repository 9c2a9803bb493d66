"""The built site behind a local server, and a headless browser that reaches nothing else."""

import functools
import http.server
import os
import shutil
import threading
from pathlib import Path

import pytest

from tools import build_book

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="session")
def site():
    """The folder of the built site; it must be there and up to date."""
    stale = build_book.staleness(ROOT)
    if stale:
        pytest.fail(stale, pytrace=False)
    return build_book.site(ROOT)


@pytest.fixture(scope="session")
def address(site):
    """Where a local server serves the site."""
    handler = functools.partial(_Quiet, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium; without one the tests are skipped, except in CI."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        missing = (
            f"No browser: none of {', '.join(CHROMIUM)} is installed (Debian: apt-get install chromium)."
        )
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield chromium
        chromium.close()
