"""The finite network behind features."""

from typing import TYPE_CHECKING, Any

from rmtlab import _checks
from rmtlab.features._kernels import check_network
from rmtlab.features._maps import Coordinates, FeatureMap, FourierFeatures, check_map
from rmtlab.networks import Network

if TYPE_CHECKING:
    from rmtlab.features._torch_features import CoordinateNetwork


def coordinate_network(
    net: Network,
    features: FeatureMap,
    width: int = 128,
    *,
    out_features: int = 1,
    seed: int = 0,
    dtype: Any = "float32",
) -> "CoordinateNetwork":
    """Draw the finite twin of a network behind features: points in, colours out.

    :func:`rmtlab.training.fit` trains it; :func:`reconstruct` shows the image that it has in mind. What a network
    answers before training stays in its answer between the pixels shown: a read-out of small variance, as in
    ``serial(…, Dense(0.01, parameterization="standard"))``, makes it start near 0 and end near
    :func:`kernel_regression`.

    Parameters
    ----------
    net : Network
        Such as ``rmtlab.MLP(…)``.
    features : FeatureMap
        γ; it is not trained.
    width : int
        Neurons of the hidden layers.
    out_features : int
        Numbers a point has: 1 for grey, 3 for colours.
    seed : int
        The draw of the network.
    dtype : {"float32", "float64"} or torch.dtype
        Precision.

    Returns
    -------
    torch.nn.Module
        Takes (n, d), or (d,) for one point, and gives (n, out_features); ``net`` is the sampled network.

    Raises
    ------
    TypeError
        If `net` is no network, or `features` are neither :class:`Coordinates` nor :class:`FourierFeatures`.
    ValueError
        If a size is below 1 or the precision unknown.

    References
    ----------
    .. [1] M. Tancik et al., "Fourier features let networks learn high frequency functions in low dimensional
       domains", NeurIPS 2020.

    Examples
    --------
    >>> import torch
    >>> import rmtlab as rl
    >>> net = rl.MLP(depth=3, activation="relu", weight_var=2.0)
    >>> module = coordinate_network(net, rl.features.basic(2), out_features=3)
    >>> module(torch.zeros(5, 2)).shape
    torch.Size([5, 3])
    """
    from rmtlab.features import _torch_features

    check_network(net)
    check_map(features)
    if not isinstance(features, Coordinates | FourierFeatures):
        raise TypeError(
            f"features must be Coordinates or FourierFeatures to have a torch twin, but a {type(features).__name__} "
            "was given; sample net and call it on features(v)."
        )
    module = net.sample(
        _checks.count(width, "width"),
        in_features=features.size,
        out_features=out_features,
        seed=seed,
        dtype=dtype,
    )
    return _torch_features.CoordinateNetwork(features, module)
