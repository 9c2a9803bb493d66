"""Bad input of the ensembles."""

from rmtlab import ensembles

CASES = {
    "ginibre": [
        (lambda: ensembles.ginibre(0), "n must be a whole number of at least 1"),
        (lambda: ensembles.ginibre(2.5), "n must be a whole number"),
        (lambda: ensembles.ginibre(3, -1), "m must be a whole number of at least 1"),
        (lambda: ensembles.ginibre(3, var=-1.0), "var must be a finite number at least 0"),
        (lambda: ensembles.ginibre(3, var=float("nan")), "var must be a finite number"),
        (lambda: ensembles.ginibre(3, rng="seed"), "rng must be a whole number"),
    ],
    "haar_orthogonal": [
        (lambda: ensembles.haar_orthogonal(0), "n must be a whole number of at least 1"),
        (lambda: ensembles.haar_orthogonal((3, 3)), "n must be a whole number"),
        (lambda: ensembles.haar_orthogonal(3, rng=-1), "rng must be a whole number of at least 0"),
    ],
    "haar_semi_orthogonal": [
        (lambda: ensembles.haar_semi_orthogonal(0, 3), "n must be a whole number of at least 1"),
        (lambda: ensembles.haar_semi_orthogonal(3, 0), "m must be a whole number of at least 1"),
    ],
    "goe": [
        (lambda: ensembles.goe(-2), "n must be a whole number of at least 1"),
        (lambda: ensembles.goe(3, var=-1.0), "var must be a finite number at least 0"),
    ],
    "wishart": [
        (lambda: ensembles.wishart(0, 3), "n must be a whole number of at least 1"),
        (lambda: ensembles.wishart(3, None), "m must be a whole number"),
        (lambda: ensembles.wishart(3, 3, var=-1.0), "var must be a finite number at least 0"),
    ],
    "permutation": [(lambda: ensembles.permutation(0), "n must be a whole number of at least 1")],
}
NOTHING_TO_REFUSE: dict[str, str] = {}
