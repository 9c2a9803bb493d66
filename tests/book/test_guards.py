"""Evidence: contract. A small book, built by the real tools and settings, fails when it should."""

import shutil

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup

from tests.book.conftest import ROOT
from tools import build_book

FIGURE = """\
from matplotlib import pyplot

fig, ax = pyplot.subplots(figsize=(3, 2))
ax.plot([0, 1])
pyplot.show()"""
SLIDER = """\
from rmtlab import explore


def draw(slope):
    fig, ax = pyplot.subplots(figsize=(3, 2))
    ax.plot([0, slope])
    return fig


explore.figure(draw, {"slope": [1, 2, 3]}, caption="A line rises.", alt="A line.", name="fig-slope")"""
WORDS = {"mystnb": {"image": {"alt": "A rising line."}, "figure": {"caption": "A line rises with $x$."}}}
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def make_book(root, *cells, home="# Home\n\nWelcome to {doc}`/book/part/chapter`.\n"):
    """Write a book of a home page and, if there are cells, one chapter, with the course's own settings."""
    for name in ("_config.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    for name in ("tools", "rmtlab", "book/_static"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "book" / "references.bib").write_text("")
    (root / "book" / "index.md").write_text(home)
    toc = {"format": "jb-book", "root": "book/index"}
    if cells:
        (root / "book" / "part").mkdir()
        title = nbformat.v4.new_markdown_cell("# Chapter")
        nbformat.write(
            nbformat.v4.new_notebook(cells=[title, *cells], metadata=KERNEL),
            root / "book" / "part" / "chapter.ipynb",
        )
        toc["chapters"] = [{"file": "book/part/chapter"}]
    (root / "_toc.yml").write_text(yaml.safe_dump(toc))


def code(source, metadata=None):
    return nbformat.v4.new_code_cell(source, metadata=metadata or {})


def last_lines(capsys):
    """What a build that failed prints after all its progress."""
    return capsys.readouterr().out.rpartition("The cause:")[2]


def links(root):
    page = (build_book.site(root) / "book" / "part" / "chapter.html").read_text(encoding="utf-8")
    return {a.get("href") for a in BeautifulSoup(page, "html.parser").select("a[href]")}


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    """A book that builds, with an address for its repository."""
    root = tmp_path_factory.mktemp("healthy")
    reference = nbformat.v4.new_markdown_cell("See {numref}`fig-slope`: $a_1 + b$.")
    make_book(root, code(FIGURE, WORDS), code(SLIDER), reference)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RMTLAB_REPOSITORY", "https://github.com/some-one/some.course")
        status = build_book.build(root)
        yield root, status


def test_a_healthy_book_is_built_and_up_to_date(healthy):
    root, status = healthy
    assert status == 0
    assert build_book.home(root).exists()
    assert build_book.staleness(root) == ""


def test_an_interactive_figure_is_numbered_and_captioned_like_the_others(healthy):
    page = (build_book.site(healthy[0]) / "book" / "part" / "chapter.html").read_text(encoding="utf-8")
    figures = BeautifulSoup(page, "html.parser").select("article figure")
    captions = [figure.figcaption.get_text(" ", strip=True) for figure in figures]
    assert captions[0].startswith("Fig. 1 A line rises")
    assert captions[1].startswith("Fig. 2 A line rises.")
    assert "#fig-slope" in links(healthy[0])


def test_every_button_leads_to_the_repository_where_it_has_an_address(healthy):
    chapter, repository = "book/part/chapter.ipynb", "some-one/some.course"
    assert {
        f"https://mybinder.org/v2/gh/{repository}/main?urlpath=lab/tree/{chapter}",
        f"https://colab.research.google.com/github/{repository}/blob/main/{chapter}",
        f"https://github.com/{repository}",
        f"https://github.com/{repository}/blob/main/{chapter}?plain=1",
        f"../../_sources/{chapter}",
    } <= links(healthy[0])
    assert any(link.startswith(f"https://github.com/{repository}/issues/new?") for link in links(healthy[0]))


def test_a_change_in_the_package_makes_the_site_stale(healthy, monkeypatch):
    root, _ = healthy
    module = root / "rmtlab" / "_checks.py"
    source = module.read_text(encoding="utf-8")
    module.write_text(source + "\n")
    assert "older than the files" in build_book.staleness(root)
    monkeypatch.setattr(build_book, "ROOT", root)
    assert build_book.main(["--check"]) == 1
    module.write_text(source)
    assert build_book.main(["--check"]) == 0
    assert build_book.main(["--if-stale"]) == 0


def test_a_picture_without_words_fails_and_no_address_means_no_buttons(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("RMTLAB_REPOSITORY", raising=False)
    make_book(tmp_path, code(FIGURE))
    config = yaml.safe_load((tmp_path / "_config.yml").read_text(encoding="utf-8"))
    config["repository"]["url"] = ""
    (tmp_path / "_config.yml").write_text(yaml.safe_dump(config))
    assert build_book.build(tmp_path) == 1
    told = last_lines(capsys)
    assert "book/part/chapter: the picture ../../_images/" in told
    assert "has no alternative text" in told
    assert "has no caption" in told
    assert "not built" in build_book.staleness(tmp_path)
    text = " ".join(links(tmp_path))
    assert "_sources/book/part/chapter.ipynb" in text
    assert not any(host in text for host in ("mybinder", "colab", "github.com"))


def test_a_failing_cell_and_a_broken_reference_fail_with_their_cause_last(tmp_path, capsys):
    home = (
        "# Home\n\nSee [nowhere](nowhere.md), {doc}`/book/part/chapter` and {py:func}`rmtlab.no_such_room`.\n"
    )
    make_book(tmp_path, code("assert 1 + 1 == 3, 'sums are off'"), home=home)
    assert build_book.build(tmp_path) == 1
    told = last_lines(capsys)
    assert "AssertionError: sums are off" in told
    assert "'nowhere.md'" in told
    assert "rmtlab.no_such_room" in told
    assert "not built" in build_book.staleness(tmp_path)


def test_a_broken_reference_alone_fails(tmp_path):
    make_book(tmp_path, home="# Home\n\nSee {eq}`no-such-equation`.\n")
    assert build_book.build(tmp_path) == 1


@pytest.mark.parametrize(
    "alt", ["", "image", "Figure 3", "../_images/a1b2.png", "spectrum.svg", "the plot", "curve"]
)
def test_placeholders_are_not_alternative_text(alt):
    page = f'<article><figure><img src="a.png" alt="{alt}"><figcaption>A law.</figcaption></figure></article>'
    assert len(build_book.figure_problems(page)) == 1


def test_a_sentence_is_alternative_text():
    page = '<article><img src="a.png" alt="Histogram of p/n eigenvalues under a semicircle."></article>'
    assert build_book.figure_problems(page) == []


def test_a_build_that_stops_leaves_no_stamp(tmp_path, monkeypatch):
    make_book(tmp_path)
    stamp = build_book.site(tmp_path) / build_book.STAMP
    stamp.parent.mkdir(parents=True)
    stamp.write_text(build_book.digest(tmp_path) + "\n")
    assert build_book.staleness(tmp_path) == ""

    def stop(root):
        raise KeyboardInterrupt

    monkeypatch.setattr(build_book, "run_jupyter_book", stop)
    with pytest.raises(KeyboardInterrupt):
        build_book.build(tmp_path)
    assert "not built" in build_book.staleness(tmp_path)


def test_a_missing_page_fails(tmp_path, monkeypatch, capsys):
    make_book(tmp_path)
    monkeypatch.setattr(build_book, "run_jupyter_book", lambda root: 0)
    assert build_book.build(tmp_path) == 1
    assert "book/index.html is missing" in last_lines(capsys)
