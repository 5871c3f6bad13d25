"""How a peer's count is stated: as a bridge from archscope's figure to the peer's, term by term.

A peer has a table of rules, one for every op that is known of it. A rule yields what the peer adds to the op's own
figure, or leaves out of it. What no table names is refused by name; it is never a silent zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from archscope.arith import prod
from archscope.design import Design
from archscope.design.steps import Step
from archscope.ops.base import REGISTRY, Tensor, Tensors

#: what a term may be about, in the order in which a bridge lists them
TERMS = (
    "not counted", "positions", "multiply-add as two", "bias", "batch norm", "other norms", "activation", "pooling",
    "adaptive pooling", "softmax", "upsampling", "embedding", "learnt tensors", "attention", "recurrent",
    "counted twice", "per sample", "running statistics", "second bias", "frozen",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """What a peer adds to (or leaves out of) the figure of one layer."""

    name: str
    count: int
    why: str


class NotModelled(Exception):
    """A rule does not cover a case of its op; the message says which."""


Rule = Callable[[Step], Iterable[Part]]
Rules = Mapping[str, Rule]


@dataclass(frozen=True)
class Term:
    """A part of the difference between archscope's figure and a peer's.

    Attributes:
        name: one of :data:`TERMS`.
        count: signed.
        why: the peer's rule, in a few words.
        layers: where it comes from.
    """

    name: str
    count: int
    why: str
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Bridge:
    """From archscope's figure to a peer's.

    Attributes:
        start: archscope's.
        terms: what makes the difference.
        refused: ops (or cases of them) whose rule is not modelled; then there is no total.
    """

    start: int
    terms: tuple[Term, ...] = ()
    refused: tuple[str, ...] = ()

    @property
    def total(self) -> int | None:
        """The peer's figure."""
        return None if self.refused else self.start + sum(term.count for term in self.terms)


@dataclass(frozen=True)
class Measured:
    """What a peer really reports, where it was run.

    Attributes:
        version: of the peer; ``None`` where it is not installed.
        work: of a forward pass, by its own convention.
        params: parameters.
        failure: why it gives no numbers, in a line.
    """

    version: str | None = None
    work: int | None = None
    params: int | None = None
    failure: str = ""


class Peer(NamedTuple):
    """A tool that counts.

    Attributes:
        name: of the tool, and of its mode where it has several.
        word: what it calls its count of work; empty where it has none.
        convention: how it counts, in a sentence.
        version: the one whose source the rules were read from; empty where there is no source to run.
        params: its number of parameters.
        work: its count of work; ``None`` where it has none.
    """

    name: str
    word: str
    convention: str
    version: str
    params: Callable[[Design, Sequence[Step]], Bridge]
    work: Callable[[Design, Sequence[Step]], Bridge] | None


def table(*entries: tuple[Iterable[str], Rule]) -> Rules:
    """A peer's rules by op, from rules by families of ops.

    Raises:
        ValueError: two entries name an op.
    """
    rules: dict[str, Rule] = {}
    for names, rule in entries:
        for name in names:
            if name in rules:
                raise ValueError(f"two rules for {name}")
            rules[name] = rule
    return rules


def work_by(rules: Rules, dead: Rule | None = None) -> Callable[[Design, Sequence[Step]], Bridge]:
    """A peer that counts layer by layer.

    Args:
        dead: its rule for layers that reach no output, whatever they are, if it is another one.
    """

    def counted(design: Design, steps: Sequence[Step]) -> Bridge:
        instead = {layer.name: dead for layer in design.graph.unread()} if dead else {}
        return bridge(steps, sum(map(macs, steps)), rules, instead)

    return counted


def params_by(rules: Rules) -> Callable[[Design, Sequence[Step]], Bridge]:
    """A peer that counts parameters layer by layer; a layer whose weights are another's adds none."""

    def counted(design: Design, steps: Sequence[Step]) -> Bridge:
        own = [step for step in steps if step.layer.shares is None]
        return bridge(own, sum(map(params, own)), rules)

    return counted


def all_params() -> dict[str, Rule]:
    """The rules of a peer that asks the module for its parameters: whatever the layer, all of them."""
    return dict.fromkeys(REGISTRY, nothing)


def bridge(steps: Iterable[Step], start: int, rules: Rules, instead: Rules | None = None) -> Bridge:
    """All parts of all layers, joined into terms.

    Args:
        instead: rules of some layers, by name.
    """
    refused: dict[str, None] = {}
    parts: list[tuple[str, Part]] = []
    for step in steps:
        try:
            name = step.layer.name
            parts += [(name, part) for part in parts_of(step, rules, (instead or {}).get(name))]
        except NotModelled as reason:
            refused[str(reason)] = None
    return Bridge(start, terms(parts), tuple(refused))


def parts_of(step: Step, rules: Rules, own: Rule | None = None) -> Iterator[Part]:
    """What a peer adds to a layer, by the rule of its op, or by one of its own.

    Raises:
        NotModelled: there is no rule for it.
    """
    rule = own or rules.get(step.layer.kind)
    if rule is None:
        raise NotModelled(step.layer.kind)
    return (part for part in rule(step) if part.count)


def terms(parts: Iterable[tuple[str, Part]]) -> tuple[Term, ...]:
    """Parts of one name and reason together, in the order of :data:`TERMS`."""
    joined: dict[tuple[str, str], tuple[int, list[str]]] = {}
    for layer, part in parts:
        count, layers = joined.get((part.name, part.why), (0, []))
        joined[part.name, part.why] = (count + part.count, [*layers, layer])
    together = (Term(name, count, why, tuple(layers)) for (name, why), (count, layers) in joined.items())
    return ordered(together)


def ordered(some: Iterable[Term]) -> tuple[Term, ...]:
    """Terms in the order of :data:`TERMS`."""
    return tuple(sorted(some, key=lambda term: TERMS.index(term.name)))


# -- what rules are made of --------------------------------------------------------------------------------------------


def macs(step: Step) -> int:
    """archscope's multiply-accumulates of a layer."""
    return sum(contraction.macs for contraction in step.layer.op.contractions(step.x, step.y))


def params(step: Step) -> int:
    """Elements of a layer's parameters."""
    return numel(step.layer.op.parameters(*step.x).values())


def numel(tensors: Iterable[Tensor]) -> int:
    """Elements of some tensors together."""
    return sum(tensor.numel for tensor in tensors)


def samples(design: Design, steps: Iterable[Step]) -> int:
    """The batch, of a design with a single input that a layer reads; else 1."""
    arriving = (pair for step in steps for pair in zip(step.layer.inputs, step.x, strict=True))
    names = {node.name for node in design.inputs}
    batches = (tensor.shape[0] for ref, tensor in arriving if ref.node in names)
    return next(batches, 1) if len(names) == 1 else 1


def option(step: Step, name: str) -> bool:
    """Whether an argument of a layer is set; an op without it has it not."""
    return bool(step.layer.op.arguments().get(name, False))


def has_bias(step: Step) -> bool:
    """Whether a layer adds a learnt vector."""
    return option(step, "bias")


def nothing(step: Step) -> Iterable[Part]:
    """The peer counts the layer's products as archscope does, and nothing else."""
    return ()


def refused(step: Step) -> Iterable[Part]:
    """What a peer would see inside the layer is not known.

    Raises:
        NotModelled: always.
    """
    raise NotModelled(step.layer.kind)


def unseen(why: str) -> Rule:
    """The peer has no rule of its own for the layer, and leaves its products out."""
    return lambda step: (Part("not counted", -macs(step), why.format(op=step.layer.kind)),)


def each(name: str, count: int, of: str = "output") -> Rule:
    """So many operations for each element of the output, or of the (first) input."""

    def rule(step: Step) -> Iterable[Part]:
        tensors: Tensors = step.y if of == "output" else step.x
        yield Part(name, count * tensors[0].numel, f"{count} an {of} element")

    return rule


def bias_each(step: Step) -> Iterable[Part]:
    """One for each output element of a layer with bias."""
    if has_bias(step):
        yield Part("bias", step.y[0].numel, "1 an output element")


def cells(units: Mapping[str, int]) -> Rule:
    """A recurrent cell: one for each parameter of its biases, and so many operations a hidden unit."""

    def rule(step: Step) -> Iterable[Part]:
        samples, hidden = step.y[0].shape
        own = step.layer.op.parameters(*step.x).items()
        yield Part("bias", samples * sum(t.numel for name, t in own if name.startswith("bias")), "1 a parameter")
        unit = units.get(step.layer.kind, 0)
        if unit:
            yield Part("recurrent", samples * hidden * unit, f"{unit} a hidden unit")

    return rule


def rows(step: Step) -> int:
    """Vectors that a dense layer works on."""
    return prod(step.x[0].shape[:-1])


def one_kernel(step: Step) -> bool:
    """Whether torch runs all of an attention as one kernel (torch.backends.mha, in evaluation): none has a gradient.

    It attends to itself, batch first, with biases and nothing added, by an even number of heads
    (torch/nn/modules/activation.py, why_not_fast_path).
    """
    if step.layer.kind != "MultiheadAttention" or any(step.needs):
        return False
    op = step.layer.op.arguments()
    plain = op["bias"] and op["batch_first"] and not op["add_bias_kv"] and not op["add_zero_attn"]
    names = step.layer.op.parameters(*step.x)
    itself = len(set(step.layer.inputs)) == 1 and "in_proj_weight" in names
    return plain and itself and op["num_heads"] % 2 == 0 and set(step.layer.frozen).issuperset(names)


# -- families of ops, by name ------------------------------------------------------------------------------------------


def _ranks(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}{rank}d" for name in names for rank in (1, 2, 3))


CONVOLUTIONS = _ranks("Conv")
TRANSPOSED = _ranks("ConvTranspose")
BATCH_NORMS = _ranks("BatchNorm")
INSTANCE_NORMS = _ranks("InstanceNorm")
MAX_POOLS = _ranks("MaxPool")
AVG_POOLS = _ranks("AvgPool")
POWER_POOLS = _ranks("LPPool")
ADAPTIVE_MAX_POOLS = _ranks("AdaptiveMaxPool")
ADAPTIVE_AVG_POOLS = _ranks("AdaptiveAvgPool")
RECURRENT = ("RNN", "LSTM", "GRU")
CELLS = ("RNNCell", "LSTMCell", "GRUCell")
SOFTMAXES = ("Softmax", "Softmin", "LogSoftmax", "Softmax2d")
ACTIVATIONS = (
    "CELU", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid",
    "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softplus", "Softshrink", "Softsign", "Tanh",
    "Tanhshrink", "Threshold",
)  # fmt: skip
#: what was declared, and cannot be looked into
DECLARED = ("Opaque",)
#: they take part in no product, and no peer has a rule for them
MOVES = (
    *_ranks("ZeroPad", "ConstantPad", "ReflectionPad", "ReplicationPad", "CircularPad", "Dropout"),
    "AlphaDropout", "Buffer", "Cast", "ChannelShuffle", "Chunk", "Concat", "Constant", "Contiguous", "Detach",
    "Dropout", "Expand", "FeatureAlphaDropout", "Flatten", "Flip", "Gather", "Identity", "Index", "Pad", "Permute",
    "PixelShuffle", "PixelUnshuffle", "Reshape", "Roll", "Select", "Slice", "Split", "Squeeze", "Stack",
    "StochasticDepth", "Tile", "Transpose", "Unflatten", "Unsqueeze",
)  # fmt: skip
SUMS = (
    "Add", "Subtract", "Multiply", "Divide", "Maximum", "Minimum", "Scale", "Shift", "Mean", "Sum", "Max", "Min",
    "LogSumExp", "Norm", "Var", "Std", "CumSum", "ArgMax", "Compare", "Logical", "LogicalNot", "Where", "MaskedFill",
    "Abs", "Clamp", "Cos", "Erf", "Exp", "Floor", "Log", "Negative", "Power", "Reciprocal", "Rsqrt", "Sin", "Sqrt",
    "TopK",
)  # fmt: skip


def but(names: Iterable[str], *others: str) -> tuple[str, ...]:
    """A family without some of its ops."""
    return tuple(name for name in names if name not in others)
