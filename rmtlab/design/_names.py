"""What torch calls the things that a trace can follow."""

_ACTIVATION_MODULES = """
ReLU ReLU6 LeakyReLU PReLU ELU SELU CELU GELU SiLU Mish Tanh Sigmoid Softplus Softsign Hardtanh Hardsigmoid Hardswish
LogSigmoid Tanhshrink Threshold
"""
_CURVES = """
relu relu_ relu6 tanh tanh_ sigmoid sigmoid_ gelu silu elu elu_ selu celu leaky_relu leaky_relu_ rrelu softplus softsign
hardtanh hardtanh_ hardswish hardsigmoid mish logsigmoid sin cos erf clamp clamp_ clamp_min clamp_max abs square
"""
_PLAIN = """
view reshape flatten permute transpose swapaxes squeeze unsqueeze unflatten movedim expand t contiguous clone to float
double half type_as pad chunk split __getitem__ __get__ mul __mul__ __rmul__ div true_divide __truediv__ neg __neg__
add __add__ __radd__ sub __sub__ rsub __rsub__ mean max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d
adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool2d
"""
_SUMS = "add add_ __add__ __iadd__ __radd__ sub sub_ __sub__ __isub__"
_PRODUCTS = "mul mul_ multiply __mul__ __rmul__ __imul__ div div_ true_divide __truediv__ __itruediv__ glu"
_DROPOUTS = "dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout bernoulli"
_AFFINE = "linear conv1d conv2d conv3d"
_NORMS = "layer_norm batch_norm group_norm instance_norm rms_norm"
_NUMBERS = "__bool__ __float__ __int__ __index__ item tolist numpy __array__"
_CHECKS = "isfinite isnan isinf"
_PARTS = "chunk split unbind tensor_split"

ACTIVATION_MODULES = frozenset(_ACTIVATION_MODULES.split())
CURVES, PLAIN = frozenset(_CURVES.split()), frozenset(_PLAIN.split())
SUMS, DROPOUTS, AFFINE = frozenset(_SUMS.split()), frozenset(_DROPOUTS.split()), frozenset(_AFFINE.split())
PRODUCTS = frozenset(_PRODUCTS.split())
NORMS, PARTS = frozenset(_NORMS.split()), frozenset(_PARTS.split())
NUMBERS = frozenset(_NUMBERS.split())
"""By which a signal becomes a number of Python."""
CHECKS = frozenset(_CHECKS.split())
"""By which modules refuse bad input: harmless, though a decision follows."""
