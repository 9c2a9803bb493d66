"""Build the book's site strictly: every notebook executed, every warning an error.

    python tools/build_book.py             build _build/html
    python tools/build_book.py --if-stale  build only if an input has changed since the last build
    python tools/build_book.py --check     say whether the site is up to date (exit status 1 if not)

The site carries a digest of everything that it is made from, written last: a build that stops half
way leaves none, and a change in the package makes the pages stale.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import yaml
from bs4 import BeautifulSoup, Tag

ROOT = Path(__file__).resolve().parent.parent
STAMP = ".inputs.sha256"
INPUTS = ("rmtlab", "book", "tools", "_config.yml", "_toc.yml", "pyproject.toml", "constraints.txt")
LEFT_OUT = {"__pycache__", ".ipynb_checkpoints"}
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
)
TROUBLE = re.compile(
    r"\b(WARNING|ERROR|CRITICAL|SEVERE)\b|\w*(Error|Exception|Interrupt|Warning)\b.*: |^Traceback"
)
FILE_LIKE = re.compile(r"\.(png|svg|jpe?g|gif|webp)$", re.IGNORECASE)
PLACEHOLDER = re.compile(r"(an? |the )?(image|figure|fig|picture|plot|output|graph)\W*\d*", re.IGNORECASE)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build the book's site, strictly.")
    parser.add_argument("--if-stale", action="store_true", help="build only if an input has changed")
    parser.add_argument("--check", action="store_true", help="only say whether the site is up to date")
    options = parser.parse_args(arguments)
    stale = staleness(ROOT)
    if options.check:
        print(stale or "The site is up to date.")
        return 1 if stale else 0
    if options.if_stale and not stale:
        print("The site is up to date; nothing to build.")
        return 0
    return build(ROOT)


def build(root: Path) -> int:
    """Build the site of `root` and return the exit status; the causes of a failure are printed last."""
    started = time.monotonic()
    made_from = digest(root)
    clear(root)
    status = run_jupyter_book(root)
    problems = causes(root) if status else site_problems(root)
    if status or problems:
        print(
            f"\nThe book was not built. The whole log is in {log_path(root).relative_to(root)}. The cause:\n"
        )
        print("\n".join(problems) or f"jupyter-book ended with status {status}.")
        return 1
    (site(root) / STAMP).write_text(made_from + "\n")
    print(f"\nThe book was built in {time.monotonic() - started:.0f} s: {home(root).relative_to(root)}")
    print("Read it with `make serve` (the sliders need a server; opening the file shows everything else).")
    return 0


def site(root: Path) -> Path:
    return root / "_build" / "html"


def home(root: Path) -> Path:
    return site(root) / f"{pages(root)[0]}.html"


def log_path(root: Path) -> Path:
    return root / "_build" / "build.log"


def pages(root: Path) -> list[str]:
    """The names of the pages in the table of contents, the home page first."""

    def walk(entry: object) -> Iterator[str]:
        if isinstance(entry, dict):
            for key, value in entry.items():
                if key in ("root", "file"):
                    yield re.sub(r"\.(md|ipynb)$", "", str(value))
                else:
                    yield from walk(value)
        elif isinstance(entry, list):
            for item in entry:
                yield from walk(item)

    return list(walk(yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))))


def digest(root: Path) -> str:
    """A digest of everything that the site is made from."""
    total = hashlib.sha256(os.environ.get("RMTLAB_REPOSITORY", "").encode())
    for path in input_files(root):
        total.update(f"\0{path.relative_to(root).as_posix()}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def input_files(root: Path) -> list[Path]:
    named = [root / name for name in INPUTS]
    named += [root / f"{page}{suffix}" for page in pages(root) for suffix in (".md", ".ipynb")]
    files = {
        file for path in named for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()
    }
    return sorted(file for file in files if not LEFT_OUT & set(file.relative_to(root).parts))


def staleness(root: Path) -> str:
    """Say in a sentence why the site is not up to date; an empty string if it is."""
    stamp = site(root) / STAMP
    if not stamp.exists():
        return "The site is not built; run make book."
    if stamp.read_text().strip() != digest(root):
        return "The site is older than the files that it is made from; run make book."
    return ""


def clear(root: Path) -> None:
    """Remove what an earlier build left, so that no page and no ledger entry outlives its source."""
    for name in ("html", ".doctrees", "jupyter_execute", "ledger"):
        shutil.rmtree(root / "_build" / name, ignore_errors=True)


def environment(root: Path) -> dict[str, str]:
    """The environment of a build: one thread, the package in this tree, static figures, no progress bars."""
    python_path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    return {
        **os.environ,
        **dict.fromkeys(THREADS, "1"),
        "PYTHONPATH": python_path,
        "PYTHONUNBUFFERED": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "TQDM_DISABLE": "1",
        "RMTLAB_STATIC": "1",
        "RMTLAB_LEDGER": str(root / "_build" / "ledger"),
    }


def run_jupyter_book(root: Path) -> int:
    """Run the strict build, show its progress, keep its log, and return its exit status."""
    log_path(root).parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command += ["build", ".", "-W", "-n", "--keep-going"]
    with (
        log_path(root).open("w", encoding="utf-8") as log,
        subprocess.Popen(
            command,
            cwd=root,
            env=environment(root),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        for line in process.stdout or ():
            log.write(line)
            sys.stdout.write(line)
            sys.stdout.flush()
        return process.wait()


def causes(root: Path) -> list[str]:
    """The lines of the log, and of the tracebacks of failed notebooks, that tell why a build failed."""
    text = _plain(log_path(root))
    lines = [line.strip() for line in text.splitlines() if TROUBLE.search(line) and "IPKernelApp" not in line]
    for report in sorted((site(root) / "reports").rglob("*.err.log")):
        told = _plain(report).rpartition("CellExecutionError: ")[2].rstrip().splitlines()
        lines += [f"{report.relative_to(site(root) / 'reports')}:", *told[-25:]]
    return list(dict.fromkeys(lines))[-60:] or text.splitlines()[-20:]


def _plain(path: Path) -> str:
    """The text of a log without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", path.read_text(encoding="utf-8"))


def site_problems(root: Path) -> list[str]:
    """Missing pages, and figures without words, one sentence each."""
    missing = [page for page in pages(root) if not (site(root) / f"{page}.html").exists()]
    problems = [f"{page}.html is missing from the site." for page in missing]
    for page in pages(root):
        if page not in missing:
            text = (site(root) / f"{page}.html").read_text(encoding="utf-8")
            problems += [f"{page}: {problem}" for problem in figure_problems(text)]
    return problems


def figure_problems(page: str) -> list[str]:
    """What a reader who cannot see the pictures of an HTML page would miss."""
    article = BeautifulSoup(page, "html.parser").find("article")
    if not isinstance(article, Tag):
        return ["the page has no article."]
    problems = []
    for image in article.find_all("img"):
        alt = str(image.get("alt") or "").strip()
        source = str(image.get("src", ""))[:60]
        if len(alt.split()) < 2 or FILE_LIKE.search(alt) or PLACEHOLDER.fullmatch(alt):
            problems.append(
                f"the picture {source} has no alternative text that says what it shows (alt is {alt!r})."
            )
        if image.find_parent(class_="cell_output"):
            figure = image.find_parent("figure")
            caption = figure.find("figcaption") if figure else None
            if caption is None or not caption.get_text(strip=True):
                problems.append(
                    f"the picture {source} has no caption; give the cell's metadata a mystnb figure."
                )
    return problems


if __name__ == "__main__":
    sys.exit(main())
