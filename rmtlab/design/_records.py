"""What a diagnosis hands back: frozen records."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WRONG_FAN = "wrong fan"
MISSING_RESIDUAL_SCALE = "missing residual scale"
DEAD_RECTIFIERS = "dead rectifiers"
SATURATED_TANH = "saturated tanh"
NOISE_TOO_STRONG = "noise too strong"
VARIANCE_TOO_LARGE = "variance too large"
VARIANCE_TOO_SMALL = "variance too small"
OUTPUT_SCALE = "output scale"
UNEXPLAINED = "unexplained gradient"
FAULTS = (
    WRONG_FAN,
    MISSING_RESIDUAL_SCALE,
    NOISE_TOO_STRONG,
    DEAD_RECTIFIERS,
    SATURATED_TANH,
    VARIANCE_TOO_LARGE,
    VARIANCE_TOO_SMALL,
    OUTPUT_SCALE,
    UNEXPLAINED,
)
"""The names of faults, causes before effects: the order in which a diagnosis lists them."""


@dataclass(frozen=True)
class Layer:
    """What a diagnosis read at one linear layer; None where something does not apply or was not seen.

    Attributes
    ----------
    name : str
        The layer's name in the module.
    place : str
        "trunk", "branch" (of a residual sum), "gated" (in one factor of a product of signals) or "read-out".
    fan_in, fan_out : int
        Inputs and outputs of a unit, as torch counts them.
    weight_var, bias_var : float
        σ̂_w² = ‖W‖²/n_out, which is fan-in times the variance of an entry, and σ̂_b² = mean b².
    signal : float
        Mean square of the pre-activations over units and inputs.
    correlation : float
        Mean cosine between the pre-activations of different inputs.
    gradient : float
        ‖δ‖² here over ‖u‖² for random vectors u at the output.
    spread : float or None
        Variance over mean² of the squared singular values of the Jacobian input → pre-activations.
    activation : str or None
        What follows.
    slope : float or None
        Mean of φ′² over units and inputs.
    chi : float or None
        σ̂_w² μ₂ times that mean, μ₂ being that of the noise in front: the estimated factor on squared gradients, 1 at
        criticality. None in a factor of a product, whose gain is not read.
    dead : float or None
        Share of units that no input of the batch switches on, where the activation is a rectifier.
    saturated : float or None
        Share of slopes below a tenth of the largest, where the activation saturates.
    noise : float
        μ₂/μ₁² of the noise in front of the layer; 1 without noise, inf where everything is dropped.
    block : float or None
        At the last layer of a residual branch, 1 + the mean square of the branch over that of what it is added to: by
        this factor the block lets signals and gradients grow. A stack of L is near critical at 1 + 1/L each.
    """

    name: str
    place: str
    fan_in: int
    fan_out: int
    weight_var: float
    bias_var: float
    signal: float
    correlation: float
    gradient: float
    spread: float | None
    activation: str | None
    slope: float | None
    chi: float | None
    dead: float | None
    saturated: float | None
    noise: float
    block: float | None = None


@dataclass(frozen=True)
class Finding:
    """A fault, where it is worst, and what to do.

    Attributes
    ----------
    fault : str
        One of `FAULTS`.
    layer : str
        The layer where it is worst.
    severity : float
        How many times the threshold of alarm.
    sentence : str
        What was measured, and what to do.
    """

    fault: str
    layer: str
    severity: float
    sentence: str


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """What :func:`diagnose` read in a module, in numbers and in words.

    Attributes
    ----------
    layers : tuple of Layer
        In the order in which they are called.
    findings : tuple of Finding
        The most probable cause first; empty where nothing is wrong.
    unseen : tuple of str
        A sentence for whatever in the module could not be read.
    step : float or None
        2/λ_max of the tangent kernel on the batch: gradient descent on ½Σ‖f − y‖² is stable below it, in the linear
        theory; for the mean over n inputs, below n times it. None where the module has no such kernel.
    inputs : int
        How many inputs the batch holds.
    output : float
        Mean square of what the module returns, behind its last layer.
    """

    layers: tuple[Layer, ...]
    findings: tuple[Finding, ...]
    unseen: tuple[str, ...]
    step: float | None
    inputs: int
    output: float

    @property
    def fault(self) -> str | None:
        """The most probable fault, or None."""
        return self.findings[0].fault if self.findings else None

    @property
    def faults(self) -> tuple[str, ...]:
        """All faults found."""
        return tuple(finding.fault for finding in self.findings)

    @property
    def healthy(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def verdict(self) -> str:
        """The diagnosis in words."""
        if self.healthy:
            lines = [f"No fault found in {len(self.layers)} linear layers. {self._summary()}"]
        else:
            lines = [f"{f.fault} ({f.layer}): {f.sentence}" for f in self.findings]
        if self.step is not None:
            lines.append(
                f"Steps of gradient descent on ½Σ|f − y|² are stable below {self.step:.3g} on this batch, for the mean "
                f"over its {self.inputs} inputs below {self.step * self.inputs:.3g}."
            )
        return "\n".join([*lines, *(f"Not seen: {sentence}" for sentence in self.unseen)])

    def table(self) -> list[dict[str, Any]]:
        """Return a row for each layer, as ``pandas.DataFrame`` and ``csv.DictWriter`` take them.

        Returns
        -------
        list of dict
            The fields of :class:`Layer`.
        """
        return [{f.name: getattr(layer, f.name) for f in fields(layer)} for layer in self.layers]

    def plot(self, figure: "Figure | None" = None) -> "Figure":
        """Draw signal, gradient, distance to criticality and shares of dead or saturated units, layer by layer.

        Parameters
        ----------
        figure : matplotlib.figure.Figure, optional
            Where to draw; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        TypeError
            If `figure` is not a figure.
        """
        from rmtlab.design import _picture

        return _picture.diagnosis(self, figure)

    def _summary(self) -> str:
        first, last = self.layers[0], self.layers[-1]
        return (
            f"From the first to the last layer the signal goes from {first.signal:.3g} to {last.signal:.3g} and back "
            f"comes {first.gradient:.3g} of the squared gradient.{self._returned(last.signal)}"
        )

    def _returned(self, last: float) -> str:
        """Say how large the output is where that differs from what the last layer gives."""
        same = abs(self.output - last) <= 1e-3 * last
        return "" if same else f" The module returns a mean square of {self.output:.3g}."

    def __repr__(self) -> str:
        return self.verdict
