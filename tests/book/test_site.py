"""Evidence: contract. What a reader's browser sees on every page when it can reach nothing but the site."""

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

from rmtlab import explore
from tests.book.conftest import ROOT
from tools import build_book

pytestmark = pytest.mark.site
PAGES = build_book.pages(ROOT)
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

UNTYPESET = """() => {
  const article = document.querySelector("article").cloneNode(true);
  article.querySelectorAll("pre, code, script, mjx-container").forEach(e => e.remove());
  const formulas = [...document.querySelectorAll("article .math")];
  const waiting = formulas.filter(e => !e.querySelector("mjx-container"));
  const broken = [...document.querySelectorAll("mjx-merror, [data-mjx-error]")];
  const raw = article.textContent.match(/\\\\\\(|\\\\\\[|\\$\\$/g) ?? [];
  return [...waiting.map(e => e.textContent), ...broken.map(e => e.textContent), ...raw];
}"""
UNDRAWN = """() => [...document.querySelectorAll("img")]
  .filter(i => !(i.complete && i.naturalWidth > 0)).map(i => i.src.slice(0, 80))"""
OVERFLOWING = """() => {
  const scrolls = e => e.closest("article *") && ["auto", "scroll"].includes(getComputedStyle(e).overflowX);
  const boxed = e => { for (let p = e.parentElement; p; p = p.parentElement) if (scrolls(p)) return true; };
  const visible = e => { const s = getComputedStyle(e); return s.clip === "auto" && s.clipPath === "none"; };
  const out = [...document.querySelectorAll("article *")].filter(e =>
    visible(e) && e.getBoundingClientRect().right > innerWidth + 1 && !boxed(e));
  const names = out.map(e => `${e.tagName} ${e.className} ${(e.textContent ?? "").slice(0, 40)}`);
  const width = document.documentElement.scrollWidth;
  if (width > innerWidth) names.push(`the page is ${width} wide`);
  return names;
}"""
INKS = """() => {
  const lightness = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number); return (r + g + b) / 765; };
  const style = getComputedStyle(document.body);
  const filters = pictures => [...document.querySelectorAll(pictures)].map(i => getComputedStyle(i).filter);
  const text = document.querySelector("article p") ?? document.querySelector("article h1");
  return {
    paper: lightness(style.backgroundColor),
    ink: lightness(getComputedStyle(text).color),
    filters: filters("article figure img:not(.tag_photograph img)"),
    photographs: filters("article .tag_photograph figure img"),
  };
}"""
MARKUP = """() => {
  const captions = [...document.querySelectorAll("figcaption")].map(c => c.textContent);
  return captions.filter(text => /[*]{2}|`/.test(text));
}"""
MANY_WORDS = {"caption": "A line that rises.", "alt": "A line."}


@dataclass
class Sight:
    """What was seen on one page."""

    outside: list = field(default_factory=list)
    errors: list = field(default_factory=list)
    untypeset: list = field(default_factory=list)
    undrawn: list = field(default_factory=list)
    overflowing: list = field(default_factory=list)
    markup: list = field(default_factory=list)
    inks: dict = field(default_factory=dict)


def open_page(context, address, name, sight):
    """Open a page and note what it asks of other hosts (the browser resolves none) and what goes wrong."""
    page = context.new_page()
    inside = (address, "data:", "blob:")
    page.on("request", lambda r: None if r.url.startswith(inside) else sight.outside.append(r.url))
    page.on("console", lambda m: sight.errors.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: sight.errors.append(str(e)))
    page.on("response", lambda r: sight.errors.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    page.goto(f"{address}/{name}.html", wait_until="load")
    page.evaluate("() => window.MathJax?.startup?.promise?.then(() => null)")
    page.wait_for_function("() => !document.querySelector('[data-explore]:not(:has(input))')")
    return page


@pytest.fixture(scope="session")
def wide(browser):
    with browser.new_context(viewport=WIDE, color_scheme="light") as context:
        yield context


@pytest.fixture(scope="session")
def phone(browser):
    with browser.new_context(viewport=PHONE, color_scheme="dark", has_touch=True) as context:
        yield context


@pytest.fixture(scope="session")
def look(wide, phone, address):
    """Look at a page: wide and light, then on a phone in the dark. Each page is opened once."""
    seen = {}

    def _look(name):
        if name not in seen:
            sight = seen[name] = Sight()
            for scheme, context in (("light", wide), ("dark", phone)):
                with open_page(context, address, name, sight) as page:
                    sight.untypeset += page.evaluate(UNTYPESET)
                    sight.undrawn += page.evaluate(UNDRAWN)
                    sight.overflowing += page.evaluate(OVERFLOWING)
                    sight.markup += page.evaluate(MARKUP)
                    sight.inks[scheme] = page.evaluate(INKS)
        return seen[name]

    return _look


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
class TestEveryPage:
    def test_asks_no_other_host_for_anything(self, look, name):
        assert look(name).outside == []

    def test_logs_no_error(self, look, name):
        assert look(name).errors == []

    def test_typesets_its_mathematics(self, look, name):
        assert look(name).untypeset == []

    def test_draws_its_pictures(self, look, name):
        assert look(name).undrawn == []

    def test_fits_a_screen_and_a_phone(self, look, name):
        assert look(name).overflowing == []

    def test_is_legible_in_light_and_dark(self, look, name):
        light, dark = look(name).inks["light"], look(name).inks["dark"]
        assert light["paper"] > 0.9
        assert light["ink"] < 0.4
        assert dark["paper"] < 0.15
        assert dark["ink"] > 0.6
        assert all(f == "none" for f in light["filters"])
        assert all("invert" in f for f in dark["filters"])
        assert all(f == "none" for f in dark["photographs"])

    def test_shows_no_markup_in_a_caption(self, look, name):
        assert look(name).markup == []


@pytest.fixture(scope="session")
def interactive(site):
    """The pages that hold an interactive figure."""
    found = [name for name in PAGES if "data-explore" in (site / f"{name}.html").read_text(encoding="utf-8")]
    assert found, "no page of the book has an interactive figure"
    return found


def sliders_of(page):
    return page.locator(".explore input[type=range]").all()


def state_of(slider):
    """The picture and the words that go with a slider."""
    return slider.evaluate(
        """e => { const root = e.closest(".explore"), picture = root.querySelector("img");
           return [picture.src, picture.alt, e.getAttribute("aria-valuetext"),
                   root.querySelector(`output[for="${e.id}"]`).textContent]; }"""
    )


@pytest.mark.browser
def test_sliders_move_by_mouse_and_by_keyboard(wide, address, interactive):
    for name in interactive:
        page = open_page(wide, address, name, Sight())
        for slider in sliders_of(page):
            slider.scroll_into_view_if_needed()
            box = slider.bounding_box()
            slider.click(position={"x": 2, "y": box["height"] / 2})
            least = state_of(slider)
            slider.click(position={"x": box["width"] - 2, "y": box["height"] / 2})
            most = state_of(slider)
            assert all(a != b for a, b in zip(least, most, strict=True)), f"{name}: the mouse changes nothing"
            slider.press("Home")
            assert state_of(slider) == least
            slider.press("ArrowRight")
            assert state_of(slider)[1:] != least[1:]
            slider.press("End")
            assert state_of(slider) == most
            assert most[2] == most[3]
            assert most[2] in most[1]
        page.close()


@pytest.mark.browser
def test_sliders_have_names_and_their_pictures_say_what_they_show(phone, address, interactive):
    for name in interactive:
        page = open_page(phone, address, name, Sight())
        for slider in sliders_of(page):
            assert slider.evaluate("e => e.labels.length === 1 && e.labels[0].textContent.trim()")
            assert slider.evaluate("e => e.closest('figure').querySelector('figcaption').textContent.trim()")
            assert slider.bounding_box()["height"] >= 24
        page.close()


@pytest.mark.browser
def test_the_first_picture_is_there_without_javascript(browser, address, interactive):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    for name in interactive:
        page.goto(f"{address}/{name}.html")
        for picture in page.locator("[data-explore] img").all():
            assert picture.evaluate("e => e.naturalWidth") > 0
    context.close()


@pytest.mark.browser
def test_a_live_figure_asks_its_kernel_one_question_at_a_time(browser, monkeypatch):
    """The same front end with a kernel: moves made while it draws are asked once, when it has answered."""
    monkeypatch.delenv("RMTLAB_STATIC", raising=False)
    figure = explore.figure(_line, {"slope": explore.Slider([1.0, 2.0, 3.0], fine=4)}, **MANY_WORDS)
    names = ("controls", "indices", "drawn", "svg", "frames", "alt", "caption", "message")
    page = browser.new_page()
    page.set_content("<div id=figure></div>")
    page.evaluate(LIVE, [figure._esm, {name: getattr(figure, name) for name in names}])
    slider, picture = page.get_by_role("slider"), page.locator("img")
    before = picture.get_attribute("src")
    assert slider.get_attribute("data-lm-suppress-shortcuts") == "true", (
        "JupyterLab would take the arrow keys"
    )
    slider.press("End")
    slider.press("ArrowLeft")
    slider.press("ArrowLeft")
    assert page.evaluate("questions") == [[8]]
    assert picture.get_attribute("src") == before
    page.evaluate("answer('<svg>a</svg>')")
    assert picture.get_attribute("alt") == "A line. Shown: slope = 3."
    assert page.evaluate("questions") == [[8], [6]]
    page.evaluate("answer('<svg>b</svg>')")
    assert picture.get_attribute("src") == "data:image/svg+xml;charset=utf-8,%3Csvg%3Eb%3C%2Fsvg%3E"
    assert page.evaluate("questions") == [[8], [6]]
    page.close()


LIVE = """async ([source, state]) => {
  const file = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const { default: front } = await import(file);
  const heard = {};
  const model = {
    get: name => state[name],
    set: (name, value) => { state[name] = value; },
    on: (event, call) => { heard[event] = call; },
    save_changes: () => { questions.push([...state.indices]); },
  };
  window.questions = [];
  window.answer = svg => {
    Object.assign(state, { svg, drawn: [...questions.at(-1)] });
    heard["change:drawn"]();
  };
  front.render({ model, el: document.getElementById("figure") });
}"""


def _line(slope):
    from matplotlib.figure import Figure

    fig = Figure(figsize=(2, 1.5))
    fig.add_subplot().plot([0, slope])
    return fig


def test_every_link_inside_the_site_leads_somewhere(site):
    pages = {
        path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in site.rglob("*.html")
    }
    pages = {path: soup for path, soup in pages.items() if "_static" not in path.parts}
    anchors = {
        path: {e.get("id") or e.get("name") for e in soup.find_all(id=True)} for path, soup in pages.items()
    }
    dead = []
    for path, soup in pages.items():
        for element in soup.select("a[href], link[href], script[src], img[src]"):
            link = element.get("href") or element.get("src")
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists() or (
                parts.fragment and target in anchors and unquote(parts.fragment) not in anchors[target]
            ):
                dead.append(f"{path.relative_to(site)} → {link}")
    assert dead == []


def test_no_page_refers_to_anything_that_another_host_would_serve(site):
    for path in site.rglob("*.html"):
        soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        loaded = soup.select("script[src], img[src], iframe[src], link[href]:not([rel=canonical])")
        outside = [e for e in loaded if urlsplit(e.get("src") or e.get("href")).scheme in ("http", "https")]
        assert outside == [], path


def test_the_source_of_every_notebook_can_be_downloaded(site):
    for name in PAGES:
        if (ROOT / f"{name}.ipynb").exists():
            soup = BeautifulSoup((site / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
            assert any(a["href"].endswith(f"_sources/{name}.ipynb") for a in soup.select("a[href]")), name
            assert (site / "_sources" / f"{name}.ipynb").exists()


def test_the_host_script_is_small():
    assert (ROOT / "book" / "_static" / "explore_host.js").stat().st_size < 2000
