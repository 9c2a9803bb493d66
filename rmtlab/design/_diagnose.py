"""The public face of the diagnosis; torch is loaded when a module is first given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rmtlab import _checks
from rmtlab.design._records import Diagnosis

if TYPE_CHECKING:
    from torch import nn


def diagnose(module: nn.Module, batch: Any, *, seed: int = 0) -> Diagnosis:
    r"""Read a torch network layer by layer, and name what is wrong with it.

    One forward pass in training mode is written down, leaf module by leaf module and function by function;
    random vectors are sent back through it. For each linear layer this gives

    .. math:: \hat q = \overline{z^2}, \quad \hat\sigma_w^2 = \frac{\|W\|^2}{n_\text{out}}, \quad
              \hat\chi_1 = \hat\sigma_w^2\,\overline{\varphi'(z)^2}, \quad
              \frac{\|\delta\|^2}{\|u\|^2}, \quad \frac{\mathrm{var}}{\mathrm{mean}^2}(JJ^T),

    with the shares of dead and saturated units and the moments of the noise. Rules that ask for causes then name
    faults:

    - "wrong fan": entries have variance σ_w²/fan_out.
    - "missing residual scale": three or more branches add over 2.6 times the variance of what they are added
      to (branches scaled by 1/√depth add 1 to 2), though their weights are critical.
    - "dead rectifiers": a fifth more units are off for the whole batch than symmetry of signs explains.
    - "saturated tanh": in some layer two slopes in five are below a tenth of the largest.
    - "noise too strong": Σ_l 1/ξ_c > 6, the noisy depth beyond which inputs can't be told apart.
    - "variance too large", "variance too small": with σ̂_w² and Gaussian averages, Σ_l ln χ_l is above 3 or below
      −3 (a factor of 20; ±6 in chains of fewer than four layers), both on the way of the signal that is there and
      where the variance rests.
    - "output scale": the module returns a multiple of its last layer that makes variances more than e⁶ times larger
      or smaller, and leaves an output as far from 1.
    - "unexplained gradient": none of these, and squared gradients still change by more than e¹².

    What a norm layer rescales is judged by no variance rule, and none is applied across a product of signals: a gate
    (GLU, SwiGLU, highway, squeeze-and-excitation) is named in ``.unseen``. A copy of the module is diagnosed:
    parameters, gradients, buffers, modes and hooks of the module itself, and torch's own generators, stay as they
    are. One of half precision is read in float32.

    Parameters
    ----------
    module : torch.nn.Module
        Maps (n, …) to one tensor. Linear layers, convolutions, activations (modules or functions), norms, dropout,
        residual sums and whatever reshapes are followed.
    batch : array_like or tensor, (n, …)
        At least two inputs, as the network will see them; 16 or more different ones are better.
    seed : int
        Chooses the random vectors, and the noise of dropout.

    Returns
    -------
    Diagnosis
        With ``.verdict`` in words, ``.findings``, ``.layers``, ``.table()``, ``.plot()``, and in ``.unseen`` a
        sentence for whatever could not be read.

    Raises
    ------
    TypeError
        If `module` is not a torch module.
    ValueError
        If it has no parameters or no linear layer that can be seen, gives something else than a tensor or takes
        another path for another batch, or if the batch holds fewer than two inputs or values that are not finite.

    References
    ----------
    .. [1] S. S. Schoenholz et al., "Deep information propagation", ICLR 2017.
    .. [2] A. Pretorius et al., "Critical initialisation for deep signal propagation in noisy rectifier
       neural networks", NeurIPS 2018.
    .. [3] K. He et al., "Delving deep into rectifiers", ICCV 2015 (fans).

    Examples
    --------
    >>> import rmtlab as rl
    >>> net = rl.MLP(depth=10, activation="relu", weight_var=1.0)
    >>> found = rl.design.diagnose(net.sample(width=64, in_features=8, seed=0), rl.ensembles.ginibre(16, 8, rng=0))
    >>> found.fault
    'variance too small'
    """
    from rmtlab.design import _torch_diagnose

    seed = _checks.count(seed, "seed", minimum=0)
    return _torch_diagnose.run(module, batch, seed)
