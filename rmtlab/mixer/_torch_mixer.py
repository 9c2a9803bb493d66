"""Mixers and sparse perceptrons as torch modules. Imported only when one is drawn."""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from rmtlab import ensembles
from rmtlab._torch_layers import real_tensor
from rmtlab.activations import Activation
from rmtlab.mixer._sizes import Shape
from rmtlab.mixer._vectors import commutation_index


class MixerBlock(nn.Module):
    """Y = Mix_C(Mix_S(X)): a two-layer perceptron along tokens, and one along channels."""

    def __init__(
        self,
        shape: Shape,
        activation: Activation,
        *,
        permutation: str,
        skip: bool,
        normalise: bool,
        weight_var: float,
        rng: np.random.Generator,
        dtype: str,
    ) -> None:
        super().__init__()
        self.shape, self.activation, self.skip, self.normalise = shape, activation, skip, normalise
        weight_rng, order_rng = rng.spawn(2)
        s, c, g = shape.tokens, shape.channels, shape.expansion
        self.token_in = drawn(g * s, s, weight_var, weight_rng, dtype)
        self.token_out = drawn(s, g * s, weight_var, weight_rng, dtype)
        self.channel_in = drawn(g * c, c, weight_var, weight_rng, dtype)
        self.channel_out = drawn(c, g * c, weight_var, weight_rng, dtype)
        orders = np.stack([order_rng.permutation(shape.width) for _ in range(4)])
        self.orders: Tensor | None
        self.register_buffer("orders", torch.tensor(orders) if permutation == "random" else None)

    def forward(self, x: Any) -> Tensor:
        """Return Y (…, S, C) for X (…, S, C)."""
        x = fitting(x, (self.shape.tokens, self.shape.channels), self.token_in)
        if self.orders is not None:
            return as_matrix(self._permuted(as_vector(x), self.orders), self.shape)
        x = self._add(x, self.token_out @ self.activation(self.token_in @ self._scaled(x, 2)))
        return self._add(x, self.activation(self._scaled(x, 2) @ self.channel_in.mT) @ self.channel_out.mT)

    def _permuted(self, x: Tensor, orders: Tensor) -> Tensor:
        halves = (
            (self.token_in, self.token_out, orders[0], orders[1]),
            (self.channel_in, self.channel_out, orders[2], orders[3]),
        )
        for first, second, before, after in halves:
            blocks = self._scaled(x, 1)[..., before].unflatten(-1, (-1, first.shape[1]))
            mixed = self.activation(blocks @ first.mT) @ second.mT
            x = self._add(x, mixed.flatten(-2)[..., after])
        return x

    def _scaled(self, x: Tensor, axes: int) -> Tensor:
        return normalised(x, axes) if self.normalise else x

    def _add(self, x: Tensor, branch: Tensor) -> Tensor:
        return x + branch if self.skip else branch

    def extra_repr(self) -> str:
        """Say the shape."""
        kind = "commutation" if self.orders is None else "random"
        return f"{self.shape}, {self.activation.name}, permutation={kind!r}, skip={self.skip}"


class SparseMixer(nn.Module):
    """A Mixer block read as a perceptron of width SC: the same parameters, written out as wide matrices."""

    def __init__(self, block: MixerBlock) -> None:
        super().__init__()
        self.block = block
        shape = block.shape
        if block.orders is None:
            turn = torch.tensor(commutation_index(shape.tokens, shape.channels))
            same = torch.arange(shape.width)
            orders = torch.stack([same, same, turn, turn.argsort()])
        else:
            orders = block.orders
        self.orders: Tensor
        self.register_buffer("orders", orders.to(block.token_in.device))

    def forward(self, x: Any) -> Tensor:
        """Return vec Y (…, SC) for vec X (…, SC)."""
        block, wide = self.block, self._wide()
        x = fitting(x, (block.shape.width,), block.token_in)
        for first, second in zip(wide, wide, strict=True):
            x = block._add(x, block.activation(block._scaled(x, 1) @ first.mT) @ second.mT)
        return x

    @property
    def weights(self) -> list[sparse.csr_array]:
        """The four wide matrices as they are now, in the order in which they act."""
        return [sparse.csr_array(matrix.detach().cpu().numpy()) for matrix in self._wide()]

    def _wide(self) -> Iterator[Tensor]:
        """Yield (I ⊗ first)·J_before and J_after·(I ⊗ second) of both halves."""
        block, shape = self.block, self.block.shape
        halves = (
            (block.token_in, block.token_out, shape.channels),
            (block.channel_in, block.channel_out, shape.tokens),
        )
        for (first, second, copies), (before, after) in zip(
            halves, self.orders.unflatten(0, (2, 2)), strict=True
        ):
            one = torch.eye(copies, dtype=first.dtype, device=first.device)
            yield torch.kron(one, first)[:, before.argsort()]
            yield torch.kron(one, second)[after]


class MixerNetwork(nn.Module):
    """Tokens → channels, Mixer blocks, read-out."""

    def __init__(
        self, blocks: list[MixerBlock], stem: nn.Parameter, read_out: nn.Parameter, pooled: bool
    ) -> None:
        super().__init__()
        self.tokens, self.blocks = blocks[0].shape.tokens, nn.ModuleList(blocks)
        self.stem, self.read_out, self.pooled = stem, read_out, pooled

    def forward(self, x: Any) -> Tensor:
        """Return (n, out_features) for tokens (n, S, in_features)."""
        h = fitting(x, (self.tokens, self.stem.shape[1]), self.stem) @ self.stem.mT
        for block in self.blocks:
            h = block(h)
        h = normalised(h, 2)
        return (h.mean(-2) if self.pooled else as_vector(h)) @ self.read_out.mT


class MaskedMLP(nn.Module):
    """A perceptron in which only some weights exist, drawn once."""

    def __init__(
        self,
        sizes: list[int],
        activation: Activation,
        *,
        density: float,
        weight_var: float,
        rng: np.random.Generator,
        dtype: str,
    ) -> None:
        super().__init__()
        self.activation, self.density = activation, density
        weight_rng, mask_rng = rng.spawn(2)
        shapes = list(zip(sizes[1:], sizes, strict=False))
        kept = [max(1, round(density * n * m)) for n, m in shapes]
        fans = [count / n for count, (n, _) in zip(kept, shapes, strict=True)]
        self.layers = nn.ParameterList(
            drawn(n, m, weight_var * m / fan, weight_rng, dtype)
            for (n, m), fan in zip(shapes, fans, strict=True)
        )
        self._masks = [f"mask{number}" for number in range(len(shapes))]
        for name, shape, count in zip(self._masks, shapes, kept, strict=True):
            mask = np.zeros(prod(shape))
            mask[mask_rng.permutation(mask.size)[:count]] = 1.0
            self.register_buffer(name, torch.tensor(mask.reshape(shape), dtype=getattr(torch, dtype)))

    def forward(self, x: Any) -> Tensor:
        """Return (n, out_features) for (n, in_features)."""
        *hidden, last = self._effective()
        x = fitting(x, (self.layers[0].shape[1],), last)
        for weight in hidden:
            x = self.activation(x @ weight.mT)
        return x @ last.mT

    @property
    def weights(self) -> list[Tensor]:
        """The weights that act, with zeros where there is none: copies, cut off from the graph."""
        return [weight.detach() for weight in self._effective()]

    @property
    def connections(self) -> int:
        """How many weights there are."""
        return sum(int(getattr(self, name).count_nonzero()) for name in self._masks)

    def _effective(self) -> list[Tensor]:
        masks = (getattr(self, name) for name in self._masks)
        return [mask * weight for mask, weight in zip(masks, self.layers, strict=True)]


def drawn(n: int, m: int, weight_var: float, rng: np.random.Generator, dtype: str) -> nn.Parameter:
    """Return an n × m Gaussian parameter of variance weight_var/m."""
    return nn.Parameter(torch.tensor(ensembles.ginibre(n, m, weight_var, rng), dtype=getattr(torch, dtype)))


def as_vector(x: Tensor) -> Tensor:
    """Return vec X."""
    return x.mT.flatten(-2)


def as_matrix(x: Tensor, shape: Shape) -> Tensor:
    """Return X whose columns the vector holds."""
    return x.unflatten(-1, (shape.channels, shape.tokens)).mT


def normalised(x: Tensor, axes: int, eps: float = 1e-5) -> Tensor:
    """Return x with mean 0 and variance 1 over its last axes together."""
    over = tuple(range(-axes, 0))
    centred = x - x.mean(over, keepdim=True)
    return centred / (centred.square().mean(over, keepdim=True) + eps).sqrt()


def fitting(x: Any, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Return x as a tensor like another if its last axes have these sizes."""
    x = real_tensor(x, like)
    if x.shape[-len(shape) :] != shape:
        needed = ", ".join(map(str, ("…", *shape)))
        raise ValueError(f"x must have the shape ({needed}), but its shape is {tuple(x.shape)}.")
    return x


def network(
    shape: Shape, sizes: tuple[int, int], depth: int, pooled: bool, rng: np.random.Generator, **of_blocks: Any
) -> MixerNetwork:
    """Draw a whole network."""
    in_features, out_features = sizes
    stem_rng, read_out_rng, block_rng = rng.spawn(3)
    dtype = of_blocks["dtype"]
    stem = drawn(shape.channels, in_features, 1.0, stem_rng, dtype)
    behind = shape.channels if pooled else shape.width
    read_out = drawn(out_features, behind, 1.0, read_out_rng, dtype)
    blocks = [MixerBlock(shape, rng=own, **of_blocks) for own in block_rng.spawn(depth)]
    return MixerNetwork(blocks, stem, read_out, pooled)
