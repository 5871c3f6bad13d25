"""A training step as torch's autograd runs it, with bytes in place of numbers.

A layer's forward pass is written down as the calls that torch makes (:mod:`archscope.ops.aten`); each allocates its
results, and links a node into the graph of the backward pass, which keeps what the derivative needs
(derivatives.yaml). The backward pass then runs the nodes in the order of torch's engine. Every allocation is an event;
memory is free as soon as nobody holds it, as by reference counting.

A copy that a kernel makes for itself of what does not lie as it reads it counts (asides in aten/kernels.py); its
workspace does not, nor do copies within convolutions, and recurrent layers of oneDNN and cuDNN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from heapq import heappop, heappush
from math import prod
from typing import Any

from archscope.autograd.dtypes import ITEM_BYTES
from archscope.autograd.gradients import accumulate, as_strided, copy_slices
from archscope.autograd.graph import INSIDE, Back, Node, RecomputedBlock, Shape, Storage, Value, strides_behind
from archscope.autograd.loops import LONG, Entry, Loop, LoopMark, Stretched
from archscope.autograd.refusals import hold_apart, hold_readable, hold_unchanged, hold_writable
from archscope.autograd.strides import Strides
from archscope.autograd.versions import TORCH, Version


class _Enough(Exception):
    """All that is needed of a block has been recomputed."""


class Tape:
    """Memory in time: tensors are made and dropped, the backward graph is linked, and run.

    Attributes:
        training: whether layers act as in training.
        grad: whether a backward graph is linked.
        device: ``cpu`` or ``cuda``.
        lower: the type that torch.autocast lowers to, if any.
        floating: the floating type of the design.
        torch: the version whose ways it has.
        cuts: whether of loops of very many steps only some are run (:mod:`archscope.autograd.loops`).
        watched: whether a TorchDispatchMode watches, as tests do: torch then adds gradients out of place.
        live: bytes that live now.
        events: all allocations so far: phase, layer, and the bytes that live then.
        nodes: of the backward graph, in the order in which they were made.
        gradients: of the parameters, once they have arrived.
        casts: weights in the lower type, which torch.autocast keeps until its end.
        autocasts: whether a function has been called whose arguments autocast casts.
        allocated: bytes of all events so far, whether they live or not.
        traffic: where it is asked for, every storage that was born (True) or freed (False), in order.
        phase, layer: where the step is.
    """

    def __init__(
        self,
        *,
        device: str = "cpu",
        lower: str | None = None,
        floating: str = "float32",
        torch: Version = TORCH,
        watched: bool = False,
        traffic: bool = False,
        cuts: bool = False,
    ) -> None:
        self.training = self.grad = True
        self.device, self.lower, self.floating, self.watched = device, lower, floating, watched
        self.torch, self.cuts = torch, cuts
        self.live = 0
        self.events: list[tuple[str, str, int]] = []
        self.phase, self.layer = "forward", ""
        self.gradients: dict[Node, Value] = {}
        self.nodes: list[Node] = []
        self.region: RecomputedBlock | None = None
        self.allocated = 0
        self.traffic: list[tuple[Storage, bool]] | None = [] if traffic else None
        self._marks: list[int] = []
        self._order = 0
        self._wanted = 0
        self._again = False
        self._made: Sequence[Value] = ()  # by the kernel that was run last
        self._scope: list[Value] = []
        self._loops: list[Loop] = []
        self._firsts: dict[Node, Loop] = {}  # of the steps of loops
        self._log: list[Entry] = []
        self._stretched: Stretched | None = None
        self.casts: dict[Storage, Value] = {}
        self.autocasts = False

    # -- memory ---

    def state(self, shape: Shape, dtype: str, what: str, *, leaf: bool = False) -> Value:
        """A tensor of the model; a ``leaf`` is trained."""
        size = prod(shape) * ITEM_BYTES[dtype]
        value = Value(Storage(size, self.layer, what, state=True), shape, dtype)
        self._born(value.storage)
        if leaf and self.grad:
            value.node = Node(float("inf"), self.layer, (), accumulate, 1)
            value.node.parameter = value
        return value

    def external(self, shape: Shape, dtype: str, what: str) -> Value:
        """A tensor that the caller holds."""
        value = Value(Storage(prod(shape) * ITEM_BYTES[dtype], self.layer, what), shape, dtype)
        self._born(value.storage)
        return value

    def _born(self, storage: Storage) -> None:
        self.live += storage.bytes
        if self.traffic is not None and storage.bytes:
            self.traffic.append((storage, True))
        if self._loops:
            self._log.append((storage, True, len(self.events)))

    def make(self, shape: Shape, dtype: str, what: str = "", strides: Strides | None = None) -> Value:
        """One new tensor by one kernel; it lives until the layer at hand is done, or is dropped."""
        size = prod(shape) * ITEM_BYTES[dtype]
        storage = Storage(size, self.layer, what or INSIDE)
        value = Value(storage, shape, dtype, strides)
        self._scope.append(value)
        self._made = [value]
        if size:
            self._born(storage)
            self._mark(size)
        return value

    def make_all(self, *wanted: tuple[Shape, str, str]) -> list[Value]:
        """Several new tensors by one kernel: shape, dtype, and a word on each."""
        values, total = [], 0
        for shape, dtype, what in wanted:
            size = prod(shape) * ITEM_BYTES[dtype]
            storage = Storage(size, self.layer, what or INSIDE)
            values.append(Value(storage, shape, dtype))
            self._born(storage)
            total += size
        self._scope += values
        self._made = values
        if total:
            self._mark(total)
        return values

    def _mark(self, size: int) -> None:
        self.allocated += size
        self.events.append((self.phase, self.layer, self.live))
        if self.traffic is not None:
            self._marks.append(len(self.traffic))

    # -- loops of very many steps ---

    def loop(self, count: int) -> Loop | None:
        """A loop of so many steps, of which not all are run; none if they are."""
        if not self.cuts or count <= LONG:
            return None
        self._loops.append(Loop(count))
        return self._loops[-1]

    @contextmanager
    def step(self, loop: Loop | None) -> Iterator[None]:
        """A step of a loop."""
        if loop is None:
            yield
            return
        first = len(self.nodes)
        if not loop.forward:
            loop.forward.append(self._moment())
        yield
        loop.forward.append(self._moment())
        if len(self.nodes) > first:
            self._firsts[self.nodes[first]] = loop

    def _moment(self) -> LoopMark:
        return LoopMark(len(self.events), len(self._log), self.live)

    def stretch(self) -> None:
        """Put in the steps of loops that were not run.

        Raises:
            Uneven: they are not like those that were.
        """
        if self._loops:
            self._stretched = Stretched(self.events, self._log, self._loops)
            self.events = self._stretched.events
            self.allocated += self._stretched.allocated
            self._loops, self._log = [], []
            self._firsts.clear()

    @property
    def copies(self) -> Mapping[Storage, int]:
        """Of what steps of loops leave behind, how often there is more of it."""
        return {} if self._stretched is None else self._stretched.copies

    def living(self, event: int) -> dict[Storage, int]:
        """What lives at an event, and how often; the traffic has to have been asked for."""
        event, more = (event, []) if self._stretched is None else self._stretched.at(event)
        sizes: dict[Storage, int] = {}
        for storage, born in self.until(event):
            if born:
                sizes[storage] = 1
            else:
                del sizes[storage]
        for storage, times in more:
            sizes[storage] = sizes.get(storage, 0) + times
        return sizes

    def forget(self) -> tuple[int, list[tuple[str, str, int]]]:
        """Forget all events so far: what they allocated, and they themselves."""
        self.stretch()
        self._stretched = None
        allocated, self.allocated = self.allocated, 0
        events, self.events = self.events, []
        return allocated, events

    def until(self, event: int) -> list[tuple[Storage, bool]]:
        """The traffic up to an event, which has to have been asked for."""
        assert self.traffic is not None
        return self.traffic[: self._marks[event]]

    def view(self, x: Value, shape: Shape, strides: Strides | None, *, dtype: str = "", unsafe: bool = False) -> Value:
        """Another tensor in the same memory, which holds what it is a view of; an ``unsafe`` one does not."""
        value = Value(x.storage, shape, dtype or x.dtype, strides)
        if not unsafe:
            value.base = base = x.base or x
            base.uses += 1
            value.several = x.several
        self._scope.append(value)
        return value

    def again(self, x: Value) -> Value:
        """The same tensor, with another history."""
        value = self.view(x, x.shape, x.strides, unsafe=x.base is None)
        value.several = x.several
        return value

    def hold(self, value: Value) -> None:
        """One more place holds a tensor."""
        value.uses += 1

    def release(self, value: Value) -> None:
        """One place less holds it."""
        value.uses -= 1
        if not value.uses:
            self._unhold(value.storage)
            if value.node is not None:
                self._let_go(value.node)
            if value.base is not None:
                self.release(value.base)

    def _unhold(self, storage: Storage) -> None:
        storage.held -= 1
        if not storage.held:
            self.live -= storage.bytes
            if self.traffic is not None and storage.bytes:
                self.traffic.append((storage, False))
            if self._loops:
                self._log.append((storage, False, len(self.events)))

    def drop(self, *values: Value) -> None:
        """Tensors that a layer makes in passing, and is done with before its end."""
        scope = self._scope
        for value in values:
            place = next(place for place in range(len(scope) - 1, -1, -1) if scope[place] is value)  # a late one
            del scope[place]
            self.release(value)

    def begin(self) -> int:
        """The start of a function that makes tensors in passing; :meth:`end` wants it."""
        return len(self._scope)

    def end(self, start: int, *results: Value) -> None:
        """A function is done: what it made is free, but for its results and what is held elsewhere."""
        made = self._scope[start:]
        del self._scope[start:]
        for value in made:
            if value in results:
                self._scope.append(value)
            else:
                self.release(value)

    def close(self) -> None:
        """The layer at hand is done: what it made and nobody holds is free."""
        made, self._scope = self._scope, []
        for value in made:
            self.release(value)

    # -- the backward graph ---

    def link(self, y: Value | Sequence[Value], inputs: tuple[Value, ...], back: Back, *saved: Value) -> None:
        """Link a node behind a call, if a gradient is needed of what it read; it keeps the ``saved`` tensors."""
        if not self.grad:
            return
        for value in inputs:
            if value.node is not None:
                break
        else:
            return
        outputs = (y,) if isinstance(y, Value) else y
        node = self._linked(outputs, inputs, back)
        node.saved = [value.storage for value in saved]
        if self.region is not None:
            node.region = self.region
            self.region.nodes.append(node)
            return
        node.versions = [storage.version for storage in node.saved]
        for storage in node.saved:
            storage.held += 1
        if self._wanted and node.saved:
            self._wanted -= 1
            if not self._wanted:
                written = {value.storage for value in (*outputs, *self._made)}
                if written.isdisjoint(node.saved):
                    self._undo(outputs)  # inputs are kept before the kernel runs, and it is not run then
                raise _Enough

    def _linked(self, outputs: Sequence[Value], inputs: tuple[Value, ...], back: Back) -> Node:
        """A node between tensors."""
        self._order += 1
        order = self._order
        for value in inputs:
            if value.base is not None and value.version != value.storage.version:
                self._renew(value)
        node = Node(order, self.layer, inputs, back, len(outputs))
        node.held = int(self._again)  # what is recomputed for nodes of before is theirs
        for target, _ in node.edges:
            if target is not None:
                target.held += 1
        for slot, value in enumerate(outputs):
            self._attach(value, node, slot)
        self.nodes.append(node)
        return node

    def _attach(self, value: Value, node: Node | None, slot: int) -> None:
        """A tensor is what a node gives from now on."""
        before, value.node, value.slot = value.node, node, slot
        if value.uses:
            if node is not None:
                node.held += 1
            if before is not None:
                self._let_go(before)

    def _let_go(self, node: Node) -> None:
        """One tensor or node less leads to a node; without any no gradient can reach it, and what it keeps is free."""
        waiting = [node]
        while waiting:
            one = waiting.pop()
            one.held -= 1
            if one.held or one.order == float("inf"):
                continue
            one.gone = True
            if one.region is None or not one.region.fresh:
                self._forget(one)
            elif one.saved:
                self._leave_region(one.region)
            waiting += [target for target, _ in one.edges if target is not None]

    def _undo(self, outputs: Sequence[Value]) -> None:
        """Take back the kernel that was run last, if it made the outputs: it has not been run."""
        made = {value.storage for value in self._made}
        if made.isdisjoint(value.storage for value in outputs):
            return
        self.drop(*self._made)
        size = sum(storage.bytes for storage in made)
        if size:
            self.events.pop()
            self.allocated -= size
        if self.traffic is not None and size:
            since = self._marks.pop() - len(made)
            self.traffic[since:] = [event for event in self.traffic[since:] if event[0] not in made]

    def _renew(self, x: Value) -> None:
        """The history of a view whose memory was overwritten behind its back is that of its base (grad_fn)."""
        base = x.base
        assert base is not None
        hold_apart(x, self.layer)
        x.version = x.storage.version
        if base.node is not None:
            self._linked((x,), (base,), as_strided)

    def overwrite(self, x: Value, back: Back, *saved: Value, apart: bool = False, idempotent: bool = False) -> Value:
        """A tensor behind a function that overwrites it; its history, or that of what it is a view of, starts anew.

        Args:
            apart: whether it is one of the ``unsafe`` parts of a tensor, which autograd takes for tensors of their own.
            idempotent: whether the function may overwrite what repeats its elements.

        Raises:
            Refused: torch refuses that.
        """
        hold_writable(x, self.layer, grad=self.grad, idempotent=idempotent)
        if not apart:
            x.storage.writers.append(self.layer)
        y = self.again(x)
        if not self.grad or x.node is None:
            return y
        if x.base is None:
            self.link(y, (self._before(x),), back, *saved)
        else:
            base = x.base
            self.link(base, (self._before(base),), copy_slices(x, base, back), *saved)
            self.link(y, (base,), as_strided)
        self._attach(x, y.node, y.slot)
        x.version = y.version
        return y

    @staticmethod
    def _before(x: Value) -> Value:
        """A tensor as it was in the graph so far; it holds nothing."""
        before = Value(x.storage, x.shape, x.dtype, x.strides)
        before.node, before.slot = x.node, x.slot
        x.storage.held -= 1
        return before

    def backward(self, loss: Value) -> None:
        """Run the backward graph of a loss, gradient by gradient, as torch's engine does."""
        root = loss.node
        if root is None:
            return
        self.phase, self.layer = "backward", ""
        self._count(root)
        ones = self.make(loss.shape, loss.dtype, "the gradient of the loss")
        self.hold(ones)  # torch.autograd.backward does
        self.hold(ones)
        self.close()
        root.arrived[loss.slot] = ones
        ready = [root]
        while ready:
            node = heappop(ready)
            self._run(node, ready)
        self.release(ones)

    @staticmethod
    def _count(root: Node) -> None:
        seen, stack = {root}, [root]
        while stack:
            for node, _ in stack.pop().edges:
                if node is not None:
                    if node not in seen:
                        seen.add(node)
                        stack.append(node)
                        node.waiting = 0
                    node.waiting += 1

    def _run(self, node: Node, ready: list[Node]) -> None:
        self.layer = node.layer
        arrived = [node.arrived.get(slot) for slot in range(node.outputs)]
        node.arrived = {}
        if node.saved:
            self._unpack(node)
        gradients = node.back(self, node, arrived) if any(arrived) else [None] * len(node.inputs)
        results = [None if target is None else one for (target, _), one in zip(node.edges, gradients, strict=True)]
        for value in results:
            if value is not None:
                value.uses += 1
        self.close()
        region = node.region if node.saved else None
        if region is not None:  # unpacking has taken it from the hook's table: only the call itself still held it
            self._unhold_saved(node)
        self._fit(node, results)
        self._unhold_saved(node)
        if region is not None:
            self._leave_region(region)
        for value in arrived:
            if value is not None:
                self.release(value)
        if node.order < float("inf"):
            self._hand_on(node, results, ready)
            del node.back  # it may hold a tensor that leads to the node: no such circle is left behind
        if node in self._firsts:
            self._firsts[node].backward.append(self._moment())

    def _unpack(self, node: Node) -> None:
        """What a node keeps is read again, or recomputed."""
        if node.region is None:
            hold_unchanged(node)
        elif node.region.fresh:
            self._recompute(node.region)

    def _hand_on(self, node: Node, results: list[Value | None], ready: list[Node]) -> None:
        """Deliver all gradients of a node; they are let go when the last one is delivered."""
        for (target, slot), result in zip(node.edges, results, strict=True):
            if target is None:
                continue
            if result is not None:
                self._deliver(target, slot, result)
            target.waiting -= 1
            if not target.waiting:
                heappush(ready, target)
        for result in results:
            if result is not None:
                self.release(result)

    def _fit(self, node: Node, results: list[Value | None]) -> None:
        """Gradients get the shapes and types of what they are gradients of (torch::autograd::validate_outputs)."""
        for place, (value, result) in enumerate(zip(node.inputs, results, strict=False)):
            if result is None or value.node is None:
                continue
            fitted = result if result.shape == value.shape else self._instead(result, self._summed_to, value.shape)
            if fitted.dtype != value.dtype:
                fitted = self._instead(fitted, self._cast_to, value.dtype)
            results[place] = fitted

    def _instead(self, old: Value, make: Callable[[Value, Any], Value], wanted: Any) -> Value:
        """What is made of a gradient, in its place."""
        new = make(old, wanted)
        if new is not old:
            self.hold(new)
            self.close()
            self.release(old)
        return new

    def _cast_to(self, gradient: Value, dtype: str) -> Value:
        return self.make(gradient.shape, dtype, "a gradient, cast", gradient.strides if gradient.dense else None)

    def _summed_to(self, gradient: Value, shape: Shape) -> Value:
        """at::sum_to: a gradient summed over what was broadcast."""
        leading = len(gradient.shape) - len(shape)
        pairs = zip(gradient.shape[leading:], shape, strict=True)
        if leading > 0 or any(size != 1 == wanted for size, wanted in pairs):
            total = self.make(shape, gradient.dtype, "a gradient, summed")
            return self.view(total, shape, None) if leading > 0 else total
        return gradient

    def _forget(self, node: Node) -> None:
        """A node that no gradient can reach keeps nothing any more."""
        region = node.region if node.saved else None
        self._unhold_saved(node)
        if region is not None:
            self._leave_region(region)

    def _unhold_saved(self, node: Node) -> None:
        saved, node.saved = node.saved, []
        for storage in saved:
            self._unhold(storage)

    def _leave_region(self, region: RecomputedBlock) -> None:
        """A node less of a block needs what it reads."""
        region.left -= 1
        if not region.left:
            for value in region.read:
                self.release(value)

    def _deliver(self, node: Node, slot: int, gradient: Value) -> None:
        """A gradient arrives; of several the sum is made (torch::autograd::InputBuffer::accumulate)."""
        before = node.arrived.get(slot)
        if before is None:
            self.hold(gradient)
            node.arrived[slot] = gradient
        elif self.watched or before.uses > 1 or before.storage.held > 1 or not before.dense:
            strides = strides_behind(before.shape, before, gradient)
            total = self.make(before.shape, before.dtype, "the sum of gradients", strides)
            self.hold(total)
            self.close()
            node.arrived[slot] = total
            self.release(before)

    def enter(self, region: RecomputedBlock) -> None:
        """The layers that follow are of a block that is recomputed."""
        self.region = region

    def leave(self) -> None:
        """The block is done; what it reads is kept if its backward pass needs anything of it."""
        region, self.region = self.region, None
        assert region is not None
        region.left = sum(1 for node in region.nodes if node.saved and not node.gone)
        for value in region.read if region.left else ():
            self.hold(value)

    def _recompute(self, region: RecomputedBlock) -> None:
        """Run the forward pass of a block again, as far as its nodes need it.

        Raises:
            Refused: what it reads has been overwritten since.
        """
        hold_readable(region)
        region.fresh = False
        phase, layer, nodes = self.phase, self.layer, self.nodes
        waiting = [node for node in region.nodes if node.saved]
        self.nodes, self._wanted, self._again = [], len(waiting), True
        with suppress(_Enough):
            region.again()
        self.close()
        fresh = [node for node in self.nodes if node.saved]
        for node, twin in zip(waiting, fresh, strict=True):
            node.saved = twin.saved
            if node.gone:
                node.region = None
                self._forget(node)
        self._again = False
        self.nodes, self.phase, self.layer, self._wanted = nodes, phase, layer, 0
