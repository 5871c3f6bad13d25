"""The whole process, from the shell: `archscope analyze` against the same table by torchinfo."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.benchmark(group="VGG-16's layer table, whole process", min_rounds=5, warmup=True)

TORCHINFO = """
import torch, torchinfo
from benchmarks.models import vgg16, parameters, VGG16_PARAMS
with torch.device("meta"):
    model = vgg16()
summary = torchinfo.summary(model, input_size=(1, 3, 224, 224), device="meta", verbose=1)
assert summary.total_params == VGG16_PARAMS
"""


def run(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_archscope(benchmark):
    out = benchmark(run, [sys.executable, "-m", "archscope", "analyze", "specs/vgg16.yaml"])
    assert "138,357,544" in out


def test_torchinfo(benchmark):
    out = benchmark(run, [sys.executable, "-c", TORCHINFO])
    assert "138,357,544" in out
