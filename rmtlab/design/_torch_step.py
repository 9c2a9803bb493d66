"""The largest stable step of gradient descent in the linear theory: 2/λ_max of the tangent kernel."""

import numpy as np
import torch
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from rmtlab import ntk

_KERNEL_SIZE = 512  # up to which the kernel is formed
_SMALL = 16  # up to which Lanczos has no room
_TOLERANCE = 1e-4


def stable_step(module: nn.Module, x: Tensor) -> float | None:
    """Return 2/λ_max of the tangent kernel of all inputs and outputs, or None where there is none."""
    module.eval()
    try:
        with sdpa_kernel(SDPBackend.MATH):  # the others have no second derivative
            largest = _largest_eigenvalue(module, x)
    except (ValueError, RuntimeError, TypeError, NotImplementedError, ArpackError):
        return None
    finally:
        module.train()
    return 2 / largest if np.isfinite(largest) and largest > 0 else None


def _largest_eigenvalue(module: nn.Module, x: Tensor) -> float:
    output = module(x)
    size = output.numel()
    if not torch.isfinite(output).all():
        return np.inf
    if output.ndim == 2 and size <= _KERNEL_SIZE:
        kernel = ntk.empirical(module, x, outputs="full").transpose(0, 2, 1, 3).reshape(size, size)
        return float(np.linalg.eigvalsh(kernel.astype(np.float64))[-1])
    product = _Product(module, output)
    if size <= _SMALL:
        return float(np.linalg.eigvalsh(np.stack([product(e) for e in np.eye(size)]))[-1])
    start = np.random.default_rng(0).standard_normal(size)
    kernel = LinearOperator((size, size), matvec=product, dtype=np.float64)
    return float(eigsh(kernel, 1, which="LA", v0=start, tol=_TOLERANCE, return_eigenvectors=False)[0])


class _Product:
    """u ↦ Θ u = J (Jᵀ u): one way back to the parameters, and one through the way back, which is linear in u."""

    def __init__(self, module: nn.Module, output: Tensor) -> None:
        self._output = output
        self._dual = torch.zeros_like(output, requires_grad=True)
        parameters = [p for p in module.parameters() if p.requires_grad]
        back = torch.autograd.grad(output, parameters, self._dual, create_graph=True, allow_unused=True)
        used = [(p, g) for p, g in zip(parameters, back, strict=True) if g is not None]
        self._parameters, self._back = zip(*used, strict=True)

    def __call__(self, u: np.ndarray) -> np.ndarray:
        sent = torch.as_tensor(u).reshape(self._output.shape).to(self._output)
        gradients = torch.autograd.grad(self._output, self._parameters, sent, retain_graph=True)
        (found,) = torch.autograd.grad(self._back, self._dual, gradients, retain_graph=True)
        return found.detach().double().cpu().numpy().ravel()
