"""Convolutions in one and two dimensions."""

from dataclasses import dataclass
from functools import cache
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rmtlab import _checks
from rmtlab.layers._base import moved
from rmtlab.layers._distances import distances, gap_from_distances, opposed, units
from rmtlab.layers._linear import Linear
from rmtlab.layers._place import Place
from rmtlab.layers._rows import Pairs, Rows

if TYPE_CHECKING:
    from torch import nn

PADDINGS = ("circular", "zero", "none")


@dataclass(frozen=True)
class Convolution(Linear):
    """What Conv1d and Conv2d share; the mean A is over the patch, of equal steps on both sides."""

    size: int = 3
    weight_var: float = 1.0
    bias_var: float = 0.0
    stride: int = 1
    padding: str = "circular"
    weights: str = "gaussian"
    parameterization: str = "ntk"

    rank: ClassVar[int]
    misplaced: ClassVar[str] = (
        "A convolution needs a signal before it, but it meets the preactivations of another linear layer, an "
        "Attention or a Residual; put an Activation between them (Activation('linear') for a deep linear "
        "network)."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "size", _checks.count(self.size, "size"))
        object.__setattr__(self, "stride", _checks.count(self.stride, "stride"))
        _checks.one_of(self.padding, "padding", PADDINGS)
        if self.padding != "none" and self.size % 2 == 0:
            raise ValueError(
                f"size must be odd, so that a patch has a middle, but {self.size} was given; padding='none' "
                "takes even ones."
            )

    @property
    def _patch(self) -> int:
        return self.size**self.rank

    @property
    def _margin(self) -> int:
        return 0 if self.padding == "none" else self.size // 2

    def _behind(self, place: Place) -> Place:
        positions = (None,) * self.rank if place.positions is None else place.positions
        if len(positions) != self.rank:
            raise ValueError(
                f"{self._called} needs inputs of the shape (n, channels, "
                f"{'length' if self.rank == 1 else 'height, width'}), but here positions are {positions}."
            )
        if any(s is not None and self._shorter(s) < 1 for s in positions):
            raise ValueError(
                f"{self._called} of size {self.size} without padding does not fit into positions {positions}."
            )
        behind = tuple(None if s is None else self._shorter(s) for s in positions)
        return moved(super()._behind(place), positions=behind)

    def _shorter(self, size: int) -> int:
        return (size + 2 * self._margin - self.size) // self.stride + 1

    def _mean_rows(self, rows: Rows, place: Place) -> Rows:
        return Rows(self._mean(np, rows.moment, place), rows.all_pairs)

    def _mean_pairs(self, pairs: Pairs, before: tuple[Rows, Rows], place: Place) -> None:
        xp, told = pairs.xp, pairs.told
        one, two = (rows.extra for rows in before)
        apart = [] if told else self._mean_distances(pairs, before, place)
        pairs.nngp, pairs.ntk = (self._mean(xp, v, place) for v in (pairs.nngp, pairs.ntk))
        if told:
            return pairs.tell(one, two)
        pairs.gap = gap_from_distances(pairs, apart, one, two, units(*before))

    def _mean_distances(self, pairs: Pairs, before: tuple[Rows, Rows], place: Place) -> list[Any]:
        lengths = units(*before)
        apart = [self._mean(pairs.xp, d, place) for d in distances(pairs, *before, lengths, opposed(pairs))]
        if place.all_pairs and self.padding == "zero":
            left, right = map(self._over_the_edge, before, lengths, (place, place))
            right = right.swapaxes(-2, -1)
            if not pairs.own:
                left, right = left[:, None], right[None]
            for d in apart:
                d += pairs.like(left)
                d += pairs.like(right)
        return apart

    def _over_the_edge(self, rows: Rows, unit: np.ndarray, place: Place) -> np.ndarray:
        """Return, for positions α and α′, the mean over the steps that stay inside from α but not from α′."""
        variance = (rows.root / unit[:, None]) ** 2
        shape = (*variance.shape, variance.shape[1])
        both = self._mean(np, np.broadcast_to(variance[:, :, None], shape).copy(), place)
        return np.einsum("npp->np", both)[:, :, None] - both

    def _mean(self, xp: Any, values: Any, place: Place) -> Any:
        """Average over patches, one spatial axis after the other, at both ends of a pair in step."""
        ends = 2 if place.all_pairs else 1
        lead = values.ndim - ends
        values = values.reshape(*values.shape[:lead], *place.sizes * ends)
        for axis, size in enumerate(place.sizes):
            axes = [lead + axis + end * self.rank for end in range(ends)]
            values = self._mean_along(xp, values, axes, size)
        p = prod(self._shorter(s) for s in place.sizes)
        return values.reshape(*values.shape[:lead], *(p,) * ends)

    def _mean_along(self, xp: Any, values: Any, axes: list[int], size: int) -> Any:
        count = self._shorter(size)
        shape = [count if axis in axes else s for axis, s in enumerate(values.shape)]
        total = xp.zeros_like(values, shape=shape) if xp is np else values.new_zeros(shape)
        for runs in _steps(size, count, self.size, self.stride, self._margin, self.padding == "circular"):
            for parts in product(runs, repeat=len(axes)):
                at, of = [slice(None)] * values.ndim, [slice(None)] * values.ndim
                for axis, (target, origin) in zip(axes, parts, strict=True):
                    at[axis], of[axis] = target, origin
                total[tuple(at)] += values[tuple(of)]
        total *= 1 / self.size
        return total

    def _make(
        self,
        weight: np.ndarray,
        bias: np.ndarray | None,
        scales: tuple[float, float],
        positions: tuple[int, ...],
        **where: Any,
    ) -> "nn.Module":
        from rmtlab import _torch_layers

        kernel = weight.reshape(len(weight), -1, *(self.size,) * self.rank)
        return _torch_layers.ConvolutionModule(
            kernel, bias, *scales, stride=self.stride, margin=self._margin, padding=self.padding, **where
        )


@dataclass(frozen=True)
class Conv1d(Convolution):
    r"""A convolution along sequences (n, channels, length): z(p) = Σ_β W_β h(s p + β) + b.

    Weights have variance ``weight_var``/(size · channels). With A the mean over the patch of equal
    steps β at both positions of a pair, K′ = σ_w² A(K) + σ_b² and Θ′ = K′ + σ_w² A(Θ) in the NTK
    parameterisation, Θ′ = size·m·A(K) + 1 + σ_w² A(Θ) in the standard one.

    Parameters
    ----------
    size : int
        Length of the patch; odd where there is padding.
    weight_var, bias_var : float
        σ_w² and σ_b².
    stride : int
        Every how manyth position is an output.
    padding : {"circular", "zero", "none"}
        What stands beyond the ends. The first two centre the patch on its position.
    weights, parameterization : str
        As for :class:`Dense`; "orthogonal" is the matrix outputs × (channels · size).

    Raises
    ------
    ValueError
        For a negative variance, an even size with padding, an unknown name, or inputs that are no sequences.

    References
    ----------
    .. [1] R. Novak et al., "Bayesian deep convolutional networks with many channels are Gaussian
       processes", ICLR 2019.
    .. [2] S. Arora et al., "On exact computation with an infinitely wide neural net", NeurIPS 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from rmtlab.layers import State
    >>> state = State.from_inputs(np.ones((1, 2, 5)))
    >>> Conv1d(size=3, padding="zero").propagate(state).diag1.round(3)
    array([[0.667, 1.   , 1.   , 1.   , 0.667]])
    """

    rank: ClassVar[int] = 1


@dataclass(frozen=True)
class Conv2d(Convolution):
    r"""A convolution over images (n, channels, height, width): the rule of :class:`Conv1d` on both axes.

    Weights have variance ``weight_var``/(size² · channels).

    Parameters
    ----------
    size : int
        Height and width of the patch; odd where there is padding.
    weight_var, bias_var : float
        σ_w² and σ_b².
    stride : int
        Every how manyth position is an output, on both axes.
    padding : {"circular", "zero", "none"}
        What stands beyond the edges.
    weights, parameterization : str
        As for :class:`Dense`.

    Raises
    ------
    ValueError
        For a negative variance, an even size with padding, an unknown name, or inputs that are no images.

    References
    ----------
    .. [1] R. Novak et al., "Bayesian deep convolutional networks with many channels are Gaussian
       processes", ICLR 2019.
    .. [2] S. Arora et al., "On exact computation with an infinitely wide neural net", NeurIPS 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from rmtlab.layers import State
    >>> Conv2d(stride=2).propagate(State.from_inputs(np.ones((1, 3, 6, 4)))).positions
    (3, 2)
    """

    rank: ClassVar[int] = 2


@cache
def _steps(
    size: int, count: int, patch: int, stride: int, margin: int, circular: bool
) -> list[list[tuple[slice, slice]]]:
    """Return, for every step of the patch, what it brings from which of `size` positions to which of `count`."""
    found = []
    for step in range(patch):
        at = np.arange(count) * stride + step - margin
        inside = np.flatnonzero((at >= 0) & (at < size))
        if circular:
            at, inside = at % size, np.arange(count)
        found.append(_runs(inside, at[inside]) if len(inside) else [])
    return found


def _runs(to: np.ndarray, source: np.ndarray) -> list[tuple[slice, slice]]:
    """Return slices (to, source): one, or two where a circle is closed."""
    breaks = np.flatnonzero(np.diff(source) < 0) + 1
    runs = []
    for part_to, part in zip(np.split(to, breaks), np.split(source, breaks), strict=True):
        step = int(part[1] - part[0]) if len(part) > 1 else 1
        runs.append((slice(part_to[0], part_to[-1] + 1), slice(part[0], part[-1] + 1, step)))
    return runs
