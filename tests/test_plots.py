"""Evidence: contract (what is drawn is what was given), and measured contrast and colour distance.

Contrast is WCAG 2's ratio of relative luminances. Dark mode is the site's filter invert(0.92)
hue-rotate(180deg), in the matrices of the Filter Effects specification. Red and green blindness are
simulated with the matrices of Machado, Oliveira and Fernandes (2009) at full severity; a distance is
Euclidean in CIELAB, where about 2.3 is just noticeable.
"""

import io
import itertools
import re
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from scipy.integrate import trapezoid
from scipy.stats import norm

from rmtlab import plots

ROLES = ("theory", "simulation", "gaussian", "orthogonal", "before", "after")
ACTIVATIONS = ("linear", "relu", "tanh", "hard_tanh", "erf", "gelu", "sin")
HUE_HALF_TURN = np.array([[-0.574, 1.430, 0.144], [0.426, 0.430, 0.144], [0.426, 1.430, -0.856]])
NO_RED = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
NO_GREEN = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
SIGHT = {"full": np.eye(3), "no red": np.array(NO_RED), "no green": np.array(NO_GREEN)}


@pytest.fixture(autouse=True)
def fresh_style():
    with mpl.rc_context():
        plots.use()
        yield
    plt.close("all")


def dark(rgb):
    """Return what the site's dark mode makes of a colour."""
    return np.clip(HUE_HALF_TURN @ (0.92 - 0.84 * np.asarray(rgb)), 0, 1)


def linear_light(rgb):
    rgb = np.asarray(rgb)
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(a, b):
    low, high = sorted(float(np.dot([0.2126, 0.7152, 0.0722], linear_light(c))) for c in (a, b))
    return (high + 0.05) / (low + 0.05)


def lab(light):
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = to_xyz @ np.clip(light, 0, 1) / np.array([0.9505, 1.0, 1.089])
    x, y, z = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distance(a, b, sight, mode):
    return float(np.linalg.norm(lab(sight @ linear_light(mode(a))) - lab(sight @ linear_light(mode(b)))))


def rgb(colour):
    return np.array(mpl.colors.to_rgb(colour))


class Law:
    """Marchenko–Pastur by hand, so that this room is tested without the room of laws."""

    def __init__(self, aspect):
        self.aspect = aspect
        self.low, self.high = (1 - aspect**0.5) ** 2, (1 + aspect**0.5) ** 2
        self.support = [(self.low, self.high)]
        self.atoms = {0.0: 1 - 1 / aspect} if aspect > 1 else {}

    def density(self, x):
        return np.sqrt((self.high - x) * (x - self.low)) / (2 * np.pi * self.aspect * x)


class Atoms:
    support = ()

    def __init__(self, atoms):
        self.atoms = atoms

    def density(self, x):
        return np.zeros_like(x)


def wishart_eigenvalues(p, n):
    x = np.random.default_rng(0).standard_normal((p, n))
    values = np.linalg.svd(x / np.sqrt(n), compute_uv=False) ** 2
    return np.r_[np.zeros(max(p - n, 0)), values]


def area(ax):
    heights, edges, _ = ax.patches[0].get_data()
    return float(np.sum(heights * np.diff(edges)))


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.mark.parametrize("colour", [*plots.PALETTE.values(), *plots.shades(5)])
def test_every_colour_is_legible_in_light_and_dark(colour):
    # 3:1 is WCAG's floor for graphics. In dark mode the figure's own white ground becomes #141414, on a page
    # whose ground is #14181e.
    assert contrast(rgb(colour), rgb("white")) >= 3
    np.testing.assert_allclose(dark(rgb("white")), 0.08, atol=1e-12)
    for ground in (dark(rgb("white")), rgb("#14181e")):
        assert contrast(dark(rgb(colour)), ground) >= 3


@pytest.mark.parametrize("mode", [np.asarray, dark], ids=["light", "dark"])
@pytest.mark.parametrize("sight", SIGHT.values(), ids=SIGHT)
def test_colours_that_meet_in_a_figure_stay_apart(sight, mode):
    for names, least in ((ROLES, 20), (ACTIVATIONS, 15)):
        for a, b in itertools.combinations(names, 2):
            apart = distance(rgb(plots.colour(a)), rgb(plots.colour(b)), sight, mode)
            assert apart >= least, f"{a} and {b} are {apart:.1f} apart"
    for a, b in itertools.pairwise(plots.shades(5)):
        assert distance(rgb(a), rgb(b), sight, mode) >= 9


def test_every_activation_of_the_course_has_its_own_colour():
    names = (*ACTIVATIONS, "leaky_relu", "shifted_relu", "cos", "silu", "softplus", "exp", "abs", "sign")
    assert len({plots.colour(name) for name in names}) == len(names)


def test_shades_grow_lighter():
    lightness = [lab(linear_light(rgb(c)))[0] for c in plots.shades(7)]
    assert np.all(np.diff(lightness) > 3)


def test_letters_are_readable_on_a_phone():
    # A page 390 pixels wide leaves a figure about 358; an SVG's inch is 96 pixels before it is scaled.
    shrink = 358 / (mpl.rcParams["figure.figsize"][0] * 96)
    sizes = [
        mpl.rcParams[key] for key in ("font.size", "legend.fontsize", "xtick.labelsize", "ytick.labelsize")
    ]
    assert min(sizes) * 96 / 72 * shrink >= 9


def test_figures_are_opaque_and_the_same_bytes_each_time():
    def draw():
        ax = plots.spectrum(Law(2.0), wishart_eigenvalues(80, 40))
        file = io.StringIO()
        ax.figure.savefig(file, format="svg", metadata={"Date": None})
        return file.getvalue()

    first = draw()
    assert first == draw()
    assert re.search(r'id="patch_1">\s*<path d="[^"]*" style="fill: #ffffff', first)
    assert "<text" not in first
    assert len(first) < 60_000


@pytest.mark.parametrize("aspect", [0.3, 1.0, 2.0])
def test_spectrum_draws_the_density_and_a_histogram_of_its_mass(aspect):
    law, values = Law(aspect), wishart_eigenvalues(int(200 * aspect), 200)
    ax = plots.spectrum(law, values)
    assert area(ax) == pytest.approx(min(1.0, 1 / aspect), rel=1e-12)
    x, height = ax.lines[0].get_data()
    np.testing.assert_array_equal(height, law.density(x))
    assert law.low < x[0] < x[-1] < law.high
    # Nodes crowd at the edges, so that the trapezoid under the line finds all the mass but what the last
    # gap hides: there the density is at worst 1/(π√x), with mass 2√x/π for the first node x = 6e-5.
    assert trapezoid(height, x) == pytest.approx(min(1.0, 1 / aspect), abs=6e-3)
    assert legend(ax) == ["simulation", "theory"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("eigenvalue λ", "density")
    assert 0 < ax.get_ylim()[1] < 3 * max(ax.patches[0].get_data().values)


def test_spectrum_draws_an_atom_as_a_stem_of_its_mass():
    values = wishart_eigenvalues(120, 40)
    values[:2] += 1e-7
    ax = plots.spectrum(Law(3.0), values)
    stem, dot = ax.lines[1:]
    np.testing.assert_allclose(stem.get_ydata(), [0, 2 / 3])
    assert dot.get_ydata()[0] == pytest.approx(78 / 120)
    assert area(ax) == pytest.approx(42 / 120)
    assert [text.get_text() for text in ax.texts] == ["mass 0.667"]


def test_spectrum_draws_a_law_of_atoms_alone():
    ax = plots.spectrum(Atoms({1.0: 0.75, -1.0: 0.25}), np.r_[np.ones(30), -np.ones(10)])
    assert legend(ax) == ["theory", "simulation"]
    assert not ax.patches
    dots = {line.get_xdata()[0]: line.get_ydata()[0] for line in ax.lines[1::2]}
    assert dots == {1.0: 0.75, -1.0: 0.25}


def test_many_atoms_are_not_labelled():
    places = np.arange(1.0, 7.0)
    assert not plots.spectrum(Atoms(dict.fromkeys(places, 1 / 6)), places).texts


def test_spectrum_draws_a_law_with_tails_between_its_quantiles():
    class Normal(Atoms):
        support = ((-np.inf, np.inf),)
        density = staticmethod(norm.pdf)
        quantile = staticmethod(norm.ppf)

    x = plots.spectrum(Normal({}), norm.ppf((np.arange(500) + 0.5) / 500)).lines[0].get_xdata()
    assert x[0] == pytest.approx(norm.ppf(1e-3), abs=1e-3)
    assert x[-1] == pytest.approx(norm.ppf(1 - 1e-3), abs=1e-3)


def test_two_spectra_share_one_axes():
    ax = plots.spectrum(Law(0.5), wishart_eigenvalues(100, 200), label="before", colour="before")
    tall = ax.get_ylim()[1]
    same = plots.spectrum(Law(0.9), 4 * wishart_eigenvalues(100, 200), label="after", colour="after", ax=ax)
    assert same is ax
    assert ax.get_ylim()[1] >= tall
    faces = [mpl.colors.to_hex(patch.get_edgecolor()) for patch in ax.patches]
    assert faces == [plots.colour("before"), plots.colour("after")]


def test_outliers_leave_the_bulk_in_more_than_a_few_bins():
    bulk = wishart_eigenvalues(100, 200)
    heights, edges, _ = plots.spectrum(Law(0.5), np.r_[bulk, 20.0]).patches[0].get_data()
    assert np.count_nonzero(edges < bulk.max()) >= 10
    assert len(heights) <= 160


def test_overlay_draws_theory_as_a_line_and_measurements_as_dots():
    x, m = np.linspace(1, 2, 50), np.array([1.0, 1.5, 2.0])
    ax = plots.overlay(x, x**2, m, m**2 + 0.1, error=[0.1, 0.2, 0.3])
    line, dots = ax.lines[0], ax.containers[0]
    np.testing.assert_array_equal(line.get_data(), (x, x**2))
    np.testing.assert_array_equal(dots.lines[0].get_data(), (m, m**2 + 0.1))
    half = [np.ptp(segment[:, 1]) / 2 for segment in dots.lines[2][0].get_segments()]
    np.testing.assert_allclose(half, [0.1, 0.2, 0.3])
    assert (line.get_color(), dots.lines[0].get_color()) == (
        plots.colour("theory"),
        plots.colour("simulation"),
    )
    assert legend(ax) == ["theory", "simulation"]
    assert dots.lines[0].get_linestyle() == "None"


def test_overlay_gives_a_named_pair_one_colour():
    x = np.array([0.0, 1.0])
    ax = None
    for label, colour in (("tanh", None), ("depth 5", None), ("depth 9", "#123456"), ("depth 7", "erf")):
        ax = plots.overlay(x, x, x, x, label=label, colour=colour, ax=ax)
    colours = [mpl.colors.to_hex(line.get_color()) for line in ax.lines if line.get_linestyle() == "-"]
    assert colours == [plots.colour("tanh"), plots.colour("simulation"), "#123456", plots.colour("erf")]
    assert legend(ax) == ["tanh", "depth 5", "depth 9", "depth 7"]


@pytest.mark.parametrize(
    ("log", "scales"), [("", "linear linear"), ("x", "log linear"), ("y", "linear log"), ("xy", "log log")]
)
def test_overlay_sets_the_scales_it_is_asked_for(log, scales):
    x = np.array([1.0, 10.0])
    ax = plots.overlay(x, 1 / x, x, 1 / x, error=0.01, log=log)
    assert f"{ax.get_xscale()} {ax.get_yscale()}" == scales
    ax.figure.canvas.draw()


def test_histogram_has_area_1_and_the_density_over_it():
    z = np.random.default_rng(0).standard_normal((30, 40))
    ax = plots.histogram(z, norm.pdf, colour="gaussian", label="width 30")
    assert area(ax) == pytest.approx(1, rel=1e-12)
    x, height = ax.lines[0].get_data()
    np.testing.assert_array_equal(height, norm.pdf(x))
    assert (x[0], x[-1]) == (z.min(), z.max())
    assert legend(ax) == ["width 30", "theory"]
    assert not plots.histogram(z, bins=11).lines


@pytest.mark.parametrize("values", [np.full(50, 3.0), np.r_[np.zeros(99), 1.0], np.zeros(3), np.array([5.0])])
def test_values_without_spread_are_drawn_in_few_bars(values):
    ax = plots.histogram(values)
    assert area(ax) == pytest.approx(1, rel=1e-9)
    ax.figure.canvas.draw()


def test_heavy_tails_do_not_ask_for_millions_of_bins():
    z = np.random.default_rng(0).standard_cauchy(5000)
    assert len(plots.histogram(z).patches[0].get_data().values) <= 160


def test_names_that_a_chapter_gave_to_its_axes_stay():
    ax = plt.subplots()[1]
    ax.set_xlabel("singular value")
    plots.spectrum(Law(0.5), wishart_eigenvalues(50, 100), ax=ax)
    assert ax.get_xlabel() == "singular value"


def test_plots_do_not_load_torch():
    code = "import sys, rmtlab as rl; rl.plots.use(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_in_a_notebook_figures_are_svg_without_a_date(monkeypatch):
    import matplotlib_inline.backend_inline as inline

    asked = []
    monkeypatch.setattr(plots, "_in_notebook", lambda: True)
    monkeypatch.setattr(
        inline, "set_matplotlib_formats", lambda *formats, **options: asked.append((formats, options))
    )
    plots.use()
    assert asked == [(("svg",), {"metadata": {"Date": None}})]
