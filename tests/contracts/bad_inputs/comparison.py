import numpy as np
from scipy import stats

from rmtlab.comparison import compare

LAW = stats.semicircular()
SYMMETRIC = np.array([[1.0, 0.5], [0.5, 1.0]])

CASES = {
    "compare": [
        (lambda: compare(3.0, [1.0]), "no cdf"),
        (lambda: compare(stats.gaussian_kde([1.0, 2.0]), [1.0]), "no cdf"),
        (lambda: compare(type("Half", (), {"cdf": abs})(), [1.0]), "no quantile and no moment"),
        (lambda: compare(stats.rv_continuous, [1.0]), "call it first"),
        (lambda: compare(LAW, []), "eigenvalues is empty"),
        (lambda: compare(LAW, [0.1, np.nan]), "NaN"),
        (lambda: compare(LAW, [0.1, np.inf]), "infinite"),
        (lambda: compare(LAW, 0.1), "eigenvalues must have 1 or 2 axes"),
        (lambda: compare(LAW, np.ones((2, 3, 4))), "eigenvalues must have 1 or 2 axes"),
        (lambda: compare(LAW, "many"), "eigenvalues must be an array"),
        (lambda: compare(LAW, [1.0 + 2.0j]), "eigvalsh"),
        (lambda: compare(LAW, SYMMETRIC), "pass its eigenvalues"),
    ],
}

NOTHING_TO_REFUSE = {
    "Comparison": "compare makes it from checked input",
    "MomentError": "compare makes it from checked input",
}
