"""Calibrations as they are stored in the user's folder, a file a device."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from archscope.errors import UsageError
from archscope.files import irregular
from archscope.setting.calibration import Calibration, file_name, from_data
from archscope.setting.devices import DEVICES, processor


def folder() -> Path:
    """Where they lie: in XDG_DATA_HOME if it is set, else where the system keeps what belongs to programs."""
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) / "archscope" if home else Path(click.get_app_dir("archscope"))) / "calibrations"


def place_of(title: str) -> Path:
    """The file of a device by what it is called."""
    return folder() / file_name(title)


def read(path: Path) -> Calibration:
    """A stored calibration.

    Raises:
        UsageError: there is none, or it is broken.
    """
    strange = irregular(path)
    if strange:
        raise UsageError(f"{path} is {strange}, not a calibration")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{path} is no calibration: {error}") from None
    return from_data(data, str(path))


def find(title: str, file: str | None) -> Calibration | None:
    """The calibration in a file, or else the stored one of a device, if there is one."""
    if file is not None:
        return read(Path(file))
    path = place_of(title)
    try:
        path.stat()
    except OSError:  # there is none, or a home folder that may not be entered
        return None
    return read(path)


def asked(device: str | None, file: str | None, *, bound: bool) -> Calibration | None:
    """The calibration that goes with a device that is asked for, if one is; none where the bound is, or none is stored.

    Raises:
        UsageError: it cannot be read, there is none of this CPU, of which no peaks are published, or no device is asked
            for.
    """
    if device is None:
        if file is not None or bound:
            raise click.UsageError("--calibration and --bound are about times: add --device")
        return None
    if device == "cuda":
        return None if file is None else read(Path(file))
    title = DEVICES[device].name if device in DEVICES else processor()
    calibration = None if bound else find(title, file)
    if calibration is None and device == "cpu":
        raise UsageError(f"no peaks are published of {title}; `archscope calibrate --device cpu` measures them")
    return calibration
