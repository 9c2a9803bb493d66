"""Sphinx extension: the ledger page.

The directive ``ledger`` stands for one table a chapter, made of the claims that the chapters wrote
into the folder ``rmtlab_ledger_dir`` while their notebooks were executed. As that happens while
Sphinx reads, the tables are put in place when the page is resolved. A chapter is a notebook of the
table of contents that is not listed in ``rmtlab_ledger_exempt``; one without claims is a warning, and
so is a claim without a chapter or a claim that does not hold.
"""

import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from rmtlab import ledger
from rmtlab.ledger import Claim

logger = logging.getLogger(__name__)

COLUMNS = {
    "Claim": 20,
    "Equation and source": 30,
    "Theory": 12,
    "Measured": 12,
    "Distance": 12,
    "Tolerance, and why": 26,
}


class ledger_placeholder(nodes.General, nodes.Element):
    """Where the tables go."""


class scroll_region(nodes.General, nodes.Element):
    """A box that scrolls sideways on a narrow screen, also by keyboard."""


class LedgerDirective(Directive):
    def run(self) -> list[nodes.Node]:
        env = self.state.document.settings.env
        _pages(env).add(env.docname)
        return [ledger_placeholder()]


def _pages(env: BuildEnvironment) -> set[str]:
    """The documents that show the ledger."""
    if not hasattr(env, "rmtlab_ledger_pages"):
        env.rmtlab_ledger_pages = set()  # type: ignore[attr-defined]
    return env.rmtlab_ledger_pages  # type: ignore[attr-defined]


def read_pages_again(app: Sphinx, env: BuildEnvironment, *changes: set[str]) -> set[str]:
    return _pages(env) & set(env.found_docs)


def forget_page(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    _pages(env).discard(docname)


def merge_pages(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    _pages(env).update(_pages(other) & set(docnames))


def put_tables(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    placeholders = list(doctree.findall(ledger_placeholder))
    if not placeholders:
        return
    chapters = _claims_by_page(app)
    sections = [_section(app, docname, page, claims) for page, claims in chapters.items()]
    empty = nodes.paragraph("", "No claim has been recorded.")
    for placeholder in placeholders:
        placeholder.replace_self(sections or [empty])
    if any(doctree.findall(nodes.math)):
        app.env.get_domain("math").data["has_equations"][docname] = True


def _claims_by_page(app: Sphinx) -> dict[str, list[Claim]]:
    """The claims of each page, in the order of the table of contents; whatever is amiss is a warning."""
    by_chapter: dict[str, list[Claim]] = defaultdict(list)
    for claim in _read(app):
        by_chapter[claim.chapter].append(claim)
        if not claim.ok:
            logger.warning("ledger: the claim %r of %s does not hold", claim.name, claim.chapter)
    pages: dict[str, list[Claim]] = {}
    for page in _in_reading_order(app.env):
        chapter = next((c for c in by_chapter if f"/{page}".endswith(f"/{c}")), None)
        if chapter is not None:
            pages[page] = by_chapter.pop(chapter)
        elif _is_chapter(app, page):
            logger.warning("ledger: the chapter %s has no claims", page)
    for chapter in by_chapter:
        logger.warning("ledger: the claims of %s belong to no page of the book", chapter)
    return pages


def _read(app: Sphinx) -> tuple[Claim, ...]:
    folder = app.config.rmtlab_ledger_dir
    if not folder:
        logger.warning("ledger: rmtlab_ledger_dir is not set; name the folder to which RMTLAB_LEDGER points")
        return ()
    try:
        return ledger.read(Path(app.confdir, folder))
    except ValueError as error:
        logger.warning("ledger: %s", error)
        return ()


def _is_chapter(app: Sphinx, page: str) -> bool:
    return Path(app.env.doc2path(page)).suffix == ".ipynb" and page not in app.config.rmtlab_ledger_exempt


def _in_reading_order(env: BuildEnvironment) -> list[str]:
    order: list[str] = []

    def visit(page: str) -> None:
        if page not in order and page in env.found_docs:
            order.append(page)
            for child in env.toctree_includes.get(page, ()):
                visit(child)

    visit(env.config.root_doc)
    return order + sorted(set(env.found_docs) - set(order))


def _section(app: Sphinx, docname: str, page: str, claims: list[Claim]) -> nodes.section:
    title = app.env.titles[page].astext()
    link = nodes.reference("", title, internal=True, refuri=app.builder.get_relative_uri(docname, page))
    label = "ledger-" + nodes.make_id(page)
    section = nodes.section(ids=[label])
    section += nodes.title("", "", link)
    region = scroll_region(label=f"Claims of the chapter {title}")
    region += _table(claims, label)
    section += region
    return section


def _table(claims: list[Claim], label: str) -> nodes.table:
    held = sum(claim.ok for claim in claims)
    group = nodes.tgroup(cols=len(COLUMNS))
    group += [nodes.colspec(colwidth=width, stub=int(i == 0)) for i, width in enumerate(COLUMNS.values())]
    group += nodes.thead("", _row([[nodes.paragraph("", head)] for head in COLUMNS]))
    group += nodes.tbody("", *[_row(_cells(claim)) for claim in claims])
    caption = nodes.title("", f"{held} of {len(claims)} claims hold")
    return nodes.table("", caption, group, ids=[f"{label}-table"], classes=["ledger"])


def _row(cells: list[list[nodes.Node]]) -> nodes.row:
    return nodes.row("", *[nodes.entry("", *cell) for cell in cells])


def _cells(claim: Claim) -> list[list[nodes.Node]]:
    equation = [nodes.paragraph("", "", nodes.math(claim.equation, claim.equation))] if claim.equation else []
    kind = "relative" if claim.relative else "absolute"
    return [
        [nodes.paragraph("", f"{'✓ holds' if claim.ok else '✗ fails'}: {claim.name}")],
        [*equation, nodes.paragraph("", claim.source)],
        [nodes.paragraph("", ledger.in_words(claim.theory))],
        [nodes.paragraph("", ledger.in_words(claim.measured))],
        [nodes.paragraph("", f"{claim.distance:.2g} ({kind})")],
        [nodes.paragraph("", f"{claim.tolerance:.2g}: {claim.why}")],
    ]


def _open_region(translator: Any, node: nodes.Element) -> None:
    described = {"CLASS": "table-scroll", "role": "region", "tabindex": "0", "aria-label": node["label"]}
    translator.body.append(translator.starttag(node, "div", **described))


def _close_region(translator: Any, node: nodes.Element) -> None:
    translator.body.append("</div>\n")


def _pass(translator: Any, node: nodes.Element) -> None:
    pass


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_config_value("rmtlab_ledger_dir", os.environ.get("RMTLAB_LEDGER", ""), "html", [str])
    app.add_config_value("rmtlab_ledger_exempt", [], "html", [list, tuple])
    app.add_node(ledger_placeholder)
    plain = (_pass, _pass)
    app.add_node(scroll_region, html=(_open_region, _close_region), latex=plain, text=plain, man=plain)
    app.add_directive("ledger", LedgerDirective)
    app.connect("env-get-outdated", read_pages_again)
    app.connect("env-purge-doc", forget_page)
    app.connect("env-merge-info", merge_pages)
    app.connect("doctree-resolved", put_tables)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
