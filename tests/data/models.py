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


def broken():
    """Raises."""
    raise ValueError("the width is wrong\nin two lines")


def quits():
    """Ends the program."""
    raise SystemExit(3)
