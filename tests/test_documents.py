"""Evidence: contract. What the README and the book's own pages tell a reader to type or open is there."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

import rmtlab as rl
from tools import site_setup

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s]+)\)")
RANDOM_MATRICES = (ROOT / "book" / "notation.md").read_text().partition("## Random matrices")[2]
CALLS = re.findall(r"^\|[^`\n]*\| `([^`]+)` \|", RANDOM_MATRICES, re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", "book/using.md"])
def test_the_python_of_a_page_runs(page):
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
    assert blocks
    exec("\n".join(blocks), {})


@pytest.mark.parametrize("call", CALLS)
def test_the_code_column_of_the_notation_can_be_evaluated(call):
    law = rl.laws.MarchenkoPastur(aspect=0.5)
    found = eval(call, {"laws": rl.laws, "law": law, "aspect": 0.5, "z": 3 + 1j, "g": 0.1, "m": 0.1})
    assert found is not None


def test_the_notation_names_the_laws():
    assert sum(call.startswith("laws.") for call in CALLS) >= 3


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_relative_link_and_picture_exists(page):
    targets = [target.partition("#")[0] for target in LINK.findall((ROOT / page).read_text())]
    missing = [target for target in targets if not (ROOT / target).exists()]
    assert not missing, f"{page} leads to {missing}"


@pytest.mark.parametrize("ending", ["", "/", ".git", ".git/"])
def test_the_repository_address_may_be_the_one_that_is_cloned(ending, monkeypatch):
    monkeypatch.delenv("RMTLAB_REPOSITORY", raising=False)
    options = {"repository_url": f"https://github.com/some-one/some.course{ending}"}
    site_setup.set_repository(None, SimpleNamespace(html_theme_options=options))
    assert options["repository_url"] == "https://github.com/some-one/some.course"
