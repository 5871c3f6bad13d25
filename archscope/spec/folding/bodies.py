"""Parts of a design as the entries of a spec."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from archscope.design import Design
from archscope.design.graph import Layer, Ref
from archscope.ops import Op, Tensor
from archscope.spec.folding.branches import Item, structured
from archscope.spec.folding.entries import Entry, argument, bare, called, regions, shortened, ungrouped, used
from archscope.spec.folding.layout import Quoted, in_line
from archscope.spec.folding.local_names import LocalNames
from archscope.spec.folding.naming import BlockNames
from archscope.spec.folding.slots import MADE, Expression, Place, Slot, Unsaid
from archscope.spec.folding.values import BlockParameters
from archscope.spec.folding.variables import Variables
from archscope.spec.writer import frozen_as, reads_nothing_unasked
from archscope.structure.arithmetic import ABSENT
from archscope.structure.likeness import Families, Rounds, flow
from archscope.structure.names import pattern
from archscope.structure.overlay import Child, Unlike, overlaid
from archscope.structure.parts import Part, Path, mirrors

Flows = list[Ref | None]
#: a part with so many layers that is repeated in one place is worth a block of its own
_WORTH_A_BLOCK = 4
#: more rounds than these are not listed one by one: never, and not where that is longer, lists of numbers and all
_MOST_LISTED, _FEW_LISTED = 8, 5


class Bodies:
    """What the parts of a design are in a spec.

    Args:
        root: the parts of the design.
        wrapped: parts some of whose own parts are recomputed together.
        tensors: what flows between them.

    Attributes:
        blocks: each behind those that it uses: the entries by signature.
    """

    def __init__(
        self, design: Design, root: Part, families: Families, wrapped: set[Part], tensors: dict[Ref, Tensor]
    ) -> None:
        self._design, self._families, self._wrapped = design, families, wrapped
        self._scopes: dict[int, BlockParameters] = {}
        self._numbers: dict[Part, int] = {}
        self.references = LocalNames(design, root, self._numbers, tensors)
        self._homes = {p.again for p in root.every() if p.again is not None and p.step is not None}
        self._block_names = BlockNames(design)
        self._sites = self._count_sites(root)
        self.variables = Variables()
        self.blocks: list[tuple[BlockParameters, list[Entry]]] = []
        scope = BlockParameters("", [root], self.variables)
        start = Ref(design.inputs[0].name)
        self.layers, flows = self._body(scope, [Place(root, 0)], [start])
        self.last = flows[0]

    # -- blocks ----------------------------------------------------------------------------------------------------

    def _count_sites(self, root: Part) -> dict[int, set[Any]]:
        """The places in the spec where each family would stand."""
        sites: dict[int, set[Any]] = {}
        for part in root.every():
            if part.step is not None or isinstance(part, Rounds) or part.again is not None:
                continue
            home = None if part is root else self._families.of(part)
            for child in part.parts:
                if child.step is None and child.again is None:
                    sites.setdefault(self._families.of(child), set()).add((home, child.label))
        return sites

    def _block(self, part: Part, scope: BlockParameters, *, repeated: bool) -> BlockParameters | None:
        """The block that a part is a call of; ``None`` if it is written where it stands."""
        family = self._families.of(part)
        if family in self._scopes:
            return self._scopes[family]
        members = self._families.members[family]
        if family in self._families.inline or part in self._wrapped:
            return None
        if len(self._sites[family]) < 2:
            layers = sum(one.step is not None for one in part.every())
            alone = all(len(one.parts) == 1 for one in members)
            if not repeated or scope.name or alone or layers < _WORTH_A_BLOCK:
                return None
        block = BlockParameters(self._block_names.of(members), members, self.variables)
        self._scopes[family] = block
        self._numbers |= {one: number for number, one in enumerate(members)}
        places = [Place(one, number) for number, one in enumerate(members)]
        flows: Flows = [one.inputs[0] if one.inputs else None for one in members]
        block.sketched = True
        self._body(block, places, flows)
        block.sketched = False
        block.settle()
        entries, _ = self._body(block, places, flows)
        block.forget_but(used(entries))
        self.blocks.append((block, entries))
        return block

    # -- lists -----------------------------------------------------------------------------------------------------

    def _body(self, scope: BlockParameters, places: list[Place], flows: Flows) -> tuple[list[Entry], Flows]:
        """The entries of a list of layers, and what it gives.

        Raises:
            Unsaid: the places have no words in common.
        """
        try:
            return self._said(scope, places, flows)
        except (Unlike, Unsaid) as error:
            if isinstance(error, Unsaid) and (error.patterns or error.part):
                raise
            if len(places) == 1:
                raise Unsaid(part=places[0].part.path) from None
            raise Unsaid(pattern(place.part.path) for place in places) from None

    def _said(self, scope: BlockParameters, places: list[Place], flows: Flows) -> tuple[list[Entry], Flows]:
        children, result = overlaid([place.part for place in places])
        for child in children:
            if not self._families.alike([part for part in child.parts if part is not None]):
                raise Unlike
        wrapped = places[0].part in self._wrapped
        apart = {c.label for c in children if wrapped or any(p is not None and p.path in self._homes for p in c.parts)}
        automatic = self._automatic(children, scope)
        items = structured(children, result, apart)
        entries, after = self._items(scope, places, items, flows, automatic)
        return (regions(entries, children) if wrapped else entries), after

    def _automatic(self, children: Sequence[Child], scope: BlockParameters) -> set[Path]:
        """Labels that entries have without a name of their own."""
        kinds: dict[str, list[Child]] = {}
        for child in children:
            kind = self._kind(child, scope)
            if len(child.label) == 1 and re.fullmatch(rf"{re.escape(kind)}(_[1-9][0-9]*)?", child.label[0]):
                kinds.setdefault(kind, []).append(child)
        labels: set[Path] = set()
        for kind, some in kinds.items():
            words = [child.label[0] for child in some]
            numbers = [word for word in words if word != kind]
            if kind in words:
                labels.add((kind,))
            elif len(numbers) > 1 and numbers == [f"{kind}_{number}" for number in range(1, len(numbers) + 1)]:
                labels.update((word,) for word in numbers)
        return labels

    def _kind(self, child: Child, scope: BlockParameters) -> str:
        """What an entry without a name is called after."""
        if child.some.again is not None:
            return f"{child.some.again[-1]}_reuse"
        if child.op is not None:
            return child.kind
        block = None if isinstance(child.some, Rounds) else self._block(child.some, scope, repeated=False)
        return "" if block is None else block.name

    def _items(
        self, scope: BlockParameters, places: list[Place], items: Sequence[Item], flows: Flows, automatic: set[Path]
    ) -> tuple[list[Entry], Flows]:
        entries: list[Entry] = []
        before: list[bool] | None = None
        for item in items:
            child = item.child
            if not (scope.sketched and child.optional):
                here = [k for k, part in enumerate(child.parts) if part is not None]
                inside = self._entries(scope, [places[k] for k in here], [flows[k] for k in here], item, automatic)
                if child.optional:
                    truth = [part is not None for part in child.parts]
                    self._condition(scope, places, flows, child, truth, inside, entries if truth == before else [])
                    before = truth
                else:
                    before = None
                entries += map(shortened, inside)
            flows = [start if part is None else flow(part) for start, part in zip(flows, child.parts, strict=True)]
        return entries, flows

    def _condition(
        self, scope: BlockParameters, places: list[Place], flows: Flows, child: Child, truth: list[bool],
        inside: list[Entry], before: list[Entry],
    ) -> None:  # fmt: skip
        """Say when an entry is there; a condition on what arrives is said once for the entries that share it."""
        if before:
            condition = before[-1]["when"]
            if "in_" in condition:
                group = before.pop()
                inside[:] = [{"when": condition, "layers": [*ungrouped(group), shortened(inside[0])]}]
                return
        else:
            slot = Slot(places, truth, child.label[-1], "", self.references.arriving(flows))
            condition = Expression(scope.holds(slot))
        inside[0]["when"] = condition

    def _entries(
        self, scope: BlockParameters, places: list[Place], flows: Flows, item: Item, automatic: set[Path]
    ) -> list[Entry]:
        """What stands for a part: one entry, or the rounds of a repeat one by one."""
        child = item.child
        parts = [part for part in child.parts if part is not None]
        some = parts[0]
        if isinstance(some, Rounds):
            single = child.optional or any(place.part in self._wrapped for place in places)
            return self._run(scope, places, parts, flows, single=single)
        if some.again is not None:
            entry = self._again(places, parts, flows)
        elif child.op is not None:
            entry = self._layer(scope, places, parts, flows, item, automatic)
        else:
            entry = self._part(scope, places, parts, flows)
        if child.label not in automatic:
            entry = {"name": ".".join(child.label), **entry}
        if some.step is not None and some.step.layer.frozen and some.again is None:
            entry["freeze"] = frozen_as(some.step.layer, some.step.layer.op.parameters(*some.step.x))
        if some.no_grad:
            entry["no_grad"] = True
        if some.dtype is not None and some.again is None:
            entry["dtype"] = some.dtype
        if some.recomputed:
            entry["checkpoint"] = True
        return [entry]

    # -- entries ---------------------------------------------------------------------------------------------------

    def _layer(
        self,
        scope: BlockParameters,
        places: list[Place],
        parts: list[Part],
        flows: Flows,
        item: Item,
        automatic: set[Path],
    ) -> Entry:
        steps = [part.step for part in parts if part.step is not None]
        ops = [step.layer.op for step in steps]
        op, reads = ops[0], [part.inputs for part in parts]
        inputs: list[Entry] | None = None
        entry: dict[str, Any] = {}
        listed = op.arity.most != 1 and len(reads[0]) > 1 and not any(part.path in self._homes for part in parts)
        if listed:
            inputs = []
            for number in range(len(reads[0])):
                refs = [read[number] for read in reads]
                branch = item.branches[number] if item.branches is not None else None
                if branch is None:
                    inputs.append([] if refs == flows else self.references.common(places, refs))
                    continue
                inside, after = self._items(scope, places, branch, flows, automatic)
                if after != refs:
                    raise Unsaid
                inputs.append(inside)
        else:
            entry |= self._from(places, reads, flows, optional=reads_nothing_unasked(op))
        first = [read[0] if read else start for read, start in zip(reads, flows, strict=True)]
        arguments = self._arguments(
            scope, places, ops, self.references.word(places[0], parts[0]), self.references.arriving(first)
        )
        if (
            not scope.name
            and len(steps) == 1
            and op.arguments().get("out_features")
            and self._is_result(steps[0].layer)
        ):
            arguments["out_features"] = Expression(self.variables.add("classes", op.arguments()["out_features"]))
        return {type(op).__name__: called(op, arguments, inputs), **entry}

    def _arguments(
        self, scope: BlockParameters, places: list[Place], ops: list[Op], label: str, arriving: dict[str, list[Any]]
    ) -> dict[str, Any]:
        names = {name for op in ops for name in op.non_default()}
        arguments = {}
        for info in ops[0].fields:
            if info.name in names:
                values = [bare(op, info.name) for op in ops]
                arguments[info.name] = scope.express(
                    Slot(places, values, info.name, label, arriving, info.name in MADE)
                )
        return arguments

    def _is_result(self, layer: Layer) -> bool:
        return [ref.node for _, ref in self._design.outputs] == [layer.name]

    def _from(
        self, places: list[Place], reads: list[tuple[Ref, ...]], flows: Flows, *, optional: bool = False
    ) -> Entry:
        """``from:``, where a part does not read what arrives.

        Args:
            optional: it would read nothing if it did not say so.
        """
        if not reads[0] or (not optional and all(read == (start,) for read, start in zip(reads, flows, strict=True))):
            return {}
        sources = [self.references.common(places, [read[number] for read in reads]) for number in range(len(reads[0]))]
        return {"from": sources[0] if len(sources) == 1 else sources}

    def _again(self, places: list[Place], parts: list[Part], flows: Flows) -> Entry:
        if parts[0].step is None:
            for part in parts:
                first = self.references.parts.get(part.again or ())
                if first is None or len(part.inputs) != 1 or len(first.inputs) != 1 or not mirrors(part, first):
                    raise Unsaid
        words = {self.references.relative(place, part.again or ()) for place, part in zip(places, parts, strict=True)}
        if len(words) > 1:
            raise Unsaid
        word = words.pop()
        return {
            "reuse": Quoted(word) if word[:1].isdigit() else word,
            **self._from(places, [part.inputs for part in parts], flows),
        }

    def _part(self, scope: BlockParameters, places: list[Place], parts: list[Part], flows: Flows) -> Entry:
        reads = [part.inputs for part in parts]
        block = self._block(parts[0], scope, repeated=False)
        if block is not None:
            return {**self._call(scope, places, parts, block), **self._from(places, reads, flows)}
        source: Entry = {}
        if len(reads[0]) == 1:
            source, flows = self._from(places, reads, flows), [read[0] for read in reads]
        inner = [Place(part, place.call, place.indexes) for part, place in zip(parts, places, strict=True)]
        entries, _ = self._body(scope, inner, flows)
        only = entries[0] if len(entries) == 1 else None
        if (
            isinstance(only, dict)
            and "repeat" in only
            and only.get("name") == "{i}"
            and not source
            and "i" not in used(only)
        ):
            return {key: value for key, value in only.items() if key not in ("name", "index")}
        return {**source, "layers": entries}

    def _call(self, scope: BlockParameters, places: list[Place], parts: list[Part], block: BlockParameters) -> Entry:
        first = [part.inputs[0] if part.inputs else None for part in parts]
        arriving = self.references.arriving(first)
        arguments: dict[str, Any] = {}
        label = self.references.word(places[0], parts[0])
        for name in _signature(block):
            usual = block.default(name)
            values = [block.parameters[name][self._numbers[part]] for part in parts]
            if all(value is ABSENT or value == usual for value in values):
                continue
            if usual is not ABSENT:
                values = [usual if value is ABSENT else value for value in values]
            arguments[name] = scope.express(Slot(places, values, name, label, arriving, name in block.made))
        names = list(arguments)
        if not names:
            return {block.name: None}
        lone = names == [_signature(block)[0]] and arguments[names[0]] is not None
        return {block.name: arguments[names[0]] if lone else arguments}

    def _run(
        self, scope: BlockParameters, places: list[Place], parts: list[Part], flows: Flows, *, single: bool
    ) -> list[Entry]:
        """A repeat, or its rounds one by one where that reads better.

        Args:
            single: whether it has to be one entry.
        """
        mark = scope.mark()
        entry = self._repeat(scope, places, parts, flows)
        times = {len(part.parts) for part in parts}
        rounds = [part.parts[0] for part in parts]
        if times == {1} and not rounds[0].recomputed:
            scope.back(mark)
            return [{"name": ".".join(rounds[0].label), **self._part(scope, places, rounds, flows)}]
        called = rounds[0] in self._numbers and not rounds[0].recomputed
        if single or len(times) > 1 or not called or max(times) > _MOST_LISTED:
            return [entry]
        count, cost, place = max(times), scope.cost(mark), scope.mark()
        varying = entry["index"] in used(argument(entry["layers"][0]))
        scope.back(mark)
        entries = []
        for number in range(count):
            rounds = [part.parts[number] for part in parts]
            entries.append({"name": ".".join(rounds[0].label), **self._part(scope, places, rounds, flows)})
            flows = [flow(one) for one in rounds]
        longer = sum(len(in_line(one)) for one in entries) + scope.cost(mark) > len(in_line(entry)) + cost
        if longer and not (varying and count <= (_FEW_LISTED if cost else 3)):
            scope.back(place)
            return [entry]
        return entries

    def _repeat(self, scope: BlockParameters, places: list[Place], parts: list[Part], flows: Flows) -> Entry:
        some = parts[0]
        assert isinstance(some, Rounds)
        index = self._index(places, some)
        inner, starts, rounds = [], [], []
        counts: dict[Any, int] = {}
        for place, part, start in zip(places, parts, flows, strict=True):
            counts[place.call, place.indexes] = len(part.parts)
            for number, one in enumerate(part.parts):
                inner.append(Place(one, place.call, (*place.indexes, (index, number))))
                starts.append(flow(part.parts[number - 1]) if number else start)
                rounds.append(one)
        source: Entry = {}
        reads = [part.parts[0].inputs for part in parts]
        if len(reads[0]) == 1:
            source = self._from(places, reads, flows)
            starts = [one.inputs[0] for one in rounds]
        times = scope.express(Slot(places, [len(part.parts) for part in parts], "count"))
        scope.count(index, times, counts)
        shown = index if not some.first else f"{index} + {some.first}"
        name = f"{some.prefix}{{{shown}}}"
        block = self._block(some.parts[0], scope, repeated=True)
        head = {"repeat": times, "index": index}
        recomputed = {"checkpoint": True} if some.parts[0].recomputed else {}
        if block is not None:
            around = [Place(place.part, place.call, place.indexes) for place in inner]
            call = {"name": name, **self._call(scope, around, rounds, block), **recomputed}
            return {**head, **source, "layers": [shortened(call)]}
        entries, _ = self._body(scope, inner, starts)
        return {**head, "name": name, **source, **recomputed, "layers": entries}

    def _index(self, places: list[Place], run: Rounds) -> str:
        """A name for what counts the rounds."""
        taken = {name for name, _ in places[0].indexes}
        nested = any(isinstance(part, Rounds) for one in run.parts for part in one.parts)
        names = ["stage", "i", "j", "k", "l", "m"] if nested else ["i", "j", "k", "l", "m"]
        return next(name for name in names if name not in taken)


def _signature(block: BlockParameters) -> list[str]:
    """The parameters in the order of the signature."""
    return sorted(block.parameters, key=lambda name: block.default(name) is not ABSENT)
