"""Devices for sale: their memory, and the peaks that their makers publish.

A peak is that of dense numbers, on tensor cores where the type has them, with products summed in float32 as torch sums
them. NVIDIA quotes tensor cores of Ada, Hopper and partly Ampere with 2:4 sparsity, which is twice the dense figure;
those are halved here, and the source says so.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

#: kinds of layers that a machine runs at different speeds: those that contract, and those that only move
CONTRACTING = ("convolution", "pointwise", "grouped", "depthwise", "product", "recurrent")
MOVING = ("elementwise", "normalization", "pooling", "update")
#: of the former, those that cuDNN runs
CUDNN = ("convolution", "pointwise", "grouped", "depthwise", "recurrent")

MIB = 2**20
_TERA, _GIGA = 10**12, 10**9

#: cuBLAS' workspace, which torch takes from the same allocator at the first matrix product: on Hopper, and before
#: (CublasHandlePool.cpp: 4096 KiB x 8; and 4096 KiB x 2 + 16 KiB x 8)
HOPPER_WORKSPACE, WORKSPACE = 32 * MIB, 8_519_680

#: What a device's tensors do not get of the memory that nvidia-smi reports: what the driver keeps (0.3 to 0.6 GiB: an
#: RTX 3090 has 23.69 GiB for torch, an A100 79.25 and 39.50, an H100 79.14), the CUDA context, and the kernels in it.
#: Since CUDA 11.7 kernels are loaded when they are first called, and a process is seen to take 0.3 to 0.7 GiB besides
#: its tensors; before, all were loaded at once, and 1.2 to 1.9 GiB were missing of an RTX 3090, with its desktop. Ada
#: and Hopper need CUDA 11.8; for cards that older ones run on the larger figure stands, which is on the safe side.
#: Read from messages of torch.cuda.OutOfMemoryError (capacity, free, in use by the process, reserved by PyTorch):
#: github.com/TianheWu/CoSeR/issues/10, wbfwonderful/Vad-R1/issues/11, Kwai-Keye/Keye/issues/11,
#: 3DTopia/Phidias-Diffusion/issues/8 (Ada), Lightning-AI/lit-llama/issues/137, xiaoxiangAQ/GAS-Net/issues/7,
#: tatsu-lab/stanford_alpaca/issues/76 (Ampere); on loading kernels github.com/pytorch/pytorch/issues/107667 and 49877.
LAZY_CONTEXT, EAGER_CONTEXT = 1126 * MIB, 1946 * MIB


class Ceilings(NamedTuple):
    """What a machine can do at most.

    Attributes:
        name: of the device.
        flops: FLOP/s by number type: float32, tf32, bfloat16, float16, float64.
        bandwidth: bytes/s of its memory, read and written together.
        source: who says so: a data sheet, or a measurement.
        cache: bytes of the cache in front of that memory, which all its cores share.
        clock: the highest clock that it runs at, relative to the one that the FLOP/s are at.
        kind: ``cpu`` or ``cuda``.
    """

    name: str
    flops: Mapping[str, float]
    bandwidth: float
    source: str
    cache: int = 0
    clock: float = 1.0
    kind: str = "cpu"


class Device(NamedTuple):
    """A device for sale.

    Attributes:
        memory: bytes, as nvidia-smi reports them.
        context: bytes of it that tensors do not get.
        workspace: bytes of cuBLAS' workspace.
        bandwidth: GB/s of its memory.
        teraflops: by number type; one that the device has no units for is left out.
        source: the data sheet.
        called: a pattern of what torch.cuda.get_device_name() says of it.
        cache: bytes of its L2 cache.
        clock: the highest clock that nvidia-smi lets it run at, relative to the boost clock of the data sheet.
    """

    name: str
    memory: int
    context: int
    workspace: int
    bandwidth: float
    teraflops: Mapping[str, float]
    source: str
    called: str
    cache: int
    clock: float = 1.0

    @property
    def ceilings(self) -> Ceilings:
        """Its published peaks."""
        flops = {number: peak * _TERA for number, peak in self.teraflops.items()}
        return Ceilings(self.name, flops, self.bandwidth * _GIGA, self.source, self.cache, self.clock, "cuda")


def _peaks(float32: float, tf32: float | None, half: float, *, bf16: bool = True) -> dict[str, float]:
    """Peaks by number type, where bfloat16 and float16 run alike."""
    peaks = {"float32": float32, "tf32": tf32, "bfloat16": half if bf16 else None, "float16": half}
    return {number: peak for number, peak in peaks.items() if peak is not None}


_HALVED = "; its tensor figures are with sparsity, and halved"

#: Caches: NVIDIA's architecture whitepapers (Volta, Turing, Ampere GA100 and GA102, Ada, Hopper, RTX Blackwell; of an
#: H200, whose L2 is not published, all that the die has). A data centre's card runs at its boost clock at most
#: (`nvidia-smi -q -d CLOCK`: max clocks of 1530, 1590, 2040, 1695, 1410, 2520, 1980 MHz); others go beyond where they
#: are cool enough, to 2100 MHz (RTX 3090), 3105 (RTX 4090), 3135 (RTX 5090) and 3090 (RTX PRO 6000).
#: Totals of memory as nvidia-smi reports them, in MiB: github.com/modal-labs/modal-client/pull/2797 for those of data
#: centres. Of an A100 80GB and an H100 the faster form (SXM) is meant; the PCIe card of the former is slower by 5%.
DEVICES: Mapping[str, Device] = {
    "t4": Device(
        "NVIDIA T4", 15360 * MIB, EAGER_CONTEXT, WORKSPACE, 320, _peaks(8.1, None, 65, bf16=False),
        "NVIDIA T4 Tensor Core GPU data sheet", r"(NVIDIA |Tesla )?T4",
        cache=4 * MIB,
    ),
    "l4": Device(
        "NVIDIA L4", 23034 * MIB, LAZY_CONTEXT, WORKSPACE, 300, _peaks(30.3, 60, 121),
        f"NVIDIA L4 Tensor Core GPU data sheet{_HALVED}", r"NVIDIA L4",
        cache=48 * MIB,
    ),
    "a10": Device(
        "NVIDIA A10", 23028 * MIB, EAGER_CONTEXT, WORKSPACE, 600, _peaks(31.2, 62.5, 125),
        "NVIDIA A10 Tensor Core GPU data sheet", r"NVIDIA A10",
        cache=6 * MIB,
    ),
    "rtx3090": Device(
        "NVIDIA GeForce RTX 3090", 24576 * MIB, EAGER_CONTEXT, WORKSPACE, 936, _peaks(35.6, 35.6, 71),
        "NVIDIA Ampere GA102 GPU architecture whitepaper, with float32 sums", r"(NVIDIA )?GeForce RTX 3090",
        cache=6 * MIB, clock=2.1 / 1.695,
    ),
    "rtx4090": Device(
        "NVIDIA GeForce RTX 4090", 24564 * MIB, LAZY_CONTEXT, WORKSPACE, 1008, _peaks(82.6, 82.6, 165.2),
        "NVIDIA Ada GPU architecture whitepaper, with float32 sums", r"(NVIDIA )?GeForce RTX 4090",
        cache=72 * MIB, clock=3.105 / 2.52,
    ),
    "a100-40gb": Device(
        "NVIDIA A100 40GB", 40960 * MIB, EAGER_CONTEXT, WORKSPACE, 1555, _peaks(19.5, 156, 312),
        "NVIDIA A100 Tensor Core GPU data sheet", r"(NVIDIA )?A100-(SXM4|PCIE)-40GB",
        cache=40 * MIB,
    ),
    "l40s": Device(
        "NVIDIA L40S", 46068 * MIB, LAZY_CONTEXT, WORKSPACE, 864, _peaks(91.6, 183, 362),
        "NVIDIA L40S data sheet", r"NVIDIA L40S",
        cache=96 * MIB,
    ),
    "a100-80gb": Device(
        "NVIDIA A100 80GB", 81920 * MIB, EAGER_CONTEXT, WORKSPACE, 2039, _peaks(19.5, 156, 312),
        "NVIDIA A100 Tensor Core GPU data sheet (SXM)", r"(NVIDIA )?A100(-SXM4-80GB| 80GB PCIe)",
        cache=40 * MIB,
    ),
    "h100": Device(
        "NVIDIA H100 80GB", 81559 * MIB, LAZY_CONTEXT, HOPPER_WORKSPACE, 3350, _peaks(67, 494.5, 989.5),
        f"NVIDIA H100 Tensor Core GPU data sheet (SXM){_HALVED}", r"NVIDIA H100 80GB HBM3",
        cache=50 * MIB,
    ),
    "h200": Device(
        "NVIDIA H200", 143771 * MIB, LAZY_CONTEXT, HOPPER_WORKSPACE, 4800, _peaks(67, 494.5, 989.5),
        f"NVIDIA H200 Tensor Core GPU data sheet (SXM){_HALVED}", r"NVIDIA H200",
        cache=60 * MIB,
    ),
    "v100": Device(
        "NVIDIA V100 16GB", 16160 * MIB, EAGER_CONTEXT, WORKSPACE, 900, _peaks(15.7, None, 125, bf16=False),
        "NVIDIA V100 Tensor Core GPU data sheet (SXM2)", r"(NVIDIA |Tesla )?V100-SXM2-16GB",
        cache=6 * MIB,
    ),
    "rtx5090": Device(
        "NVIDIA GeForce RTX 5090", 32607 * MIB, LAZY_CONTEXT, WORKSPACE, 1792, _peaks(104.8, 104.8, 209.5),
        "NVIDIA RTX Blackwell GPU architecture whitepaper, with float32 sums", r"(NVIDIA )?GeForce RTX 5090",
        cache=96 * MIB, clock=3.135 / 2.407,
    ),
    "rtxpro6000-maxq": Device(
        "NVIDIA RTX PRO 6000 Blackwell Max-Q", 97887 * MIB, LAZY_CONTEXT, WORKSPACE, 1792, _peaks(110, 220, 439),
        f"NVIDIA RTX PRO Blackwell GPU architecture whitepaper{_HALVED}",
        r"NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition",
        cache=128 * MIB, clock=3.09 / 2.288,
    ),
}  # fmt: skip


def known_as(title: str) -> str | None:
    """The device of :data:`DEVICES` that torch.cuda.get_device_name() calls so; none if it is not there.

    A sister with other peaks (A10G, RTX 3090 Ti, H100 PCIe, H200 NVL), or a slice of one (MIG), is another device.
    """
    return next((key for key, device in DEVICES.items() if re.fullmatch(device.called, title.strip())), None)


def processor() -> str:
    """The CPU in words."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.M)
    return match[1].strip() if match else platform.processor() or platform.machine()
