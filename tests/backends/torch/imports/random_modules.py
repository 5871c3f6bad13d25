"""Random modules as people write them, made of torch alone: nothing here knows archscope, or its registry of ops."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.checkpoint import checkpoint

Step = Callable[["Drawn", torch.Tensor], torch.Tensor]


class Straight(torch.autograd.Function):
    """The sign, whose gradient is that of the identity."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.sign()

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return grad


class Held(nn.Module):
    """A module inside: a layer, a scale of no dimension, and a function that holds the module."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.gain = layer, nn.Parameter(torch.tensor(0.5))
        self.call = lambda x: self.layer(x) * self.gain

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.call(x)


class Padded(nn.Linear):
    """A leaf with a child."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.before = nn.Tanh()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(self.before(x))


class Drawn(nn.Module):
    """Steps, one after the other."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.draw = random.Random(seed)
        self.parts = nn.ModuleList()
        self.named = nn.ModuleDict()
        self.scales = nn.ParameterList()
        self.steps: list[Step] = []
        self.made: list[str] = []
        self.shape: tuple[int, ...] = ()
        self.mixed = False

    # -- what steps are made of ------------------------------------------------------------------------------------

    def keep(self, part: nn.Module) -> Callable[[], nn.Module]:
        """Put a part into some container, and say how it is found there."""
        way = self.draw.randrange(4)
        if way == 0:
            name = self.draw.choice(["a b", "x-y", "z"]) + str(len(self.named))
            self.named[name] = part
            return lambda: self.named[name]
        if way == 1:
            number = len(self.parts)
            self.parts.append(part)
            return lambda: self.parts[number]
        name = f"part{len(self._modules)}"
        self.add_module(name, nn.Sequential(part, nn.ReLU()) if way == 2 else part)
        return lambda: getattr(self, name)

    def linear(self, into: int, out: int) -> nn.Module:
        """A layer from features to features."""
        kind = self.draw.randrange(6)
        bias = self.draw.random() < 0.7
        if kind == 0:
            return Padded(into, out, bias=bias)
        if kind == 1:
            return Held(nn.Linear(into, out, bias=bias))
        if kind == 2:
            return nn.Sequential(nn.Linear(into, out, bias=bias), nn.LayerNorm(out), nn.GELU())
        return nn.Linear(into, out, bias=bias)

    def add(self, name: str, step: Step) -> None:
        """One step more."""
        self.made.append(name)
        self.steps.append(step)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for step in self.steps:
            x = step(self, x)
        return x


# -- steps on features -------------------------------------------------------------------------------------------------


def dense(net: Drawn) -> None:
    out = net.draw.randint(2, 6)
    part = net.keep(net.linear(net.shape[-1], out))
    net.shape = (*net.shape[:-1], out)
    net.add("dense", lambda _, x: part()(x))


def twice(net: Drawn) -> None:
    part = net.keep(net.linear(net.shape[-1], net.shape[-1]))
    net.add("shared", lambda _, x: part()(part()(x)))


def tied(net: Drawn) -> None:
    out = net.draw.randint(2, 6)
    part = nn.Linear(net.shape[-1], out, bias=net.draw.random() < 0.5)
    net.parts.append(part)
    net.add("tied", lambda _, x: F.linear(torch.tanh(part(x)), part.weight.t()))


def one_weight(net: Drawn) -> None:
    one, other = (nn.Linear(net.shape[-1], net.shape[-1], bias=bias) for bias in (True, net.draw.random() < 0.5))
    other.weight = one.weight
    net.parts.extend([one, other])
    net.add("one weight", lambda _, x: other(F.relu(one(x))))


def detached(net: Drawn) -> None:
    net.add("detach", lambda _, x: x.detach())


def straight(net: Drawn) -> None:
    net.add("straight", lambda _, x: x + (torch.tanh(x) - x).detach())


def custom(net: Drawn) -> None:
    net.add("custom", lambda _, x: Straight.apply(x))


def without_gradient(net: Drawn) -> None:
    part = net.keep(net.linear(net.shape[-1], net.shape[-1]))

    def step(_: Drawn, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            y = part()(x)
        return x + y

    net.add("no_grad", step)


def recomputed(net: Drawn) -> None:
    out, reentrant = net.draw.randint(2, 6), net.draw.random() < 0.3
    part = net.keep(nn.Sequential(nn.Linear(net.shape[-1], 7), nn.Tanh(), nn.Linear(7, out)))
    net.shape = (*net.shape[:-1], out)
    net.add("checkpoint", lambda _, x: checkpoint(part(), x, use_reentrant=reentrant))


def gated(net: Drawn) -> None:
    net.scales.append(nn.Parameter(torch.tensor(0.3)))
    number, way = len(net.scales) - 1, net.draw.randrange(4)
    functions = [
        lambda g, x: x * g,
        lambda g, x: x * g.exp(),
        lambda g, x: torch.sigmoid(g) * x + (1 - torch.sigmoid(g)) * x.tanh(),
        lambda g, x: x + g,
    ]
    net.add("scalar", lambda self, x: functions[way](self.scales[number], x))


def vector(net: Drawn) -> None:
    size = net.shape[-1]
    net.scales.append(nn.Parameter(torch.ones(size), requires_grad=net.draw.random() < 0.7))
    number = len(net.scales) - 1
    net.add("vector", lambda self, x: x * self.scales[number])


def buffered(net: Drawn) -> None:
    name, size = f"buffer{len(net._buffers)}", net.draw.choice([(), (net.shape[-1],), (1, net.shape[-1])])
    net.register_buffer(name, torch.full(size, 0.5), persistent=net.draw.random() < 0.5)
    net.add("buffer", lambda self, x: x - getattr(self, name))


def counted(net: Drawn) -> None:
    name = f"count{len(net._buffers)}"
    net.register_buffer(name, torch.tensor(0))

    def step(self: Drawn, x: torch.Tensor) -> torch.Tensor:
        setattr(self, name, getattr(self, name) + 1)
        return x

    net.add("count", step)


def function(net: Drawn) -> None:
    functions: list[Callable[[torch.Tensor], torch.Tensor]] = [
        F.relu, torch.tanh, torch.sigmoid, F.gelu, F.silu, lambda x: F.softmax(x, -1), lambda x: x * 2, lambda x: x + x,
        lambda x: x * torch.sigmoid(x), lambda x: F.layer_norm(x, x.shape[-1:]), lambda x: x.square(),
        lambda x: x.clamp(-1, 1), lambda x: F.leaky_relu(x, 0.1), lambda x: -x, lambda x: x.flip(-1), lambda x: x / 3,
        lambda x: x - x.mean(-1, keepdim=True), F.elu, lambda x: x.abs(), lambda x: F.normalize(x, dim=-1),
        lambda x: x.masked_fill(x > 1, 0.0), lambda x: torch.where(x > 0, x, x.exp()), lambda x: x.cumsum(-1),
    ]  # fmt: skip
    chosen = net.draw.randrange(len(functions))
    net.add(f"function {chosen}", lambda _, x: functions[chosen](x))


def joined(net: Drawn) -> None:
    part = net.keep(net.linear(net.shape[-1], 3))
    net.shape = (*net.shape[:-1], net.shape[-1] + 3)
    net.add("cat", lambda _, x: torch.cat([x, part()(x)], -1))


def split(net: Drawn) -> None:
    if net.shape[-1] % 2:
        return
    net.shape = (*net.shape[:-1], net.shape[-1] // 2)

    def step(_: Drawn, x: torch.Tensor) -> torch.Tensor:
        one, other = x.chunk(2, -1)
        return one * torch.sigmoid(other)

    net.add("chunk", step)


def residual(net: Drawn) -> None:
    part = net.keep(net.linear(net.shape[-1], net.shape[-1]))
    net.add("residual", lambda _, x: x + part()(x))


def dropped(net: Drawn) -> None:
    part = net.keep(nn.Dropout(0.25))
    net.add("dropout", lambda _, x: part()(x))


def mixture(net: Drawn) -> None:
    experts = nn.ModuleDict({f"e{number}": nn.Linear(net.shape[-1], 4) for number in range(2)})
    net.named[f"experts{len(net.named)}"] = experts
    mix = nn.Parameter(torch.ones(2), requires_grad=net.draw.random() < 0.8)
    net.scales.append(mix)
    net.shape = (*net.shape[:-1], 4)
    net.add("mixture", lambda _, x: sum(w * part(x) for w, part in zip(mix.unbind(), experts.values(), strict=True)))


# -- steps in other types ----------------------------------------------------------------------------------------------


def _other(net: Drawn) -> torch.dtype:
    net.mixed = True
    return net.draw.choice([torch.bfloat16, torch.float64])


def elsewhere(net: Drawn) -> None:
    """A layer that is held, and works, in another type."""
    kind = _other(net)
    part = net.keep(net.linear(net.shape[-1], net.shape[-1]).to(kind))
    net.add(f"in {kind}", lambda _, x: x + part()(x.to(kind)).to(x.dtype))


def promoted(net: Drawn) -> None:
    """Parameters of another type beside what arrives: torch promotes them."""
    kind, size = _other(net), net.draw.choice([(), (net.shape[-1],)])
    net.scales.append(nn.Parameter(torch.full(size, 0.5, dtype=kind)))
    number = len(net.scales) - 1
    net.add(f"with {kind}", lambda self, x: (x * self.scales[number]).type_as(x))


def table(net: Drawn) -> None:
    """A buffer of another type."""
    kind, name = _other(net), f"buffer{len(net._buffers)}"
    net.register_buffer(name, torch.full((net.shape[-1],), 0.5, dtype=kind))
    net.add(f"buffer of {kind}", lambda self, x: (x + getattr(self, name)).to(x.dtype))


def arithmetic(net: Drawn) -> None:
    """A function that works in another type."""
    kind = net.draw.choice([torch.bfloat16, torch.float64])
    functions: list[Callable[[torch.Tensor], torch.Tensor]] = [
        lambda x: F.softmax(x, -1, dtype=kind), lambda x: F.layer_norm(x.to(kind), x.shape[-1:]),
        lambda x: x.to(kind) * torch.rsqrt(x.to(kind).pow(2).mean(-1, keepdim=True) + 1e-3),
        lambda x: x.to(kind).tanh(),
        lambda x: torch.cat([x.to(kind), x], -1)[..., : x.shape[-1]], lambda x: torch.where(x > 0, x.to(kind), x),
    ]  # fmt: skip
    chosen = net.draw.randrange(len(functions))
    net.add(f"function {chosen} in {kind}", lambda _, x: functions[chosen](x).to(x.dtype))


# -- steps on sequences ------------------------------------------------------------------------------------------------


def cell(net: Drawn) -> None:
    size, kind = net.draw.randint(2, 5), net.draw.choice([nn.GRUCell, nn.LSTMCell, nn.RNNCell])
    part = kind(net.shape[-1], size, bias=net.draw.random() < 0.7)
    net.parts.append(part)
    zero = net.draw.random() < 0.5

    def step(_: Drawn, x: torch.Tensor) -> torch.Tensor:
        state: Any = None
        if zero:
            state = x.new_zeros(x.shape[0], size)
            state = (state, state) if isinstance(part, nn.LSTMCell) else state
        outputs = []
        for at in range(x.shape[1]):
            state = part(x[:, at], state)
            outputs.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(outputs, 1)

    net.shape = (net.shape[0], size)
    net.add(kind.__name__, step)


def attention(net: Drawn) -> None:
    size = net.shape[-1]
    part = nn.Linear(size, 3 * size)
    net.parts.append(part)

    def step(_: Drawn, x: torch.Tensor) -> torch.Tensor:
        q, k, v = part(x).chunk(3, -1)
        return F.softmax(q @ k.transpose(1, 2) / size**0.5, -1) @ v

    net.add("attention", step)


def recurrent(net: Drawn) -> None:
    part = net.keep(nn.GRU(net.shape[-1], 4, batch_first=True))
    net.shape = (net.shape[0], 4)

    def step(_: Drawn, x: torch.Tensor) -> torch.Tensor:
        found = part()
        layer = found[0] if isinstance(found, nn.Sequential) else found
        return layer(x)[0]

    net.add("gru", step)


def pooled(net: Drawn) -> None:
    net.shape = net.shape[1:]
    net.add("mean", lambda _, x: x.mean(1))


# -- steps on maps -----------------------------------------------------------------------------------------------------


def convolution(net: Drawn) -> None:
    channels = net.shape[0]
    groups = net.draw.choice([one for one in (1, 2, channels) if channels % one == 0])
    out = groups * net.draw.randint(1, 3)
    bias = net.draw.random() < 0.5
    part = net.keep(nn.Conv2d(channels, out, 3, padding=1, groups=groups, bias=bias))
    net.shape = (out, *net.shape[1:])
    net.add("conv", lambda _, x: part()(x))


def normalised(net: Drawn) -> None:
    part = net.keep(net.draw.choice([nn.BatchNorm2d(net.shape[0]), nn.GroupNorm(1, net.shape[0])]))
    net.add("norm", lambda _, x: part()(x))


def pooled_map(net: Drawn) -> None:
    net.shape = (net.shape[0],)
    net.add("pool", lambda _, x: F.adaptive_avg_pool2d(x, 1).flatten(1))


FEATURES = (
    dense, dense, twice, tied, one_weight, detached, straight, custom, without_gradient, recomputed, gated, gated,
    vector, buffered, counted, function, function, function, joined, split, residual, dropped, mixture,
    elsewhere, promoted, table, arithmetic,
)  # fmt: skip
SEQUENCES = (*FEATURES, cell, cell, attention, recurrent)
MAPS = (convolution, convolution, normalised, gated, detached, straight, custom, function, buffered, dropped, counted)


def drawn(seed: int) -> tuple[Drawn, tuple[int, ...], str]:
    """A random module, the shape of a sample, and the type of its input."""
    net = Drawn(seed)
    torch.manual_seed(seed)
    domain = net.draw.randrange(3)
    size: tuple[int, ...] = [(4,), (3, 4), (2, 6, 6)][domain]
    dtype = "float32"
    net.shape = size
    if domain == 1 and net.draw.random() < 0.3:
        dtype, size = "int64", (3,)
        table = nn.Embedding(7, 4)
        net.parts.append(table)
        net.add("embedding", lambda _, x: table(x))
    steps = net.draw.randint(1, 5)
    for _ in range(steps):
        net.draw.choice((FEATURES, SEQUENCES, MAPS)[domain])(net)
    if domain == 2:
        pooled_map(net)
    if domain == 1 and net.draw.random() < 0.5:
        pooled(net)
    if domain and len(net.shape) == 1:
        dense(net)
    spare(net)
    if net.draw.random() < 0.15 and not net.mixed:
        net.double()
        dtype = "float64" if dtype == "float32" else dtype
    return net.train(), size, dtype


def spare(net: Drawn) -> None:
    """What nothing reads, and what is not trained."""
    if net.draw.random() < 0.2:
        net.keep(nn.Linear(2, 2))
    if net.draw.random() < 0.2:
        net.register_parameter("spare", nn.Parameter(torch.zeros(net.draw.choice([(), (7,), (2, 3)]))))
    if net.draw.random() < 0.5:
        for parameter in net.parameters():
            if net.draw.random() < 0.3:
                parameter.requires_grad_(False)
