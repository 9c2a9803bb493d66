"""Bad input for rmtlab.mixer."""

import numpy as np
import torch
from torch import nn

from rmtlab import mixer
from rmtlab.mixer._torch_mixer import MaskedMLP, MixerBlock, MixerNetwork, SparseMixer

SHAPE = mixer.Shape(4, 3)
BLOCK = mixer.block(SHAPE)
RETURNED = [MaskedMLP, MixerBlock, MixerNetwork, SparseMixer]


def of_modules(function):
    return [
        (lambda: function("4x3"), "shape must be a Shape"),
        (lambda: function(SHAPE, activation="rleu"), "Did you mean 'relu'"),
        (lambda: function(SHAPE, activation=np.tanh), "activation must be a name or an rmtlab activation"),
        (lambda: function(SHAPE, permutation="ramdom"), "Did you mean 'random'"),
        (lambda: function(SHAPE, weight_var=-1.0), "weight_var must be a finite number at least 0"),
        (lambda: function(SHAPE, seed=-1), "seed must be a whole number of at least 0"),
        (lambda: function(SHAPE, dtype="float16"), "dtype cannot be 'float16'"),
    ]


CASES = {
    "vec": [
        (lambda: mixer.vec([1.0, 2.0]), "x must be a matrix or a stack of them"),
        (lambda: mixer.vec([[np.nan]]), "x holds 1 values that are NaN"),
        (lambda: mixer.vec(1j * np.eye(2)), "x must be an array of real numbers"),
    ],
    "unvec": [
        (lambda: mixer.unvec(np.ones(5), 2, 3), "v must have 6 entries on its last axis"),
        (lambda: mixer.unvec(1.0, 1, 1), "v must have 1 entries"),
        (lambda: mixer.unvec(np.ones(6), 0, 6), "rows must be a whole number of at least 1"),
    ],
    "commutation_index": [
        (lambda: mixer.commutation_index(0, 3), "rows must be a whole number of at least 1"),
        (lambda: mixer.commutation_index(2, 1.5), "columns must be a whole number"),
    ],
    "commutation": [(lambda: mixer.commutation(2, -1), "columns must be a whole number of at least 1")],
    "token_operator": [
        (lambda: mixer.token_operator(np.ones(3), 2), "w must have 2 axes"),
        (lambda: mixer.token_operator(np.eye(3), 0), "channels must be a whole number of at least 1"),
    ],
    "channel_operator": [
        (lambda: mixer.channel_operator(np.ones(3), 2), "v must have 2 axes"),
        (lambda: mixer.channel_operator(np.eye(3), 0), "tokens must be a whole number of at least 1"),
    ],
    "monarch": [
        (lambda: mixer.monarch(np.eye(2), np.ones((2, 2, 2))), "left must have 3 axes"),
        (lambda: mixer.monarch(np.ones((3, 2, 2)), np.ones((3, 2, 2))), "left must hold S blocks"),
    ],
    "block_haar": [
        (lambda: mixer.block_haar(0, 2), "tokens must be a whole number of at least 1"),
        (lambda: mixer.block_haar(2, 0), "channels must be a whole number of at least 1"),
        (lambda: mixer.block_haar(2, 2, rng="seed"), "rng must be a whole number"),
    ],
    "Shape": [
        (lambda: mixer.Shape(0, 3), "tokens must be a whole number of at least 1"),
        (lambda: mixer.Shape(3, 2.5), "channels must be a whole number"),
        (lambda: mixer.Shape(3, 3, expansion=0), "expansion must be a whole number of at least 1"),
    ],
    "maximal_width": [
        (lambda: mixer.maximal_width(0.0), "connections must be a finite number above 0"),
        (lambda: mixer.maximal_width(10.0, expansion=-1), "expansion must be a finite number above 0"),
    ],
    "frontier": [
        (lambda: mixer.frontier(0.5), "One token and one channel need γ of them"),
        (lambda: mixer.frontier(np.inf), "connections must be a finite number"),
        (lambda: mixer.frontier(np.float32(0.5)), "connections must be a finite number at least 1"),
        (lambda: mixer.frontier("many"), "connections must be a number"),
        (lambda: mixer.frontier(10, expansion=1.5), "expansion must be a whole number"),
    ],
    "best_shape": [(lambda: mixer.best_shape(2, expansion=3), "connections must be a finite number at least 3")],
    "block": of_modules(mixer.block),
    "as_mlp": [
        (lambda: mixer.as_mlp(nn.Linear(2, 2)), "module must be a block that rmtlab.mixer.block(...) drew"),
        (lambda: mixer.as_mlp(SHAPE), "but a Shape was given"),
    ],
    "network": [
        *of_modules(lambda shape, **options: mixer.network(shape, 4, 10, **options)),
        (lambda: mixer.network(SHAPE, 0, 10), "in_features must be a whole number of at least 1"),
        (lambda: mixer.network(SHAPE, 4, 0), "out_features must be a whole number of at least 1"),
        (lambda: mixer.network(SHAPE, 4, 10, depth=0), "depth must be a whole number of at least 1"),
        (lambda: mixer.network(SHAPE, 4, 10, read_out="mean"), "read_out cannot be 'mean'"),
    ],
    "patches": [
        (lambda: mixer.patches(np.ones((4, 4)), 2), "images must have 3 or 4 axes"),
        (lambda: mixer.patches(np.ones((1, 8, 8)), 3), "size must divide the 8 by 8 pixels"),
        (lambda: mixer.patches(np.ones((1, 8, 8)), 0), "size must be a whole number of at least 1"),
    ],
    "masked_mlp": [
        (lambda: mixer.masked_mlp(0, 8, 2), "in_features must be a whole number of at least 1"),
        (lambda: mixer.masked_mlp(4, 8.5, 2), "width must be a whole number"),
        (lambda: mixer.masked_mlp(4, 8, 0), "out_features must be a whole number of at least 1"),
        (lambda: mixer.masked_mlp(4, 8, 2, density=0.0), "density must be above 0 and at most 1"),
        (lambda: mixer.masked_mlp(4, 8, 2, density=1.5), "density must be above 0 and at most 1"),
        (lambda: mixer.masked_mlp(4, 8, 2, depth=0), "depth must be a whole number of at least 1"),
        (lambda: mixer.masked_mlp(4, 8, 2, activation="rleu"), "Did you mean 'relu'"),
        (lambda: mixer.masked_mlp(4, 8, 2, weight_var=-1.0), "weight_var must be a finite number at least 0"),
        (lambda: mixer.masked_mlp(4, 8, 2, seed=-1), "seed must be a whole number of at least 0"),
        (lambda: mixer.masked_mlp(4, 8, 2, dtype="int8"), "dtype cannot be 'int8'"),
    ],
    "MixerBlock.forward": [
        (lambda: BLOCK(np.ones((2, 3, 4))), "x must have the shape (…, 4, 3), but its shape is (2, 3, 4)"),
        (lambda: mixer.block(SHAPE, permutation="random")(torch.ones(2, 3, 4)), "x must have the shape (…, 4, 3)"),
        (lambda: BLOCK(np.full((4, 3), np.nan)), "x holds 12 values that are NaN"),
        (lambda: BLOCK(torch.ones(4, 3) * 1j), "x must be real"),
        (lambda: BLOCK("tokens"), "x must be an array of real numbers"),
    ],
    "SparseMixer.forward": [
        (lambda: mixer.as_mlp(BLOCK)(torch.ones(2, 4, 3)), "x must have the shape (…, 12)"),
    ],
    "MixerNetwork.forward": [
        (lambda: mixer.network(SHAPE, 5, 2)(torch.ones(2, 4, 6)), "x must have the shape (…, 4, 5)"),
        (lambda: mixer.network(SHAPE, 5, 2)(torch.ones(2, 3, 5)), "x must have the shape (…, 4, 5)"),
    ],
    "MaskedMLP.forward": [(lambda: mixer.masked_mlp(4, 8, 2)(np.ones((3, 5))), "x must have the shape (…, 4)")],
}  # fmt: skip

NOTHING_TO_REFUSE = {
    "MaskedMLP": "masked_mlp makes it from checked input",
    "MixerBlock": "block makes it from checked input",
    "MixerNetwork": "network makes it from checked input",
    "SparseMixer": "as_mlp makes it from a block",
}
