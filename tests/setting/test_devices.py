"""The published peaks, held against cores, clocks and buses, which the makers publish apart."""

import math

import pytest

from archscope.setting import devices
from archscope.setting.devices import DEVICES, known_as, processor

#: float32 units, boost clock in GHz, bits of the memory bus, Gbit/s of a pin
HARDWARE = {
    "t4": (2560, 1.59, 256, 10),
    "l4": (7424, 2.04, 192, 12.5),
    "a10": (9216, 1.695, 384, 12.5),
    "rtx3090": (10496, 1.695, 384, 19.5),
    "rtx4090": (16384, 2.52, 384, 21),
    "a100-40gb": (6912, 1.41, 5120, 2.43),
    "l40s": (18176, 2.52, 384, 18),
    "a100-80gb": (6912, 1.41, 5120, 3.186),
    "h100": (16896, 1.98, 5120, 5.23),
    "h200": (16896, 1.98, 6144, 6.25),
    "v100": (5120, 1.53, 4096, 1.758),
    "rtx5090": (21760, 2.407, 512, 28),
    "rtxpro6000-maxq": (24064, 2.288, 512, 28),
}
#: dense tensor-core products in fp16 for each float32 product, by architecture (float32 sums)
TENSOR = {
    "t4": 8, "l4": 4, "a10": 4, "rtx3090": 2, "rtx4090": 2, "a100-40gb": 16, "l40s": 4, "a100-80gb": 16,
    "h100": 14.8, "h200": 14.8, "v100": 8, "rtx5090": 2, "rtxpro6000-maxq": 4,
}  # fmt: skip


def test_every_device_is_checked():
    assert set(HARDWARE) == set(TENSOR) == set(DEVICES)


@pytest.mark.parametrize("key", DEVICES)
def test_peaks_follow_from_the_hardware(key):
    """FLOP/s = units x 2 x clock; bytes/s = bits of the bus / 8 x rate of a pin."""
    units, clock, bus, pin = HARDWARE[key]
    ceilings = DEVICES[key].ceilings
    assert math.isclose(ceilings.flops["float32"], units * 2 * clock * 1e9, rel_tol=0.01)
    assert math.isclose(ceilings.bandwidth, bus / 8 * pin * 1e9, rel_tol=0.01)
    assert math.isclose(ceilings.flops["float16"], TENSOR[key] * ceilings.flops["float32"], rel_tol=0.02)


@pytest.mark.parametrize("key", DEVICES)
def test_narrow_numbers_are_as_fast_as_one_another_and_tf32_half_of_them(key):
    flops = DEVICES[key].ceilings.flops
    if key in ("t4", "v100"):  # Turing and Volta have neither
        assert set(flops) == {"float32", "float16"}
        return
    assert flops["bfloat16"] == flops["float16"]
    assert math.isclose(flops["tf32"], flops["bfloat16"] / 2, rel_tol=0.02)


#: MHz: what nvidia-smi lets a card run at; MiB of L2: of a memory controller, times how many there are
HIGHEST = {
    "t4": 1590, "l4": 2040, "a10": 1695, "rtx3090": 2100, "rtx4090": 3105, "a100-40gb": 1410, "l40s": 2520,
    "a100-80gb": 1410, "h100": 1980, "h200": 1980, "v100": 1530, "rtx5090": 3135, "rtxpro6000-maxq": 3090,
}  # fmt: skip
CACHES = {
    "t4": 0.5 * 8, "l4": 12 * 4, "a10": 0.5 * 12, "rtx3090": 0.5 * 12, "rtx4090": 6 * 12, "a100-40gb": 4 * 10,
    "l40s": 8 * 12, "a100-80gb": 4 * 10, "h100": 5 * 10, "h200": 5 * 12, "v100": 0.75 * 8, "rtx5090": 6 * 16,
    "rtxpro6000-maxq": 8 * 16,
}  # fmt: skip


#: as the data sheets print them: GB/s; TFLOP/s in float32, TF32 and half precision, dense
PRINTED = {
    "t4": (320, 8.1, None, 65), "l4": (300, 30.3, 60, 121), "a10": (600, 31.2, 62.5, 125),
    "rtx3090": (936, 35.6, 35.6, 71), "rtx4090": (1008, 82.6, 82.6, 165.2), "a100-40gb": (1555, 19.5, 156, 312),
    "l40s": (864, 91.6, 183, 362), "a100-80gb": (2039, 19.5, 156, 312), "h100": (3350, 67, 989 / 2, 1979 / 2),
    "h200": (4800, 67, 989 / 2, 1979 / 2), "v100": (900, 15.7, None, 125), "rtx5090": (1792, 104.8, 104.8, 209.5),
    "rtxpro6000-maxq": (1792, 110, 220, 439),
}  # fmt: skip


@pytest.mark.parametrize("key", DEVICES)
def test_the_peaks_are_those_that_are_printed(key):
    bandwidth, *peaks = PRINTED[key]
    device = DEVICES[key]
    assert (device.bandwidth, device.teraflops["float32"]) == (bandwidth, peaks[0])
    assert {*device.teraflops.values()} == {peak for peak in peaks if peak is not None}


#: MiB of memory: "memory.total" of nvidia-smi
TOTALS = {
    "t4": 15 * 1024, "l4": 23034, "a10": 23028, "rtx3090": 24 * 1024, "rtx4090": 24564, "a100-40gb": 40 * 1024,
    "l40s": 46068, "a100-80gb": 80 * 1024, "h100": 81559, "h200": 143771, "v100": 16160, "rtx5090": 32607,
    "rtxpro6000-maxq": 97887,
}  # fmt: skip


def test_the_memory_is_what_nvidia_smi_reports():
    assert {key: one.memory / 2**20 for key, one in DEVICES.items()} == TOTALS


@pytest.mark.parametrize("key", DEVICES)
def test_the_highest_clock_and_the_cache(key):
    ceilings = DEVICES[key].ceilings
    assert math.isclose(ceilings.clock * HARDWARE[key][1] * 1000, HIGHEST[key], rel_tol=0.001)
    assert ceilings.cache == CACHES[key] * 2**20
    assert ceilings.kind == "cuda"


@pytest.mark.parametrize(
    ("title", "key"),
    [
        ("Tesla T4", "t4"),
        ("NVIDIA L4", "l4"),
        ("NVIDIA A10", "a10"),
        ("NVIDIA GeForce RTX 3090", "rtx3090"),
        ("NVIDIA A100-SXM4-40GB", "a100-40gb"),
        ("NVIDIA A100 80GB PCIe", "a100-80gb"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H200", "h200"),
        ("Tesla V100-SXM2-16GB", "v100"),
        ("NVIDIA GeForce RTX 5090", "rtx5090"),
        ("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", "rtxpro6000-maxq"),
        ("Tesla V100-SXM2-32GB", None),
        ("NVIDIA A10G", None),  # has other peaks
        ("NVIDIA GeForce RTX 3090 Ti", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA H100 PCIe", None),
        ("NVIDIA H200 NVL", None),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", None),
        ("", None),
    ],
)
def test_devices_are_found_by_what_torch_calls_them(title, key):
    assert known_as(title) == key


def test_the_table_finds_its_own_names_except_those_that_torch_has_not():
    assert {key for key, one in DEVICES.items() if known_as(one.name) == key} >= {"t4", "l4", "a10", "l40s", "h200"}


def test_the_processor_has_a_name(monkeypatch):
    assert processor()
    monkeypatch.setattr(devices, "Path", lambda _: type("None", (), {"read_text": _missing})())
    monkeypatch.setattr(devices.platform, "processor", lambda: "")
    monkeypatch.setattr(devices.platform, "machine", lambda: "riscv64")
    assert processor() == "riscv64"


def _missing(*_, **__):
    raise FileNotFoundError
