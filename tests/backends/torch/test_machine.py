"""What the machine is; its ceilings by a clock that is given."""

import subprocess

import pytest
import torch

from archscope import __version__
from archscope.backends.torch import machine as module
from archscope.backends.torch.machine import free_memory, host_memory, machine, measure_peaks, resolve
from archscope.errors import UsageError


class Steady:
    """Every span takes a second."""

    def mark(self):
        return None

    def wait(self):
        pass

    def seconds(self, begin, end):
        return 1.0


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(module, "_SIDES", {"cpu": (16, 32)})
    monkeypatch.setattr(module, "_COPIED", {"cpu": 4096})


def test_the_machine():
    here = machine("cpu")
    assert (here.device, here.gpu, here.driver, here.cuda, here.gpu_memory) == ("cpu", "", "", "", 0)
    assert here.title == here.cpu != ""
    assert (here.threads, here.torch, here.archscope) == (torch.get_num_threads(), torch.__version__, __version__)
    assert here.cores >= 1
    assert here.memory > 2**28
    assert here.as_data()["date"].endswith("+00:00")


def test_a_gpu_is_told_with_its_driver(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H200")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda: type("Properties", (), {"total_memory": 7}))
    answer = subprocess.CompletedProcess([], 0, stdout="570.1\n570.1\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    here = machine("cuda")
    assert (here.title, here.gpu_memory, here.driver) == ("NVIDIA H200", 7, "570.1")


def test_a_driver_that_says_nothing_is_unknown(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", missing)
    assert module._driver() == "unknown"


def test_memory_is_read_where_linux_tells_it_and_elsewhere():
    assert 0 < host_memory("MemAvailable") <= host_memory("MemTotal")
    assert free_memory("cpu") > 0


def test_memory_elsewhere(monkeypatch):
    def missing(_):
        return type("None", (), {"read_text": lambda *_, **__: (_ for _ in ()).throw(OSError())})()

    monkeypatch.setattr(module, "Path", missing)
    assert host_memory("MemTotal") > 2**28


def test_a_gpu_has_what_is_free_and_what_the_allocator_does_not_use(monkeypatch):
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 50)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 20)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (1000, 2000))
    assert free_memory("cuda") == 1000 + 30


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert (resolve("auto"), resolve("cpu")) == ("cpu", "cpu")
    with pytest.raises(UsageError, match="there is no CUDA device here; --device cpu works"):
        resolve("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert (resolve("auto"), resolve("cuda")) == ("cuda", "cuda")


@pytest.mark.usefixtures("tiny")
def test_ceilings():
    """2 x 16^3 FLOPs in the only second that is measured: a product that takes longer is not tried again, larger."""
    found = measure_peaks("cpu", ["float32", "amp"], seconds=0, clock=Steady())
    assert found.flops == {"float32": 2 * 16**3, "bfloat16": 2 * 16**3}
    assert found.bandwidth == 2 * 4096  # read, and written
    assert found.source.startswith("measured")


@pytest.mark.usefixtures("tiny")
def test_ceilings_with_the_real_clock():
    found = measure_peaks("cpu", ["float32"], seconds=0)
    assert found.flops["float32"] > 0
    assert found.bandwidth > 0


def test_the_cache_that_all_cores_share(tmp_path, monkeypatch):
    """As the kernel writes it: KiB of the first two levels, of the third 32 MiB."""
    for index, size in enumerate(("32K", "1024K", "32M")):
        (tmp_path / f"index{index}").mkdir()
        (tmp_path / f"index{index}" / "size").write_text(f"{size}\n")
    monkeypatch.setattr(module, "_CACHES", tmp_path)
    assert module.cache_of("cpu") == 32 * 2**20
    monkeypatch.setattr(module, "_CACHES", tmp_path / "none")
    assert module.cache_of("cpu") == 0


@pytest.mark.parametrize(("capability", "there"), [((7, 5), {"float32"}), ((8, 0), {"float32", "tf32"})])
def test_float32_measures_what_convolutions_run_in_too(capability, there, monkeypatch):
    """By default torch convolves in TF32 from Ampere (8.0) on."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(module, "machine", lambda _: machine("cpu"))
    monkeypatch.setattr(module, "_product_rate", lambda *_: 1e12)
    monkeypatch.setattr(module, "_copy_rate", lambda *_: 1e11)
    monkeypatch.setattr(module, "cache_of", lambda _: 2**20)
    found = measure_peaks("cuda", ["float32"], clock=Steady())
    assert set(found.flops) == there
    assert (found.cache, found.kind) == (2**20, "cuda")
