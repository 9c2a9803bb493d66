"""Classification by regression: targets that a Gaussian process can be conditioned on."""

from typing import Any

import numpy as np

from rmtlab import _checks


def class_targets(labels: Any, n_classes: int | None = None) -> np.ndarray:
    """Return one-hot rows with their mean over classes taken off: 0.9 and −0.1 for ten classes.

    Centred targets suit a process of mean zero. The class of a prediction is its largest output
    (:attr:`Prediction.labels`).

    Parameters
    ----------
    labels : array_like of int, shape (n,)
        Classes 0 … n_classes − 1.
    n_classes : int, optional
        Number of classes; by default the largest label and one.

    Returns
    -------
    ndarray, shape (n, n_classes)

    Raises
    ------
    ValueError
        If labels are no whole numbers in that range, or there are fewer than two classes.

    References
    ----------
    .. [1] J. Lee et al., "Deep neural networks as Gaussian processes", ICLR 2018.

    Examples
    --------
    >>> class_targets([0, 2, 1], n_classes=4)
    array([[ 0.75, -0.25, -0.25, -0.25],
           [-0.25, -0.25,  0.75, -0.25],
           [-0.25,  0.75, -0.25, -0.25]])
    """
    given = _checks.array(labels, "labels", ndim=1)
    classes = given.astype(np.int64)
    if np.any(classes != given) or classes.min() < 0:
        raise ValueError("labels must be whole numbers of at least 0, one for each input.")
    least = max(2, int(classes.max()) + 1)
    n = least if n_classes is None else _checks.count(n_classes, "n_classes", minimum=2)
    if n < least:
        raise ValueError(f"n_classes={n} is too few for the largest label, {int(classes.max())}.")
    return np.eye(n)[classes] - 1 / n
