"""Layers of a multilayer perceptron as a family of matrices, and the rotations that prove it free."""

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from rmtlab import _checks, ensembles
from rmtlab.layers import Activation, Dense, Noise

if TYPE_CHECKING:
    from rmtlab._torch_layers import NetworkModule


def layer_family(module: Any, x: Any) -> tuple[dict[str, np.ndarray], list[tuple[str, ...]]]:
    r"""Return the matrices of a network at one input, and which of them share an algebra.

    The theorem says that :math:`(W_1, W_1^\top), …, (W_L, W_L^\top), (D_1^2, …, D_L^2)` are asymptotically
    free. The D's are diagonal: one family, never free of each other.

    Parameters
    ----------
    module : torch.nn.Module
        A sampled network whose input and hidden layers are equally wide.
    x : array_like, shape (N,)
        One input.

    Returns
    -------
    matrices : dict of str to ndarray, shape (N, N)
        "W1", "W1*", …, "WL", "WL*" (* is the transpose) and "D1", …, "DL", which stand for D_l².
    families : list of tuples of str
        What :func:`predict` and :func:`defect` take: [("W1", "W1*"), …, ("D1", …, "DL")].

    Raises
    ------
    TypeError
        If `module` is not a sampled network of dense layers.
    ValueError
        If it has no hidden layer, its layers are not square, or `x` is not one input of its size.

    References
    ----------
    .. [1] B. Collins, T. Hayase, "Asymptotic freeness of layerwise Jacobians caused by invariance of
       multilayer perceptron: the Haar orthogonal case", Commun. Math. Phys. 2022, arXiv:2103.13466.

    Examples
    --------
    >>> import numpy as np, rmtlab as rl
    >>> net = rl.MLP(depth=2, activation="relu", weight_var=2.0, weights="orthogonal")
    >>> matrices, families = layer_family(net.sample(width=100, in_features=100), np.ones(100))
    >>> families
    [('W1', 'W1*'), ('W2', 'W2*'), ('D1', 'D2')]
    """
    module, x = _checked(module, x)
    activations = [layer.activation for layer in module.description.layers if isinstance(layer, Activation)]
    if not activations:
        raise ValueError("The network has no hidden layer, and so no D; build it with rl.MLP(depth=2, …).")
    weights = [w.cpu().numpy().astype(np.float64) for w in module.weights[: len(activations)]]
    if any(w.shape != (x.size, x.size) for w in weights):
        shapes = ", ".join(str(w.shape) for w in weights)
        raise ValueError(
            f"The layers must be square and of one size, but their weights have the shapes {shapes}; "
            "sample the network with in_features equal to width."
        )
    preactivations = [z.detach().cpu().numpy()[0].astype(np.float64) for z in module.preactivations(x[None])]
    matrices: dict[str, np.ndarray] = {}
    for number, w in enumerate(weights, start=1):
        matrices |= {f"W{number}": w, f"W{number}*": w.T}
    for number, (phi, z) in enumerate(zip(activations, preactivations, strict=False), start=1):
        matrices[f"D{number}"] = np.diag(phi.derivative(z) ** 2)
    pairs = [(f"W{number}", f"W{number}*") for number in range(1, len(weights) + 1)]
    return matrices, [*pairs, tuple(f"D{number}" for number in range(1, len(weights) + 1))]


def fixing_rotation(x: Any, rng: _checks.Rng = None) -> np.ndarray:
    r"""Sample an orthogonal U with :math:`Ux = x`, uniformly among them: Haar on the complement of x.

    In a basis that begins with x it is :math:`1 \oplus V` with V Haar on O(N − 1); the basis is that of a
    Householder reflection. A Haar (or Gaussian) W has the same law as WU, jointly with Wx = WUx: given what
    a layer has seen of W, the rest of W is as random as before.

    Parameters
    ----------
    x : array_like, shape (N,)
        The vector to keep. The zero vector is kept by every rotation, and U is then Haar on O(N).
    rng : int or numpy.random.Generator, optional
        Seed or generator; fresh entropy when left out.

    Returns
    -------
    ndarray, shape (N, N)

    Raises
    ------
    ValueError
        If `x` is not one finite vector.

    References
    ----------
    .. [1] B. Collins, T. Hayase, "Asymptotic freeness of layerwise Jacobians caused by invariance of
       multilayer perceptron: the Haar orthogonal case", Commun. Math. Phys. 2022, arXiv:2103.13466.

    Examples
    --------
    >>> import numpy as np
    >>> u = fixing_rotation([3.0, 4.0, 0.0], rng=0)
    >>> bool(np.allclose(u @ [3.0, 4.0, 0.0], [3.0, 4.0, 0.0])), bool(np.allclose(u @ u.T, np.eye(3)))
    (True, True)
    """
    x = _checks.array(x, "x", ndim=1, hint="Pass one vector.")
    generator = _checks.generator(rng)
    largest = np.max(np.abs(x))
    if largest == 0:
        return ensembles.haar_orthogonal(x.size, rng=generator)
    u = np.eye(x.size)
    if x.size > 1:
        u[1:, 1:] = ensembles.haar_orthogonal(x.size - 1, rng=generator)
    # The reflection that swaps the first axis with x (or −x, whichever is farther): I − 2vvᵀ.
    v = x / largest
    v = v / np.linalg.norm(v)
    v[0] += np.copysign(1.0, v[0])
    v = v / np.linalg.norm(v)
    u -= np.outer(2 * v, v @ u)
    return u - np.outer(u @ v, 2 * v)


def rerandomise(module: Any, x: Any, rng: _checks.Rng = None) -> "NetworkModule":
    r"""Return a copy of a network with new weights that does the same at one input.

    Every layer's W, the read-out's too, becomes WU with a fresh U that fixes the layer's input,
    :math:`U h^{l-1} = h^{l-1}` (:func:`fixing_rotation`). So all z^l and D_l at x stay as they are, to the
    rounding of the module, while the weights are drawn anew: :math:`\|WU - W\| \approx \sqrt2\,\|W\|`. For
    Haar and for Gaussian weights (W, D) and (WU, D) have the same law, which is how the D's come to be free
    from the W's that made them.

    Parameters
    ----------
    module : torch.nn.Module
        A sampled network, without noise or in evaluation mode.
    x : array_like, shape (d,)
        One input.
    rng : int or numpy.random.Generator, optional
        Seed or generator; fresh entropy when left out.

    Returns
    -------
    torch.nn.Module
        The new network; the given one is left as it is.

    Raises
    ------
    TypeError
        If `module` is not a sampled network of dense layers.
    ValueError
        If `x` is not one input of its size, or noise acts in training mode.

    References
    ----------
    .. [1] B. Collins, T. Hayase, "Asymptotic freeness of layerwise Jacobians caused by invariance of
       multilayer perceptron: the Haar orthogonal case", Commun. Math. Phys. 2022, arXiv:2103.13466.

    Examples
    --------
    >>> import numpy as np, rmtlab as rl
    >>> net = rl.MLP(depth=3, activation="tanh", weights="orthogonal")
    >>> module = net.sample(width=50, in_features=50, dtype="float64")
    >>> twin = rerandomise(module, np.ones(50), rng=0)
    >>> bool(abs(twin(np.ones(50)) - module(np.ones(50))).max() < 1e-12)
    True
    """
    import torch

    from rmtlab._torch_layers import DenseModule
    from rmtlab._torch_noise import NoiseModule

    module, x = _checked(module, x)
    if any(isinstance(layer, NoiseModule) and layer.training for layer in module.layers):
        raise ValueError(
            "The network's noise is on, so that no input of a layer comes twice; call module.eval() first."
        )
    generator = _checks.generator(rng)
    twin = copy.deepcopy(module)
    with torch.no_grad():
        h = module._as_input(x)
        for layer, new in zip(module.layers, twin.layers, strict=True):
            if isinstance(layer, DenseModule):
                rotation = torch.tensor(fixing_rotation(h, generator), device=h.device)
                new.weight.copy_(layer.weight.double() @ rotation)
            h = layer(h)
    return twin


def _checked(module: Any, x: Any) -> tuple["NetworkModule", np.ndarray]:
    from rmtlab._torch_layers import NetworkModule

    if not isinstance(module, NetworkModule) or not all(
        isinstance(layer, Dense | Activation | Noise) for layer in module.description.layers
    ):
        raise TypeError(
            f"module must be a sampled network of dense layers, but a {type(module).__name__} was given that "
            "is none; net.sample(width=1000, in_features=…) draws one from rl.MLP(…)."
        )
    x = _checks.array(x, "x", ndim=1, hint="Pass one input, not a batch.")
    module._as_input(x)
    return module, x
