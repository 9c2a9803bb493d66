"""From a network's description to the stages of its Jacobian."""

from dataclasses import dataclass
from itertools import pairwise

from rmtlab import _checks
from rmtlab.activations import Activation as Function
from rmtlab.jacobian._chain import Stage
from rmtlab.jacobian._slopes import mask, squares
from rmtlab.jacobian._squares import Squares
from rmtlab.layers import Activation, Dense, Noise
from rmtlab.networks import Network
from rmtlab.noise import Noise as Mask
from rmtlab.signal import MeanField

_ROUNDING = 2e-14  # by which q^l may seem to move at the fixed point, and make layers differ that are alike


@dataclass(frozen=True)
class Block:
    """[Noise] Dense Activation: one hidden layer."""

    noises: tuple[Mask, ...]
    dense: Dense
    activation: Function

    @property
    def mask(self) -> Mask | None:
        """The multiplicative noise in front of the weights."""
        found = [noise for noise in self.noises if noise.multiplicative]
        if len(found) > 1:
            raise ValueError(
                "The Jacobian law takes one multiplicative noise in front of a Dense, but this network has "
                f"{len(found)} in a row; describe them by one."
            )
        return found[0] if found else None


def blocks(net: Network) -> list[Block]:
    """The hidden layers of a network."""
    if not isinstance(net, Network):
        raise TypeError(f"net must be a network such as rl.MLP(depth=10, …), but {net!r} was given.")
    before: list[Mask] = []
    found, dense = [], None
    for layer in net.layers:
        if isinstance(layer, Noise):
            before.append(layer.noise)
        elif isinstance(layer, Dense):
            dense = layer
        elif isinstance(layer, Activation) and dense is not None:
            found.append(Block(tuple(before), dense, layer.activation))
            before = []
        else:
            raise TypeError(
                f"The Jacobian law is that of fully connected networks, but this one holds {layer!r}; its layers "
                "must be Dense, Activation and Noise."
            )
    if not found:
        raise ValueError(
            "This network has no hidden layer, so that h^L is x itself; give one of depth 1 or more, such as "
            "rl.MLP(depth=1, activation='linear')."
        )
    if any(block.dense.weight_var == 0.0 for block in found):
        raise ValueError("The Jacobian of a network with weight_var = 0 is zero; give a positive weight_var.")
    return found


def stages(net: Network, preact_var: float | str) -> tuple[list[Stage], Squares | None]:
    """Every layer's factors, and the mask of x."""
    layers = blocks(net)
    variances = _variances(layers, preact_var)
    behind = [*(block.mask for block in layers[1:]), None]
    found = [
        Stage(
            block.dense.weight_var,
            block.dense.weights == "orthogonal",
            _positive(squares(block.activation, q, noise), block.activation, q),
        )
        for block, q, noise in zip(layers, variances, behind, strict=True)
    ]
    first = layers[0].mask
    return found, None if first is None else mask(first)


def _positive(law: Squares, activation: Function, q: float) -> Squares:
    if law.moments[0] == 0.0:
        raise ValueError(
            f"φ′ of {activation.name!r} vanishes at pre-activations of variance {q:g}, and the Jacobian with it; "
            "give another preact_var."
        )
    return law


def _variances(layers: list[Block], preact_var: float | str) -> list[float]:
    """q¹ … q^L; 1 where φ is homogeneous and any value would do."""
    if isinstance(preact_var, str):
        _checks.one_of(preact_var, "preact_var", ("fixed",), hint="Or give q¹, a number.")
    else:
        hint = "It is q¹, the variance of the first pre-activations, or 'fixed' for q*."
        preact_var = _checks.number(preact_var, "preact_var", low=0.0, hint=hint)
    if all(block.activation.homogeneous for block in layers):
        return [1.0] * len(layers)
    if isinstance(preact_var, str):
        return [_fixed_point(layers)] * len(layers)
    path = [preact_var]
    for before, after in pairwise(layers):
        signal = float(before.activation.moment(path[-1], 2))
        for noise in after.noises:
            signal = float(noise.noisy_second_moment(signal))
        q = after.dense.weight_var * signal + after.dense.bias_var
        path.append(path[-1] if abs(q - path[-1]) <= _ROUNDING * q else q)
    return path


def _fixed_point(layers: list[Block]) -> float:
    first = layers[0]
    if any(block != first for block in layers) or len(first.noises) > 1:
        raise ValueError(
            "The layers of this network differ, so that they share no fixed point q*; give preact_var=q¹, the "
            "variance of the first pre-activations, from which the others follow."
        )
    noise = first.noises[0] if first.noises else None
    theory = MeanField(first.activation, first.dense.weight_var, first.dense.bias_var, noise)
    point = theory.fixed_point()
    if point.kind == "diverging":
        raise ValueError(
            f"This network has no fixed point q*: {point.sentence} Give preact_var=q¹, from which q^l follows "
            "the variance map, or a smaller weight_var."
        )
    return point.q
