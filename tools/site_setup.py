"""What the book's site needs beyond Jupyter Book's settings (a local Sphinx extension).

- The repository's address is one setting, ``repository: url:`` in ``_config.yml`` (or the environment
  variable RMTLAB_REPOSITORY). Without it the launch, source and issue buttons are left out.
- The site asks no other host for anything: MathJax and the interactive figures' front end are copied
  into it, and the helpers that Jupyter Book loads from elsewhere are switched off.
- An interactive figure is numbered, captioned and labelled like every other figure.
- Docstrings may write |x| and number their references, though a page shows many of them.
"""

import hashlib
import os
import re
import shutil
from importlib import util
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ConfigError
from sphinx.transforms import SphinxTransform

FRONT_END = Path(__file__).resolve().parent.parent / "rmtlab" / "_explore.js"
MATHJAX_PARTS = ("tex-chtml.js", "input/tex/extensions", "output/chtml", "a11y", "sre", "ui")
UNUSED = ("sphinx_thebe", "sphinx_comments")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("config-inited", set_repository)
    app.connect("builder-inited", leave_out_unused, priority=0)
    app.connect("build-finished", copy_front_ends)
    app.connect("autodoc-process-docstring", plain_docstring, priority=100)
    app.add_transform(NumberInteractiveFigures)
    digest = hashlib.sha256(FRONT_END.read_bytes()).hexdigest()[:8]
    host: dict[str, Any] = {"data-module": f"explore.js?v={digest}"}
    app.add_js_file("explore_host.js", **host)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def set_repository(app: Sphinx, config: Config) -> None:
    """Turn on the buttons that lead to the repository, or leave them out where it has no address."""
    options = config.html_theme_options
    address = os.environ.get("RMTLAB_REPOSITORY", options.get("repository_url") or "")
    address = address.rstrip("/").removesuffix(".git")
    options["repository_url"] = address
    if not address:
        options.pop("launch_buttons", None)
        return
    if not re.fullmatch(r"https://(github|gitlab)\.com/[\w.-]+/[\w.-]+", address):
        raise ConfigError(
            f"The repository address in _config.yml is {address!r}; "
            "it must look like https://github.com/OWNER/NAME, or be left empty."
        )
    for button in ("use_repository_button", "use_source_button", "use_issues_button"):
        options[button] = True
    if "gitlab" in address:
        options.get("launch_buttons", {}).pop("colab_url", None)


def leave_out_unused(app: Sphinx) -> None:
    """Disconnect what Jupyter Book always loads and this site never uses."""
    for listeners in list(app.events.listeners.values()):
        for listener in list(listeners):
            if listener.handler.__module__.split(".")[0] in UNUSED:
                app.disconnect(listener.id)


def copy_front_ends(app: Sphinx, exception: Exception | None) -> None:
    """Copy MathJax and the interactive figures' module into the site."""
    if exception or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    shutil.copyfile(FRONT_END, static / "explore.js")
    source = _mathjax_folder()
    for part in MATHJAX_PARTS:
        target = static / "mathjax" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (source / part).is_dir():
            shutil.copytree(source / part, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(source / part, target)


def _mathjax_folder() -> Path:
    spec = util.find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise ConfigError("MathJax is missing; install the book's requirements (pip install '.[book]').")
    return Path(spec.origin).parent / "static" / "mathjax"


def plain_docstring(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Let a docstring write |x| and number its references: neither is a name on the page it lands on."""
    listing = doctest = False
    display: int | None = None
    for i, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        doctest = bool(line.strip()) and (doctest or line.lstrip().startswith(">>>"))
        if display is not None and line.strip() and indent <= display:
            display = None
        if line.lstrip().startswith(".. math::"):
            display = indent
        if doctest or display is not None:
            continue
        head = re.match(r"\s*\.\. \[(\d+)\] (.*)", line)
        listing = bool(head) or (listing and bool(line.strip()))
        if head:
            line = f"{head[1]}. {head[2]}"
        elif listing:
            line = f"   {line.strip()}"
        lines[i] = re.sub(r"\[(\d+)\]_", r"[\1]", _escaped_bars(line))


def _escaped_bars(line: str) -> str:
    quoted = re.split(r"(`+[^`]*`+)", line)
    return "".join(part if part.startswith("`") else part.replace("|", r"\|") for part in quoted)


class NumberInteractiveFigures(SphinxTransform):
    """Wrap an interactive figure's output in a numbered figure with the caption that the cell gives."""

    default_priority = 200

    def apply(self, **kwargs: Any) -> None:
        for raw in list(self.document.findall(nodes.raw)):
            if raw.get("format") == "html" and "data-explore" in raw.astext():
                self._wrap(raw)

    def _wrap(self, raw: nodes.raw) -> None:
        bundle = raw.parent.parent
        if isinstance(bundle.parent, nodes.figure):
            return
        element = BeautifulSoup(raw.astext().split("<script", 1)[0], "html.parser").select_one(
            "[data-explore]"
        )
        if element is None:
            return
        figure = nodes.figure()
        figure.source, figure.line = bundle.source, bundle.line
        bundle.replace_self(figure)
        caption = nodes.caption("", str(element["data-caption"]))
        caption.source, caption.line = figure.source, figure.line
        figure += [bundle, caption]
        if element["data-name"]:
            figure["names"].append(nodes.fully_normalize_name(str(element["data-name"])))
            self.document.note_explicit_target(figure, figure)
