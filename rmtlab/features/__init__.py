r"""Networks of coordinates: Fourier features, their stationary kernel, and images learnt point by point.

A network that maps a point v to the colour there learns low frequencies first, and hardly ever the high
ones. Fourier features mend that,

    γ(v) = [a_j cos 2π b_j·v, a_j sin 2π b_j·v],   γ(v)·γ(v′) = Σ_j a_j² cos 2π b_j·(v − v′),

because |γ| is constant: behind them every kernel of a network is a function of v − v′ alone, on a periodic
grid a circulant matrix, and the frequencies b_j choose its bandwidth.
"""

from rmtlab.features._images import (
    ImageTask,
    Reconstruction,
    image_task,
    kernel_regression,
    load_image,
    psnr,
    reconstruct,
)
from rmtlab.features._kernels import circulant_defect, composed_kernel, spectrum
from rmtlab.features._maps import Coordinates, FeatureMap, FourierFeatures, basic, gaussian, grid, positional
from rmtlab.features._network import coordinate_network

__all__ = [
    "Coordinates",
    "FeatureMap",
    "FourierFeatures",
    "ImageTask",
    "Reconstruction",
    "basic",
    "circulant_defect",
    "composed_kernel",
    "coordinate_network",
    "gaussian",
    "grid",
    "image_task",
    "kernel_regression",
    "load_image",
    "positional",
    "psnr",
    "reconstruct",
    "spectrum",
]
