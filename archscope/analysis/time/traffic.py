"""What every layer of a step computes and moves: FLOPs, bytes, and calls, forward and backward.

Forward: inputs, parameters and buffers are read once, at the width that they have, and all that the layer makes is
written once (its outputs, a max pool's indices, what autocast casts, as :mod:`archscope.autograd` follows torch); what
it makes in passing is not counted again where it is read. A layer in place writes what it reads; a view moves nothing;
a table that is looked up by whole numbers is read where it is looked up. Backward: the gradients of the outputs and
what autograd keeps of the layer are read once, and all that the backward pass makes is written once: gradients of
inputs and weights, and sums of them. A gradient that is handed on as it is moves nothing. A recomputed layer moves its
forward pass once more. The update reads and writes parameters and the optimizer's state, and reads the gradients.

FLOPs are 2 x MACs of contractions. A call is one kernel that makes something new; a layer in place is one, too.

What a kernel may spare is said apart, for bounds: the products that Winograd's and Fourier's convolutions do without
(:func:`spared`), and the elements that no window of a strided convolution reads.

Under torch.compile chains of elementwise layers and normalisations, pooling among them, are fused with each other and
with what they follow or feed; :func:`fused` leaves of the step what no fusion can spare.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple, TypeVar

from archscope.analysis.counts.account import Row, analyze
from archscope.analysis.step.run import Plan, Run
from archscope.arith import minimum
from archscope.autograd.dtypes import ITEM_BYTES
from archscope.autograd.graph import Storage, Value
from archscope.autograd.tape import Tape
from archscope.collecting import uncollected
from archscope.design import Design
from archscope.design.graph import Ref
from archscope.design.steps import Segment, Step, segments
from archscope.ops import Tensor
from archscope.setting import Setting
from archscope.setting.devices import CONTRACTING
from archscope.setting.optimizers import OPTIMIZERS
from archscope.setting.precision import PRECISIONS, Precision

_Result = TypeVar("_Result")

LOSS, UPDATE = "the loss", "the update"


@dataclass(frozen=True, slots=True)
class Moved:
    """The work of one pass.

    Attributes:
        flops: 2 x multiply-accumulates of contractions.
        read, written: bytes.
        calls: of kernels.
    """

    flops: int = 0
    read: int = 0
    written: int = 0
    calls: int = 0

    @property
    def bytes(self) -> int:
        """Read and written."""
        return self.read + self.written

    def __add__(self, other: Moved) -> Moved:
        return Moved(
            self.flops + other.flops, self.read + other.read, self.written + other.written, self.calls + other.calls
        )


class Product(NamedTuple):
    """The product of matrices that a layer is, or may be written as.

    Attributes:
        copies: how many of them, of equal sizes: the groups of a convolution, the heads of attention in all samples.
        rows, inner, columns: rows x inner times inner x columns.
    """

    copies: int
    rows: int
    inner: int
    columns: int


@dataclass(frozen=True)
class Part:
    """A part of a step: a layer, the loss, or the update.

    Attributes:
        kind: one of :data:`CONTRACTING` or :data:`MOVING`.
        recomputed: whether the backward pass runs its forward pass again.
        spared: how many times fewer products it takes by the best algorithm there is, as :func:`spared` says.
        skipped: bytes of the input that no window reads.
        product: its product of matrices, where it is one.
        numbers: the precision that it runs in, where that is not the step's: it is held in a type of its own.
    """

    name: str
    op: str
    kind: str
    forward: Moved
    backward: Moved = Moved()
    recomputed: bool = False
    spared: float = 1.0
    skipped: int = 0
    product: Product | None = None
    numbers: Precision | None = None

    def fewer(self, number: str) -> float:
        """How many times fewer products it takes in a number type: tensor cores convolve as they are told."""
        return self.spared if number == "float32" or self.kind == "product" else 1.0

    def beyond(self, phase: str, cache: int) -> int:
        """Bytes of a pass that pass through memory whatever a cache of that size does.

        What a pass reads may lie in the cache when it begins; what each of its kernels writes may lie there until it
        is overwritten. All that an update writes lives on.
        """
        moved: Moved = getattr(self, phase)
        kernels = 1 if self.kind == "update" else moved.calls
        return max(moved.read - self.skipped - cache, 0) + max(moved.written - kernels * cache, 0)

    def record(self) -> dict[str, Any]:
        """The same as plain data, a row of a table."""
        passes = (("forward", self.forward), ("backward", self.backward))
        moved = {f"{way}_{name}": getattr(one, name) for way, one in passes for name in ("flops", "bytes", "calls")}
        return {"name": self.name, "op": self.op, "kind": self.kind, **moved}


@uncollected()
def traffic(design: Design, setting: Setting | None = None, **changes: Any) -> tuple[Part, ...]:
    """All parts of a step in the order of the forward pass; in training the loss and the update at the end.

    Under torch.compile they are what no fusion can spare.

    Args:
        setting: how it is run (:class:`~archscope.setting.Setting`).
        changes: fields of a setting that differ from it: ``batch=32``.

    Raises:
        UsageError: an impossible setting, or a batch that a layer does not allow.
    """
    setting = Setting.of(setting, **changes)
    form, training = setting.numbers.runs("what a step moves"), setting.trains
    seen = _Seen(design, setting)
    again = frozenset(_recomputed(seen)) if training else frozenset()
    rows = analyze(design, setting).rows
    parts = [_part(one, row, seen, again) for one, row in zip(seen.steps, rows, strict=True)]
    if setting.compile:
        types = {tensor.dtype for one in seen.steps for tensor in (*one.x, *one.y) if tensor.floating and tensor.dtype}
        width = min(ITEM_BYTES[dtype] for dtype in (form.narrowest, *types))
        parts = list(fused(design, seen.steps, rows, parts, width))
    if training and seen.written["loss", LOSS]:
        parts += [seen.loss(), seen.update(setting.optimizer)]
    return tuple(parts)


class _Seen:
    """A step run on a tape, and what was seen of it.

    Attributes:
        saved: what autograd keeps of each layer; of state (weights) the bytes apart.
        written: bytes that are made, by phase and layer.
        calls: allocations by phase and layer.
    """

    def __init__(self, design: Design, setting: Setting) -> None:
        self.form, batch = setting.numbers, setting.batch
        floating = self.form.floating
        self.steps = design.steps(batch, setting.types)
        plan = Plan(design, batch, tuple(step._replace(region=None) for step in self.steps), floating)
        self._tape = Tape(
            device=setting.kind, lower=self.form.lower, floating=floating, torch=setting.version, traffic=True
        )
        self._tape.training = self._tape.grad = setting.trains
        self.run = Run(plan, self._tape, nhwc=setting.channels_last)
        self.saved: dict[str, dict[Storage, None]] = {}
        self.written: Counter[tuple[str, str]] = Counter()
        self._read = 0
        outputs = self._observed("forward", self.run.forward)
        if setting.trains:
            self._train(outputs)
        self.calls = Counter((phase, layer) for phase, layer, _ in self._tape.events)

    def _observed(self, phase: str, work: Callable[[], _Result]) -> _Result:
        """Do something, and note what it makes."""
        traffic = self._tape.traffic
        assert traffic is not None
        begin = len(traffic)
        result = work()
        for storage, born in traffic[begin:]:
            if born:
                self.written[phase, storage.layer] += storage.bytes
        return result

    def _train(self, outputs: list[Value]) -> None:
        self._read = sum(value.storage.bytes for value in outputs if value.node is not None)
        loss = self._observed("loss", lambda: self.run.loss(outputs))
        if loss is not None:
            for node in self._tape.nodes:
                self.saved.setdefault(node.layer, {}).update(dict.fromkeys(node.saved))
            self._observed("backward", lambda: self._tape.backward(loss))

    def width(self, ref: Ref, tensor: Tensor) -> int:
        """Bytes of a tensor as it was seen."""
        return tensor.numel * ITEM_BYTES[self.run.dtypes.get(ref, tensor.dtype or self.form.floating)]

    def loss(self) -> Part:
        """The loss reads the outputs."""
        forward = Moved(0, self._read, self.written["loss", LOSS], self.calls["loss", LOSS])
        return Part(LOSS, "", "elementwise", forward, self.backward(LOSS, 0, 0, state=False))

    def backward(self, name: str, outputs: int, flops: int, *, state: bool) -> Moved:
        """A backward pass: none where nothing is made.

        Args:
            outputs: bytes of their gradients.
            state: whether weights that are kept are read, too.
        """
        written = self.written["backward", name]
        if not written:
            return Moved()
        saved = sum(storage.bytes for storage in self.saved.get(name, ()) if state or not storage.state)
        return Moved(flops, outputs + saved, written, self.calls["backward", name])

    def update(self, optimizer: str) -> Part:
        """The update: parameters and state are read and written, gradients are read."""
        trained = [value.storage.bytes for value in self.run.trained if value.node in self._tape.gradients]
        written = (1 + OPTIMIZERS[optimizer].states) * sum(trained)
        return Part(UPDATE, optimizer, "update", Moved(0, written + sum(trained), written, len(trained)))


def _part(one: Step, row: Row, seen: _Seen, again: frozenset[str]) -> Part:
    name, cost = one.layer.name, row.cost
    outputs = sum(seen.width(Ref(name, number), tensor) for number, tensor in enumerate(one.y))
    forward = _forward(one, seen, 2 * cost.macs, outputs)
    flops = 2 * (cost.input_grad_macs + cost.weight_grad_macs)
    backward = seen.backward(name, outputs, flops, state=any(one.needs))
    again_too = backward + forward if name in again else backward
    kind, skipped = kind_of(one), _skipped(one, seen) if forward.calls else 0
    numbers = _numbers(one, seen.form)
    return Part(
        name, one.layer.kind, kind, forward, again_too, name in again, spared(one), skipped, product(one), numbers
    )


def _numbers(one: Step, form: Precision) -> Precision | None:
    """The precision that a layer multiplies in, if its tensors are of a type that is not the run's.

    Autocast lowers all types but float64.
    """
    read = (*one.x, *one.layer.parameters(*one.x).values())
    dtype = next((tensor.dtype for tensor in read if tensor.floating), None)
    if dtype is None or (form.lower is not None and dtype != "float64"):
        return None
    return PRECISIONS[dtype]


def product(one: Step) -> Product | None:
    """The product of matrices that a layer is: of a convolution, the one with its input unfolded."""
    op, x, y = one.layer.op, one.x, one.y
    macs = sum(each.macs for each in op.contractions(x, y))
    if not macs:
        return None
    weight, groups = op.parameters(*x).get("weight"), op.arguments().get("groups", 1)
    if weight is not None and len(weight.shape) > 1:
        first, *rest = weight.shape
        outward = first == x[0].shape[1] and op.category == "conv" and "output_padding" in op.arguments()
        inner, columns = (first // groups, prod(rest)) if outward else (prod(rest), first // groups)
        return Product(groups, macs // (groups * inner * columns), inner, columns)
    if len(x) > 1 and min(len(x[0].shape), len(x[1].shape)) > 2:
        copies, (rows, inner) = prod(x[0].shape[:-2]), x[0].shape[-2:]
        return Product(copies, rows, inner, max(macs // (copies * rows * inner), 1))
    return None


def fused(
    design: Design, steps: Sequence[Step], rows: Sequence[Row], parts: Sequence[Part], width: int
) -> Iterator[Part]:
    """The parts of a step in which everything is fused that can be: what is left is a bound.

    A layer that contracts with weights is a kernel: it reads them, and its inputs or what these are made of, whichever
    is less; it writes its outputs, or what is made of them. All else costs no traffic: elementwise chains and
    normalisations are done where they are read or written, attention keeps its scores to itself, casts come for free.

    Args:
        width: bytes of the narrowest number that is multiplied.
    """
    sizes = {Ref(one.layer.name, number): y.numel * width for one in steps for number, y in enumerate(one.y)}
    sizes |= {ref: x.numel * width for one in steps for ref, x in zip(one.layer.inputs, one.x, strict=True)}
    weighed = {one.layer.name for one in steps if one.layer.op.parameters(*one.x)}
    kernels = {part.name for part in parts if part.kind in CONTRACTING and part.name in weighed}
    roots, leaves = _roots(steps, kernels), _leaves(design, steps, kernels)
    for one, row, part in zip(steps, rows, parts, strict=True):
        if part.name not in kernels:
            again = Moved(part.backward.flops)
            yield replace(part, forward=Moved(part.forward.flops), backward=again, skipped=0)
            continue
        outs = [Ref(part.name, number) for number in range(len(one.y))]
        inputs = one.layer.inputs
        source_bytes = min(_total(sizes, inputs), _total(sizes, *(roots.get(ref, [ref]) for ref in inputs)))
        made = min(_total(sizes, outs), _total(sizes, *(leaves[ref] for ref in outs)))
        weights = sum(tensor.numel for tensor in one.layer.op.parameters(*one.x).values()) * width
        forward = Moved(part.forward.flops, source_bytes + weights, made, 1)
        inward, own = row.cost.input_grad_macs > 0, row.cost.weight_grad_macs > 0
        back = Moved(
            part.backward.flops,
            made * (inward or own) + weights * inward + source_bytes * own,
            source_bytes * inward + weights * own,
            inward + own,
        )
        yield replace(part, forward=forward, backward=back if part.backward.calls else Moved())


def _total(sizes: Mapping[Ref, int], *refs: Iterable[Ref]) -> int:
    return sum(sizes[ref] for ref in dict.fromkeys(ref for some in refs for ref in some))


def _roots(steps: Sequence[Step], kernels: Set[str]) -> dict[Ref, list[Ref]]:
    """What every tensor is made of, of that which kernels write or the design is given."""
    roots: dict[Ref, list[Ref]] = {}
    for one in steps:
        name = one.layer.name
        below = dict.fromkeys(root for ref in one.layer.inputs for root in roots.get(ref, [ref]))
        for number in range(len(one.y)):
            roots[Ref(name, number)] = [Ref(name, number)] if name in kernels else list(below)
    return roots


def _leaves(design: Design, steps: Sequence[Step], kernels: Set[str]) -> dict[Ref, dict[Ref, None]]:
    """What is made of every tensor, of that which kernels read or the design gives."""
    leaves: dict[Ref, dict[Ref, None]] = defaultdict(dict)
    for _, ref in design.outputs:
        leaves[ref][ref] = None
    for one in reversed(steps):
        name = one.layer.name
        made = dict.fromkeys(leaf for number in range(len(one.y)) for leaf in leaves[Ref(name, number)])
        for ref in one.layer.inputs:
            leaves[ref] |= {ref: None} if name in kernels else made
    return leaves


def spared(one: Step) -> float:
    """How many times fewer products a layer takes by the best algorithm that a library has for it.

    A convolution of 3 x 3 windows and stride 1 by Winograd's F(4 x 4, 3 x 3): 6 x 6 products in place of 4 x 4 x 9
    (Lavin, Gray, Fast algorithms for convolutional neural networks, CVPR 2016, section 4.3; cuDNN's
    CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD and _WINOGRAD_NONFUSED). One of any windows and stride 1 by Fourier transforms
    of tiles of 32 x 32 (CUDNN_CONVOLUTION_FWD_ALGO_FFT_TILING): 32 x 17 complex products of 4 real ones in place of
    K_h x K_w for each of (33 - K_h) x (33 - K_w) outputs. Causal attention: half of the scores are masked.
    """
    arguments = one.layer.op.arguments()
    if arguments.get("is_causal"):
        return 2.0
    kernel = arguments.get("kernel_size", ())
    if one.layer.op.category != "conv" or not 1 <= len(kernel) <= 2 or _steps(arguments):
        return 1.0
    high, wide = kernel if len(kernel) == 2 else (1, *kernel)
    fourier = high * wide * (33 - high) * (33 - wide) / (4 * 32 * 17) if max(high, wide) <= 32 else 1.0
    return max(4.0 if (high, wide) == (3, 3) else 1.0, fourier)


def _steps(arguments: Mapping[str, Any]) -> bool:
    """Whether windows are apart, or their elements are."""
    return any(size != 1 for name in ("stride", "dilation") for size in arguments[name])


def _skipped(one: Step, seen: _Seen) -> int:
    """Bytes of the input between windows that are smaller than their stride."""
    arguments = one.layer.op.arguments()
    if one.layer.op.category != "conv":
        return 0
    windows = zip(arguments["kernel_size"], arguments["stride"], one.x[0].shape[2:], one.y[0].shape[2:], strict=True)
    axes = [(min(size, kernel * out), size) for kernel, stride, size, out in windows if stride > kernel]
    read, there = prod(read for read, _ in axes), prod(size for _, size in axes)
    skipped: int = seen.width(one.layer.inputs[0], one.x[0]) * (there - read) // there
    return skipped


def _forward(one: Step, seen: _Seen, flops: int, outputs: int) -> Moved:
    op, place = one.layer.op, ("forward", one.layer.name)
    calls, written = seen.calls[place], seen.written[place]
    if not calls and op.arguments().get("inplace"):
        calls, written = 1, outputs
    read = _read(one, seen, outputs) if calls else 0
    return Moved(flops, read, written, calls)


def _read(one: Step, seen: _Seen, outputs: int) -> int:
    """Bytes that a forward pass reads: inputs, parameters, buffers."""
    inputs = sum(seen.width(ref, tensor) for ref, tensor in zip(one.layer.inputs, one.x, strict=True))
    own = [*one.layer.parameters(*one.x).values(), *one.layer.buffers(*one.x).values()]
    state = sum(tensor.numel * ITEM_BYTES[tensor.dtype or seen.form.floating] for tensor in own)
    looked_up = not any(tensor.floating for tensor in one.x)
    return inputs + (minimum(state, outputs) if looked_up else state)


def _recomputed(seen: _Seen) -> Iterator[str]:
    """The layers that the backward pass runs again: of each block those up to the last one that keeps something."""
    for part in segments(seen.steps):
        names = [step.layer.name for step in part.steps] if isinstance(part, Segment) else []
        keeping = [number for number, name in enumerate(names) if seen.saved.get(name)]
        yield from names[: keeping[-1] + 1] if keeping else ()


def kind_of(one: Step) -> str:
    """What a machine sees in a layer."""
    op = one.layer.op
    if any(op.contractions(one.x, one.y)):
        return _contracting(one)
    family = type(op).__module__.rpartition(".")[2]
    return family if family in ("normalization", "pooling") else "elementwise"


def _contracting(one: Step) -> str:
    op = one.layer.op
    if op.category != "conv":
        return "recurrent" if type(op).__module__.endswith(".recurrent") else "product"
    arguments = op.arguments()
    groups = arguments["groups"]
    if groups > 1:
        return "depthwise" if groups == one.x[0].shape[1] else "grouped"
    return "pointwise" if all(size == 1 for size in arguments["kernel_size"]) else "convolution"
