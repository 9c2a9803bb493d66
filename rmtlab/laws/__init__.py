r"""Spectral laws: limits of eigenvalue histograms, frozen and with one vocabulary.

A law knows its density, its atoms, its distribution function and quantiles, its moments, and its transforms

.. math:: G(z) = E\,\frac{1}{z - \lambda}, \qquad R(g) = G^{-1}(g) - \frac1g, \qquad
          S(m) = \frac{1 + m}{m\,M^{-1}(m)}, \quad M(z) = zG(z) - 1.

Two relatives share what fits of that vocabulary: `Circular`, a law in the plane, and `TracyWidom`, the law of
the largest eigenvalue alone.

>>> import rmtlab as rl
>>> law = rl.laws.MarchenkoPastur(aspect=2.0)
>>> law.atoms
{0.0: 0.5}
>>> round(law.cdf(0.0), 12), round(law.cdf(0.0, side="left"), 12)
(0.5, 0.0)
"""

from rmtlab.laws._base import SpectralLaw
from rmtlab.laws._solved import Certificate
from rmtlab.laws.affine import Affine
from rmtlab.laws.arcsine import Arcsine
from rmtlab.laws.circular import Circular, CircularModulus
from rmtlab.laws.cumulants import free_cumulants, moments_from_free_cumulants
from rmtlab.laws.discrete import Dirac, Discrete, Empirical
from rmtlab.laws.free import (
    FreePower,
    FreeProduct,
    FreeSum,
    free_add,
    free_compress,
    free_multiply,
    free_power,
)
from rmtlab.laws.free_poisson import FreePoisson
from rmtlab.laws.fuss_catalan import FussCatalan
from rmtlab.laws.marchenko_pastur import MarchenkoPastur
from rmtlab.laws.semicircle import QuarterCircle, Semicircle
from rmtlab.laws.tracy_widom import TracyWidom
from rmtlab.laws.wachter import Wachter

__all__ = [
    "Affine",
    "Arcsine",
    "Certificate",
    "Circular",
    "CircularModulus",
    "Dirac",
    "Discrete",
    "Empirical",
    "FreePoisson",
    "FreePower",
    "FreeProduct",
    "FreeSum",
    "FussCatalan",
    "MarchenkoPastur",
    "QuarterCircle",
    "Semicircle",
    "SpectralLaw",
    "TracyWidom",
    "Wachter",
    "free_add",
    "free_compress",
    "free_cumulants",
    "free_multiply",
    "free_power",
    "moments_from_free_cumulants",
]
