"""Models by name: from an importable module, from a file, or from a saved program.

This is the one place of archscope that runs code which an input names.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import os
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.utils import _pytree as pytree

from archscope.backends.torch.build import seeded
from archscope.backends.torch.imports.foreign import authored, line_of
from archscope.backends.torch.imports.model import ImportTarget
from archscope.backends.torch.imports.trace import hushed
from archscope.backends.torch.imports.twin import copied, faked, floating, spread, zeros
from archscope.errors import UsageError, closest, suggestion
from archscope.files import irregular

FORMS = "module:callable, file.py:Class, or a file that ends with .pt2 or .onnx"
#: samples in the inputs that a model is run on; with one, torch refuses to train batch norms of maps of one value
BATCH = 2
#: bytes of parameters that are built with their values
MOST_VALUES = 2**28
#: of inputs
DTYPES = {
    name: getattr(torch, name) for name in ("float32", "int64", "int32", "bool", "float64", "float16", "bfloat16")
}


class Example(NamedTuple):
    """An input to run a model on.

    Attributes:
        name: the parameter of ``forward`` that it is for; empty for the next positional one.
        shape: without the batch.
        dtype: one of :data:`DTYPES`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"

    def tensor(self) -> torch.Tensor:
        """The input at :data:`BATCH`, without values."""
        return torch.empty(BATCH, *self.shape, dtype=DTYPES[self.dtype], device="meta")


def resolve(
    target: str, examples: Sequence[Example] = (), *, kwargs: Mapping[str, Any] | None = None, name: str | None = None
) -> ImportTarget:
    """The model that a target names, built, with inputs.

    Runs the code of the model's author. What it prints goes to standard error.

    Args:
        target: ``module:callable``, ``file.py:Class`` or ``model.pt2``; a module may also stand where a callable may.
        examples: the inputs; a saved program brings its own.
        kwargs: arguments of the callable.
        name: of the design; the callable's if left out.

    Raises:
        UsageError: the target cannot be found, built or run on such inputs.
    """
    if target.endswith(".pt2"):
        return _program(Path(target), examples, kwargs, name)
    where, colon, attribute = target.rpartition(":")
    if not colon or not where or not attribute:
        raise UsageError(f"`{target}` names no model: a target is {FORMS}")
    with authored(f"importing {where}"):
        module = _from_file(Path(where)) if where.endswith(".py") else _from_path(where)
        value = _attribute(module, where, attribute)
    model, notes = _built(value, target, dict(kwargs or {}))
    called = name or attribute.rpartition(".")[2]
    return light(ImportTarget(model, None, *placed(model, examples), called, f"imported from {target}", notes))


def light(target: ImportTarget) -> ImportTarget:
    """A target with a copy of its module, and of its inputs, that takes no memory; as it is where none can be made.

    Floating inputs that a model of one floating type does not take are given in that type.
    """
    module = target.module
    assert module is not None
    kind = floating(module.parameters())
    args, kwargs = target.args, target.kwargs
    if kind != torch.float32 and not _runs(module, args, kwargs):
        args, kwargs = pytree.tree_map_only(torch.Tensor, lambda one: _in_type(one, kind), (args, kwargs))
    try:
        twin, args, kwargs = faked((module, args, kwargs))
    except Exception as error:
        args, kwargs = pytree.tree_map_only(torch.Tensor, zeros, (args, kwargs))
        notes = (*target.notes, f"taken as it is, for it cannot be copied: {line_of(error)}")
        return replace(target, args=args, kwargs=kwargs, notes=notes, floating=kind)
    twin.register_forward_hook(lambda _, __, y: spread(y))
    return replace(target, module=twin, args=args, kwargs=kwargs, original=module, floating=kind)


def _runs(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a model takes inputs of types other than its own: a fake tensor would not tell; a large one has to."""
    tensors = [leaf for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    kind = floating(module.parameters())
    if all(one.dtype == kind for one in tensors if one.is_floating_point()):
        return True
    if sum(one.nbytes for one in (*module.parameters(), *module.buffers(), *tensors)) > MOST_VALUES:
        return False
    try:
        args, kwargs = pytree.tree_map_only(torch.Tensor, zeros, (args, kwargs))
        with hushed(), torch.no_grad():
            copied(module, zeros)(*args, **kwargs)
    except Exception:
        return False
    return True


def _in_type(tensor: torch.Tensor, kind: torch.dtype) -> torch.Tensor:
    return tensor.to(kind) if tensor.is_floating_point() else tensor


def arguments(text: str) -> dict[str, Any]:
    """The arguments of a callable from JSON.

    Raises:
        UsageError: it is no JSON object.
    """
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--kwargs is not JSON: {error}; as in --kwargs '{{\"num_classes\": 10}}'") from None
    if not isinstance(parsed, dict):
        raise UsageError(f"--kwargs is a JSON object such as '{{\"num_classes\": 10}}', not {text}")
    return parsed


# -- finding -----------------------------------------------------------------------------------------------------------


def _from_path(name: str) -> ModuleType:
    """A module by its dotted name, from the current folder as from the path."""
    _on_path(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        around, _, last = error.name.rpartition(".")
        folders = getattr(sys.modules.get(around), "__path__", None) if around else None
        near = closest(last, (one.name for one in pkgutil.iter_modules(folders)))
        hint = f"; did you mean `{around}{'.' * bool(around)}{near}`?" if near else ""
        raise UsageError(f"there is no module `{error.name}`{hint}") from None


def _from_file(path: Path) -> ModuleType:
    """A module from its file; what lies beside it can be imported, as by ``python file.py``."""
    path = path.resolve()
    strange = irregular(path)
    if strange:
        raise UsageError(f"{path} is {strange}, not a file")
    if not os.path.isfile(path):
        near = closest(path.name, (one.name for one in path.parent.glob("*.py")))
        hint = f"; did you mean `{near}`?" if near else ""
        raise UsageError(f"there is no file {path}{hint}")
    _on_path(path.parent)
    loaded = sys.modules.get(path.stem)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path):
        return loaded
    name = path.stem if loaded is None else f"archscope_import_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look it up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _on_path(folder: Path) -> None:
    """Let modules of a folder be found, also those that a model imports only when it runs."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _attribute(module: ModuleType, where: str, attribute: str) -> Any:
    value: Any = module
    for part in attribute.split("."):
        if not hasattr(value, part):
            hint = suggestion(part, (name for name in dir(value) if not name.startswith("_")))
            raise UsageError(f"{where} has no `{attribute}`{'; ' + hint if hint else ''}")
        value = getattr(value, part)
    return value


# -- building ----------------------------------------------------------------------------------------------------------


def _built(value: Any, target: str, kwargs: dict[str, Any]) -> tuple[nn.Module, tuple[str, ...]]:
    """The model, and what is to be said about how it was built.

    It is built with its values, from a seed, for buffers and constants are part of a design. Parameters are not: from
    :data:`MOST_VALUES` on they take no memory. What cannot be built so is built on the meta device, and what cannot be
    built there, whole.
    """
    if isinstance(value, nn.Module):
        if kwargs:
            raise UsageError(f"{target} is a module that is built already: --kwargs is for a class or a function")
        return value, ()
    if not callable(value):
        raise UsageError(f"{target} is a {type(value).__name__}, not a class, a function or a module")
    _check_arguments(value, target, kwargs)
    notes: tuple[str, ...] = ()
    with authored(f"building {target}"), seeded(0):
        try:
            with _sparing() as spared:
                model = value(**kwargs)
        except Exception as error:
            if not spared and not isinstance(error, (MemoryError, RuntimeError)):
                raise
            model, notes = _large(value, kwargs, error)
    if not isinstance(model, nn.Module):
        kind = f"a tuple of {len(model)}" if isinstance(model, tuple) else f"a {type(model).__name__}"
        hint = "; write a function that returns the model alone" if isinstance(model, (tuple, list, dict)) else ""
        raise UsageError(f"{target} gives {kind}, not an nn.Module{hint}")
    return model, notes


@contextmanager
def _sparing() -> Iterator[list[str]]:
    """Let parameters lose their values where a model has more than :data:`MOST_VALUES`; gives the names of those."""
    size, spared = 0, []

    def entered(module: nn.Module, name: str, parameter: Any) -> None:
        nonlocal size
        if type(parameter) is not nn.Parameter or parameter.is_meta:
            return
        size += parameter.nbytes
        if size > MOST_VALUES:
            spared.append(name)
            new = nn.Parameter(torch.empty_like(parameter, device="meta"), parameter.requires_grad)
            torch.utils.swap_tensors(parameter, new)  # type: ignore[no-untyped-call]  # for whoever holds it, too

    handle = register_module_parameter_registration_hook(entered)
    try:
        yield spared
    finally:
        handle.remove()


def _large(factory: Callable[..., Any], kwargs: dict[str, Any], error: Exception) -> tuple[Any, tuple[str, ...]]:
    """What cannot be built with some of its values: without any, or else, with all of them."""
    try:
        with torch.device("meta"):
            return factory(**kwargs), (f"built on the meta device, where no tensor has values: {line_of(error)}",)
    except Exception:
        return factory(**kwargs), ()


def _check_arguments(call: Callable[..., Any], target: str, kwargs: Mapping[str, Any]) -> None:
    """Hold that a callable takes these arguments and needs no others."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except ValueError:  # some that are written in C do not tell
        return
    named = [one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    unknown = sorted(set(kwargs) - {one.name for one in named})
    if unknown and not any(one.kind is one.VAR_KEYWORD for one in parameters):
        hint = suggestion(unknown[0], (one.name for one in named))
        takes = f"it takes {', '.join(one.name for one in named) or 'no arguments'}"
        raise UsageError(f"{target} has no argument `{unknown[0]}`; {hint or takes}")
    missing = [one.name for one in named if one.default is one.empty and one.name not in kwargs]
    if missing:
        example = json.dumps(dict.fromkeys(missing, 10))
        raise UsageError(
            f"{target} needs {', '.join(missing)}: give them as JSON, as in --kwargs '{example}', or name a function "
            "that builds the model"
        )


# -- inputs ------------------------------------------------------------------------------------------------------------


def placed(model: nn.Module, examples: Iterable[Example]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Inputs as ``forward`` takes them: positional ones, and ones by name.

    Raises:
        UsageError: ``forward`` takes no such inputs, or needs more.
    """
    examples = list(examples)
    args = tuple(example.tensor() for example in examples if not example.name)
    kwargs = {example.name: example.tensor() for example in examples if example.name}
    check_inputs(model, args, kwargs, "--input 3x224x224, or --input ids=128:int64, without the batch")
    return args, kwargs


def check_inputs(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], hint: str) -> None:
    """Hold that a model's ``forward`` can be called so.

    Args:
        hint: how inputs are given, for the message if there are none.

    Raises:
        UsageError: it cannot.
    """
    try:
        signature = inspect.signature(model.forward)
    except ValueError:
        return
    shown = f"{type(model).__name__}.forward{_without_types(signature)}"
    if not args and not kwargs:
        raise UsageError(f"give the inputs: {hint}; the model is called as {shown}")
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        names = [one.name for one in signature.parameters.values()]
        meant = next((text for name in kwargs if name not in names and (text := suggestion(name, names))), "")
        raise UsageError(f"{error}{'; ' + meant if meant else ''}; the model is called as {shown}") from None


def _without_types(signature: inspect.Signature) -> str:
    bare = [one.replace(annotation=inspect.Parameter.empty) for one in signature.parameters.values()]
    return str(inspect.Signature(bare))


# -- saved programs ----------------------------------------------------------------------------------------------------


def _program(
    path: Path, examples: Sequence[Example], kwargs: Mapping[str, Any] | None, name: str | None
) -> ImportTarget:
    if kwargs:
        raise UsageError("a saved program is built already: --kwargs is for a class or a function")
    strange = irregular(path)
    if strange or not os.path.isfile(path):
        raise UsageError(f"{path} is {strange}, not a file" if strange else f"there is no file {path}")
    try:
        with hushed():
            program = torch.export.load(path)
    except Exception as error:
        raise UsageError(f"{path} is no saved torch.export program: {line_of(error)}") from None
    if examples:
        args, named = placed(program.module(), examples)
    elif program.example_inputs is None:
        raise UsageError(f"{path} was saved without its inputs: give them, as in --input 3x224x224")
    else:
        args, named = program.example_inputs
    return ImportTarget(None, program, tuple(args), dict(named), name or path.stem, f"imported from {path.name}")
