"""What other tools really report of a design: those that are installed, run on its module."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from archscope.analysis.peers import Measured
from archscope.backends.torch.build import Network, build, inputs
from archscope.backends.torch.timing import lowered, torch_type
from archscope.design import Design, incomplete
from archscope.setting import Setting

Tensors = tuple[torch.Tensor, ...]
Counts = tuple[int, int]


def measure(
    design: Design, setting: Setting | None = None, names: Iterable[str] = (), **changes: Any
) -> dict[str, Measured]:
    """Run every peer that is installed on a module of its own, in evaluation mode, on the CPU.

    Args:
        setting: how it is run (:class:`~archscope.setting.Setting`); its batch and its precision count.
        changes: fields of a setting that differ from it: ``batch=32``.
        names: of some peers; left out, all that can be run.

    Returns:
        What they report, by the names of :data:`archscope.analysis.peers.PEERS`.
    """
    setting = Setting.of(setting, **changes)
    chosen = {name: _RUNS[name] for name in names} or _RUNS
    return {name: _measured(run, package, design, setting) for name, (package, run) in chosen.items()}


def _measured(run: Callable[[Network, Tensors], Counts], package: str, design: Design, setting: Setting) -> Measured:
    try:
        installed = version(package).partition("+")[0].replace("-", ".post")
    except PackageNotFoundError:
        return Measured(failure="not installed")
    lacking = incomplete(design)
    if lacking is not None:
        return Measured(installed, failure=f"not run: {lacking}")
    dtype = torch_type(setting.numbers.floating)
    try:
        with _silence(), lowered(setting.numbers, "cpu"):
            work, params = run(_module(design, dtype), inputs(design, setting.batch, dtype=dtype))
    except Exception as error:  # whatever a peer stumbles over is its result
        return Measured(installed, failure=first_line(error))
    return Measured(installed, work, params)


def _module(design: Design, dtype: torch.dtype) -> Network:
    """The module with zeros for weights: what is counted does not depend on them, and drawing them takes time."""
    network = build(design, device="meta", dtype=dtype).to_empty(device="cpu").eval()
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            tensor.zero_()
    return network


@contextmanager
def _silence() -> Iterator[None]:
    """No prints, no warnings, no log."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def first_line(error: Exception) -> str:
    """The exception as one short line."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {text}"[:120] if text else type(error).__name__


def _parameters(network: Network) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _torch(network: Network, x: Tensors) -> Counts:
    with FlopCounterMode(display=False) as counter:
        network(*x)
    return counter.get_total_flops(), _parameters(network)


def _fvcore(network: Network, x: Tensors) -> Counts:
    from fvcore.nn import FlopCountAnalysis, parameter_count

    analysis: Any = FlopCountAnalysis(network, x)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
    return int(analysis.total()), parameter_count(network)[""]


def _torchinfo(network: Network, x: Tensors) -> Counts:
    import torchinfo

    summary = torchinfo.summary(network, input_data=list(x), verbose=0)
    torchinfo.torchinfo.clear_cached_forward_pass()
    return summary.total_mult_adds, summary.total_params


def _thop(network: Network, x: Tensors) -> Counts:
    import thop

    work, params = thop.profile(network, inputs=x, verbose=False)
    return int(work), int(params)


def _ptflops(backend: str) -> Callable[[Network, Tensors], Counts]:
    def run(network: Network, x: Tensors) -> Counts:
        from ptflops import get_model_complexity_info

        names = [node.name for node in network.design.inputs]
        source = x[0] if len(x) == 1 else dict(zip(names, x, strict=True))
        output = io.StringIO()
        with redirect_stdout(output):
            work, params = get_model_complexity_info(
                network,
                tuple(x[0].shape[1:]) or (1,),
                input_constructor=lambda _: source,
                print_per_layer_stat=False,
                as_strings=False,
                backend=backend,
            )
        if work is None:
            raise RuntimeError(_in_words(output.getvalue()))
        return int(work), int(params)

    return run


def _in_words(text: str) -> str:
    """The exception that ptflops has caught and printed."""
    lines = [line for line in text.splitlines() if line.startswith("<class")]
    return lines[0].replace("<class '", "").replace("'>", "") if lines else "it gave no numbers"


#: the peers that can be run: the package that each comes in, and how
_RUNS: Mapping[str, tuple[str, Callable[[Network, Tensors], Counts]]] = {
    "fvcore": ("fvcore", _fvcore),
    "torch": ("torch", _torch),
    "torchinfo": ("torchinfo", _torchinfo),
    "ptflops": ("ptflops", _ptflops("pytorch")),
    "ptflops aten": ("ptflops", _ptflops("aten")),
    "thop": ("thop", _thop),
}
