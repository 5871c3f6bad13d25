"""Gradients that are no function's own: where they end, where a view was overwritten, and the plainest ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archscope.autograd.graph import Back, Gradients, Node, Value, strides_of

if TYPE_CHECKING:
    from archscope.autograd.tape import Tape


def accumulate(tape: Tape, node: Node, gradients: Gradients) -> Gradients:
    """A gradient reaches its parameter: taken as it is, copied, or added (torch::autograd::AccumulateGrad)."""
    if node in tape.gradients:
        return ()
    gradient, parameter = gradients[0], node.parameter
    assert gradient is not None
    assert parameter is not None
    node.parameter = None
    if gradient.uses > 1 or not _as_parameter(gradient, parameter):
        gradient = tape.make(parameter.shape, parameter.dtype, "the gradient, copied")
    elif gradient.base is not None:  # it is detached, and no longer holds what it is a view of
        gradient = tape.view(gradient, gradient.shape, gradient.strides, unsafe=True)
    tape.hold(gradient)
    tape.gradients[node] = gradient
    return ()


def _as_parameter(gradient: Value, parameter: Value) -> bool:
    """Whether a gradient lies as its parameter (utils::obeys_layout_contract), and repeats nothing."""
    strides = gradient.strides
    return strides is None or (0 not in strides and _steps(gradient) == _steps(parameter))


def _steps(value: Value) -> list[int]:
    return [stride for size, stride in zip(value.shape, strides_of(value), strict=True) if size != 1]


def copy_slices(view: Value, base: Value, back: Back) -> Back:
    """The gradient of a tensor a view of which was overwritten (torch::autograd::CopySlices)."""

    def copied(tape: Tape, node: Node, gradients: Gradients) -> Gradients:
        whole = tape.make(base.shape, base.dtype, "", base.strides)
        piece = tape.make(view.shape, view.dtype)
        inner = Node(node.order, node.layer, (view,), back, 1)
        (result,) = back(tape, inner, [piece])
        tape.drop(piece, *(() if result is None or result is piece else (result,)))
        return [whole]

    return copied


def as_strided(tape: Tape, node: Node, gradients: Gradients) -> Gradients:
    """The gradient of a view, laid into zeros."""
    base = node.inputs[0]
    return [tape.make(base.shape, base.dtype, "", base.strides)]


def together(tape: Tape, node: Node, gradients: Gradients) -> Gradients:
    """All gradients by one kernel."""
    wanted = [value for value in node.inputs if value.node is not None]
    if len(node.inputs) == 1:
        return [tape.make(wanted[0].shape, wanted[0].dtype)]
    made = iter(tape.make_all(*((value.shape, value.dtype, "") for value in wanted)))
    return [None if value.node is None else next(made) for value in node.inputs]


def passed_on(tape: Tape, node: Node, gradients: Gradients) -> Gradients:
    """The gradient itself, to every input."""
    return [gradients[0]] * len(node.inputs)
