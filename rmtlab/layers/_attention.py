"""The layer whose positions look at each other."""

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy import special

from rmtlab import _checks
from rmtlab.layers._base import Layer, moved
from rmtlab.layers._linear import PARAMETERIZATIONS, Dense, ask_for_width
from rmtlab.layers._place import NORMALISED, PREACTIVATION, SIGNAL, Place
from rmtlab.layers._rows import Pairs, Rows, as_numpy, fresh_gap
from rmtlab.layers._twins import Twins

if TYPE_CHECKING:
    from torch import nn

SCALINGS = ("1/d", "1/sqrt(d)")
_NEAR = 1e-9  # rounding is felt by smaller gaps


@dataclass(frozen=True, eq=False)
class _Looks:
    """The attention matrices of a set of inputs, (n, p, p)."""

    matrices: np.ndarray

    def part(self, rows: slice) -> "_Looks":
        return _Looks(self.matrices[rows])


@dataclass(frozen=True)
class Attention(Layer):
    r"""Softmax self-attention, z(α) = W_O W_V Σ_β G_αβ h(β) + b, G the row softmax of q(α)·k(β)/d.

    Queries q = W_Q h and, if `tied`, keys k = q have d = out_features entries. Divided by d, their
    products tend to σ_Q² K_αβ at infinite width, so that G is no longer random,

        G = softmax(σ_Q² K_xx),  K′ = σ_V²σ_O² G_x K_xx′ G_x′ᵀ + σ_b²,
        Θ′ = σ_V²σ_O² G_x Θ G_x′ᵀ + 2σ_V²σ_O² G_x K G_x′ᵀ + σ_b²

    in the NTK parameterisation: W_V and W_O give one GKGᵀ each, W_Q none, since its gradients vanish. In
    the standard one the two have the factors σ_O² m and σ_V² · width instead of σ_V²σ_O², and the biases
    1; what W_Q adds is O(1/width) of that. Keys that are independent of the queries make every logit
    vanish, and attention uniform. Divided by √d, logits stay random at any width: no limit is known.

    Parameters
    ----------
    query_var, value_var, output_var : float
        σ_Q², σ_V² and σ_O².
    bias_var : float
        σ_b² of the biases behind W_O.
    tied : bool
        Whether keys are the queries.
    scaling : {"1/d", "1/sqrt(d)"}
        What the products of queries and keys are multiplied by.
    parameterization : {"ntk", "standard"}
        What the trained parameters are.

    Raises
    ------
    ValueError
        For a negative variance or an unknown name; by the infinite-width rule for "1/sqrt(d)" and for
        inputs without positions.

    References
    ----------
    .. [1] J. Hron et al., "Infinite attention: NNGP and NTK for deep attention networks", ICML 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from rmtlab.layers import State
    >>> state = State.from_inputs(np.eye(2)[None], all_pairs=True)
    >>> Attention(query_var=0.0).propagate(state).nngp
    array([[[[0.25, 0.25],
             [0.25, 0.25]]]])
    """

    query_var: float = 1.0
    value_var: float = 1.0
    output_var: float = 1.0
    bias_var: float = 0.0
    tied: bool = True
    scaling: str = "1/d"
    parameterization: str = "ntk"

    takes: ClassVar[tuple[str, ...]] = (SIGNAL, NORMALISED)
    misplaced: ClassVar[str] = (
        "An Attention needs a signal before it, the input or what an Activation or a LayerNorm makes, but it "
        "meets the preactivations of a linear layer; put an Activation or a LayerNorm between them."
    )
    needs_all_pairs: ClassVar[bool] = True
    chooses_features: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("query_var", "value_var", "output_var", "bias_var"):
            value = _checks.number(getattr(self, name), name, low=0.0, hint="It is a variance.")
            object.__setattr__(self, name, value)
        _checks.one_of(self.scaling, "scaling", SCALINGS)
        _checks.one_of(self.parameterization, "parameterization", PARAMETERIZATIONS)

    def _behind(self, place: Place) -> Place:
        if place.flat:
            raise ValueError(
                "An Attention needs positions that look at each other, but it meets a flat signal; give "
                "sequences of shape (n, channels, length)."
            )
        if self.parameterization == "standard" and None in (place.fan_in, place.width):
            ask_for_width()
        return moved(place, kind=PREACTIVATION, fan_in=place.width)

    def _rows(self, rows: Rows, place: Place) -> Rows:
        if self.scaling != "1/d":
            raise ValueError(
                "Softmax attention with logits divided by √d has no known infinite-width kernel: they stay "
                "random at any width. Take scaling='1/d', or measure finite networks."
            )
        looks = special.softmax(self.query_var * rows.moment * self.tied, axis=-1)
        rows.extra = _Looks(looks)
        seen = looks @ rows.moment @ looks.mT
        return Rows(self.value_var * self.output_var * (seen + seen.mT) / 2 + self.bias_var, all_pairs=True)

    def _follows(self, ratio: np.ndarray) -> np.ndarray:
        return (ratio == 1) | ((ratio == -1) & (self.bias_var == 0))

    def _pairs(self, pairs: Pairs, before: tuple[Rows, Rows], after: tuple[Rows, Rows], place: Place) -> None:
        looks1, looks2 = (pairs.like(rows.extra.matrices) for rows in before)
        if not pairs.own:
            looks1, looks2 = looks1[:, None], looks2[None]
        told, kernel = pairs.told, pairs.nngp
        seen, tangent = (looks1 @ k @ looks2.swapaxes(-2, -1) for k in (kernel, pairs.ntk))
        both = self.value_var * self.output_var
        if self.parameterization == "ntk":
            own, bias = 2 * both, self.bias_var
        else:
            own = self.output_var * (place.fan_in or 0) + self.value_var * (place.width or 0)
            bias = float(self.bias_var > 0)
        pairs.ntk = both * tangent + own * seen + bias
        pairs.nngp = both * seen + self.bias_var
        if told:
            pairs.tell(*after)
        else:
            pairs.gap = fresh_gap(pairs, *after)
            if pairs.own and before[0] is before[1]:
                self._tell_positions_apart(pairs, Twins.of_rows(before[0]), kernel, before, after)
            elif pairs.twins is not None:
                self._tell_positions_apart(pairs, pairs.twins.with_own(pairs, before), kernel, before, after)
        pairs.set_own(after[0])

    def _tell_positions_apart(
        self, pairs: Pairs, twins: Twins, kernel: Any, before: tuple[Rows, Rows], after: tuple[Rows, Rows]
    ) -> None:
        r"""Form the gaps of nearly equal positions α and β of twins from what they see differently.

        The difference is Σ_γ G_αγ (u_γ − v_γ) + (G_αγ − G′_βγ) v_γ, and small because its terms are.
        """
        blocks = (twins.i,) if pairs.own else (twins.i, twins.j)
        near = (as_numpy(pairs.gap[blocks]) < _NEAR) & ~np.eye(pairs.gap.shape[-1], dtype=bool)
        near &= twins.ratio[:, None, None] * as_numpy(pairs.nngp[blocks]) > 0
        for t in np.flatnonzero(near.any(axis=(1, 2))):
            i, j, ratio, gram = twins.i[t], twins.j[t], twins.ratio[t], twins.gram[t]
            block = (i,) if pairs.own else (i, j)
            at, of = np.nonzero(near[t])
            looks = before[0].extra.matrices[i][at]
            strayed = looks - before[1].extra.matrices[j][of]
            others = before[1].moment[j]
            most = np.sqrt(np.maximum(gram.diagonal(), 0.0))[:, None] * np.sqrt(others.diagonal())
            mixed = np.clip(ratio * as_numpy(kernel[block]) - others, -most, most)
            apart = ((looks @ gram + 2 * strayed @ mixed.T) * looks + strayed @ others * strayed).sum(axis=-1)
            root1, root2 = after[0].root[i][at], after[1].root[j][of]
            apart = self.value_var * self.output_var * apart - (root1 - root2) ** 2
            size = 2 * root1 * root2
            gap = np.clip(np.divide(apart, size, out=np.zeros_like(size), where=size > 0), 0.0, 1.0)
            pairs.gap[*block, at, of] = pairs.like(gap)

    def _module(
        self,
        in_features: int,
        out_features: int,
        positions: tuple[int, ...],
        rng: np.random.Generator,
        dtype: str,
        device: Any,
    ) -> "nn.Module":
        from rmtlab import _torch_layers

        sizes = [
            (self.query_var, in_features),
            (self.value_var, in_features),
            (self.output_var, out_features),
        ]
        query, value, output = (
            Dense(var, bias, parameterization=self.parameterization)._module(
                m, out_features, (0,), r, dtype, device
            )
            for (var, m), bias, r in zip(sizes, (0.0, 0.0, self.bias_var), rng.spawn(3), strict=True)
        )
        key = None
        if not self.tied:
            dense = Dense(self.query_var, parameterization=self.parameterization)
            key = dense._module(in_features, out_features, (0,), rng.spawn(1)[0], dtype, device)
        scale = 1 / out_features if self.scaling == "1/d" else 1 / sqrt(out_features)
        return _torch_layers.AttentionModule(query, key, value, output, scale, len(positions))
