r"""The law of J Jᵀ: for a network at random initialisation, and for one module at one input."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rmtlab import _checks
from rmtlab.jacobian import _edges, _moments, _outside
from rmtlab.jacobian._chain import Chain, Stage
from rmtlab.jacobian._layers import blocks, stages
from rmtlab.jacobian._solver import Solver
from rmtlab.jacobian._squares import points
from rmtlab.laws._solved import Certificate, SolvedLaw
from rmtlab.networks import Network

_SAMPLES = 24
_EMPTY = 1e-9
_LOST = 1e-12
_SMALL = 5e-3


class ChainLaw(SolvedLaw):
    """The law of a chain of free factors; a subclass says which chain."""

    @property
    @abstractmethod
    def _chain(self) -> Chain:
        """The equation."""

    @property
    def support(self) -> list[tuple[float, float]]:
        """Intervals of the continuous part; their ends are the real critical points of z(T)."""
        return list(self._intervals)

    @property
    def atoms(self) -> dict[float, float]:
        """Atoms {location: mass}: the kernel of Jᵀ at 0, and what orthogonal weights leave of atoms of φ′².

        A spectrum too narrow for float64 to hold its edges apart (q* below about 1e-7) counts as one point.
        """
        atoms = dict(self._chain.atoms)
        rest = 1.0 - sum(atoms.values())
        if rest > _LOST and not self._intervals:
            place = (self.mean - sum(x * mass for x, mass in atoms.items())) / rest
            atoms[place] = atoms.get(place, 0.0) + rest
        return dict(sorted(atoms.items()))

    @property
    def mean(self) -> float:
        """E[λ] = Π σ_w² μ₂ E[φ′²], the product of the layers' χ."""
        return self._chain.mean

    @property
    def var(self) -> float:
        """Variance, mean² Σ_l (μ₂/μ₁² − 1 − s₁) for equal widths, s₁ = −1 (Gaussian) or 0 (Haar)."""
        return self._chain.mean**2 * self._chain.relative_variance

    @property
    def certificate(self) -> Certificate:
        """Worst relative residual of the equations over all points solved so far."""
        if self._solver.certificate.iterations == 0:
            inside = np.sin(0.5 * np.pi * (np.arange(_SAMPLES) + 0.5) / _SAMPLES) ** 2
            for a, b in self.support:
                self._boundary(a + (b - a) * inside)
        return self._solver.certificate

    def _boundary(self, x: np.ndarray) -> np.ndarray:
        return self._solver.resolvent_trace(np.log(x), np.zeros(x.shape)) / x

    def _cauchy(self, z: np.ndarray) -> np.ndarray:
        if not self.support:
            return _poles(z, *self._atom_masses)
        result = np.empty(z.shape, dtype=np.complex128)
        near = np.abs(z) < 0.125 * self._hull[0]
        if np.any(near):
            result[near] = self._near_zero(z[near])
        if not np.all(near):
            far = z[~near]
            result[~near] = self._solver.resolvent_trace(np.log(np.abs(far)), np.angle(far)) / far
        return result

    def _near_zero(self, z: np.ndarray) -> np.ndarray:
        """G around 0, where the spectrum keeps away from it: its Taylor series, from a circle."""
        n, radius = 64, 0.5 * self._hull[0]
        angle = 2.0 * np.pi * (np.arange(n) + 0.5) / n
        above = self._cauchy(radius * np.exp(1j * angle[: n // 2]))
        values = np.concatenate([above, above[::-1].conj()])
        order = np.arange(n // 2)
        series = np.mean(values * np.exp(-1j * np.outer(order, angle)), axis=1).real
        return np.polynomial.polynomial.polyval(z / radius, series)

    def _moment(self, k: int) -> float:
        return self.mean if k == 1 else _moments.moment(self._chain, k)

    def _r_transform(self, g: np.ndarray) -> np.ndarray:
        size = np.abs(g) * max(map(abs, self._hull))
        away = size >= _SMALL
        if not self.support or not np.any(away) or (np.iscomplexobj(g) and np.any(size > 1.0 / 6.0)):
            return super()._r_transform(g)
        result = super()._r_transform(np.where(away, 0.0, g))
        solve = _outside.r_at_complex if np.iscomplexobj(g) else _outside.r_at_real
        result[away] = solve(self._chain, g[away])
        return result if np.all(np.isfinite(result)) else super()._r_transform(g)

    def _s_transform(self, m: np.ndarray) -> np.ndarray:
        if not self.support:
            return super()._s_transform(m)
        if not np.iscomplexobj(m):
            result = _outside.s_at_real(self._chain, m)
            return result if np.all(np.isfinite(result)) else super()._s_transform(m)
        relative = self.mean / max(map(abs, self._hull))
        x = 1.0 - (1.0 + relative) ** -0.5
        if np.any(np.abs(m) > relative * x - x**2 / (1.0 - x)) or np.any(m == 0.0):
            return super()._s_transform(m)
        return _outside.s_at_complex(self._chain, m)

    def _is_empty(self, x: np.ndarray) -> bool:
        value = self._solver.resolvent_trace(np.log(x), np.zeros(x.shape))
        return bool(np.all(np.abs(value.imag) <= _EMPTY * (1.0 + np.abs(value))))

    @cached_property
    def _intervals(self) -> list[tuple[float, float]]:
        return _edges.support(self._chain, self._is_empty)

    @cached_property
    def _solver(self) -> Solver:
        return Solver(self._chain)


@dataclass(frozen=True)
class JacobianLaw(ChainLaw):
    """The limit law of J Jᵀ of a wide random network; :func:`law` makes it.

    Parameters
    ----------
    net : Network
        The description.
    preact_var : float or "fixed"
        q¹, or q* in every layer.
    widths : tuple of float, optional
        n₀ … n_L up to a common factor.

    Raises
    ------
    ValueError, TypeError
        As :func:`law`.

    Examples
    --------
    >>> import rmtlab as rl
    >>> rl.jacobian.law(rl.MLP(3, "linear", weights="orthogonal")).atoms
    {1.0: 1.0}
    """

    net: Network
    preact_var: float | str = "fixed"
    widths: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.widths is not None:
            object.__setattr__(self, "widths", _widths(self.widths, len(blocks(self.net))))
        _ = self._chain

    @cached_property
    def _chain(self) -> Chain:
        found, entrance = stages(self.net, self.preact_var)
        return Chain(found, list(self.widths or (1.0,) * (len(found) + 1)), entrance)

    def __reduce__(self) -> tuple:
        return type(self), (self.net, self.preact_var, self.widths)


@dataclass(frozen=True, eq=False, repr=False)
class PlugInLaw(ChainLaw):
    """The law of J Jᵀ with the very slopes of one module at one input; :func:`plug_in` makes it.

    Parameters
    ----------
    slopes : tuple of L arrays
        φ′(z^l) of every unit, times the mask that follows it.
    weights : tuple of L (weight_var, is_orthogonal)
        How each W^l was drawn.
    mask : array
        The mask of x, ones without noise.

    Raises
    ------
    ValueError
        If a layer is dead: all its slopes are 0.

    Examples
    --------
    >>> import numpy as np, rmtlab as rl
    >>> net = rl.MLP(2, "relu", weight_var=2.0)
    >>> law = rl.jacobian.plug_in(net.sample(64, in_features=64), np.ones(64))
    >>> len(law.slopes)
    2
    """

    slopes: tuple[np.ndarray, ...]
    weights: tuple[tuple[float, bool], ...]
    mask: np.ndarray

    def __post_init__(self) -> None:
        dead = [k for k, slope in enumerate((self.mask, *self.slopes)) if not np.any(slope)]
        if dead:
            raise ValueError(
                f"All units of layer {dead[0]} have slope 0 at this input, and the Jacobian is zero; take "
                "another input or a wider network."
            )

    @cached_property
    def _chain(self) -> Chain:
        found = [
            Stage(weight_var, is_orthogonal, points(slope**2))
            for slope, (weight_var, is_orthogonal) in zip(self.slopes, self.weights, strict=True)
        ]
        sizes = [float(values.size) for values in (self.mask, *self.slopes)]
        entrance = points(self.mask**2)
        return Chain(found, sizes, None if entrance.constant == 1.0 else entrance)

    def __reduce__(self) -> tuple:
        return type(self), (self.slopes, self.weights, self.mask)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlugInLaw) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple:
        return self.weights, tuple(values.tobytes() for values in (self.mask, *self.slopes))

    def __repr__(self) -> str:
        widths = [values.size for values in (self.mask, *self.slopes)]
        shown = str(widths) if len(widths) <= 6 else f"{str(widths[:3])[:-1]}, …, {widths[-1]}]"
        return f"PlugInLaw(depth={len(self.slopes)}, widths={shown})"


def law(
    net: Network, preact_var: float | str = "fixed", widths: Sequence[float] | None = None
) -> JacobianLaw:
    r"""Return the limit law of the spectrum of J Jᵀ, J = ∂h^L/∂x, of a wide random network.

    With multiplicative noise on x and on every hidden signal, J = D_L W_L E_{L−1} D_{L−1} … W_1 E_0: the masks
    of x and of h¹ … h^{L−1}; the one on h^L belongs to the read-out. The weights are free from the
    diagonal matrices, so the S-transforms multiply. With d_l = φ′(h)²ε² and one ζ for each distinct layer,

    .. math:: m = E\Big[\frac{d_l}{\zeta_l - d_l}\Big], \qquad
              z = \frac{1+m}{m} \prod_l \sigma_w^2\, m\, \zeta_l \ \text{(Gaussian)}, \quad
              z = \frac{1+m}{m} \prod_l \frac{\sigma_w^2\, m\, \zeta_l}{1+m} \ \text{(Haar)},

    and m = zG(z) − 1. The solution is followed from the negative axis, where it is monotone, to z = x + i0. Nothing
    is smoothed: edges are critical points of z, atoms are exact. Averages over h are the trapezoid rule
    with the poles near the axis taken out, right to about 1e-12 at any ζ.

    Parameters
    ----------
    net : Network
        Any depth; layers may differ in activation, variances, kind of weights and noise.
    preact_var : float or "fixed"
        q¹, from which q^l follows the variance map; or "fixed" for q* in every layer (of layers that are
        alike). Homogeneous activations ignore it.
    widths : sequence of L + 1 numbers, optional
        n₀ … n_L; only their ratios matter. J Jᵀ is n_L × n_L. Gaussian weights have variance weight_var/fan-in,
        orthogonal n×m ones are √(weight_var·max(n, m)/m) times a semi-orthogonal matrix.

    Returns
    -------
    JacobianLaw
        With the face of every law and a ``certificate``. Where the law of φ′² has a tail, it counts up to the
        last 1e-16 of its mass; one that thins out below a thousandth of the top reaches to 0.

    Raises
    ------
    ValueError
        If there is no hidden layer, no q*, a wrong number of widths, or φ′² can't be resolved.
    TypeError
        If `net` is not a network, or holds other layers than Dense, Activation and Noise.
    ArithmeticError
        If the solver can't certify a point to 1e-10.

    References
    ----------
    .. [1] J. Pennington, S. Schoenholz, S. Ganguli, "Resurrecting the sigmoid in deep learning through
       dynamical isometry", NeurIPS 2017, eq. (12).
    .. [2] J. Pennington, S. Schoenholz, S. Ganguli, "The emergence of spectral universality in deep networks",
       AISTATS 2018.

    Examples
    --------
    >>> import rmtlab as rl
    >>> law = rl.jacobian.law(rl.MLP(2, "linear"))      # two Ginibre matrices: Fuss–Catalan of order 2
    >>> [(a, round(b, 10)) for a, b in law.support], round(law.var, 10)
    ([(0.0, 6.75)], 2.0)
    """
    return JacobianLaw(net, preact_var, None if widths is None else tuple(widths))


def plug_in(module: Any, x: Any) -> PlugInLaw:
    r"""Return the law of J Jᵀ in which each φ′² has the empirical law of one module at one input.

    Only the weights are averaged over. In a finite network of kinked φ the number of active units is binomial, and
    its fluctuation moves the spectrum by :math:`O(N^{-1/2})`; this law has it in. Its mean is the product of
    weight_var·mean(φ′²ε²) over the layers.

    Parameters
    ----------
    module : torch.nn.Module
        From ``net.sample(…)``. In training mode the masks of one pass are plugged in, too.
    x : array_like, shape (n₀,) or (1, n₀)
        One input.

    Returns
    -------
    PlugInLaw
        With the widths of the module. Smooth activations have as many distinct φ′² as units: some seconds.

    Raises
    ------
    TypeError
        If `module` is not a sampled network of dense layers.
    ValueError
        If `x` is not one input of the right size, or a layer is dead.

    Examples
    --------
    >>> import numpy as np, rmtlab as rl
    >>> net = rl.MLP(4, "relu", weight_var=2.0)
    >>> law = rl.jacobian.plug_in(net.sample(200, in_features=200, dtype="float64"), np.ones(200))
    >>> bool(0.3 < law.mean < 3.0), law.atoms[0.0] > 0.4
    (True, True)
    """
    from rmtlab._torch_layers import NetworkModule
    from rmtlab.jacobian import _torch_jacobian

    if not isinstance(module, NetworkModule):
        raise TypeError(
            f"module must be a network from net.sample(…), but a {type(module).__name__} was given; the law needs "
            "to know how its weights were drawn."
        )
    described = blocks(module.description)
    inputs = np.atleast_2d(_checks.array(x, "x", ndim=(1, 2), hint="Give one input."))
    if len(inputs) != 1:
        raise ValueError(
            f"x must be one input, but {len(inputs)} were given; every input has its own slopes."
        )
    chain = _torch_jacobian.factors(module, inputs, "hidden")
    masks = [None if factor.mask is None else factor.mask[0].cpu().numpy() for factor in chain]
    slopes = [factor.slope[0].cpu().numpy() for factor in chain if factor.slope is not None]
    for k, found in enumerate(masks[1:]):
        slopes[k] = slopes[k] if found is None else slopes[k] * found
    return PlugInLaw(
        tuple(slopes),
        tuple((block.dense.weight_var, block.dense.weights == "orthogonal") for block in described),
        np.ones(inputs.shape[1]) if masks[0] is None else masks[0],
    )


def _widths(widths: Any, depth: int) -> tuple[float, ...]:
    sizes = _checks.array(widths, "widths", ndim=1, hint="Give n₀ … n_L, such as widths=(2, 1, 1).")
    if sizes.size != depth + 1:
        raise ValueError(
            f"widths must hold n₀ … n_L, {depth + 1} numbers for depth {depth}, but {sizes.size} were given."
        )
    if sizes.min() <= 0.0:
        raise ValueError(f"widths must be positive, but {sizes.min():g} was given.")
    return tuple(sizes.tolist())


def _poles(z: np.ndarray, locations: np.ndarray, masses: np.ndarray) -> np.ndarray:
    return (1.0 / (z[:, None] - locations)) @ masses
