"""Bad input of the spectral laws."""

import numpy as np

from rmtlab import laws

SEMICIRCLE = laws.Semicircle()
COIN = laws.Discrete([-1.0, 2.0], [0.5, 0.5])
NAN = float("nan")

CASES = {
    "SpectralLaw.density": [
        (lambda: SEMICIRCLE.density(NAN), "x holds 1 values that are NaN"),
        (lambda: SEMICIRCLE.density("half"), "x must be an array of real numbers"),
        (lambda: SEMICIRCLE.density([]), "x is empty"),
    ],
    "SpectralLaw.cdf": [
        (lambda: SEMICIRCLE.cdf([0.0, np.inf]), "x holds 1 values that are NaN or infinite"),
        (lambda: SEMICIRCLE.cdf(0.0, side="lef"), "Did you mean 'left'?"),
    ],
    "SpectralLaw.quantile": [
        (lambda: SEMICIRCLE.quantile(1.5), "p must be between 0 and 1"),
        (lambda: SEMICIRCLE.quantile([0.2, -0.1]), "p must be between 0 and 1"),
        (lambda: SEMICIRCLE.quantile(NAN), "p holds 1 values that are NaN"),
    ],
    "SpectralLaw.moment": [
        (lambda: SEMICIRCLE.moment(-1), "k must be a whole number of at least 0"),
        (lambda: SEMICIRCLE.moment(1.5), "k must be a whole number"),
    ],
    "SpectralLaw.free_cumulant": [
        (lambda: SEMICIRCLE.free_cumulant(0), "k must be a whole number of at least 1"),
        (lambda: SEMICIRCLE.free_cumulant(2.0), "k must be a whole number"),
    ],
    "SpectralLaw.cauchy": [
        (lambda: SEMICIRCLE.cauchy(0.5), "z = 0.5 lies on the spectrum"),
        (lambda: SEMICIRCLE.cauchy([3.0, 0.5 + 0j]), "z = 0.5 lies on the spectrum"),
        (lambda: COIN.cauchy(2.0), "z = 2 lies on the spectrum"),
        (lambda: SEMICIRCLE.cauchy(complex(NAN, 1.0)), "z holds 1 values that are NaN"),
        (lambda: SEMICIRCLE.cauchy("i"), "z must be an array of real numbers"),
    ],
    "SpectralLaw.sample": [
        (lambda: SEMICIRCLE.sample(0), "n must be a whole number of at least 1"),
        (lambda: SEMICIRCLE.sample(3, rng="x"), "rng must be a whole number"),
    ],
    "SpectralLaw.r_transform": [
        (lambda: SEMICIRCLE.r_transform(NAN), "g holds 1 values that are NaN"),
        (lambda: laws.QuarterCircle().r_transform(40.0), "exists at real g from"),
        (lambda: laws.QuarterCircle().r_transform(1j), "take a smaller g"),
        (lambda: laws.MarchenkoPastur(0.5).r_transform(2.0), "pole at g = 2"),
    ],
    "SpectralLaw.s_transform": [
        (lambda: SEMICIRCLE.s_transform(0.1), "mean is 0"),
        (lambda: laws.Dirac(0.0).s_transform(0.1), "mean is 0"),
        (lambda: COIN.s_transform(5.0), "take a smaller m"),
        (lambda: laws.QuarterCircle().s_transform(-1.0), "exists at real m above -1"),
        (lambda: laws.MarchenkoPastur(0.5).s_transform(-2.0), "pole at m = -2"),
        (lambda: SEMICIRCLE.s_transform(NAN), "m holds 1 values that are NaN"),
    ],
    "Semicircle": [
        (lambda: laws.Semicircle(var=-1.0), "var must be a finite number above 0"),
        (lambda: laws.Semicircle(var=0.0), "var must be a finite number above 0"),
        (lambda: laws.Semicircle(var="one"), "var must be a number"),
    ],
    "QuarterCircle": [(lambda: laws.QuarterCircle(scale=-1.0), "scale must be a finite number above 0")],
    "MarchenkoPastur": [
        (lambda: laws.MarchenkoPastur(0.0), "aspect must be a finite number above 0"),
        (lambda: laws.MarchenkoPastur(-2.0), "It is rows over columns"),
        (lambda: laws.MarchenkoPastur(np.inf), "aspect must be a finite number above 0"),
        (lambda: laws.MarchenkoPastur(1.0, scale=0.0), "scale must be a finite number above 0"),
    ],
    "FussCatalan": [
        (lambda: laws.FussCatalan(0), "order 0 would be Dirac(1.0)"),
        (lambda: laws.FussCatalan(-1.5), "order must be a finite number above 0"),
        (lambda: laws.FussCatalan(NAN), "order must be a finite number above 0"),
        (lambda: laws.FussCatalan("two"), "order must be a number"),
        (lambda: laws.FussCatalan(2).s_transform(-1.0), "exists at real m above -1"),
        (lambda: laws.FussCatalan(2).r_transform(0.3), "exists at real g below 0.25"),
        (lambda: laws.FussCatalan(2).cauchy(6.0), "lies on the spectrum"),
    ],
    "Wachter": [
        (lambda: laws.Wachter(0.0, 2.0), "a must be a finite number above 0"),
        (lambda: laws.Wachter(2.0, -1.0), "It is columns over rows"),
        (lambda: laws.Wachter(0.3, 0.6), "a + b must be at least 1"),
        (lambda: laws.Wachter(np.inf, 1.0), "a must be a finite number above 0"),
        (lambda: laws.Wachter(2.0, 1.0).s_transform(-2.0), "pole at m = -2"),
        (lambda: laws.Wachter(0.5, 2.0).cauchy(0.0), "lies on the spectrum"),
    ],
    "FreePoisson": [
        (lambda: laws.FreePoisson(0.0), "rate must be a finite number above 0"),
        (lambda: laws.FreePoisson(-1.0), "rate must be a finite number above 0"),
        (lambda: laws.FreePoisson(1.0, jump=0.0), "a law without jumps is Dirac(0.0)"),
        (lambda: laws.FreePoisson(1.0, jump=NAN), "jump must be a finite number"),
        (lambda: laws.FreePoisson(2.0).r_transform(1.0), "pole at g = 1"),
        (lambda: laws.FreePoisson(2.0).s_transform(-2.0), "pole at m = -2"),
    ],
    "free_cumulants": [
        (lambda: laws.free_cumulants([]), "moments is empty"),
        (lambda: laws.free_cumulants([1.0, NAN]), "moments holds 1 values that are NaN"),
        (lambda: laws.free_cumulants(np.eye(2)), "moments must have 1 axes"),
        (lambda: laws.free_cumulants("moments"), "moments must be an array of real numbers"),
        (lambda: laws.free_cumulants(2), "moments must have 1 axes"),
    ],
    "moments_from_free_cumulants": [
        (lambda: laws.moments_from_free_cumulants(()), "cumulants is empty"),
        (lambda: laws.moments_from_free_cumulants([np.inf]), "cumulants holds 1 values that are NaN or inf"),
        (lambda: laws.moments_from_free_cumulants([[1, 2]]), "cumulants must have 1 axes"),
        (lambda: laws.moments_from_free_cumulants([1j]), "cumulants must be an array of real numbers"),
    ],
    "Affine": [
        (lambda: laws.Affine(2.0), "law must be a spectral law"),
        (lambda: laws.Affine(SEMICIRCLE, scale=0.0), "scale must not be 0"),
        (lambda: laws.Affine(SEMICIRCLE, scale=NAN), "scale must be a finite number"),
        (lambda: laws.Affine(SEMICIRCLE, shift=np.inf), "shift must be a finite number"),
    ],
    "FreeSum": [
        (lambda: laws.FreeSum(SEMICIRCLE, 1.0), "b must be a spectral law"),
        (lambda: laws.FreeSum(laws.Dirac(1.0), SEMICIRCLE), "a is the single point 1; use free_add"),
        (lambda: laws.FreeSum(SEMICIRCLE, COIN).cauchy(0.0), "z = 0 lies on the spectrum"),
    ],
    "FreeProduct": [
        (lambda: laws.FreeProduct(None, SEMICIRCLE), "a must be a spectral law"),
        (lambda: laws.FreeProduct(SEMICIRCLE, laws.Dirac(1.0)), "b is the single point 1; use free_multiply"),
        (lambda: laws.FreeProduct(SEMICIRCLE, COIN), "A free product needs a law on [0, ∞)"),
        (lambda: laws.FreeProduct(SEMICIRCLE, laws.MarchenkoPastur(0.5)).s_transform(0.1), "mean is 0"),
    ],
    "FreePower": [
        (lambda: laws.FreePower(SEMICIRCLE, 0.5), "For t below 1 see free_compress"),
        (lambda: laws.FreePower(SEMICIRCLE, 2.0, kind="multiply"), "did you mean kind='add'?"),
        (lambda: laws.FreePower(SEMICIRCLE, 2.0, kind="multiplly"), "Did you mean 'multiply'?"),
        (lambda: laws.FreePower(laws.Dirac(2.0), 2.0), "law is the single point 2; use free_power"),
    ],
    "free_add": [
        (
            lambda: laws.free_add(SEMICIRCLE, np.ones(3)),
            "wrap a number as Dirac(x) and eigenvalues as Empirical",
        ),
        (lambda: laws.free_add("semicircle", SEMICIRCLE), "a must be a spectral law, but a str was given"),
        (lambda: laws.free_add(SEMICIRCLE, laws.TracyWidom()), "b must be a spectral law"),
    ],
    "free_multiply": [
        (lambda: laws.free_multiply(2.0, SEMICIRCLE), "a must be a spectral law"),
        (lambda: laws.free_multiply(SEMICIRCLE, COIN), "a reaches down to -2 and b to -1"),
    ],
    "free_power": [
        (lambda: laws.free_power(2.0, 2.0), "law must be a spectral law"),
        (lambda: laws.free_power(SEMICIRCLE, 0.9), "t must be a finite number at least 1"),
        (lambda: laws.free_power(SEMICIRCLE, NAN), "t must be a finite number at least 1"),
        (lambda: laws.free_power(laws.MarchenkoPastur(0.5), 0.5, kind="multiply"), "need not exist"),
        (lambda: laws.free_power(COIN, 2.0, kind="multiply"), "reaches down to -1; did you mean kind='add'?"),
        (lambda: laws.free_power(COIN, 2.0, kind="plus"), "kind cannot be 'plus'"),
    ],
    "free_compress": [
        (lambda: laws.free_compress(1.0, 0.5), "law must be a spectral law"),
        (lambda: laws.free_compress(SEMICIRCLE, 0.0), "It is the trace of the projection"),
        (lambda: laws.free_compress(SEMICIRCLE, 1.5), "t must be above 0 and at most 1"),
    ],
    "Arcsine": [(lambda: laws.Arcsine(radius=0.0), "radius must be a finite number above 0")],
    "Dirac": [
        (lambda: laws.Dirac(NAN), "x must be a finite number"),
        (lambda: laws.Dirac([1.0, 2.0]), "x must be a number"),
    ],
    "Discrete": [
        (lambda: laws.Discrete([0.0, 1.0], [1.0]), "must have the same length"),
        (lambda: laws.Discrete([0.0, 1.0], [1.5, -0.5]), "weights must be at least 0"),
        (lambda: laws.Discrete([0.0, 1.0], [0.5, 0.6]), "weights must sum to 1"),
        (lambda: laws.Discrete([[0.0]], [[1.0]]), "points must have 1 axes"),
        (lambda: laws.Discrete([NAN], [1.0]), "points holds 1 values that are NaN"),
        (lambda: laws.Discrete([], []), "points is empty"),
    ],
    "Empirical": [
        (lambda: laws.Empirical([]), "eigenvalues is empty"),
        (lambda: laws.Empirical(np.eye(2)), "eigenvalues must have 1 axes"),
        (lambda: laws.Empirical([1.0, NAN]), "eigenvalues holds 1 values that are NaN"),
        (lambda: laws.Empirical(np.array([1.0 + 0j])), "eigenvalues must be real"),
    ],
    "Circular": [
        (lambda: laws.Circular(scale=0.0), "scale must be a finite number above 0"),
        (lambda: laws.Circular(scale=NAN), "scale must be a finite number above 0"),
    ],
    "Circular.density": [
        (lambda: laws.Circular().density(complex(0.0, NAN)), "z holds 1 values that are NaN"),
        (lambda: laws.Circular().density("i"), "z must be an array of real numbers"),
    ],
    "Circular.sample": [
        (lambda: laws.Circular().sample(0), "n must be a whole number of at least 1"),
        (lambda: laws.Circular().sample(3, rng=-1), "rng must be a whole number"),
    ],
    "CircularModulus": [
        (lambda: laws.CircularModulus(radius=-1.0), "radius must be a finite number above 0")
    ],
    "TracyWidom": [
        (lambda: laws.TracyWidom(beta=4), "beta must be 1 (real symmetric matrices) or 2"),
        (lambda: laws.TracyWidom(beta=0), "beta must be a whole number of at least 1"),
        (lambda: laws.TracyWidom(beta=1.5), "beta must be a whole number"),
        (lambda: laws.TracyWidom(centre=np.inf), "centre must be a finite number"),
        (lambda: laws.TracyWidom(scale=0.0), "scale must be a finite number above 0"),
    ],
    "TracyWidom.goe": [
        (lambda: laws.TracyWidom.goe(0), "n must be a whole number of at least 1"),
        (lambda: laws.TracyWidom.goe(10, var=0.0), "var must be a finite number above 0"),
    ],
    "TracyWidom.wishart": [
        (lambda: laws.TracyWidom.wishart(10, 0), "m must be a whole number of at least 1"),
        (lambda: laws.TracyWidom.wishart(2.5, 10), "n must be a whole number"),
        (lambda: laws.TracyWidom.wishart(10, 10, var=-1.0), "var must be a finite number above 0"),
    ],
    "TracyWidom.density": [(lambda: laws.TracyWidom().density(NAN), "x holds 1 values that are NaN")],
    "TracyWidom.cdf": [(lambda: laws.TracyWidom().cdf("half"), "x must be an array of real numbers")],
    "TracyWidom.quantile": [
        (lambda: laws.TracyWidom().quantile([0.5, 1.2]), "p must be between 0 and 1"),
        (lambda: laws.TracyWidom().quantile([]), "p is empty"),
    ],
    "TracyWidom.moment": [(lambda: laws.TracyWidom().moment(-1), "k must be a whole number of at least 0")],
    "TracyWidom.sample": [(lambda: laws.TracyWidom().sample(0), "n must be a whole number of at least 1")],
}
NOTHING_TO_REFUSE: dict[str, str] = {
    "Certificate": "A record that solvers fill; nothing is computed from it.",
}
