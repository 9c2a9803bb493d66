"""The ledger of claims, and the page that Sphinx makes of it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rmtlab.ledger import Claim, Ledger, LedgerError, read

ROOT = Path(__file__).resolve().parents[1]
STATED = {"source": "Neal 1996", "tolerance": 0.1, "why": "three standard errors"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder of this test's own, so that no claim made here reaches the book's ledger."""
    monkeypatch.setenv("RMTLAB_LEDGER", str(tmp_path / "ledger"))
    return tmp_path / "ledger"


@pytest.fixture
def ledger():
    return Ledger("foundations/mlp")


def test_distances(ledger):
    """Closed form: the largest error, relative to theory entry by entry, or absolute, or as given."""
    sides = {"theory": [1.0, -2.0, 4.0], "measured": [1.01, -2.05, 4.0]}
    assert ledger.claim("relative", **STATED, **sides).distance == pytest.approx(0.025)
    assert ledger.claim("absolute", **STATED, **sides, relative=False).distance == pytest.approx(0.05)
    given = ledger.claim(
        "given", **STATED, theory="Marchenko–Pastur", measured="spectrum of W", distance=0.02
    )
    assert (given.distance, given.relative) == (0.02, False)
    exact = ledger.claim("exact", source="a", why="b", tolerance=0, theory=3, measured=3)
    assert exact.ok
    assert [claim.name for claim in ledger.claims] == ["relative", "absolute", "given", "exact"]


def test_a_failing_claim_fails_its_cell_and_stays_on_record(ledger, folder):
    """Contract: an AssertionError whose sentence says both sides, and a JSON entry that does not hold."""
    with pytest.raises(
        LedgerError, match=r"'variance' of foundations/mlp does not hold.*1\.5.*2.*0\.333"
    ) as caught:
        ledger.claim("variance", **STATED, theory=1.5, measured=2.0)
    assert isinstance(caught.value, AssertionError)
    assert str(caught.value).endswith(".")
    (kept,) = read(folder)
    assert not kept.ok
    assert repr(kept).startswith("✗ variance")
    assert repr(ledger) == "Ledger of foundations/mlp: 0 of 1 claims hold"


def test_written_claims_are_read_back(ledger, folder):
    """Contract: a round trip through JSON; chapters sorted, claims in the order in which they were made."""
    ledger.claim("z", **STATED, theory=1.0, measured=1.05, equation=r"$q^l = \sigma_w^2$")
    ledger.claim("a", **STATED, theory=np.ones((2, 2)), measured=np.ones((2, 2)))
    other = Ledger("appendix")
    other.claim("words", **STATED, theory="a law", measured="ein Spektrum – λ", distance=0.01)
    assert read(folder) == (*other.claims, *ledger.claims)
    assert ledger.claims[0].equation == r"q^l = \sigma_w^2"
    assert (folder / "foundations" / "mlp.json").is_file()
    assert [file.name for file in folder.rglob("*") if file.is_file() and file.suffix != ".json"] == []


def test_opening_a_chapter_begins_it_afresh(ledger, folder):
    """Contract: a second run of the notebook replaces the first."""
    ledger.claim("old", **STATED, theory=1.0, measured=1.0)
    Ledger("foundations/mlp")
    assert read(folder) == ()
    assert json.loads((folder / "foundations/mlp.json").read_text())["claims"] == []


def test_nothing_is_written_unless_a_folder_is_named(monkeypatch, tmp_path):
    """Contract: a reader's kernel leaves no files."""
    monkeypatch.delenv("RMTLAB_LEDGER")
    monkeypatch.chdir(tmp_path)
    Ledger("foundations/mlp").claim("a", **STATED, theory=1.0, measured=1.0)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("RMTLAB_LEDGER", "relative/path")
    with pytest.raises(ValueError, match="absolute path"):
        Ledger("foundations/mlp")


def test_a_cell_may_run_twice_but_a_name_is_taken_once(ledger):
    """Contract: the same statement is replaced by its newest measurement; another one is refused."""
    ledger.claim("variance", **STATED, theory=1.0, measured=1.05)
    again = ledger.claim("variance", **STATED, theory=1.0, measured=1.01)
    assert ledger.claims == (again,)
    with pytest.raises(ValueError, match="another claim"):
        ledger.claim("variance", **{**STATED, "source": "Matthews 2018"}, theory=1.0, measured=1.0)


def test_many_values_are_kept_in_words(ledger):
    """Contract: a kernel matrix does not fill the ledger."""
    made = ledger.claim("kernel", **STATED, theory=np.full((20, 20), 2.0), measured=np.full((20, 20), 2.1))
    assert made.measured == "400 values from 2.1 to 2.1"
    assert made.distance == pytest.approx(0.05)


def test_a_file_of_another_kind_is_named(folder):
    """Contract: a stray file in the folder is a sentence that says which."""
    folder.mkdir()
    (folder / "stray.json").write_text('{"claims": [{"name": "half"}]}')
    with pytest.raises(ValueError, match=r"stray\.json.* is not the ledger of a chapter"):
        read(folder)


def test_the_html_face_is_escaped_and_says_the_verdict_in_words(ledger):
    """Contract: readable without colour, safe with any text, the equation left to MathJax."""
    made = ledger.claim("a < b", **STATED, theory=1.0, measured=1.0, equation=r"a < b")
    html = made._repr_html_()
    assert "✓ holds" in html
    assert "a &lt; b" in html
    assert "a < b" not in html
    assert '<th scope="row">Tolerance</th><td>0.1: three standard errors</td>' in html
    assert r"\(a &lt; b\)" in html
    assert "✗ does not hold" in Claim(**{**vars(made), "distance": 1.0})._repr_html_()


CONF = f"""
import sys
sys.path[:0] = [{str(ROOT / "tools")!r}, {str(ROOT)!r}]
extensions = ["ledger_page", "sphinx.ext.mathjax"]
source_suffix = {{".rst": "restructuredtext", ".ipynb": "restructuredtext"}}
rmtlab_ledger_exempt = ["frontmatter"]
"""
PAGES = {
    "conf.py": CONF,
    "index.rst": "Book\n====\n\n.. toctree::\n\n   ledger\n   frontmatter\n   book/foundations/mlp\n",
    "ledger.rst": "Ledger\n======\n\n.. ledger::\n",
    "frontmatter.ipynb": "Notation\n========\n",
    "book/foundations/mlp.ipynb": "The perceptron\n==============\n",
}


def build(tmp_path, **environment):
    """Build a book of plain pages, the chapters with a notebook's ending, with warnings as errors."""
    source = tmp_path / "source"
    for name, text in PAGES.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    command = [sys.executable, "-m", "sphinx", "-n", "-W", "--keep-going", "-q", source, tmp_path / "site"]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def test_the_page_has_a_table_for_each_chapter(ledger, tmp_path):
    """Contract: linked, captioned, with row heads, typeset, scrollable by keyboard; and a clean build."""
    ledger.claim("variance < 2", **STATED, theory=1.5, measured=1.52, equation=r"q < \sigma_w^2")
    done = build(tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "ledger.html").read_text()
    assert re.search(
        r'<h2><a class="reference internal" href="book/foundations/mlp.html">The perceptron</a>', page
    )
    assert re.search(r'<div [^>]*class="table-scroll" role="region" tabindex="0">', page)
    assert '<span class="caption-text">1 of 1 claims hold</span>' in page
    assert '<th class="stub"><p>✓ holds: variance &lt; 2</p></th>' in page
    assert r"\(q &lt; \sigma_w^2\)" in page
    assert "mathjax" in page.lower()
    for cell in ("Neal 1996", "1.5", "1.52", "0.013 (relative)", "0.1: three standard errors"):
        assert f"<p>{cell}</p>" in page

    ledger.claim("a second", **STATED, theory=1.0, measured=1.0)
    assert build(tmp_path).returncode == 0
    assert "2 of 2 claims hold" in (tmp_path / "site" / "ledger.html").read_text()


def test_what_is_amiss_fails_the_build(ledger, tmp_path, folder):
    """Contract: a chapter without claims, claims without a chapter, a failing claim, a missing folder."""
    Ledger("foundations/gone").claim("orphan", **STATED, theory=1.0, measured=1.0)
    with pytest.raises(LedgerError):
        Ledger("foundations/fails").claim("failing", **STATED, theory=1.0, measured=2.0)
    done = build(tmp_path)
    assert done.returncode != 0
    assert "the chapter book/foundations/mlp has no claims" in done.stderr
    assert "the claims of foundations/gone belong to no page" in done.stderr
    assert "the claim 'failing' of foundations/fails does not hold" in done.stderr
    assert "frontmatter" not in done.stderr

    nowhere = build(tmp_path, RMTLAB_LEDGER=str(folder / "nowhere"))
    assert nowhere.returncode != 0
    assert "There is no folder" in nowhere.stderr
