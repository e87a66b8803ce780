"""Networks by name: encoders of images and of the last observations, activations, normalisation layers.

An encoder reads normalised features, (n, H*O) of the last H observations, oldest first, or (n, C*h*w) of an image, or (n, O)
whose last numbers are pictures, and gives the features (n, features_dim) of the hidden layers of actor and critic. What it
makes of a history or of pictures stands beside the newest observation, or the rest of it, so that it has to learn only what
that one does not show. No encoder looks at other rows of the batch.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import MlpExtractor
from torch import nn
from torch.nn import functional as F

from ..robots import SurefootError
from .normalization import NormalizedExtractor, RunningNorm


class Tanh(nn.Tanh):
    """tanh x = 1 - 2 / (1 + e^2x) by the logistic function, which torch works out six times as fast on a CPU.

    The difference to `torch.tanh` is rounding: at most 2e-7.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.rsub(torch.sigmoid(-2.0 * x), 1.0, alpha=2.0)


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": Tanh, "relu": nn.ReLU, "elu": nn.ELU, "selu": nn.SELU, "silu": nn.SiLU, "gelu": nn.GELU, "mish": nn.Mish,
    "leaky_relu": nn.LeakyReLU, "softplus": nn.Softplus,
}  # fmt: skip
NORM_LAYERS = ("none", "layer", "rms")


class Normalize(nn.Module):
    """Layer normalisation (Ba et al., 2016), or by the root mean square alone (Zhang & Sennrich, 2019), over one dimension.

    Without gain and bias, so that SB3, which makes hidden layers of any width from one class, can use it everywhere.
    """

    def __init__(self, kind: str, dim: int = -1):
        super().__init__()
        self.kind, self.dim = kind, dim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.kind == "layer":
            x = x - x.mean(self.dim, keepdim=True)
        return x * torch.rsqrt(x.square().mean(self.dim, keepdim=True) + 1e-5)


def hidden(activation: str, norm_layer: str = "none", dim: int = -1) -> Callable[[], nn.Module]:
    """Makes what follows a hidden linear layer; what SB3 calls `activation_fn`. `dim` holds the units."""
    if norm_layer == "none":
        return ACTIVATIONS[activation]
    return lambda: nn.Sequential(Normalize(norm_layer, dim), ACTIVATIONS[activation]())


class Convolution(nn.Module):
    """Of images (C, h, w): three convolutions, each halving height and width, and one linear layer."""

    def __init__(self, shape: tuple[int, ...], width: int, activation: str, norm_layer: str):
        super().__init__()
        self.shape, self.features_dim = shape, width
        after = hidden(activation, norm_layer, dim=1)
        self.layers = nn.Sequential(
            nn.Conv2d(shape[0], 16, 5, 2, padding=2), after(),
            nn.Conv2d(16, 32, 3, 2, padding=1), after(),
            nn.Conv2d(32, 32, 3, 2, padding=1), after(),
            nn.Flatten(),
        )  # fmt: skip
        rows, columns = (math.ceil(side / 8) for side in shape[1:])
        self.last = nn.Sequential(nn.Linear(32 * rows * columns, width), hidden(activation, norm_layer)())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.layers(x.unflatten(1, self.shape)))


class History(nn.Module):
    """What the encoders of H steps of O numbers share: a linear layer for each step, and the newest step beside the result.

    `sequence` (n, H, width) -> (n, positions, width) is theirs. It is causal: a position knows of no later step.
    """

    def __init__(self, steps: int, size: int, width: int, activation: str, norm_layer: str):
        super().__init__()
        self.steps, self.size, self.features_dim = steps, size, size + width
        self.embed = nn.Sequential(nn.Linear(size, width), hidden(activation, norm_layer)())

    def sequence(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def summary(self, x: torch.Tensor) -> torch.Tensor:
        """(n, width) of embedded steps (n, H, width): the last position, which knows of all of them."""
        return self.sequence(x)[:, -1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.unflatten(1, (self.steps, self.size))
        return torch.cat([x[:, -1], self.summary(self.embed(x))], 1)


class TemporalConvolution(History):
    """Three causal convolutions over time and a linear layer, with RMA's kernels and strides (Kumar et al., 2021).

    Where they do not fit into H steps, zeros come before the oldest.
    """

    LAYERS = ((8, 4), (5, 1), (5, 1))  # kernel and stride

    def __init__(self, steps: int, size: int, width: int, activation: str, norm_layer: str):
        super().__init__(steps, size, width, activation, norm_layer)
        layers: list[nn.Module] = []
        positions = steps
        for kernel, stride in self.LAYERS:
            # The last window ends at the newest step.
            padding = kernel - positions if positions < kernel else -(positions - kernel) % stride
            positions = (positions + padding - kernel) // stride + 1
            after = hidden(activation, norm_layer, dim=1)()
            layers += [nn.ConstantPad1d((padding, 0), 0.0), nn.Conv1d(width, width, kernel, stride), after]
        self.layers = nn.Sequential(*layers)
        self.last = nn.Sequential(nn.Linear(positions * width, width), hidden(activation, norm_layer)())

    def sequence(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x.transpose(1, 2)).transpose(1, 2)

    def summary(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.sequence(x).flatten(1))


class Transformer(History):
    """Two blocks of causal attention over the embedded steps, with learnt positions (Vaswani et al., 2017).

    Normalised before each part (Xiong et al., 2020), by a layer norm where `norm_layer` is "none".
    """

    def __init__(self, steps: int, size: int, width: int, activation: str, norm_layer: str):
        super().__init__(steps, size, width, activation, norm_layer)
        kind = "layer" if norm_layer == "none" else norm_layer
        self.positions = nn.Parameter(0.02 * torch.randn(steps, width))
        self.blocks = nn.Sequential(*(Block(width, activation, kind) for _ in range(2)), Normalize(kind))

    def sequence(self, x: torch.Tensor) -> torch.Tensor:
        return self.blocks(x + self.positions)


class Block(nn.Module):
    """Attention and a two-layer network, each added to what comes in."""

    def __init__(self, width: int, activation: str, norm_layer: str):
        super().__init__()
        self.heads = math.gcd(width, 4)
        self.norm = Normalize(norm_layer)
        self.attention, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.layers = nn.Sequential(nn.Linear(width, 2 * width), ACTIVATIONS[activation](), nn.Linear(2 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = self.attention(self.norm(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        return x + self.layers(self.norm(x))


class Recurrent(History):
    """One LSTM (Hochreiter & Schmidhuber, 1997) or GRU layer (Cho et al., 2014) that starts anew at the oldest step."""

    def __init__(self, cell: type[nn.LSTM] | type[nn.GRU], steps: int, size: int, width: int, *names: str):
        super().__init__(steps, size, width, *names)
        self.cell = cell(width, width, batch_first=True)

    def sequence(self, x: torch.Tensor) -> torch.Tensor:
        return self.cell(x)[0]


class Privileged(nn.Module):
    """Of the last `known` numbers of an observation, which only simulation knows: a latent beside the other numbers.

    RMA's encoder of environment factors (Kumar et al., 2021), whose latent a history network learns to infer.
    """

    def __init__(self, size: int, known: int, width: int, activation: str, norm_layer: str):
        super().__init__()
        self.known, self.features_dim = known, size - known + width
        after = hidden(activation, norm_layer)
        self.layers = nn.Sequential(nn.Linear(known, 64), after(), nn.Linear(64, width), after())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x[:, : -self.known], self.layers(x[:, -self.known :])], 1)


class Pictures(nn.Module):
    """Of the last numbers of an observation, which are pictures (`envs.views`): a convolution of each beside the others."""

    def __init__(self, size: int, shapes: Sequence[tuple[int, int, int]], width: int, activation: str, norm_layer: str):
        super().__init__()
        self.sizes = [math.prod(shape) for shape in shapes]
        self.rest = size - sum(self.sizes)
        self.features_dim = self.rest + width * len(self.sizes)
        self.layers = nn.ModuleList(Convolution(shape, width, activation, norm_layer) for shape in shapes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rest, *pictures = x.split([self.rest, *self.sizes], dim=1)
        return torch.cat([rest, *(layer(seen) for layer, seen in zip(self.layers, pictures, strict=True))], 1)


HISTORY_NETWORKS: dict[str, Callable[..., History]] = {
    "tcn": TemporalConvolution,
    "transformer": Transformer,
    "lstm": partial(Recurrent, nn.LSTM),
    "gru": partial(Recurrent, nn.GRU),
}
# "mlp" is no encoder: the hidden layers alone.
NETWORKS = ("mlp", "cnn", "privileged", *HISTORY_NETWORKS)

Encoder = Convolution | History | Privileged | Pictures
EncoderMaker = Callable[[spaces.Space], Encoder]


def make_encoder(
    space: spaces.Space,
    network: str,
    history: int,
    width: int,
    activation: str,
    norm_layer: str,
    known: int = 0,
    pictures: Sequence[tuple[int, int, int]] = (),
) -> Encoder:
    """The encoder `network` of observations in `space`, whose last numbers are `known` privileged ones, or `pictures`.

    Raises `SurefootError` where they are not what it reads.
    """
    shape = space.shape or ()
    if network == "privileged":
        return Privileged(math.prod(shape), known, width, activation, norm_layer)
    if network == "cnn":
        if pictures:
            return Pictures(math.prod(shape), pictures, width, activation, norm_layer)
        if len(shape) != 3:
            raise SurefootError(
                f"network 'cnn' reads images (channels, height, width), not observations {shape}: choose mlp, with a "
                f"history {', '.join(HISTORY_NETWORKS)}, or inputs=height-scan (or camera), which are pictures"
            )
        return Convolution(shape, width, activation, norm_layer)
    size, rest = divmod(math.prod(shape), history)
    if rest:
        raise SurefootError(
            f"history={history} does not fit observations of {math.prod(shape)} numbers: expected a divisor"
        )
    return HISTORY_NETWORKS[network](history, size, width, activation, norm_layer)


def orthogonal(module: nn.Module, gain: float) -> None:
    """Orthogonal weights of this gain and zero biases for one layer, as SB3 does; recurrent layers have gain 1."""
    if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
        nn.init.orthogonal_(module.weight, gain)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.LSTM | nn.GRU):
        for parameter in module.parameters():
            if parameter.ndim == 2:
                nn.init.orthogonal_(parameter)
            else:
                nn.init.zeros_(parameter)


class EncodedMlp(MlpExtractor):
    """The hidden layers of actor and critic over one encoder of the features, which both of them teach."""

    def __init__(self, encoder: Encoder, *args: object, **kwargs: object):
        super().__init__(encoder.features_dim, *args, **kwargs)  # type: ignore[arg-type]
        self.encoder = encoder

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        code = self.encoder(features)
        return self.policy_net(code), self.value_net(code)

    def forward_actor(self, features: torch.Tensor) -> torch.Tensor:
        return self.policy_net(self.encoder(features))

    def forward_critic(self, features: torch.Tensor) -> torch.Tensor:
        return self.value_net(self.encoder(features))


class EncodedExtractor(NormalizedExtractor):
    """SB3 features extractor for off-policy algorithms: normalised, then encoded; each of actor and critic has its own."""

    def __init__(self, observation_space: spaces.Space, norm: RunningNorm, encoder: EncoderMaker):
        super().__init__(observation_space, norm)
        self.encoder = encoder(observation_space)
        self._features_dim = self.encoder.features_dim

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return self.encoder(super().forward(observations))
