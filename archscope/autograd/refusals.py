"""What torch refuses: to overwrite some tensors, and backward passes where something was overwritten."""

from __future__ import annotations

from archscope.autograd.graph import Node, RecomputedBlock, Value, strides_of
from archscope.errors import UsageError

_LEAVE_OUT = "leave out `inplace: true`"


class Refused(UsageError):
    """torch refuses what a layer does.

    Attributes:
        message: what, and why.
        hint: what to do.
        layer: the layer, where it is not the one at hand.
    """

    def __init__(self, message: str, hint: str = _LEAVE_OUT, layer: str = "") -> None:
        super().__init__(f"{message}; {hint}")
        self.message, self.hint, self.layer = message, hint, layer

    def __reduce__(self) -> tuple[type[Refused], tuple[str, str, str]]:
        return type(self), (self.message, self.hint, self.layer)


def hold_writable(x: Value, layer: str, *, grad: bool, idempotent: bool = False) -> None:
    """Hold that a layer may overwrite a tensor (at::assert_no_internal_overlap, torch::autograd::check_inplace).

    Args:
        grad: whether a backward graph is linked.
        idempotent: whether doing it twice is doing it once.

    Raises:
        Refused: it may not.
    """
    follows = grad and x.node is not None
    harmless = x.strides is None or (idempotent and not follows)  # the backward pass writes into it, too
    steps = () if harmless else zip(x.shape, strides_of(x), strict=True)
    if any(step == 0 and size > 1 for size, step in steps):
        raise Refused(
            f"{layer} overwrites a tensor that repeats its elements (as Expand makes it), which torch refuses",
            f"{_LEAVE_OUT}, or put `Contiguous` before it",
        )
    if not follows:
        return
    whole = x if x.base is None else x.base
    if whole.node is not None and whole.node.order == float("inf"):
        which = "a parameter" if whole is x else "a view of a parameter"
        raise Refused(f"{layer} overwrites {which} that is trained, which torch refuses")
    if x.several:
        raise Refused(
            f"{layer} overwrites one of several views that one layer gives (as Split and Chunk do), which torch "
            "refuses where it needs a gradient"
        )


def hold_unchanged(node: Node) -> None:
    """Hold that what a node keeps is as it was when that was kept (torch::autograd::SavedVariable::unpack).

    Raises:
        Refused: it is not.
    """
    for storage, version in zip(node.saved, node.versions, strict=False):
        if storage.version != version:
            writer = storage.writers[version]
            raise Refused(
                f"{writer} overwrites what {node.layer} saves for its backward pass, which torch then refuses",
                layer=writer,
            )


def hold_readable(region: RecomputedBlock) -> None:
    """Hold that what a block reads from outside is as it was, when it is to run again: torch saves it for that.

    Raises:
        Refused: the block, or a layer behind it, has overwritten it, be it without a gradient.
    """
    for value, version in zip(region.read, region.versions, strict=True):
        if value.storage.version != version:
            writer = value.storage.writers[version]
            raise Refused(
                f"{writer} overwrites what a block under `checkpoint` reads, which runs again in the backward pass: "
                "torch refuses that",
                f"{_LEAVE_OUT}, or let the block begin a layer earlier",
                layer=writer,
            )


def hold_apart(x: Value, layer: str) -> None:
    """Hold that a view that a layer reads has a history, though its memory was overwritten behind its back.

    Raises:
        Refused: it is one of several (torch::autograd::handle_view_on_rebase).
    """
    if x.several and x.base is not None and x.base.node is not None:
        writer = x.storage.writers[x.version]
        raise Refused(
            f"{writer} overwrites what is behind one of several views that {layer} reads later, which torch then "
            "refuses where it needs a gradient",
            layer=writer,
        )
