"""The options that say how a design is run: the same in every command that understands them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from archscope.cli import calibrations
from archscope.errors import UsageError, nearest
from archscope.setting import MODES, PLACES, Setting
from archscope.setting.optimizers import OPTIMIZERS
from archscope.setting.precision import PRECISIONS, WORDS, precision_of

_Command = TypeVar("_Command", bound=Callable[..., Any])

_PRECISIONS = (
    "float32 is torch's default, TF32 in convolutions where the device has it; ieee is without TF32, tf32 everywhere; "
    "bf16-mixed (or amp) and fp16-mixed are torch.autocast; bfloat16 (bf16), float16 (fp16) and float64 are the type "
    "of weights and inputs; for float8 only the size of weights and activations is known."
)


class Word(click.Choice):
    """One of a few words, in capitals or not."""

    def __init__(self, words: Iterable[str]) -> None:
        super().__init__(tuple(words), case_sensitive=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            hint = nearest(str(value), self.choices)
            return self.fail(f"{error.message.rstrip('.')}; {hint}" if hint else error.message, param, ctx)


class PrecisionName(click.ParamType):
    """A word for a precision; its printed name is what a command gets."""

    name = "precision"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return f"[{'|'.join(PRECISIONS)}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return precision_of(value).name
        except UsageError as error:
            return self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(word) for word in WORDS if word.startswith(incomplete)]


#: the usual setting, whose values are the defaults of the options
_USUAL = Setting()


def _option(*names: str, text: str, **more: Any) -> Callable[[_Command], _Command]:
    field = names[-1]
    usual = getattr(_USUAL, field)
    if isinstance(usual, bool):
        return click.option(*names, is_flag=True, help=text)
    return click.option(*names, default=usual, show_default=True, help=text, **more)


#: the option of each field of a setting
OPTIONS: Mapping[str, Callable[[Any], Any]] = {
    "batch": _option("--batch", "batch", type=click.IntRange(min=1), text="Batch size."),
    "precision": _option("--precision", "--dtype", "precision", type=PrecisionName(), text=_PRECISIONS),
    "mode": _option("--mode", "mode", type=Word(MODES), text="A training step, or inference: a forward pass."),
    "optimizer": _option(
        "--optimizer", "optimizer", type=Word(OPTIMIZERS), text="The optimizer of a training step; none: no training."
    ),
    "device": _option(
        "--device",
        "device",
        type=Word(PLACES),
        text="Whose kernels, allocator and peak figures; times, and what fits, need a device by name.",
    ),
    "accumulate": _option("--accumulate", "accumulate", text="Accumulate gradients: they are kept from step to step."),
    "channels_last": _option(
        "--channels-last", "channels_last", text="Maps and kernels in torch's channels_last format."
    ),
    "compile": _option("--compile", "compile", text="Under torch.compile."),
    "launch": click.option(
        "--launch",
        type=click.FloatRange(min=0),
        help="For the bound: microseconds that each call of a kernel takes at least; a calibration has its own.",
    ),
    "torch": _option(
        "--torch",
        "torch",
        metavar="VERSION",
        text="The version of torch: before 1.11 softmax saves its input, before 2.4 autocast resamples in "
        "the lower type, before 2.5 the output of attention is copied on a CPU.",
    ),
}


def calibration_file(function: _Command) -> _Command:
    """``--calibration``."""
    text = "Use this calibration instead of the stored one of the device."
    return click.option("--calibration", "calibration_file", metavar="FILE", help=text)(function)


def _calibration(function: _Command) -> _Command:
    """``--calibration`` and ``--bound``."""
    text = "Lower bounds of times by published peaks, even if a calibration is stored."
    return calibration_file(click.option("--bound", is_flag=True, help=text)(function))


def options(*fields: str, partial: bool = False, device: bool = False) -> Callable[[_Command], _Command]:
    """The options of some fields of a setting; the command is given one ``setting``.

    Args:
        fields: of :class:`~archscope.setting.Setting`.
        partial: the command is given the ``changes`` that are asked for instead, and what is said of a calibration,
            for something else says the rest.
        device: whether there has to be a ``--device``.
    """

    def decorated(function: _Command) -> _Command:
        @wraps(function)
        def command(**values: Any) -> Any:
            asked = _asked({name: values.pop(name) for name in fields if name in values})
            if device and "device" not in asked:
                raise click.UsageError("times are those of a device: add --device, such as --device h200")
            if partial:
                return function(changes=asked, **values)
            if "calibration" in fields:
                asked |= _calibrated(asked, values.pop("calibration_file"), bound=values.pop("bound"))
            return function(setting=Setting.of(**asked), **values)

        for name in reversed(fields):
            command = _calibration(command) if name == "calibration" else OPTIONS[name](command)
        return command  # type: ignore[return-value]

    return decorated


def refused(why: str, *fields: str) -> Callable[[_Command], _Command]:
    """The options of fields that nothing of a command depends on: whoever gives one is told so.

    Args:
        why: does nothing depend on them.
    """

    def message(context: click.Context, option: click.Parameter, _: Any) -> None:
        if context.get_parameter_source(str(option.name)) not in _UNASKED:
            raise click.UsageError(f"{option.opts[0]} says nothing here: {why}")

    def decorated(function: _Command) -> _Command:
        for name in fields:
            function = OPTIONS[name](function)
            option: click.Option = function.__click_params__[-1]  # type: ignore[attr-defined]  # as click keeps them
            option.hidden, option.expose_value, option.callback = True, False, message
        return function

    return decorated


def _asked(values: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked for on the command line."""
    context = click.get_current_context()
    asked = {name: value for name, value in values.items() if context.get_parameter_source(name) not in _UNASKED}
    if "launch" in asked:
        asked["launch"] /= 1e6
    return asked


_UNASKED = (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)


def _calibrated(asked: Mapping[str, Any], file: str | None, *, bound: bool) -> dict[str, Any]:
    """The calibration that goes with what is asked for.

    Raises:
        UsageError: it is none of the device that is asked for, or there is no such device.
    """
    calibration = calibrations.asked(
        asked.get("device"), file, bound=bound or (bool(asked.get("compile")) and file is None)
    )
    if calibration is not None and "launch" in asked:
        raise click.UsageError("--launch is for the bound, and a calibration is stored: add --bound")
    return {"calibration": calibration}
