"""Bad input for `rmtlab.plots`."""

import numpy as np

from rmtlab import plots

X = np.arange(1.0, 4.0)


class Law:
    support = ((0.0, 1.0),)
    atoms: dict[float, float] = {}  # noqa: RUF012

    def density(self, x):
        return np.ones_like(x)


def overlay(x=X, theory=X, measured_x=X, measured=X, **options):
    return plots.overlay(x, theory, measured_x, measured, **options)


CASES = {
    "colour": [
        (lambda: plots.colour("simulaton"), "'simulation'"),
        (lambda: plots.colour(3), "name"),
    ],
    "shades": [
        (lambda: plots.shades(0), "n must be"),
        (lambda: plots.shades(2.5), "n must be"),
    ],
    "spectrum": [
        (lambda: plots.spectrum(X, X), "spectral law"),
        (lambda: plots.spectrum(Law(), np.array([])), "empty"),
        (lambda: plots.spectrum(Law(), [1.0, np.nan]), "NaN"),
        (lambda: plots.spectrum(Law(), np.eye(3)), "axes"),
        (lambda: plots.spectrum(Law(), X, bins=0), "bins"),
        (lambda: plots.spectrum(Law(), X, colour="gausian"), "'gaussian'"),
        (lambda: plots.spectrum(Law(), X, ax="here"), "Axes"),
    ],
    "overlay": [
        (lambda: overlay(theory=X[:2]), "3 and 2"),
        (lambda: overlay(measured=X[:2]), "3 and 2"),
        (lambda: overlay(measured=[1.0, np.inf, 2.0]), "NaN or infinite"),
        (lambda: overlay(theory=np.eye(3)), "axes"),
        (lambda: overlay(error=[0.1]), "one value a dot"),
        (lambda: overlay(error=-1.0), "negative"),
        (lambda: overlay(log="yx"), "log"),
        (lambda: overlay(x=-X, log="x"), "positive"),
        (lambda: overlay(measured=-X, log="y"), "positive"),
        (lambda: overlay(colour="blu"), "colour"),
        (lambda: overlay(ax=[1, 2]), "Axes"),
    ],
    "histogram": [
        (lambda: plots.histogram([]), "empty"),
        (lambda: plots.histogram([np.nan]), "NaN"),
        (lambda: plots.histogram("abc"), "real numbers"),
        (lambda: plots.histogram(X, density=X), "function of x"),
        (lambda: plots.histogram(X, bins=-1), "bins"),
        (lambda: plots.histogram(X, colour=None), "colour"),
    ],
}

NOTHING_TO_REFUSE = {"use": "takes no argument"}
