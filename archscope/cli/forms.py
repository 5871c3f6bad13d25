"""What ``archscope export`` writes, a class each; a class that is defined is offered."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, NamedTuple

from archscope.design import Design
from archscope.errors import MissingLibrary
from archscope.files import write
from archscope.ops.contents import files_of, regular

#: what can be written, by name: ``--to NAME``
FORMS: dict[str, Form] = {}


class Asked(NamedTuple):
    """What a command line says besides the design.

    Attributes:
        output: where it goes; ``-`` is standard output.
        options: what only some forms know, by name; ``None`` where nothing is said.
    """

    output: str
    options: dict[str, str | int | None]


class Form(ABC):
    """A way to write a design for another tool.

    Attributes:
        NAME: as ``--to`` has it.
        ENDINGS: of files that are meant so where ``--to`` is left out.
        OPTIONS: what it knows that others do not.
        REFUSED: what to say where it shall go to standard output; empty where it may.
    """

    NAME: ClassVar[str]
    ENDINGS: ClassVar[tuple[str, ...]] = ()
    OPTIONS: ClassVar[tuple[str, ...]] = ()
    REFUSED: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if hasattr(cls, "NAME"):
            FORMS[cls.NAME] = cls()

    @abstractmethod
    def write(self, design: Design, asked: Asked) -> None:
        """Write it.

        Raises:
            UsageError: it cannot be written, or not so.
            MissingLibrary: what writes it is not installed.
        """


class Text(Form):
    """A form that is text."""

    @abstractmethod
    def text(self, design: Design, asked: Asked) -> str:
        """What the file holds."""

    def write(self, design: Design, asked: Asked) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of files that are not there: they are copied below, or missed
            write(self.text(design, asked), asked.output)


class Torch(Text):
    """PyTorch source, and the files that hold values of its constants, where it looks for them."""

    NAME, ENDINGS = "torch", (".py",)

    def text(self, design: Design, asked: Asked) -> str:
        try:
            from archscope.backends.torch.source import torch_source
        except ModuleNotFoundError as error:
            raise _needs_torch(error, self.NAME) from None
        return torch_source(design)

    def write(self, design: Design, asked: Asked) -> None:
        super().write(design, asked)
        if asked.output != "-":
            _copy_values(design, Path(asked.output).parent)


class Onnx(Form):
    """An ONNX model with its initial weights; every node says its layer, and what that costs."""

    NAME, ENDINGS, OPTIONS = "onnx", (".onnx",), ("seed",)
    REFUSED = "an ONNX model is not text: name a file, as in -o model.onnx"

    def write(self, design: Design, asked: Asked) -> None:
        try:
            from archscope.backends.torch.onnx import to_onnx
        except ModuleNotFoundError as error:
            raise _needs_torch(error, self.NAME) from None
        seed = asked.options["seed"]
        to_onnx(design, asked.output, seed=None if seed is None else int(seed))


class Dot(Text):
    """The graph for Graphviz."""

    NAME, ENDINGS = "dot", (".dot", ".gv")

    def text(self, design: Design, asked: Asked) -> str:
        from archscope.report.diagrams import to_dot

        return to_dot(design)


class Mermaid(Text):
    """The graph as a flowchart."""

    NAME, ENDINGS = "mermaid", (".mmd", ".mermaid")

    def text(self, design: Design, asked: Asked) -> str:
        from archscope.report.diagrams import to_mermaid

        return to_mermaid(design)


class NodeLink(Text):
    """The graph as data."""

    NAME, ENDINGS = "json", (".json",)

    def text(self, design: Design, asked: Asked) -> str:
        from archscope.report.diagrams import to_node_link

        return to_node_link(design)


class ModelExplorer(Text):
    """The graph as Google's Model Explorer reads it."""

    NAME = "model-explorer"

    def text(self, design: Design, asked: Asked) -> str:
        from archscope.report.model_explorer import to_graphs

        return to_graphs(design)


class NodeData(Text):
    """A figure of every layer, for the graph that Model Explorer shows."""

    NAME, OPTIONS = "node-data", ("figure",)

    def text(self, design: Design, asked: Asked) -> str:
        from archscope.report.model_explorer import to_node_data

        return to_node_data(design, str(asked.options["figure"] or "macs"))


def _copy_values(design: Design, folder: Path) -> None:
    for file in files_of(layer.op for layer in design.layers):
        target = folder / Path(file).name
        if not (target.exists() and target.samefile(file)):
            write(regular(file), str(target))


def _needs_torch(error: ModuleNotFoundError, form: str) -> Exception:
    if error.name != "torch":
        return error
    return MissingLibrary(f"--to {form} needs PyTorch: `pip install 'archscope[export]'`")
