"""The rules that lead from measurements to the name of a fault: each asks for a cause, not for its effects."""

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from rmtlab.design._records import (
    DEAD_RECTIFIERS,
    FAULTS,
    MISSING_RESIDUAL_SCALE,
    NOISE_TOO_STRONG,
    OUTPUT_SCALE,
    SATURATED_TANH,
    UNEXPLAINED,
    VARIANCE_TOO_LARGE,
    VARIANCE_TOO_SMALL,
    WRONG_FAN,
    Finding,
)

if TYPE_CHECKING:
    from rmtlab.design._torch_measure import Junction, Reading, Readings

GRADIENT = 3.0  # |Σ ln χ|: squared gradients change by a factor of 20
DEEP = 4  # layers from which on this counts
SHALLOW_GRADIENT = 6.0  # the bound of `region`, for fewer: shallow networks train from most starts
NOISE = 6.0  # depth in units of ξ_c, the bound of Schoenholz et al. and Pretorius et al.
BRANCHES = (
    2.6  # what all branches together add, in units of the skip's own variance; 1 for a scale of 1/depth
)
FEWEST_BRANCHES = 3
LARGE_BRANCH = 1.8  # σ_w² E φ′² of their layers, from which on the weights are to blame and not the scale
SATURATED = 0.4  # share of slopes below a tenth of the largest
DEAD = 0.2  # share of units beyond what the symmetry of signs explains
DEAD_BY_BIAS = 0.1
OUTPUT = 6.0  # |ln| of a squared factor behind the last layer, and of the output's variance with it
UNEXPLAINED_GRADIENT = 12.0
FAN = 2.5  # product of all factors by which wrong fans change σ_w²
_MODEL_ERROR = 0.02
_FITS = 6.0
_ERRORS = 4.0
_ASYMPTOTIC = 400  # layers after which the variance is taken to rest


def find(readings: "Readings") -> tuple[Finding, ...]:
    """Return all findings, causes before effects; where everything is dropped, nothing else can be judged."""
    layers = readings.layers
    if readings.dropped:
        return (_dropped(readings),)
    fans = _fans(layers)
    found = [
        _wrong_fan(layers, fans),
        _residual(readings.junctions),
        _dead(layers),
        _saturated(layers),
        _noise(readings),
        *(_segment(piece, fans) for piece in _chains(layers)),
        _output(readings),
    ]
    findings = [finding for finding in found if finding is not None]
    if any(finding.fault == SATURATED_TANH for finding in findings):
        findings = [finding for finding in findings if finding.fault != VARIANCE_TOO_LARGE]
    if not findings:
        findings = [finding for finding in (_unexplained(layers),) if finding is not None]
    return tuple(sorted(findings, key=lambda finding: FAULTS.index(finding.fault)))


def _fans(layers: Sequence["Reading"]) -> dict[str, float]:
    """Return fan_out/fan_in for the layers whose variance is explained by fan-out, and by it alone.

    With entries of variance v, the common σ_w² of all layers is v·fan_in, v·fan_out, or, as Glorot's, v times the
    mean of both. Where none of the three fits all layers, each layer may have its own. Where fan-in fits, as it does
    for a single layer, weights tell nothing against it.
    """
    used = [r for r in layers if r.layer.place != "read-out" and not r.normalised and not r.isometric]
    used = [r for r in used if r.layer.weight_var > 0]
    if not used:
        return {}
    by_in = np.log([r.layer.weight_var for r in used])
    ratio = np.log([r.layer.fan_out / r.layer.fan_in for r in used])
    error = np.sqrt([2 / (r.layer.fan_in * r.layer.fan_out) + _MODEL_ERROR**2 for r in used])
    if _scatter(by_in, error) <= _FITS:
        return {}
    open_ones = [r for r in used if r.layer.place != "gated"] or used
    critical = float(np.log(np.median([_critical(r) for r in open_ones])))
    by_mean = by_in + np.log((1 + np.exp(ratio)) / 2)
    costs = [_misfit(values, error, critical) for values in (by_in, by_mean, by_in + ratio)]
    best = int(np.argmin(costs))
    one_rule = np.full(len(used), best == 2)
    wrong = one_rule if costs[best] <= _FITS else _each_its_own(by_in, ratio, error, critical)
    if np.abs(ratio[wrong]).sum() <= np.log(FAN):
        return {}
    return {r.layer.name: float(np.exp(x)) for r, x, w in zip(used, ratio, wrong, strict=True) if w}


def _misfit(values: np.ndarray, error: np.ndarray, critical: float) -> float:
    """Mean squared deviation from a constant, in units of its error; being far from critical counts little."""
    return _scatter(values, error) + float(np.average(values, weights=error**-2) - critical) ** 2


def _scatter(values: np.ndarray, error: np.ndarray) -> float:
    return float(np.mean(((values - np.average(values, weights=error**-2)) / error) ** 2))


def _each_its_own(by_in: np.ndarray, ratio: np.ndarray, error: np.ndarray, critical: float) -> np.ndarray:
    """Say which layers go by fan-out: of all σ_w² that explain most of them, the one nearest to the critical one."""
    best, wrong = (0, 0.0), np.zeros(len(by_in), dtype=bool)
    for target in [*by_in, *(by_in + ratio)]:
        right = np.abs(by_in - target) < 4 * error
        turned = ~right & (np.abs(by_in + ratio - target) < 4 * error)
        score = (int(right.sum() + turned.sum()), -abs(target - critical) - 0.05 * bool(turned.any()))
        if score > best:
            best, wrong = score, turned
    return wrong if best[0] >= 0.8 * len(by_in) else np.zeros(len(by_in), dtype=bool)


def _critical(reading: "Reading") -> float:
    """1/E φ′² near the signal that is there."""
    curve = reading.curve or reading.before
    if curve is None:
        return 1.0
    return 1 / max(curve.slope_squared(min(reading.layer.signal, 1.0)), 1e-3)


def _wrong_fan(layers: Sequence["Reading"], fans: dict[str, float]) -> Finding | None:
    if not fans:
        return None
    name = max(fans, key=lambda n: abs(np.log(fans[n])))
    layer = next(r.layer for r in layers if r.layer.name == name)
    return Finding(
        WRONG_FAN,
        name,
        float(np.abs(np.log(list(fans.values()))).sum() / np.log(FAN)),
        f"{len(fans)} layers draw their weights with variance σ_w²/fan_out ({layer.fan_out} here) where signals need "
        f"σ_w²/fan_in ({layer.fan_in}); here σ̂_w² is {layer.weight_var:.3g} and would be "
        f"{layer.weight_var * fans[name]:.3g}. Use mode='fan_in'.",
    )


def _residual(junctions: Sequence["Junction"]) -> Finding | None:
    """Judge what branches add in all, and whether their own weights or a missing scale are to blame."""
    open_ones = [j for j in junctions if not j.normalised]
    total, count = sum(j.gain for j in open_ones), len(open_ones)
    if total <= BRANCHES:
        return None
    worst = max(open_ones, key=lambda j: j.gain)
    grown = float(np.prod([1 + j.gain for j in open_ones]))
    says = (
        f"{count} residual branches add {total:.3g} times the variance of what they are added to, and the signal grows "
        f"by {grown:.3g}."
    )
    weight = 0.0 if any(j.gated for j in open_ones) else _branch_weight(open_ones)
    if weight > LARGE_BRANCH:
        mend = f"their σ̂_w² E φ′² is {weight:.3g}, and should be 1. Divide their weights by {np.sqrt(weight):.2f}."
        return Finding(VARIANCE_TOO_LARGE, worst.name, total / BRANCHES, f"{says} It is the weights: {mend}")
    if count < FEWEST_BRANCHES:
        return None
    mend = f"Multiply each branch by 1/√{count} = {count**-0.5:.2f}, or start its last layer at zero."
    return Finding(MISSING_RESIDUAL_SCALE, worst.name, total / BRANCHES, f"{says} {mend}")


def _branch_weight(junctions: Sequence["Junction"]) -> float:
    """The geometric mean of σ̂_w² E φ′² over the layers of the branches."""
    logs = []
    for r in (r for j in junctions for r in j.readings):
        curve, q = (r.before, r.before_signal) if r.before is not None else (r.curve, r.layer.signal)
        slope = 1.0 if curve is None else curve.slope_squared(min(q, 1.0))
        logs.append(np.log(max(r.layer.weight_var * slope, 1e-300)))
    return float(np.exp(np.mean(logs))) if logs else 1.0


def _dead(layers: Sequence["Reading"]) -> Finding | None:
    counted = [r for r in layers if r.layer.dead is not None]
    scores = [_dead_score(r) for r in counted]
    if not counted:
        return None
    widths = np.array([r.layer.fan_out for r in counted], dtype=float)
    share = float(widths @ [r.dead[0] for r in counted] / widths.sum())
    error = float(np.sqrt((widths**2) @ [r.dead[1] ** 2 for r in counted]) / widths.sum())
    pooled = share / max(0.75 * DEAD, _ERRORS * error)
    severity = max(*scores, pooled) if scores else pooled
    if severity <= 1:
        return None
    worst = counted[int(np.argmax(scores))].layer
    return Finding(
        DEAD_RECTIFIERS,
        worst.name,
        float(severity),
        f"{worst.dead or 0.0:.0%} of the units behind this layer are off for every input of the batch, far more than "
        "signs by chance explain. Start biases at zero, or draw these units anew; in training, a smaller step.",
    )


def _dead_score(r: "Reading") -> float:
    """How many times the threshold, by signs alone or by biases, which give a smaller share away."""
    pairs = ((r.dead, DEAD), (r.dead_by_bias, DEAD_BY_BIAS))
    return max(share / max(bound, _ERRORS * error) for (share, error), bound in pairs)


def _saturated(layers: Sequence["Reading"]) -> Finding | None:
    counted = [r.layer for r in layers if r.layer.saturated is not None and not _is_gate(r)]
    if not counted:
        return None
    worst = max(counted, key=lambda layer: layer.saturated or 0.0)
    share = worst.saturated or 0.0
    if share <= SATURATED:
        return None
    cause = (
        "biases are large: start them near zero"
        if worst.bias_var > worst.signal / 2
        else f"σ̂_w² is {worst.weight_var:.3g}: make weights smaller by {np.sqrt(max(worst.signal, 1.0)):.2g}"
        if worst.weight_var > 4
        else "its inputs are large: normalise them"
    )
    return Finding(
        SATURATED_TANH,
        worst.name,
        share / SATURATED,
        f"{share:.0%} of the slopes of {worst.activation} behind this layer are below a tenth of the largest, at "
        f"pre-activations of mean square {worst.signal:.3g}; {cause}.",
    )


def _is_gate(r: "Reading") -> bool:
    """Say whether a layer opens and closes a gate, which may be shut on purpose."""
    return r.layer.place == "gated" and r.curve is not None and r.curve.positive


def _dropped(readings: "Readings") -> Finding:
    behind = [r.layer.name for r in readings.layers if np.isinf(r.layer.noise)]
    return Finding(
        NOISE_TOO_STRONG,
        behind[0] if behind else readings.layers[-1].layer.name,
        np.inf,
        f"everything is dropped by {', '.join(readings.dropped)}, and neither signal nor gradient passes it; torch's p "
        "is the share that is dropped, not what is kept. Choose a p below 1; nothing else can be judged before.",
    )


def _output(readings: "Readings") -> Finding | None:
    """Judge what a constant behind the last layer makes of an output whose size would have been another."""
    scale, size, last = readings.scale, readings.output_var, readings.layers[-1].layer
    if not np.isfinite(readings.output) and all(np.isfinite(r.layer.signal) for r in readings.layers):
        says = "the module returns no numbers of the format, though all its layers do: look at what follows them."
        return Finding(OUTPUT_SCALE, last.name, np.inf, says)
    if scale is None:
        return None
    logs = np.log([max(scale**2, 1e-300), max(size, 1e-300)])
    if np.abs(logs).min() <= OUTPUT or logs[0] * logs[1] < 0:
        return None
    return Finding(
        OUTPUT_SCALE,
        last.name,
        float(abs(logs[0]) / OUTPUT),
        f"the module returns {scale:.3g} times what its last layer gives, with a standard deviation of "
        f"{np.sqrt(size):.3g}, and all gradients are multiplied by the same number. Take the factor out (scale "
        f"targets, not outputs), or divide the step by its square, {scale**2:.3g}.",
    )


def _noise(readings: "Readings") -> Finding | None:
    share = {id(r): j.gain / (1 + j.gain) for j in readings.junctions for r in j.readings}
    noisy = [r for r in readings.layers if r.layer.noise > 1 + 1e-6 and r.before is not None]
    rates = [
        share.get(id(r), 1.0)
        * r.before.loss_by_noise(
            max(r.before_signal, 1e-12), r.layer.weight_var, r.layer.bias_var, r.layer.noise
        )
        for r in noisy
        if r.before is not None
    ]
    total = sum(rates)
    if total <= NOISE:
        return None
    worst = noisy[int(np.argmax(rates))].layer
    return Finding(
        NOISE_TOO_STRONG,
        worst.name,
        total / NOISE,
        f"{len(noisy)} noisy layer{' is' if len(noisy) == 1 else 's are'} {total:.3g} depth scales ξ_c deep, and what "
        f"tells two inputs apart is lost after 6. Here μ₂ = {worst.noise:.3g} (dropout that keeps "
        f"{100 / worst.noise:.2g}%): keep more, or use noise in fewer layers.",
    )


def _chains(layers: Sequence["Reading"]) -> list[list["Reading"]]:
    """Return the layers of the trunk whose scale matters, in pieces between norms."""
    trunk = [r for r in layers if r.layer.place == "trunk" and r.curve is not None and not r.normalised]
    segments = sorted({r.segment for r in trunk})
    return [[r for r in trunk if r.segment == segment] for segment in segments]


def _segment(piece: Sequence["Reading"], fans: dict[str, float]) -> Finding | None:
    """Compare a chain of layers with the critical line: with its noise, or as if there were none."""
    bare = _milder(piece, fans, noisy=False)
    noisy = _milder(piece, fans, noisy=True) if any(r.layer.noise > 1 for r in piece) else bare
    total = 0.0 if bare * noisy <= 0 else min(bare, noisy, key=abs)
    bound = GRADIENT if len(piece) >= DEEP else SHALLOW_GRADIENT
    if abs(total) <= bound:
        return None
    logs = [np.log(max(_weight(r, fans) / _critical(r), 1e-300)) for r in piece]
    worst = piece[int(np.argmin(logs) if total < 0 else np.argmax(logs))].layer
    word = ("shrinks", "smaller") if total < 0 else ("grows", "larger")
    mend = (
        "The weights of this layer are zero: draw them anew"
        if worst.weight_var == 0
        else f"Multiply the weights by about {np.exp(-total / len(piece) / 2):.3g} in every layer"
    )
    return Finding(
        VARIANCE_TOO_SMALL if total < 0 else VARIANCE_TOO_LARGE,
        worst.name,
        float(abs(total) / bound),
        f"the squared gradient {word[0]} by {np.exp(min(abs(total), 600)):.3g} over {len(piece)} layers, because σ_w² "
        f"is {word[1]} than the critical one; σ̂_w² is {worst.weight_var:.3g} here. {mend}, or choose σ_w² by "
        "rmtlab.signal.critical_weight_var.",
    )


def _weight(r: "Reading", fans: dict[str, float]) -> float:
    return r.layer.weight_var * fans.get(r.layer.name, 1.0)


def _milder(piece: Sequence["Reading"], fans: dict[str, float], noisy: bool) -> float:
    """Σ ln χ along the chain, or its length times ln χ* where the variance rests: the one nearer to 0."""
    q = min(max(piece[0].layer.signal, 1e-12), 1e12)
    total = rest = 0.0
    cycles = max(2, _ASYMPTOTIC // len(piece))
    for cycle, (here, after) in product(range(cycles), zip(piece, [*piece[1:], piece[0]], strict=True)):
        assert here.curve is not None
        mu = here.layer.noise if noisy else 1.0
        log_chi = np.log(max(_weight(here, fans) * mu * here.curve.slope_squared(q), 1e-300))
        if cycle == 0:
            total += log_chi
        if cycle == cycles - 1:
            rest += log_chi
        mu = after.layer.noise if noisy else 1.0
        q = _weight(after, fans) * mu * here.curve.second(q) + after.layer.bias_var
        q = min(max(q, 1e-200), 1e200)
    return 0.0 if total * rest <= 0 else min(total, rest, key=abs)


def _unexplained(layers: Sequence["Reading"]) -> Finding | None:
    lost = next((r.layer for r in layers if not np.isfinite(r.layer.signal)), None)
    if lost is not None:
        return Finding(
            UNEXPLAINED,
            lost.name,
            np.inf,
            "from this layer on the signal is no longer a number of the format, and none of the known faults explains "
            "it; look at the layer where the signal in the table jumps.",
        )
    gains = [r.layer.gradient for r in layers if np.isfinite(r.layer.gradient)]
    if len(gains) < 2 or gains[-1] == 0:
        return None
    change = np.log(max(gains[0], 1e-300) / gains[-1])
    if abs(change) <= UNEXPLAINED_GRADIENT:
        return None
    return Finding(
        UNEXPLAINED,
        layers[0].layer.name,
        abs(change) / UNEXPLAINED_GRADIENT,
        f"the squared gradient changes by {np.exp(change):.3g} from the last layer to the first, and none of the known "
        "faults explains it; look at the layer where the gradient in the table jumps.",
    )
