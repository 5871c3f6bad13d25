"""What the nodes of an exported ONNX model say of their layers: ``metadata_props``, which Netron shows beside a node.

Every node names its layer; one of each, that which computes with its weights or else the last, has its figures, so
they add up over the file. (A dropout has no node, nor has a parameter that stands alone.) The exporter's own notes
stay, but for the lines of source on the machine that wrote the file.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from archscope import __version__
from archscope.analysis.counts.account import Account, Row, analyze, runnable
from archscope.backends.torch.build import Network
from archscope.figures import DESIGN, LAYER, known_of

#: ends each key: Netron shows the beginning of long ones
SUFFIX = ".archscope"
#: figures of layers and of the whole
TOLD = ("params", "buffers", "macs", "elementwise", "activations", "activation_bytes", "saved_bytes")
#: what computes with weights
_MAIN = frozenset((
    "Attention", "BatchNormalization", "Conv", "ConvTranspose", "Einsum", "GRU", "Gather", "Gemm", "GroupNormalization",
    "InstanceNormalization", "LSTM", "LayerNormalization", "MatMul", "PRelu", "RMSNormalization", "RNN",
))  # fmt: skip
_SCOPES, _TRACE = "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.stack_trace"


def annotate(model: Any, network: Network) -> None:
    """Note the layer of every node of a model, and what it costs.

    Args:
        model: as :mod:`onnx_ir` holds it; torch's exporter makes it.
        network: what was exported.
    """
    account = analyze(network.design, runnable(network.design))
    model.metadata_props.update(_of_design(account))
    by_module: dict[str, list[Any]] = {}
    for node in model.graph:
        node.metadata_props.pop(_TRACE, None)
        by_module.setdefault(_module(node), []).append(node)
    for module, rows in _layers(account, network):
        for row, nodes in _shared_out(rows, by_module.get(module, [])):
            for node in nodes:
                node.metadata_props[f"layer{SUFFIX}"] = row.name
            if nodes:
                _main(nodes).metadata_props.update(_of_layer(account, row))


def _of_design(account: Account) -> dict[str, str]:
    design = account.design
    words = {"version": __version__, "design": design.name, "source": design.source, "setting": str(account.setting)}
    figures = {name: str(known_of(DESIGN)[name].value(account)) for name in TOLD}
    return {f"{name}{SUFFIX}": text for name, text in (words | figures).items() if text}


def _of_layer(account: Account, row: Row) -> dict[str, str]:
    words = {"op": row.kind, "output_shape": "x".join(map(str, row.output_shape))}
    figures = {name: str(known_of(LAYER)[name].value(account, row)) for name in TOLD}
    return {f"{name}{SUFFIX}": str(text) for name, text in (words | figures).items()}


def _layers(account: Account, network: Network) -> Iterator[tuple[str, list[Row]]]:
    """The module of each layer, with all layers that use it, in the order in which they do."""
    users: dict[str, list[Row]] = {}
    for layer, row in zip(account.design.layers, account.rows, strict=True):
        users.setdefault(network.names[layer.owner], []).append(row)
    yield from users.items()


def _shared_out(rows: Sequence[Row], nodes: Sequence[Any]) -> Iterable[tuple[Row, Sequence[Any]]]:
    """The nodes of a module by the layers that use it: as many calls of torch's of each, for they compute the same.

    Where they do not share out, all are said to be of the first.
    """
    calls: dict[str, list[Any]] = {}
    for node in nodes:
        calls.setdefault(_scopes(node)[-1], []).append(node)
    each, left = divmod(len(calls), len(rows))
    if left:
        return [(rows[0], nodes)]
    several = list(calls.values())
    return [(row, [*chain(*several[at * each : (at + 1) * each])]) for at, row in enumerate(rows)]


def _module(node: Any) -> str:
    """The innermost module that a node was traced in; a call of it that is not the first has ``@1`` behind it."""
    scopes = _scopes(node)
    return scopes[-2].partition("@")[0] if len(scopes) > 1 else ""


def _scopes(node: Any) -> list[str]:
    """The modules around a node, from the outermost, and the call in torch's graph that it comes from."""
    return [str(scope) for scope in ast.literal_eval(node.metadata_props.get(_SCOPES, "['']"))]


def _main(nodes: Sequence[Any]) -> Any:
    """The node that computes with the weights, or else the last."""
    return next((node for node in nodes if node.op_type in _MAIN), nodes[-1])
