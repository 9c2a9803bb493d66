"""Kernels of infinitely wide networks in 30 to 50 digits, by the recursions as they are written.

Nothing of rmtlab is used. Duals with a closed form are evaluated by mpmath; those of tanh, silu and softplus
by a trapezoid rule in two dimensions, whose sums are carried as pairs of floats (32 digits). States map a
pair of inputs with their positions, ((i, α), (j, β)), to a number.

``python -m tests.exact_kernels`` writes exact_kernels.json, the values of the slow ones (SLOW, a minute or
two each); test_kernel_precision.py computes a slice of it anew.
"""

import json
from functools import cache
from itertools import product
from pathlib import Path

import mpmath
import numpy as np
from mpmath import mp, mpf

DIGITS = 50


# --- Duals in closed form ----------------------------------------------------------------------------


def two_slopes(left, right):
    """φ(x) = left·x for x < 0 and right·x for x > 0: E of relu from its arc-cosine kernel, and of |x|."""

    def dual(a, b, k):
        size = mp.sqrt(a * b)
        if not size:  # and Θ = 0 there, whatever K̇ is
            return mpf(0), mpf(0)
        theta = mp.acos(max(mpf(-1), min(mpf(1), k / size)))
        relu = size * (mp.sin(theta) + (mp.pi - theta) * mp.cos(theta)) / (2 * mp.pi)
        step = (mp.pi - theta) / (2 * mp.pi)
        mixed, crossed = k - 2 * relu, 1 - 2 * step  # −E[u₊(−v)₊] and its sign, both ways together
        return (left**2 + right**2) * relu + left * right * mixed, (
            left**2 + right**2
        ) * step + left * right * crossed

    return dual


def erf(a, b, k):
    product = (1 + 2 * a) * (1 + 2 * b)
    return 2 / mp.pi * mp.asin(2 * k / mp.sqrt(product)), 4 / mp.pi / mp.sqrt(product - 4 * k * k)


def sin(a, b, k):
    decay = mp.exp(-(a + b) / 2)
    return decay * mp.sinh(k), decay * mp.cosh(k)


def cos(a, b, k):
    return sin(a, b, k)[::-1]


def exp(a, b, k):
    value = mp.exp((a + b) / 2 + k)
    return value, value


def sign(a, b, k):
    """K̇ is infinite at c = ±1."""
    rest = a * b - k * k
    slope = 2 / (mp.pi * mp.sqrt(rest)) if rest > 0 else mp.inf
    return 2 / mp.pi * mp.asin(max(mpf(-1), min(mpf(1), k / mp.sqrt(a * b)))), slope


def gelu(a, b, k):
    p = (1 + a) * (1 + b)
    d = p - k * k
    root = mp.sqrt(d)
    angle = mp.atan2(k, root)
    value = ((k * k + a * b * d) / (p * root) + k * angle) / (2 * mp.pi) + k / 4
    slope = k / (2 * mp.pi * root) * (1 / d + (1 - a * b) / p + 1) + angle / (2 * mp.pi) + mpf(1) / 4
    return value, slope


def cut_line(mean, slope, corners):
    """φ of slopes 0 and 1: K̇ = K̇(0) + ∫ f dt and K = m₁m₂ + k K̇(0) + ∫ (k − t) f dt, t from 0 to k.

    f sums the density of (u, v), at the covariance t, over the corners (sign, x, y) where both slopes jump.
    With t = √(ab) sin θ the integrand is smooth, but for its end where a and b differ: tanh-sinh quadrature.
    """

    def dual(a, b, k):
        size = mp.sqrt(a * b)
        end = mp.asin(max(mpf(-1), min(mpf(1), k / size)))

        def density(theta):
            sine, square = mp.sin(theta), mp.cos(theta) ** 2
            if not square:
                return mpf(0)
            total = mpf(0)
            for weight, x, y in corners:
                u, v = x / mp.sqrt(a), y / mp.sqrt(b)
                total += weight * mp.exp(-(u * u - 2 * sine * u * v + v * v) / (2 * square))
            return total / (2 * mp.pi)

        bend = moment = mpf(0)
        for node, weight in tanh_sinh():
            part = end * weight * density(end * node)
            bend += part
            moment += part * size * mp.sin(end * node)
        slopes = slope(a) * slope(b) + bend
        return mean(a) * mean(b) + k * slopes - moment, slopes

    return dual


@cache
def tanh_sinh():
    """Nodes and weights on (0, 1)."""
    with mpmath.workdps(DIGITS):
        step, found = mpf(1) / 16, []
        for i in range(-60, 61):
            e = mp.exp(mp.pi * mp.sinh(step * i))
            found.append((e / (1 + e), step * mp.pi * mp.cosh(step * i) * e / (1 + e) ** 2))
        return found


def hard_tanh(a, b, k):
    corners = [(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)]
    return cut_line(lambda q: mpf(0), lambda q: mp.erf(1 / mp.sqrt(2 * q)), corners)(a, b, k)


def shifted_relu(alpha):
    alpha = mpf(alpha)

    def mean(q):
        h = alpha / mp.sqrt(q)
        return mp.sqrt(q) * mp.npdf(h) + alpha * mp.ncdf(h) - alpha

    return cut_line(mean, lambda q: mp.ncdf(alpha / mp.sqrt(q)), [(1, -alpha, -alpha)])


# --- Duals by quadrature, in pairs of floats ---------------------------------------------------------


def two_sum(x, y):
    s = x + y
    t = s - x
    return s, (x - (s - t)) + (y - t)


def halves(x):
    t = 134217729.0 * x
    high = t - (t - x)
    return high, x - high


class Double:
    """high + low, the sum of two floats of which the second is below the first's last digit (T. Dekker, 1971)."""

    def __init__(self, high, low=0.0):
        self.high, self.low = high, low

    @classmethod
    def of(cls, numbers):
        high = np.array([float(x) for x in numbers])
        return cls(high, np.array([float(x - mpf(h)) for x, h in zip(numbers, high, strict=True)]))

    def exact(self):
        return mpf(float(self.high)) + mpf(float(self.low))

    def __getitem__(self, index):
        return Double(self.high[index], self.low[index])

    def __add__(self, other):
        other = other if isinstance(other, Double) else Double(other)
        s, e = two_sum(self.high, other.high)
        return Double(*two_sum(s, e + (self.low + other.low)))

    def __neg__(self):
        return Double(-self.high, -self.low)

    def __sub__(self, other):
        return self + -other

    def __mul__(self, other):
        other = other if isinstance(other, Double) else Double(other)
        p = self.high * other.high
        (a, b), (c, d) = halves(self.high), halves(other.high)
        e = ((a * c - p) + a * d + b * c) + b * d
        return Double(*two_sum(p, e + (self.high * other.low + self.low * other.high)))

    def __truediv__(self, other):
        first = self.high / other.high
        rest = self - other * first
        second = rest.high / other.high
        rest = rest - other * second
        return Double(*two_sum(first, second)) + rest.high / other.high

    def sum(self):
        """Return the sums over the last axis."""
        found = self
        while found.high.shape[-1] > 1:
            if found.high.shape[-1] % 2:
                pad = [(0, 0)] * (found.high.ndim - 1) + [(0, 1)]
                found = Double(np.pad(found.high, pad), np.pad(found.low, pad))
            found = found[..., ::2] + found[..., 1::2]
        return found[..., 0]

    def log1p(self):
        """Return ln(1 + self) for positive numbers: one step of Newton's from the float."""
        whole = self + 1.0
        start = np.log(whole.high)
        rest = whole * _exp_of_minus(start) - Double(1.0)
        return Double(start) + rest - rest * rest * 0.5


def _exp_of_minus(x):
    """Return e^{−x} of floats, by x = n/64 + r and a Taylor series."""
    with mpmath.workdps(DIGITS):
        n = np.rint(64 * x).astype(int)
        low = n.min()
        table = Double.of([mp.exp(-mpf(i) / 64) for i in range(low, n.max() + 1)])
    r = Double(-(x - n / 64))
    found = Double(np.ones_like(x), np.zeros_like(x))
    for i in range(15, 0, -1):
        found = found * r / Double(float(i)) + 1.0
    return found * table[n - low]


def _tanh(x, e):
    """By E = e^{2x}."""
    value = (e - Double(1.0)) / (e + 1.0)
    return value, Double(1.0) - value * value


def _silu(x, e):
    """By E = e^x: σ = E/(1 + E), φ = xσ, φ′ = σ + φ(1 − σ)."""
    sigma = e / (e + 1.0)
    value = x * sigma
    return value, sigma + value * (Double(1.0) - sigma)


def _softplus(x, e):
    return e.log1p(), e / (e + 1.0)


# φ and φ′ from x and e^{rate·x}, and the distance of their poles from the real axis
SMOOTH = {"tanh": (_tanh, 2, np.pi / 2), "silu": (_silu, 1, np.pi), "softplus": (_softplus, 1, np.pi)}
_REACH, _LOG = 12.0, 90.0  # e^{−12²/2} is below 1e-31, e^{−90} with what poles add below 1e-29


def by_trapezoid(name):
    r"""u = √a z, v = √b (c z + s w), z and w on grids whose steps the poles of φ allow."""
    function, rate, pole = SMOOTH[name]

    def grid(scale):
        step = mpf(float(min(0.5, 2 * np.pi * pole / (_LOG * max(float(scale), 1e-9)))))
        half = int(_REACH / float(step)) + 1
        nodes = [step * i for i in range(-half, half + 1)]
        weights = Double.of([step * mp.npdf(z) for z in nodes])
        return nodes, weights

    def powers(nodes, scale):
        """Return scale·z and e^{rate·scale·z} on the equally spaced nodes."""
        ratio, found = mp.exp(rate * scale * (nodes[1] - nodes[0])), [mp.exp(rate * scale * nodes[0])]
        for _ in nodes[1:]:
            found.append(found[-1] * ratio)
        return Double.of([scale * z for z in nodes]), Double.of(found)

    def alone(a):
        nodes, weights = grid(mp.sqrt(a))
        return [(weights * part * part).sum().exact() for part in function(*powers(nodes, mp.sqrt(a)))]

    def dual(a, b, k):
        if a == b == k:
            return alone(a)
        c = k / mp.sqrt(a * b)
        s = mp.sqrt(max(mpf(0), 1 - c * c))
        nodes, weights = grid(max(mp.sqrt(a), mp.sqrt(b) * abs(c)))
        across, weights2 = grid(mp.sqrt(b) * s)
        left = function(*powers(nodes, mp.sqrt(a)))
        (x1, e1), (x2, e2) = powers(nodes, mp.sqrt(b) * c), powers(across, mp.sqrt(b) * s)
        right = function(x1[:, None] + x2[None], e1[:, None] * e2[None])
        return [
            (weights * one * (two * weights2[None]).sum()).sum().exact()
            for one, two in zip(left, right, strict=True)
        ]

    return dual


DUALS = {
    "linear": lambda a, b, k: (k, mpf(1)),
    "relu": two_slopes(mpf(0), mpf(1)),
    "leaky_relu": two_slopes(mpf(0.3), mpf(1)),
    "abs": two_slopes(mpf(-1), mpf(1)),
    "erf": erf,
    "sin": sin,
    "cos": cos,
    "exp": exp,
    "sign": sign,
    "gelu": gelu,
    "hard_tanh": hard_tanh,
    "shifted_relu": shifted_relu(0.5),
    **{name: by_trapezoid(name) for name in SMOOTH},
}


# --- States and layers -------------------------------------------------------------------------------


class State:
    """K and Θ of all pairs of places (input, position), as they are; symmetric, so half of them is made."""

    def __init__(self, k, t, inputs, positions):
        self.k, self.t, self.inputs, self.positions = k, t, inputs, positions

    @classmethod
    def of(cls, x):
        """Inputs (n, d) or (n, channels, length)."""
        x = np.asarray(x, dtype=float)
        x = x[:, :, None] if x.ndim == 2 else x
        n, d, p = x.shape
        rows = {(i, a): [mpf(float(v)) for v in x[i, :, a]] for i in range(n) for a in range(p)}
        k = {(u, v): mp.fdot(rows[u], rows[v]) / d for u, v in product(rows, rows)}
        return cls(k, dict.fromkeys(k, mpf(0)), n, p)

    def map(self, function, positions=None):
        """Apply (u, v) ↦ (K, Θ) to half of the pairs."""
        p = self.positions if positions is None else positions
        places = [(i, a) for i in range(self.inputs) for a in range(p)]
        k, t = {}, {}
        for u, v in product(places, places):
            if u <= v:
                k[u, v], t[u, v] = function(u, v)
                k[v, u], t[v, u] = k[u, v], t[u, v]
        return State(k, t, self.inputs, p)


def dense(state, w, b, standard=None):
    """`standard` is the fan-in of the standard parameterisation."""

    def rule(u, v):
        k = w * state.k[u, v] + b
        own = k if standard is None else standard * state.k[u, v] + (1 if b else 0)
        return k, own + w * state.t[u, v]

    return state.map(rule)


def activation(state, name):
    def rule(u, v):
        value, slope = DUALS[name](state.k[u, u], state.k[v, v], state.k[u, v])
        return value, slope * state.t[u, v] if state.t[u, v] else mpf(0)

    return state.map(rule)


def mean(state, windows):
    """Means over windows (a list of lists of positions, None for padding), both sides stepping alike or not."""

    def over(values, u, v, together):
        (i, a), (j, b) = u, v
        pairs = zip(windows[a], windows[b], strict=True) if together else product(windows[a], windows[b])
        total = mpf(0)
        for p, q in pairs:
            if p is not None and q is not None:
                total += values[(i, p), (j, q)]
        return total / (len(windows[a]) if together else len(windows[a]) * len(windows[b]))

    return lambda together: state.map(
        lambda u, v: (over(state.k, u, v, together), over(state.t, u, v, together)), len(windows)
    )


def convolution(state, w, b, padding="circular", stride=1, size=3, standard=None):
    p, margin = state.positions, 0 if padding == "none" else size // 2
    starts = range(0, p + 2 * margin - size + 1, stride)
    windows = [[s + step - margin for step in range(size)] for s in starts]
    if padding == "circular":
        windows = [[at % p for at in window] for window in windows]
    windows = [[at if 0 <= at < p else None for at in window] for window in windows]
    return dense(mean(state, windows)(True), w, b, None if standard is None else size * standard)


def flatten(state):
    return mean(state, [list(range(state.positions))])(True)


def pool(state):
    return mean(state, [list(range(state.positions))])(False)


def average_pool(state, size):
    return mean(state, [list(range(s, s + size)) for s in range(0, state.positions - size + 1, size)])(False)


def mix(state, matrix):
    """z(α) = Σ_β T_αβ h(β)."""
    rows = [[mpf(float(t)) for t in row] for row in matrix]

    def mixed(values, u, v):
        pairs = product(enumerate(rows[u[1]]), enumerate(rows[v[1]]))
        return sum(s * t * values[(u[0], p), (v[0], q)] for (p, s), (q, t) in pairs)

    return state.map(lambda u, v: (mixed(state.k, u, v), mixed(state.t, u, v)), len(rows))


def add(one, two, scale=1):
    return one.map(lambda u, v: (one.k[u, v] + scale * two.k[u, v], one.t[u, v] + scale * two.t[u, v]))


def layer_norm(state, eps=1e-5):
    def rule(u, v):
        size = mp.sqrt((state.k[u, u] + mpf(eps)) * (state.k[v, v] + mpf(eps)))
        return state.k[u, v] / size, state.t[u, v] / size

    return state.map(rule)


def attention(state, query_var, both, b, standard=None):
    """G = softmax(σ_Q² K_xx) at every input; `standard` is σ_O² m + σ_V²·width."""
    p = range(state.positions)
    looks = {}
    for i in range(state.inputs):
        for a in p:
            row = [mp.exp(query_var * state.k[(i, a), (i, c)]) for c in p]
            looks[i, a] = [r / sum(row) for r in row]

    def seen(values, u, v):
        return sum(looks[u][c] * looks[v][d] * values[(u[0], c), (v[0], d)] for c in p for d in p)

    def rule(u, v):
        k, t = seen(state.k, u, v), seen(state.t, u, v)
        own = 2 * both * k + b if standard is None else standard * k + (1 if b else 0)
        return both * k + b, both * t + own

    return state.map(rule)


# --- Inputs and networks ----------------------------------------------------------------------------------------


U, V, P = np.random.default_rng(0).standard_normal((3, 10))
INPUTS = {
    "separated": np.stack([U, V, P]),
    "near": np.stack([U, U, U + 1e-4 * P, U + 1e-8 * P]),
    "opposite": np.stack([U, -U, -U + 1e-8 * P]),
    "scaled": np.stack([U, (1 + 1e-6) * U, 3 * U, (1 + 1e-3) * U + 1e-7 * P]),
    "wild": np.stack([1e-6 * U, U, 1e6 * U, 1e3 * V, 1e-3 * (U + 1e-9 * P)]),
}
SMOOTH_INPUTS = {
    "mixed": np.stack([U, V, U + 1e-8 * P]),
    "extreme": np.stack([U, -U + 1e-6 * P, 1e-6 * U, 3 * U + 1e-4 * P]),
}
DEPTHS = (1, 3, 10, 30)
STORED = Path(__file__).with_name("exact_kernels.json")
SLOW = [  # activation, σ_w², σ_b²: on the critical line or ordered, and chaotic
    ("tanh", 1.76, 0.05),
    ("tanh", 1.3, 0.1),
    ("tanh", 4.0, 0.05),
    ("silu", 1.5, 0.1),
    ("silu", 2.2, 0.1),
    ("softplus", 0.8, 0.1),
    ("softplus", 1.2, 0.1),
    ("hard_tanh", 1.165, 0.05),
    ("shifted_relu", 1.275, 0.05),
]


def mlp(x, name, depths, weight_var, bias_var):
    """Return {depth: (K, Θ)} as dictionaries over pairs of inputs."""
    with mpmath.workdps(DIGITS):
        w, b = mpf(float(weight_var)), mpf(float(bias_var))
        state, found = dense(State.of(x), w, b), {}
        for depth in range(1, max(depths) + 1):
            state = dense(activation(state, name), w, b)
            if depth in depths:
                found[depth] = kernels(state)
        return found


def kernels(state):
    """Return K and Θ of flat states."""
    return tuple({(u[0], v[0]): value for (u, v), value in values.items()} for values in (state.k, state.t))


def distance(found, expected):
    """The largest error in units of √(E_ii E_jj), `expected` from :func:`kernels`."""
    with mpmath.workdps(DIGITS):
        size = {i: mp.sqrt(expected[i, i]) for i in range(len(found))}
        return max(
            float(abs(mpf(float(found[i, j])) - e) / size[i] / size[j]) for (i, j), e in expected.items()
        )


def stored():
    """Return {(activation, σ_w², σ_b², inputs): {depth: (K, Θ)}} from the file."""
    with mpmath.workdps(DIGITS):
        return {
            (name, w, b, inputs): {
                int(depth): tuple(_square(values) for values in pair) for depth, pair in found.items()
            }
            for name, w, b, inputs, found in json.loads(STORED.read_text())
        }


def _square(values):
    """Return {(i, j): value} from the upper triangle, row by row."""
    n = int((2 * len(values)) ** 0.5)
    upper = dict(zip([(i, j) for i in range(n) for j in range(i, n)], map(mpf, values), strict=True))
    return upper | {(j, i): value for (i, j), value in upper.items()}


def main():
    """Write the file."""
    rows = []
    for name, w, b in SLOW:
        for inputs, x in SMOOTH_INPUTS.items():
            found = mlp(x, name, DEPTHS, w, b)
            listed = {
                depth: [[mp.nstr(e, 20) for (i, j), e in sorted(k.items()) if i <= j] for k in pair]
                for depth, pair in found.items()
            }
            rows.append([name, w, b, inputs, listed])
            print(name, w, b, inputs, flush=True)
    STORED.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")


if __name__ == "__main__":
    main()
