"""Bad input for rmtlab.features."""

import numpy as np

import rmtlab as rl
from rmtlab import features
from rmtlab.features._torch_features import CoordinateNetwork

NET = rl.MLP(2, "relu", weight_var=2.0)
BASIC = features.basic(2)
TASK = features.image_task(np.eye(8))
RETURNED = [CoordinateNetwork]


class Squares(features.FeatureMap):
    dimensions, size = 1, 1

    def _of(self, v):
        return v**2


CASES = {
    "FeatureMap.__call__": [
        (lambda: BASIC([0.1, 0.2]), "v must have 2 coordinates a point"),
        (lambda: BASIC(np.ones((3, 3))), "v must have 2 coordinates a point"),
        (lambda: BASIC([[np.nan, 0.0]]), "v holds 1 values that are NaN"),
        (lambda: BASIC("corner"), "v must be an array of real numbers"),
    ],
    "Coordinates": [(lambda: features.Coordinates(0), "dimensions must be a whole number of at least 1")],
    "FourierFeatures": [
        (lambda: features.FourierFeatures(np.ones((2, 2, 2))), "frequencies must have 1 or 2 axes"),
        (lambda: features.FourierFeatures([]), "frequencies is empty"),
        (lambda: features.FourierFeatures([np.inf]), "frequencies holds 1 values"),
        (lambda: features.FourierFeatures([1.0, 2.0], [1.0]), "one for each of the 2 frequencies"),
    ],
    "FourierFeatures.kernel": [
        (lambda: BASIC.kernel([0.1, 0.2]), "v1 must have 2 coordinates a point"),
        (lambda: BASIC.kernel([[0.1, 0.2]], [[0.1]]), "v2 must have 2 coordinates a point"),
    ],
    "basic": [(lambda: features.basic(0), "dimensions must be a whole number of at least 1")],
    "positional": [
        (lambda: features.positional(2000), "octaves must be at most 53"),
        (lambda: features.positional(0), "octaves must be a whole number of at least 1"),
        (lambda: features.positional(3, 1.5), "dimensions must be a whole number"),
    ],
    "gaussian": [
        (lambda: features.gaussian(0, 1.0), "count must be a whole number of at least 1"),
        (lambda: features.gaussian(5, -1.0), "scale must be a finite number at least 0"),
        (lambda: features.gaussian(5, 1.0, 0), "dimensions must be a whole number of at least 1"),
        (lambda: features.gaussian(5, 1.0, rng="seed"), "rng must be a whole number"),
    ],
    "grid": [
        (lambda: features.grid(), "none was given"),
        (lambda: features.grid(4, 0), "sizes must be a whole number of at least 1"),
    ],
    "composed_kernel": [
        (lambda: features.composed_kernel(NET, BASIC, np.ones((2, 2)), [0.5]), "v2 must have 2 coordinates a point"),
        (lambda: features.composed_kernel("relu", BASIC, [[0.0, 0.0]]), "net must be a network"),
        (lambda: features.composed_kernel(NET, np.cos, [[0.0, 0.0]]), "features must be a feature map"),
        (lambda: features.composed_kernel(NET, BASIC, [0.0]), "coordinates a point"),
        (lambda: features.composed_kernel(NET, BASIC, [[0.0, 0.0]], [0.0]), "coordinates a point"),
    ],
    "circulant_defect": [
        (lambda: features.circulant_defect(np.ones(4)), "kernel must have 2 axes"),
        (lambda: features.circulant_defect(np.ones((4, 3))), "kernel must be square with 4 rows"),
        (lambda: features.circulant_defect(np.eye(6), 2, 2), "kernel must be square with 4 rows"),
    ],
    "spectrum": [
        (lambda: features.spectrum(None, BASIC, 4, 4), "net must be a network"),
        (lambda: features.spectrum(NET, None, 4, 4), "features must be a feature map"),
        (lambda: features.spectrum(NET, features.Coordinates(), 4), "frequencies are whole numbers"),
        (lambda: features.spectrum(NET, features.gaussian(4, 1.0, rng=0), 4), "frequencies are whole numbers"),
        (lambda: features.spectrum(NET, BASIC, 4), "sizes must be 2, one for each coordinate"),
        (lambda: features.spectrum(NET, BASIC), "none was given"),
    ],
    "coordinate_network": [
        (lambda: features.coordinate_network("relu", BASIC), "net must be a network"),
        (lambda: features.coordinate_network(NET, "basic"), "features must be a feature map"),
        (lambda: features.coordinate_network(NET, Squares()), "features must be Coordinates or FourierFeatures"),
        (lambda: features.coordinate_network(NET, BASIC, 0), "width must be a whole number of at least 1"),
        (lambda: features.coordinate_network(NET, BASIC, out_features=0), "out_features must be a whole number"),
        (lambda: features.coordinate_network(NET, BASIC, seed=-1), "seed must be a whole number of at least 0"),
        (lambda: features.coordinate_network(NET, BASIC, dtype="float16"), "dtype cannot be 'float16'"),
    ],
    "CoordinateNetwork.forward": [
        (lambda: features.coordinate_network(NET, BASIC)(np.ones((4, 3))), "v must have 2 coordinates a point"),
        (lambda: features.coordinate_network(NET, BASIC)("corner"), "v must be an array of real numbers"),
    ],
    "load_image": [
        (lambda: features.load_image("chine"), "Did you mean 'china'"),
        (lambda: features.load_image(size=0), "size must be a whole number of at least 1"),
        (lambda: features.load_image(size=500), "size must be at most 427"),
        (lambda: features.load_image("synthetic", colour=True), "has no colours"),
    ],
    "image_task": [
        (lambda: features.image_task(np.ones(4)), "image must have 2 or 3 axes"),
        (lambda: features.image_task([[np.nan]]), "image holds 1 values that are NaN"),
        (lambda: features.image_task(np.eye(4), every=1), "every must be a whole number of at least 2"),
        (lambda: features.image_task(255 * np.eye(4)), "divide by 255"),
        (lambda: features.image_task([[0.5]]), "all of them would be shown"),
    ],
    "psnr": [
        (lambda: features.psnr([1.0], [1.0, 2.0]), "must have one shape"),
        (lambda: features.psnr([1.0], [0.0], peak=0.0), "peak must be a finite number above 0"),
        (lambda: features.psnr([np.nan], [0.0]), "found holds 1 values that are NaN"),
    ],
    "reconstruct": [
        (lambda: features.reconstruct(3.0, TASK), "f must be a module or a function"),
        (lambda: features.reconstruct(np.cos, np.eye(4)), "task must be what"),
        (lambda: features.reconstruct(lambda v: v, TASK), "f must give colours of the shape (64, 1)"),
        (lambda: features.reconstruct(lambda v: v[:, 0], TASK), "f(points) must have 2 axes"),
    ],
    "kernel_regression": [
        (lambda: features.kernel_regression(None, BASIC, TASK), "net must be a network"),
        (lambda: features.kernel_regression(NET, None, TASK), "features must be a feature map"),
        (lambda: features.kernel_regression(NET, BASIC, np.eye(4)), "task must be what"),
        (lambda: features.kernel_regression(NET, features.basic(), TASK), "features must be of two coordinates"),
        (lambda: features.kernel_regression(NET, BASIC, TASK, time=-1.0), "time must be one number"),
    ],
}  # fmt: skip

NOTHING_TO_REFUSE = {
    "CoordinateNetwork": "coordinate_network makes it from checked input",
    "ImageTask": "image_task makes it from checked input",
    "Reconstruction": "reconstruct and kernel_regression make it",
}
