"""The sum of the layers' times, each timed alone, against the whole: within 15%.

    pytest benchmarks/test_profile.py -n 0 --benchmark-enable

Steps timed whole and layer by layer take turns, so that both see the same load of the machine; on a busy one the
medians still scatter.
"""

from __future__ import annotations

import pytest

import archscope
from archscope.backends.torch.profile import profile

GROUP = "AlexNet, a profile"


@pytest.mark.benchmark(group=GROUP, min_rounds=1, max_time=0)
@pytest.mark.parametrize(("mode", "batch"), [("infer", 8), ("infer", 32), ("train", 8)])
def test_layers_add_up_to_the_whole(benchmark, mode, batch):
    design = archscope.load("alexnet")
    run = lambda: profile(design, device="cpu", batch=batch, mode=mode, seconds=10)  # noqa: E731
    found = benchmark.pedantic(run, rounds=1)
    benchmark.extra_info["sum of layers"] = found.sum_of_parts / found.seconds
    assert abs(found.sum_of_parts / found.seconds - 1) < 0.15
