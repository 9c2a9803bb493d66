"""The layers that mix: dense and convolutional, Gaussian or orthogonal, in both parameterisations."""

from abc import abstractmethod
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rmtlab import _checks, ensembles
from rmtlab.layers._base import Layer, moved
from rmtlab.layers._place import NORMALISED, PREACTIVATION, SIGNAL, Place
from rmtlab.layers._rows import Pairs, Rows, add_common, drawn_together

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = ("gaussian", "orthogonal")
PARAMETERIZATIONS = ("ntk", "standard")


class Linear(Layer):
    """What dense and convolutional layers share: K′ = σ_w² A(K) + σ_b², with A a mean over a patch."""

    weight_var: float
    bias_var: float
    weights: str
    parameterization: str

    linear: ClassVar[bool] = True
    takes: ClassVar[tuple[str, ...]] = (SIGNAL, NORMALISED)
    chooses_features: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("weight_var", "bias_var"):
            value = _checks.number(getattr(self, name), name, low=0.0, hint="It is a variance.")
            object.__setattr__(self, name, value)
        _checks.one_of(self.weights, "weights", WEIGHTS)
        _checks.one_of(self.parameterization, "parameterization", PARAMETERIZATIONS)

    @property
    def _patch(self) -> int:
        """Number of positions that an output sees."""
        return 1

    def _behind(self, place: Place) -> Place:
        if self.parameterization == "standard" and place.fan_in is None:
            ask_for_width()
        return moved(place, kind=PREACTIVATION, fan_in=place.width)

    def _rows(self, rows: Rows, place: Place) -> Rows:
        mean = self._mean_rows(rows, place)
        rows.extra = None if mean is rows else mean
        return Rows(self.weight_var * mean.moment + self.bias_var, mean.all_pairs)

    def _pairs(self, pairs: Pairs, before: tuple[Rows, Rows], after: tuple[Rows, Rows], place: Place) -> None:
        self._mean_pairs(pairs, before, place)
        one, two = (rows.extra or rows for rows in before)
        own = None
        if self.parameterization == "standard":
            own = (place.fan_in or 0) * self._patch * pairs.nngp
            own += float(self.bias_var > 0)
        pairs.ntk *= self.weight_var
        add_common(pairs, (one, two), after, self.weight_var, self.bias_var)
        pairs.set_own(after[0])
        pairs.ntk += pairs.nngp if own is None else own

    def _draws_together(self, before: tuple[Rows, Rows]) -> bool:
        return drawn_together(before, self.weight_var, self.bias_var)

    def _mean_rows(self, rows: Rows, place: Place) -> Rows:
        return rows

    def _mean_pairs(self, pairs: Pairs, before: tuple[Rows, Rows], place: Place) -> None:
        """Replace the pairs by their means over patches; those of the rows are in their `extra`."""

    def _module(
        self,
        in_features: int,
        out_features: int,
        positions: tuple[int, ...],
        rng: np.random.Generator,
        dtype: str,
        device: Any,
    ) -> "nn.Module":
        fan_in = in_features * self._patch
        weight = unit_weight(self.weights, out_features, fan_in, rng)
        bias = rng.standard_normal(out_features) if self.bias_var > 0 else None
        trained, scales = trained_and_scales(self, fan_in)
        return self._make(
            trained[0] * weight,
            None if bias is None else trained[1] * bias,
            scales,
            positions,
            dtype=dtype,
            device=device,
        )

    @abstractmethod
    def _make(
        self,
        weight: np.ndarray,
        bias: np.ndarray | None,
        scales: tuple[float, float],
        positions: tuple[int, ...],
        **where: Any,
    ) -> "nn.Module":
        """Return the module with these parameters."""


@dataclass(frozen=True)
class Dense(Linear):
    r"""A fully connected layer, z = W h + b, at every position the same.

    W is n × m for m inputs and n outputs. Gaussian weights are independent with variance
    ``weight_var``/m. Orthogonal weights are √weight_var times a Haar matrix when n = m, and
    √(weight_var·max(n, m)/m) times a Haar semi-orthogonal one otherwise, so that
    E|Wh|²/n = weight_var·|h|²/m under both. Biases are independent with variance ``bias_var``;
    where it is 0 there are none.

    What is trained depends on the parameterisation. In ``"ntk"`` it is ω and β of unit variance,
    with W = √(weight_var/m)·ω and b = √bias_var·β; in ``"standard"`` it is W and b themselves.

    K′ = σ_w² K + σ_b². In the NTK parameterisation Θ′ = K′ + σ_w² Θ. In the standard one the
    gradients with respect to W are the m features themselves, Θ′ = m K + 1 + σ_w² Θ, where the 1
    belongs to the biases and is absent without them.

    Parameters
    ----------
    weight_var, bias_var : float
        σ_w² and σ_b², variances and never standard deviations.
    weights : {"gaussian", "orthogonal"}
        How W is drawn.
    parameterization : {"ntk", "standard"}
        What the trained parameters are.

    Raises
    ------
    ValueError
        For a negative variance or an unknown name.

    References
    ----------
    .. [1] J. Lee et al., "Deep neural networks as Gaussian processes", ICLR 2018, eqs. (5) and (6).
    .. [2] A. Jacot, F. Gabriel, C. Hongler, "Neural tangent kernel", NeurIPS 2018.

    Examples
    --------
    >>> from rmtlab.layers import State
    >>> state = State.from_inputs([[1.0, 1.0]])
    >>> Dense(weight_var=2.0).propagate(state).nngp
    array([[2.]])
    >>> Dense(1.5, 0.5, parameterization="standard").propagate(state).ntk
    array([[3.]])
    """

    weight_var: float = 1.0
    bias_var: float = 0.0
    weights: str = "gaussian"
    parameterization: str = "ntk"

    misplaced: ClassVar[str] = (
        "A Dense needs a signal before it, but it meets the preactivations of another linear layer, an "
        "Attention or a Residual; put an Activation between them (Activation('linear') for a deep linear "
        "network)."
    )

    def _make(
        self,
        weight: np.ndarray,
        bias: np.ndarray | None,
        scales: tuple[float, float],
        positions: tuple[int, ...],
        **where: Any,
    ) -> "nn.Module":
        from rmtlab import _torch_layers

        return _torch_layers.DenseModule(weight, bias, *scales, rank=len(positions), **where)


def unit_weight(weights: str, n: int, m: int, rng: np.random.Generator) -> np.ndarray:
    """Return W for ``weight_var=1``."""
    if weights == "gaussian":
        return ensembles.ginibre(n, m, rng=rng)
    return sqrt(max(n, m) / m) * ensembles.haar_semi_orthogonal(n, m, rng=rng)


def trained_and_scales(layer: Any, fan_in: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the sizes of trained weights and biases, and the factors with which they act."""
    weight_std, bias_std = sqrt(layer.weight_var), sqrt(layer.bias_var)
    if layer.parameterization == "ntk":
        return (sqrt(fan_in), 1.0), (weight_std / sqrt(fan_in), bias_std)
    return (weight_std, bias_std), (1.0, 1.0)


def ask_for_width() -> None:
    """Raise the sentence that the standard parameterisation needs a width."""
    raise ValueError(
        "In the standard parameterisation the tangent kernel grows with the width, and none was "
        "given; say State.from_inputs(x1, x2, width=1000) or net.kernel(x1, width=1000), or choose "
        "parameterization='ntk'."
    )
