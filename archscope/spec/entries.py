"""Entries of a list of layers: their parts, read once however often a block is called, and the names they get."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from archscope.errors.diagnostics import Mark
from archscope.ops import REGISTRY
from archscope.spec.document import is_variable
from archscope.spec.expressions import TEMPLATE
from archscope.spec.limits import LONGEST_NAME
from archscope.spec.reader import MODIFIERS, ListNode, MapNode, Node, ScalarNode

#: how an entry's mistakes are reported: message, place, hint
Complain = Callable[[str, Mark, str], None]
#: how the entry that a node is is come by, read once
Read = Callable[[Node], "Entry | None"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a list of layers.

    Attributes:
        form: ``call`` (an op or a block), ``repeat``, ``group`` or ``reuse``.
        word: the op's, block's or reused layer's name; empty for repeats and groups.
        argument: what stands behind the word, or the count of a repeat.
        body: the layers of a repeat or a group; nothing where an input of a layer is named alone.
        index: the variable that counts a repeat.
        modifiers: ``name``, ``from``, ``when``, ``freeze``, ``checkpoint``, ``no_grad``, ``dtype``, ``init``.
    """

    form: str
    word: str
    mark: Mark
    argument: Node | None = None
    body: ListNode | None = None
    index: str | None = None
    modifiers: dict[str, Node] | None = None

    def modifier(self, name: str) -> Node | None:
        """What the entry says under one of the modifiers."""
        return self.modifiers.get(name) if self.modifiers else None

    def kind(self, read: Read) -> str:
        """The word that an unnamed entry is called after; a repeat after the one layer or block that it lays."""
        if self.form == "reuse":
            return f"{self.word.rpartition('.')[2]}_reuse"
        if self.form != "repeat" or self.body is None:
            return self.word
        return self.repeats(read) or (self.index if self.index is not None and len(self.index) > 1 else "repeat")

    def repeats(self, read: Read) -> str:
        """The one layer or block that a repeat lays, and nothing else; empty where it lays more."""
        only = read(self.body.items[0]) if self.body is not None and len(self.body.items) == 1 else None
        return only.word if only is not None and only.form == "call" and next(branches(only), None) is None else ""


def read_entry(node: Node, complain: Complain) -> Entry | None:
    """The parts of an entry; ``None`` (and a complaint) if it is none."""
    entry = _read_entry(node, complain)
    if entry is None or len(entry.word) <= LONGEST_NAME:
        return entry
    complain(f"a name of {len(entry.word):,} characters; the most is {LONGEST_NAME}", entry.mark, "")
    return None


def _read_entry(node: Node, complain: Complain) -> Entry | None:
    if isinstance(node, ScalarNode):
        if isinstance(node.value, str):
            return Entry("call", node.value, node.mark)
        complain(f"a layer is expected here, not {node.text or 'nothing'}", node.mark, "as in `- ReLU`")
        return None
    if isinstance(node, ListNode):
        complain("a layer is expected here, not a list", node.mark, "lists stand only inside merging ops such as Add")
        return None
    modifiers = {key: value for key, value in node.entries.items() if key in MODIFIERS}
    rest = {key: value for key, value in node.entries.items() if key not in MODIFIERS}
    if "repeat" in rest or "layers" in rest:
        return _compound(node, rest, modifiers, complain)
    if len(rest) != 1 or "index" in rest:
        complain(*_one_word(node, list(rest)))
        return None
    ((word, argument),) = rest.items()
    if word != "reuse":
        return Entry("call", word, node.keys[word], argument, modifiers=modifiers)
    if not isinstance(argument, ScalarNode) or not isinstance(argument.value, str):
        complain("`reuse:` takes the name of an earlier layer or block", argument.mark, "")
        return None
    return Entry("reuse", argument.value, argument.mark, modifiers=modifiers)


def read_operand(node: MapNode, complain: Complain) -> Entry | None:
    """An input of a layer that is no mere branch or name: several, counted by a repeat, or one with a condition.

    A branch for each ``layers:``, from what arrives or from what is named; without them what is named:
    ``{repeat: 4, index: j, from: "part{j}", layers: [...]}``, ``{from: part, when: wide}``, ``{layers: [], when: w}``.
    """
    modifiers = {key: value for key, value in node.entries.items() if key in MODIFIERS}
    rest = {key: value for key, value in node.entries.items() if key not in MODIFIERS}
    stray = next((key for key in rest if key not in ("repeat", "index", "layers")), None)
    if stray is not None:
        complain("a branch is a list of layers", node.mark, "begin it with `- - ` or put it in [...]")
        return None
    if "layers" in rest or ("repeat" in rest and "from" not in modifiers):
        return _compound(node, rest, modifiers, complain)
    if "from" not in modifiers:
        complain("this input names no tensor", node.mark, "as in `{from: part, when: wide}`")
        return None
    for key in modifiers:
        if key not in ("from", "when"):
            complain(f"`{key}:` says nothing of an input without `layers:`", node.keys[key], "")
            return None
    return _counted(node, rest, None, modifiers, complain)


def _one_word(node: MapNode, words: list[str]) -> tuple[str, Mark, str]:
    if not words:
        return "this entry names no layer", next(iter(node.keys.values()), node.mark), "as in `- ReLU`"
    if "index" in words:
        return "`index:` stands without a `repeat:`", node.keys["index"], "it names the variable that counts a repeat"
    op = next((REGISTRY[word] for word in words if word in REGISTRY), None)
    stray = next((word for word in words if op is not None and (op.field(word) or word == "inputs")), None)
    if stray is not None and op is not None:
        hint = f"indent `{stray}` deeper than `{op.__name__}`, or write `{op.__name__}: {{{stray}: ...}}`"
        return f"the argument `{stray}` stands beside `{op.__name__}`, not under it", node.keys[stray], hint
    names = " and ".join(f"`{word}`" for word in words)
    return f"{names} stand in one entry", node.keys[words[1]], "begin each layer with `- `"


def _compound(node: MapNode, rest: dict[str, Node], modifiers: dict[str, Node], complain: Complain) -> Entry | None:
    form = "repeat" if "repeat" in rest else "group"
    mark = node.keys["repeat" if form == "repeat" else "layers"]
    for key in rest:
        if key not in ("repeat", "index", "layers"):
            complain(f"unknown key `{key}` beside `{next(iter(rest))}`", node.keys[key], "")
    body = rest.get("layers")
    if not isinstance(body, ListNode):
        complain(f"a {form} needs `layers:`, a list", body.mark if body else mark, "")
        return None
    return _counted(node, rest, body, modifiers, complain)


def _counted(
    node: MapNode, rest: dict[str, Node], body: ListNode | None, modifiers: dict[str, Node], complain: Complain
) -> Entry | None:
    """A repeat, or a group, with the variable that counts it."""
    form = "repeat" if "repeat" in rest else "group"
    mark = node.keys["repeat"] if "repeat" in rest else node.keys.get("layers", node.mark)
    index = rest.get("index")
    if index is None:
        return Entry(form, "", mark, rest.get("repeat"), body, None, modifiers)
    if form == "group" or not isinstance(index, ScalarNode) or not is_variable(index.text):
        complain("`index:` names the variable that counts a repeat", index.mark, "as in `index: stage`")
        return None
    return Entry(form, "", mark, rest.get("repeat"), body, index.text, modifiers)


def branches(entry: Entry) -> Iterator[ListNode | MapNode]:
    """The branches that stand in a merging op, lists or repeats and groups; they share the names of the list around."""
    node = entry.argument
    if entry.form != "call":
        return
    if isinstance(node, MapNode):
        node = node.entries.get("inputs")
    if isinstance(node, ListNode):
        yield from (item for item in node.items if not isinstance(item, ScalarNode))


def _inside(branch: ListNode | MapNode) -> list[Node]:
    """The entries of a branch; a repeat or a group is one itself."""
    return branch.items if isinstance(branch, ListNode) else [branch]


def _adds_no_level(entry: Entry, read: Read) -> bool:
    """Whether the entries of a group or a repeat have their names in the list around it.

    Those of a group without a name have, and those of a repeat without one if all of them have computed names.
    """
    if entry.modifier("name") is not None or entry.body is None:
        return False
    return entry.form == "group" or _all_computed(entry.body.items, read)


def _all_computed(nodes: list[Node], read: Read) -> bool:
    for node in nodes:
        entry = read(node)
        if entry is None:
            return False
        name = entry.modifier("name")
        if entry.form == "group" and name is None and entry.body is not None:
            inside = [entry.body.items]
        elif isinstance(name, ScalarNode) and TEMPLATE.search(name.text):
            inside = list(map(_inside, branches(entry)))
        else:
            return False
        if not all(_all_computed(items, read) for items in inside):
            return False
    return bool(nodes)


def _named(nodes: list[Node], read: Read) -> Iterator[tuple[int, Entry]]:
    """The entries that have their names in a list, by ``id`` of their nodes."""
    for node in nodes:
        entry = read(node)
        if entry is None:
            continue
        if entry.body is not None and _adds_no_level(entry, read):
            yield from _named(entry.body.items, read)
            continue
        for branch in branches(entry):
            yield from _named(_inside(branch), read)
        if entry.form in ("call", "reuse") or entry.body is not None:
            yield id(node), entry


def labels(items: ListNode, read: Read) -> dict[int, str]:
    """Names of the entries of a list, by ``id`` of their nodes.

    An unnamed entry is called after its kind (:meth:`Entry.kind`), numbered in the order of the file where there are
    several, whatever ``when:`` leaves out; so a layer keeps its name in every variant of a block.
    """
    named = list(_named(items.items, read))
    unnamed = [(key, entry.kind(read)[:LONGEST_NAME]) for key, entry in named if entry.modifier("name") is None]
    counts = Counter(kind for _, kind in unnamed)
    seen: Counter[str] = Counter()
    result = {}
    for key, kind in unnamed:
        seen[kind] += 1
        result[key] = kind if counts[kind] == 1 else f"{kind}_{seen[kind]}"
    for key, entry in named:
        name = entry.modifier("name")
        if name is not None:
            result[key] = name.text if isinstance(name, ScalarNode) else ""
    return result
