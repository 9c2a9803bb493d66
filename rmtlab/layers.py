r"""Layers with two faces: an infinite-width rule and a finite twin.

Every layer is a frozen description with two methods. ``propagate`` carries the kernels of a pair of
inputs through the infinitely wide layer; ``module`` draws the matching finite layer. A network is a
fold of either method over its layers (:mod:`rmtlab.networks`).

Signals come in two kinds. Dense layers turn a *signal* (the input x, or an activated h) into
*preactivations* z; activations turn preactivations into a signal; noise acts on signals.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rmtlab import _checks, activations, ensembles
from rmtlab import noise as noises

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Activation", "Dense", "Layer", "Noise", "State"]

SIGNAL = "signal"
PREACTIVATION = "preactivation"
WEIGHTS = ("gaussian", "orthogonal")
PARAMETERIZATIONS = ("ntk", "standard")
DTYPES = ("float32", "float64")


@dataclass(frozen=True, eq=False)
class State:
    r"""The kernels of input pairs at one place inside an infinitely wide network.

    Parameters
    ----------
    nngp : ndarray, shape (n1, n2)
        Covariance of preactivations, E[z(x₁)z(x₂)], or second moment of signals, E[h(x₁)h(x₂)].
    ntk : ndarray, shape (n1, n2)
        Neural tangent kernel, the inner product of the parameter gradients.
    diag1, diag2 : ndarray, shape (n1,) and (n2,)
        The same second moments of every input with itself in one pass.
    kind : {"signal", "preactivation"}
        What the kernels describe, and so which layers may come next.
    one_pass : bool
        True where rows and columns are the same inputs in the same pass (``x2=None``), so that a
        pair on the diagonal shares its noise. All other pairs have independent noise.
    fan_in : int or None
        Number of features of the signal, where it is known.
    width : int or None
        Number of neurons of the hidden layers; only the standard parameterisation asks for it,
        because its tangent kernel grows with the width.

    Raises
    ------
    ValueError
        If the shapes of the four arrays do not belong together, one holds NaN, the kernels of one
        pass are not symmetric, or the kind is unknown.

    Examples
    --------
    >>> state = State.from_inputs([[1.0, 1.0], [1.0, -1.0]])
    >>> state.nngp
    array([[1., 0.],
           [0., 1.]])
    >>> state.kind
    'signal'
    """

    nngp: np.ndarray
    ntk: np.ndarray
    diag1: np.ndarray
    diag2: np.ndarray
    kind: str = SIGNAL
    one_pass: bool = False
    fan_in: int | None = None
    width: int | None = None

    def __post_init__(self) -> None:
        shape = (*np.shape(self.diag1), *np.shape(self.diag2))
        if not np.shape(self.nngp) == np.shape(self.ntk) == shape:
            raise ValueError(
                f"nngp and ntk must have the shape {shape} that diag1 and diag2 imply, but their shapes are "
                f"{np.shape(self.nngp)} and {np.shape(self.ntk)}; State.from_inputs(x1, x2) makes all four."
            )
        _checks.one_of(self.kind, "kind", (SIGNAL, PREACTIVATION))
        of_kernel = _checks.symmetric if self.one_pass else _checks.array
        for check, names in ((of_kernel, ("nngp", "ntk")), (_checks.array, ("diag1", "diag2"))):
            for name in names:
                object.__setattr__(self, name, check(getattr(self, name), name))

    def _behind(self, **changes: Any) -> "State":
        """Return the state behind a layer, whose kernels come from checked ones."""
        behind = object.__new__(State)
        vars(behind).update(vars(self) | changes)
        return behind

    @classmethod
    def from_inputs(cls, x1: Any, x2: Any = None, *, width: int | None = None) -> "State":
        r"""Return the state at the input: second moments x₁·x₂/d, and no parameters yet.

        Parameters
        ----------
        x1 : array_like, shape (n1, d)
            Inputs, one a row.
        x2 : array_like, shape (n2, d), optional
            Other inputs. Without them the pairs are those of `x1` with itself, and the diagonal is
            one pass through the network.
        width : int, optional
            Width of the hidden layers, for the standard parameterisation.

        Returns
        -------
        State
            Of kind "signal".

        Raises
        ------
        ValueError
            If an array does not have two axes, holds NaN, or the numbers of features differ.

        Examples
        --------
        >>> State.from_inputs([[3.0, 4.0]], [[0.0, 1.0]]).nngp
        array([[2.]])
        """
        a = _checks.array(x1, "x1", ndim=2, hint="Give one input a row.")
        b = a if x2 is None else _checks.array(x2, "x2", ndim=2, hint="Give one input a row.")
        features = a.shape[1]
        if b.shape[1] != features:
            raise ValueError(
                f"x1 and x2 must have equally many features, but x1 has {features} and x2 has {b.shape[1]}."
            )
        if width is not None:
            width = _checks.count(width, "width")
        diag1, diag2 = (np.einsum("ij,ij->i", x, x) / features for x in (a, b))
        nngp = a @ b.T / features
        if x2 is None:
            np.fill_diagonal(nngp, diag1)
        return cls(nngp, np.zeros_like(nngp), diag1, diag2, one_pass=x2 is None, fan_in=features, width=width)


class Layer(ABC):
    """What every layer is: a rule for infinitely wide networks and a finite twin."""

    takes: ClassVar[str]
    gives: ClassVar[str]
    misplaced: ClassVar[str]

    @abstractmethod
    def propagate(self, state: State) -> State:
        """Return the state behind the infinitely wide layer."""

    @abstractmethod
    def module(
        self,
        in_features: int,
        out_features: int,
        *,
        rng: _checks.Rng = 0,
        dtype: Any = "float32",
        device: Any = None,
    ) -> "nn.Module":
        """Return a finite layer as a torch module, drawn from `rng`."""

    def _accept(self, state: State) -> None:
        if not isinstance(state, State):
            raise TypeError(
                f"state must be a State, but a {type(state).__name__} was given; "
                "State.from_inputs(x1, x2) makes one."
            )
        if state.kind != self.takes:
            raise ValueError(self.misplaced)


@dataclass(frozen=True)
class Dense(Layer):
    r"""A fully connected layer, z = W h + b.

    W is n × m for m inputs and n outputs. Gaussian weights are independent with variance
    ``weight_var``/m. Orthogonal weights are √weight_var times a Haar matrix when n = m, and
    √(weight_var·max(n, m)/m) times a Haar semi-orthogonal one otherwise, so that
    E|Wh|²/n = weight_var·|h|²/m under both. Biases are independent with variance ``bias_var``;
    where it is 0 there are none.

    What is trained depends on the parameterisation. In ``"ntk"`` it is ω and β of unit variance,
    with W = √(weight_var/m)·ω and b = √bias_var·β; in ``"standard"`` it is W and b themselves.

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
    >>> Dense(weight_var=2.0).propagate(State.from_inputs([[1.0, 1.0]])).nngp
    array([[2.]])
    """

    weight_var: float = 1.0
    bias_var: float = 0.0
    weights: str = "gaussian"
    parameterization: str = "ntk"

    takes: ClassVar[str] = SIGNAL
    gives: ClassVar[str] = PREACTIVATION
    misplaced: ClassVar[str] = (
        "A Dense needs a signal before it, but it meets the preactivations of another Dense; "
        "put an Activation between them (Activation('linear') for a deep linear network)."
    )

    def __post_init__(self) -> None:
        for name in ("weight_var", "bias_var"):
            value = _checks.number(getattr(self, name), name, low=0.0, hint="It is a variance.")
            object.__setattr__(self, name, value)
        _checks.one_of(self.weights, "weights", WEIGHTS)
        _checks.one_of(self.parameterization, "parameterization", PARAMETERIZATIONS)

    def propagate(self, state: State) -> State:
        r"""Carry the kernels of a signal to those of the preactivations.

        K′ = σ_w² K + σ_b². In the NTK parameterisation Θ′ = K′ + σ_w² Θ. In the standard one the
        gradients with respect to W are the m features themselves, Θ′ = m K + 1 + σ_w² Θ, where the 1
        belongs to the biases and is absent without them.

        Parameters
        ----------
        state : State
            Of kind "signal".

        Returns
        -------
        State
            Of kind "preactivation".

        Raises
        ------
        ValueError
            If the state holds preactivations, or if the standard parameterisation meets a hidden
            layer whose width is not given.

        Examples
        --------
        >>> state = State.from_inputs([[1.0, 1.0]])
        >>> Dense(1.5, 0.5).propagate(state).ntk
        array([[2.]])
        >>> Dense(1.5, 0.5, parameterization="standard").propagate(state).ntk
        array([[3.]])
        """
        self._accept(state)
        nngp, diag1, diag2 = (
            self.weight_var * q + self.bias_var for q in (state.nngp, state.diag1, state.diag2)
        )
        own = nngp if self.parameterization == "ntk" else self._standard_tangent(state)
        return state._behind(
            nngp=nngp,
            ntk=own + self.weight_var * state.ntk,
            diag1=diag1,
            diag2=diag2,
            kind=PREACTIVATION,
            fan_in=state.width,
        )

    def _standard_tangent(self, state: State) -> np.ndarray:
        if state.fan_in is None:
            raise ValueError(
                "In the standard parameterisation the tangent kernel grows with the width, and none was "
                "given; say State.from_inputs(x1, x2, width=1000), or choose parameterization='ntk'."
            )
        return state.fan_in * state.nngp + float(self.bias_var > 0)

    def module(
        self,
        in_features: int,
        out_features: int,
        *,
        rng: _checks.Rng = 0,
        dtype: Any = "float32",
        device: Any = None,
    ) -> "nn.Module":
        """Return a torch module that maps (…, in_features) to (…, out_features).

        The draw is made in float64 and then cast, so a seed means the same weights in both
        precisions, in both parameterisations and on every device.

        Parameters
        ----------
        in_features, out_features : int
            m and n.
        rng : int, numpy.random.Generator or None
            Source of the weights.
        dtype : {"float32", "float64"} or torch.dtype
            Precision of the parameters.
        device : torch.device or str, optional
            Where the parameters live.

        Returns
        -------
        torch.nn.Module
            With parameters ``weight`` and, unless ``bias_var`` is 0, ``bias``; the matrices that
            act are ``effective_weight`` and ``effective_bias``.

        Raises
        ------
        ValueError
            If a number of features is below 1 or the precision is unknown.

        Examples
        --------
        >>> layer = Dense(weights="orthogonal").module(3, 3, dtype="float64")
        >>> w = layer.effective_weight
        >>> bool(((w @ w.T).diagonal() - 1).abs().max() < 1e-12)
        True
        """
        from rmtlab import _torch_layers

        m = _checks.count(in_features, "in_features")
        n = _checks.count(out_features, "out_features")
        generator = _checks.generator(rng)
        weight = self._unit_weight(n, m, generator)
        bias = generator.standard_normal(n) if self.bias_var > 0 else None
        weight_std, bias_std = sqrt(self.weight_var), sqrt(self.bias_var)
        if self.parameterization == "ntk":
            trained, scales = (sqrt(m), 1.0), (weight_std / sqrt(m), bias_std)
        else:
            trained, scales = (weight_std, bias_std), (1.0, 1.0)
        return _torch_layers.DenseModule(
            trained[0] * weight,
            None if bias is None else trained[1] * bias,
            *scales,
            dtype=_dtype_name(dtype),
            device=device,
        )

    def _unit_weight(self, n: int, m: int, rng: np.random.Generator) -> np.ndarray:
        if self.weights == "gaussian":
            return ensembles.ginibre(n, m, rng=rng)
        return sqrt(max(n, m) / m) * ensembles.haar_semi_orthogonal(n, m, rng=rng)


@dataclass(frozen=True, init=False, repr=False)
class Activation(Layer):
    r"""An activation function applied to every preactivation, h = φ(z).

    Parameters
    ----------
    activation : str or rmtlab.activations.Activation
        A name that :func:`rmtlab.activations.get` knows, or what it returned.

    Raises
    ------
    ValueError
        For an unknown name.
    TypeError
        For anything that is neither a name nor an activation.

    References
    ----------
    .. [1] J. Lee et al., "Deep neural networks as Gaussian processes", ICLR 2018, eqs. (4) and (5).
    .. [2] A. Jacot, F. Gabriel, C. Hongler, "Neural tangent kernel", NeurIPS 2018.

    Examples
    --------
    >>> state = Dense(weight_var=2.0).propagate(State.from_inputs([[1.0, 1.0]]))
    >>> Activation("relu").propagate(state).nngp
    array([[1.]])
    """

    activation: activations.Activation

    takes: ClassVar[str] = PREACTIVATION
    gives: ClassVar[str] = SIGNAL
    misplaced: ClassVar[str] = (
        "An Activation needs a Dense before it: it acts on preactivations, but it meets the input "
        "or a signal that is activated already."
    )

    def __init__(self, activation: str | activations.Activation) -> None:
        object.__setattr__(self, "activation", _as_activation(activation))

    def __repr__(self) -> str:
        return f"Activation({_shortest(self.activation)})"

    def propagate(self, state: State) -> State:
        r"""Carry the kernels of preactivations to those of the signal.

        K′ = E[φ(u)φ(v)] and Θ′ = E[φ′(u)φ′(v)]·Θ, with (u, v) Gaussian of covariance K.

        Parameters
        ----------
        state : State
            Of kind "preactivation".

        Returns
        -------
        State
            Of kind "signal".

        Raises
        ------
        ValueError
            If the state holds a signal.

        Examples
        --------
        >>> state = Dense(weight_var=2.0).propagate(State.from_inputs([[1.0, 1.0]]))
        >>> Activation("relu").propagate(state).ntk
        array([[1.]])
        """
        self._accept(state)
        nngp, slope = self.activation.dual(state.diag1[:, None], state.diag2[None, :], state.nngp)
        diag1 = self.activation.moment(state.diag1, 2)
        diag2 = diag1 if state.one_pass else self.activation.moment(state.diag2, 2)
        if state.one_pass:
            np.fill_diagonal(nngp, diag1)
        return state._behind(nngp=nngp, ntk=slope * state.ntk, diag1=diag1, diag2=diag2, kind=SIGNAL)

    def module(
        self,
        in_features: int,
        out_features: int,
        *,
        rng: _checks.Rng = 0,
        dtype: Any = "float32",
        device: Any = None,
    ) -> "nn.Module":
        """Return a torch module that applies φ to every entry.

        Parameters
        ----------
        in_features, out_features : int
            Equal: an activation keeps the number of features.
        rng, dtype, device
            What every layer takes; an activation has no parameters and uses none of them.

        Returns
        -------
        torch.nn.Module
            The same function at every precision and on every device.

        Raises
        ------
        ValueError
            If the numbers of features differ.

        Examples
        --------
        >>> import torch
        >>> Activation("relu").module(2, 2)(torch.tensor([-1.0, 1.0]))
        tensor([0., 1.])
        """
        from rmtlab import _torch_layers

        _same_features(in_features, out_features, "An Activation")
        return _torch_layers.ActivationModule(self.activation)


@dataclass(frozen=True)
class Noise(Layer):
    r"""Noise on a signal: on the input x, or on an activated h.

    Every input of every pass has its own draw, even where two inputs are equal. The noise acts while
    the finite network is in training mode.

    Parameters
    ----------
    noise : noise of :mod:`rmtlab.noise`
        Such as ``rmtlab.noise.Dropout(keep=0.8)``.

    Raises
    ------
    TypeError
        For anything else.

    References
    ----------
    .. [1] A. Pretorius et al., "Critical initialisation for deep signal propagation in noisy rectifier
       neural networks", NeurIPS 2018.

    Examples
    --------
    >>> from rmtlab.noise import Dropout
    >>> layer = Noise(Dropout(keep=0.5))
    >>> print(layer.propagate(State.from_inputs([[1.0, 1.0], [1.0, 1.0]])).nngp)
    [[2. 1.]
     [1. 2.]]
    """

    noise: noises.Noise

    takes: ClassVar[str] = SIGNAL
    gives: ClassVar[str] = SIGNAL
    misplaced: ClassVar[str] = (
        "Noise acts on the input and on activated signals, but it meets preactivations; "
        "put it in front of a Dense, after the Activation."
    )

    def __post_init__(self) -> None:
        if not isinstance(self.noise, noises.Noise):
            raise TypeError(
                f"noise must be a noise of rmtlab.noise, but a {type(self.noise).__name__} was given; "
                "rmtlab.noise.Dropout(keep=0.8) is one."
            )

    def propagate(self, state: State) -> State:
        r"""Carry the kernels of a signal through the noise.

        An input with itself in one pass has E[h̃²] = μ₂ E[h²] (multiplicative) or E[h²] + σ²
        (additive); its tangent kernel is multiplied by the gain, μ₂ or 1. Pairs in
        different passes have independent noise of mean 1 (or 0), and stay.

        Parameters
        ----------
        state : State
            Of kind "signal".

        Returns
        -------
        State
            Of kind "signal".

        Raises
        ------
        ValueError
            If the state holds preactivations.

        Examples
        --------
        >>> from rmtlab.noise import AdditiveGaussian
        >>> Noise(AdditiveGaussian(var=0.25)).propagate(State.from_inputs([[1.0, 1.0]])).diag1
        array([1.25])
        """
        self._accept(state)
        diag1, diag2 = (self.noise.noisy_second_moment(q) for q in (state.diag1, state.diag2))
        nngp, ntk = state.nngp.copy(), state.ntk.copy()
        if state.one_pass:
            np.fill_diagonal(nngp, diag1)
            np.fill_diagonal(ntk, self.noise.gain * np.diag(ntk))
        return state._behind(nngp=nngp, ntk=ntk, diag1=diag1, diag2=diag2)

    def module(
        self,
        in_features: int,
        out_features: int,
        *,
        rng: _checks.Rng = 0,
        dtype: Any = "float32",
        device: Any = None,
    ) -> "nn.Module":
        """Return a torch module that applies the noise in training mode, and nothing after ``eval()``.

        Parameters
        ----------
        in_features, out_features : int
            Equal: noise keeps the number of features.
        rng : int, numpy.random.Generator or None
            Source of the noise.
        dtype, device
            What every layer takes; noise follows its input in both.

        Returns
        -------
        torch.nn.Module
            Without parameters.

        Raises
        ------
        ValueError
            If the numbers of features differ.

        Examples
        --------
        >>> import torch
        >>> from rmtlab.noise import Dropout
        >>> module = Noise(Dropout(keep=0.5)).module(4, 4)
        >>> module.eval()(torch.ones(4))
        tensor([1., 1., 1., 1.])
        """
        _same_features(in_features, out_features, "Noise")
        seed = int(_checks.generator(rng).integers(2**63))
        return self.noise.module(seed=seed)


def _shortest(activation: activations.Activation) -> str:
    """Return the shortest text that stands for the activation: its name, where that is enough."""
    return repr(activation) if activation.params else repr(activation.name)


def _as_activation(value: Any) -> activations.Activation:
    if isinstance(value, str | activations.Activation):
        return activations.get(value)
    raise TypeError(
        f"activation must be a name or an rmtlab activation, but a {type(value).__name__} was given; "
        "rmtlab.activations.get('relu') makes one."
    )


def _same_features(in_features: Any, out_features: Any, layer: str) -> None:
    m = _checks.count(in_features, "in_features")
    n = _checks.count(out_features, "out_features")
    if m != n:
        raise ValueError(
            f"{layer} keeps the number of features, but in_features={m} and out_features={n} were given."
        )


def _dtype_name(dtype: Any) -> str:
    return _checks.one_of(str(dtype).removeprefix("torch."), "dtype", DTYPES)
