"""What torch refuses to overwrite, and the backward passes it refuses where something was overwritten."""

from __future__ import annotations

from archscope.autograd.graph import Node, Value
from archscope.errors import UsageError


class Overwritten(UsageError):
    """A backward pass needs what a layer has overwritten.

    Attributes:
        layer: that layer.
    """

    def __init__(self, message: str, layer: str) -> None:
        super().__init__(message)
        self.layer = layer


def hold_writable(x: Value, layer: str, *, grad: bool) -> None:
    """Hold that a layer may overwrite a tensor (at::assert_no_internal_overlap, torch::autograd::check_inplace).

    Args:
        grad: whether a backward graph is linked.

    Raises:
        UsageError: it may not.
    """
    if x.strides is not None and any(step == 0 and size > 1 for size, step in zip(x.shape, x.strides, strict=True)):
        raise UsageError(
            f"{layer} overwrites a tensor that repeats its elements (as Expand makes it), which torch refuses; leave "
            "out `inplace: true`, or copy it before by `Contiguous`"
        )
    if not grad or x.node is None:
        return
    whole = x if x.base is None else x.base
    if whole.node is not None and whole.node.parameter is not None:
        which = "a parameter" if whole is x else "a view of a parameter"
        raise UsageError(f"{layer} overwrites {which} that is trained, which torch refuses; leave out `inplace: true`")
    if x.several:
        raise UsageError(
            f"{layer} overwrites one of several views that one layer gives (as Split and Chunk do), which torch "
            "refuses where it needs a gradient; leave out `inplace: true`"
        )


def hold_unchanged(node: Node) -> None:
    """Hold that what a node keeps is as it was when that was kept (torch::autograd::SavedVariable::unpack).

    Raises:
        Overwritten: it is not.
    """
    for storage, version in zip(node.saved, node.versions, strict=False):
        if storage.version != version:
            raise Overwritten(
                f"{storage.writer} overwrites what {node.layer or 'the loss'} saves for its backward pass, which torch "
                "then refuses; leave out `inplace: true`",
                storage.writer,
            )


def hold_apart(x: Value, layer: str) -> None:
    """Hold that a view that a layer reads has a history, though its memory was overwritten behind its back.

    Raises:
        Overwritten: it is one of several (torch::autograd::handle_view_on_rebase).
    """
    if x.several:
        writer = x.storage.writer
        raise Overwritten(
            f"{writer} overwrites what is behind one of several views that {layer} reads later, and torch then gives "
            "that no gradient; leave out `inplace: true`",
            writer,
        )
