"""Small models of PyTorch to import, as somebody else might have written them."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812


class Residual(nn.Module):
    """Two convolutions around which the input goes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + x)


class Net(nn.Module):
    """A small residual network."""

    def __init__(self, width: int = 8, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(Residual(width), Residual(width))
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class Tagger(nn.Module):
    """Tags of words by an LSTM."""

    def __init__(self, words: int = 50, tags: int = 5) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 8)
        self.lstm = nn.LSTM(8, 6, batch_first=True, bidirectional=True)
        self.tags = nn.Linear(12, tags)

    def forward(self, ids):
        found, _ = self.lstm(self.embedding(ids))
        return self.tags(found)


class Tied(nn.Module):
    """A language model whose last matrix is its first, tied."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(30, 8)
        self.norm = nn.LayerNorm(8)
        self.out = nn.Linear(8, 30, bias=False)
        self.out.weight = self.embedding.weight

    def forward(self, ids):
        return self.out(self.norm(self.embedding(ids)))


class Twice(nn.Module):
    """A layer that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Linear(6, 6)

    def forward(self, x):
        return self.shared(torch.tanh(self.shared(x)))


class Lazy(nn.Module):
    """A module and a parameter that nobody calls."""

    def __init__(self) -> None:
        super().__init__()
        self.used = nn.Linear(6, 4)
        self.spare = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 2))
        self.token = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        return self.used(x)


class Positions(nn.Module):
    """Parameters and buffers that belong to no layer of torch."""

    def __init__(self) -> None:
        super().__init__()
        self.cls = nn.Parameter(torch.zeros(1, 1, 6))
        self.register_buffer("table", torch.linspace(0, 1, 5 * 6).view(1, 5, 6))
        self.register_buffer("shift", torch.ones(6), persistent=False)
        self.proj = nn.Linear(6, 6)

    def forward(self, x):
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1)
        return self.proj(x + self.table) * self.shift


class Volume(nn.Module):
    """A 3-D network."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv3d(1, 4, 3, padding=1), nn.BatchNorm3d(4), nn.ReLU(), nn.MaxPool3d(2), nn.Conv3d(4, 8, 3), nn.ReLU()
        )
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        x = self.features(x)
        return self.fc(self.drop(F.adaptive_avg_pool3d(x, 1).flatten(1)))


class UNet(nn.Module):
    """A U-Net of two levels."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()

        def double(inside: int, out: int) -> nn.Module:
            return nn.Sequential(
                nn.Conv2d(inside, out, 3, padding=1),
                nn.ReLU(inplace=True),
                nn.Conv2d(out, out, 3, padding=1),
                nn.ReLU(),
            )

        self.down1, self.down2 = double(1, width), double(width, 2 * width)
        self.bottom = double(2 * width, 4 * width)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.dec2 = double(4 * width, 2 * width)
        self.dec1 = double(3 * width, width)
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.bottom(F.max_pool2d(b, 2))
        d = self.dec2(torch.cat([self.up2(c), b], dim=1))
        up = F.interpolate(d, scale_factor=2, mode="bilinear", align_corners=False)
        return self.head(self.dec1(torch.cat([up, a], dim=1)))


class Translator(nn.Module):
    """torch.nn.Transformer between embeddings and classes."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
        self.out = nn.Linear(8, 5)

    def forward(self, source, target):
        return self.out(self.body(source, target))


class Causal(nn.Module):
    """torch.nn.TransformerEncoder under a causal mask."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], device=x.device)
        return self.body(x, mask=mask, is_causal=True)


class Generator(nn.Module):
    """Images of noise."""

    def __init__(self, noise: int = 12, width: int = 4) -> None:
        super().__init__()
        self.start = nn.Linear(noise, 4 * width * 4 * 4)
        self.rise = nn.Sequential(
            nn.BatchNorm2d(4 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(4 * width, 2 * width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, 3, 4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.rise(self.start(z).view(z.shape[0], -1, 4, 4))


class Wave(nn.Module):
    """A gated convolution that looks back, and what it adds to the stream and to the result."""

    def __init__(self, width: int, reach: int) -> None:
        super().__init__()
        self.reach = reach
        self.filter = nn.Conv1d(width, width, 2, dilation=reach)
        self.gate = nn.Conv1d(width, width, 2, dilation=reach)
        self.skip = nn.Conv1d(width, width, 1)
        self.back = nn.Conv1d(width, width, 1)

    def forward(self, x):
        past = F.pad(x, (self.reach, 0))
        found = torch.tanh(self.filter(past)) * torch.sigmoid(self.gate(past))
        return x + self.back(found), self.skip(found)


class Waves(nn.Module):
    """Dilated causal convolutions, each twice as far back, as WaveNet stacks them."""

    def __init__(self, width: int = 6, depth: int = 4) -> None:
        super().__init__()
        self.start = nn.Conv1d(1, width, 1)
        self.layers = nn.ModuleList(Wave(width, 2**level) for level in range(depth))
        self.out = nn.Conv1d(width, 8, 1)

    def forward(self, x):
        x = self.start(x)
        total = 0
        for layer in self.layers:
            x, skip = layer(x)
            total = total + skip
        return self.out(F.relu(total))


class Experts(nn.Module):
    """A mixture of experts, of which each word takes the best two."""

    def __init__(self, width: int = 8, experts: int = 4) -> None:
        super().__init__()
        self.gate = nn.Linear(width, experts)
        self.experts = nn.ModuleList(nn.Linear(width, width) for _ in range(experts))

    def forward(self, x):
        best, chosen = self.gate(x).softmax(-1).topk(2, -1)
        total = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            share = (best * (chosen == number)).sum(-1, keepdim=True)
            total = total + share * expert(x)
        return total


class Normed(nn.Module):
    """A convolution whose weight is a direction and a length."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.utils.parametrizations.weight_norm(nn.Conv1d(4, 6, 3, padding=1))
        self.out = nn.Linear(6, 2)

    def forward(self, x):
        return self.out(F.relu(self.conv(x)).mean(2))


class Several(nn.Module):
    """Several inputs, one with whole numbers, and outputs by name."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.join = nn.Linear(6, 3)

    def forward(self, ids, image=None, *, scale=None):
        y = self.words(ids).sum(1) + (0 if image is None else image)
        return {"logits": self.join(y if scale is None else y * scale), "pooled": y}


ready = Twice()


def pair():
    """A model and what is no model."""
    return Twice(), {"lr": 0.1}


def loud(width: int):
    """Says what it does on standard output."""
    print("building", width)
    return nn.Linear(width, width)


def from_numpy():
    """Cannot be built without numbers."""
    model = nn.Linear(3, 3)
    model.register_buffer("scale", torch.tensor(model.weight.detach().numpy().sum()))
    return model


class Stated(nn.Module):
    """Buffers that say something, of each kind, and one that follows from a parameter."""

    def __init__(self):
        super().__init__()
        self.fc, self.last = nn.Linear(12, 12), nn.Linear(12, 12, bias=False)
        self.register_buffer("steps", torch.arange(1.0, 13), persistent=False)
        self.register_buffer("tenths", torch.arange(12) / 10)
        self.register_buffer("mask", torch.ones(12, 12).tril().bool())
        self.shift = torch.tensor([0.5, -0.25, 0.125]).repeat(4)

    def forward(self, x):
        y = (self.last(self.fc(x)) * self.steps + self.tenths + self.shift).unsqueeze(1)
        return y.expand(-1, 12, -1).masked_fill(~self.mask, 0.0)


class Follows(nn.Module):
    """A buffer that is a copy of a parameter."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(12, 12)
        self.register_buffer("before", self.fc.weight.detach().clone())

    def forward(self, x):
        return self.fc(x) + x @ self.before


def broken():
    """Raises."""
    raise ValueError("the width is wrong\nin two lines")


def quits():
    """Ends the program."""
    raise SystemExit(3)
