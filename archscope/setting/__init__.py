"""How a design is run: one frozen value, the same for every function, command and file.

A figure is asked of a design under a setting. Two figures of one name under one setting are equal, wherever they are
printed; so the setting stands at the head of every result, and in every JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from math import isfinite
from numbers import Real
from typing import TYPE_CHECKING, Any

from archscope.autograd.dtypes import Types
from archscope.autograd.versions import COMPILES, TORCH, Version, spelled, version
from archscope.errors import UsageError, nearest, suggestion
from archscope.setting.calibration import Calibration
from archscope.setting.devices import DEVICES, known_as
from archscope.setting.optimizers import OPTIMIZERS
from archscope.setting.precision import Precision, precision_of
from archscope.setting.sizes import duration

if TYPE_CHECKING:
    from archscope.setting.devices import Ceilings

MODES = ("train", "infer")
#: where a design may run: a CPU, a CUDA device of which nothing else is known, or one of the table
PLACES = ("cpu", "cuda", *DEVICES)


@dataclass(frozen=True)
class Setting:
    """How a design is run.

    Attributes:
        batch: samples at once.
        precision: the printed name of one of :data:`~archscope.setting.precision.PRECISIONS`; any word for it is taken.
        mode: ``train``: a step, forward, loss, backward and update; ``infer``: the forward pass alone. Left out it is
            ``train``, or with the optimizer ``none`` ``infer``.
        optimizer: whose update: one of :data:`~archscope.setting.optimizers.OPTIMIZERS`; with ``none`` nothing is
            trained, and ``train`` is refused.
        device: whose kernels, allocator and peaks: one of :data:`PLACES`. A calibration of another kind of device
            brings its own.
        accumulate: whether gradients live from step to step, to be added to.
        channels_last: whether maps and kernels lie in torch's memory format of that name.
        compile: whether the whole runs under torch.compile.
        launch: seconds that each call costs at least, for bounds of times; nobody publishes it, a calibration has its
            own.
        torch: the version of torch whose ways a step has; what older ones do otherwise is in
            :mod:`archscope.autograd.versions`.
        calibration: makes estimates of bounds of times.

    Raises:
        UsageError: something of it cannot be.
    """

    batch: int = 1
    precision: str = "float32"
    mode: str = ""
    optimizer: str = "sgd"
    device: str = "cpu"
    accumulate: bool = False
    channels_last: bool = False
    compile: bool = False
    launch: float = 0.0
    torch: str = spelled(TORCH)
    calibration: Calibration | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        if self.device is None:
            self._set("device", "cpu")
        self._check_kinds()
        if self.batch < 1:
            raise UsageError(f"the batch must be at least 1, not {self.batch}")
        if self.launch < 0:
            raise UsageError(f"a call costs no less than nothing: launch is {self.launch}")
        self._set("optimizer", chosen("optimizer", self.optimizer, tuple(OPTIMIZERS)))
        usual = "infer" if self.optimizer == "none" else "train"
        self._set("mode", chosen("mode", self.mode, MODES) if self.mode else usual)
        if self.trains and self.optimizer == "none":
            raise UsageError("with the optimizer none nothing is trained; name one, such as sgd")
        self._set("device", chosen("device", self.device, PLACES))
        self._set("precision", precision_of(self.precision).name)
        self._set("torch", spelled(version(self.torch)))
        if self.compile and self.version < COMPILES:
            raise UsageError(f"torch {self.torch} compiles nothing: torch.compile came with {spelled(COMPILES)}")
        if self.calibration is not None and self.calibration.ceilings.kind != self.kind:
            self._set("device", known_as(self.calibration.device) or self.calibration.ceilings.kind)

    def _check_kinds(self) -> None:
        """Hold that the values are such as they can be, whichever."""
        if isinstance(self.batch, _NO_COUNTS):
            raise UsageError(f"the batch is a whole number of samples, not {self.batch!r}")
        for name in ("accumulate", "channels_last", "compile"):
            if not isinstance(getattr(self, name), bool):
                raise UsageError(f"{name} is True or False, not {getattr(self, name)!r}")
        if not isinstance(self.launch, Real) or isinstance(self.launch, bool) or not isfinite(self.launch):
            raise UsageError(f"launch is a number of seconds, not {self.launch!r}")
        if not isinstance(self.calibration, (Calibration, type(None))):
            raise UsageError(
                f"a calibration is what archscope.calibrate() gives, not {self.calibration!r};"
                " of a file, the command line's --calibration"
            )

    def _set(self, name: str, value: str) -> None:
        object.__setattr__(self, name, value)

    @classmethod
    def of(cls, setting: Setting | None = None, /, **changes: Any) -> Setting:
        """A setting with changes, the usual one if there is none: what every function makes of its arguments.

        Raises:
            UsageError: it is no setting, a change is of nothing that it has, or it cannot be.
        """
        if not isinstance(setting, (cls, type(None))):
            raise UsageError(f"a setting is an archscope.Setting, not {setting!r}")
        return (cls() if setting is None else setting).but(**changes)

    def but(self, **changes: Any) -> Setting:
        """The same with changes.

        Raises:
            UsageError: as :meth:`of`.
        """
        for name in changes:
            if name not in FIELDS:
                hint = "its word for types is precision" if "type" in name else suggestion(name, FIELDS)
                raise UsageError(f"a setting has no `{name}`; {hint or 'it has ' + ', '.join(FIELDS)}")
        if str(changes.get("optimizer", "")).lower() == "none":
            changes.setdefault("mode", "infer")
        return replace(self, **changes) if changes else self

    @property
    def numbers(self) -> Precision:
        """How numbers are held and multiplied."""
        return precision_of(self.precision)

    @property
    def types(self) -> Types:
        """How numbers are held, and what autocast makes of them."""
        return Types(self.numbers.floating, self.numbers.lower, self.kind, self.version)

    @property
    def kind(self) -> str:
        """``cpu`` or ``cuda``: whose kernels run."""
        return "cpu" if self.device == "cpu" else "cuda"

    @property
    def trains(self) -> bool:
        """Whether it is a training step."""
        return self.mode == "train"

    @property
    def runs(self) -> bool:
        """Whether it is known what a step keeps and takes: nothing is in float8, or of a compiled one."""
        return bool(self.numbers.multiplied) and not self.compile

    @property
    def version(self) -> Version:
        """The version of torch, to compare."""
        return version(self.torch)

    @property
    def timed(self) -> bool:
        """Whether times can be told: peaks are published of the device, or it was calibrated."""
        return self.calibration is not None or self.device in DEVICES

    @property
    def ceilings(self) -> Ceilings:
        """The peaks that times are told by.

        Raises:
            UsageError: none are known.
        """
        if self.calibration is not None:
            return self.calibration.ceilings
        if self.device == "cpu":
            raise UsageError(
                "times are those of a device: name one, such as h200; no peaks are published of a CPU, and"
                " `archscope calibrate --device cpu` measures them"
            )
        if self.device not in DEVICES:
            raise UsageError(f"no peaks are known of the device {self.device}; one of {', '.join(DEVICES)}")
        return DEVICES[self.device].ceilings

    @property
    def place(self) -> str:
        """Where it runs, in words."""
        if self.calibration is not None:
            return self.calibration.ceilings.name
        if self.device in DEVICES:
            return DEVICES[self.device].name
        return "a CPU" if self.device == "cpu" else "a CUDA device"

    def words(self, *shown: str) -> str:
        """It in words, as it stands at the head of a result.

        Args:
            shown: the fields that the result depends on; all, if none is named.
        """
        shown = shown or FIELDS
        optimizer = f" with {self.optimizer}" if "optimizer" in shown else ""
        texts = {
            "batch": f"batch {self.batch:,}",
            "precision": self.precision,
            "mode": f"training{optimizer}" if self.trains else "inference",
            "accumulate": "gradients accumulate" if self.accumulate else "",
            "channels_last": "channels last" if self.channels_last else "",
            "compile": "compiled" if self.compile else "",
            "launch": f"{duration(self.launch)} a call" if self.launch else "",
            "torch": f"torch {self.torch}",
        }
        place = f" on {self.place}" if "device" in shown else ""
        return ", ".join(text for name, text in texts.items() if text and name in shown) + place

    def __str__(self) -> str:
        return self.words()

    def data(self) -> dict[str, Any]:
        """It as plain data, whole; of a calibration, which one it is."""
        values = {name: getattr(self, name) for name in FIELDS}
        if self.calibration is not None:
            machine = self.calibration.machine
            values["calibration"] = {"device": self.calibration.device, "date": str(machine.get("date", ""))}
        return values


#: what a setting consists of, in the order in which it is told
FIELDS = tuple(one.name for one in fields(Setting))
#: those by which a module of torch is run to be held against a design, by whatever counts
OF_MODULES = ("batch", "precision")

#: types of what is no number of samples; what a sweep puts in its place is none of them
_NO_COUNTS = (str, float, bool, type(None), list, tuple, dict)


def chosen(what: str, word: str, words: tuple[str, ...]) -> str:
    """The one of some words that is meant, in capitals or not.

    Raises:
        UsageError: it is none of them.
    """
    lower = word.lower() if isinstance(word, str) else ""
    if lower not in words:
        raise UsageError(f"unknown {what} {word}; {nearest(lower, words) or 'one of ' + ', '.join(words)}")
    return lower
