"""Sizes in bytes, and times, as people write them."""

import pytest

import archscope
from archscope.errors import UsageError
from archscope.setting.sizes import bytes_of, duration


@pytest.mark.parametrize(
    ("size", "number"),
    [("24GiB", 24 * 2**30), ("80 GB", 80 * 10**9), ("1000", 1000), (1000, 1000), ("0.5kib", 512), ("7b", 7)],
)
def test_a_size_is_bytes(size, number):
    assert bytes_of(size) == number


@pytest.mark.parametrize("size", ["", "24 giga", "-1", "1e9", "1" * 30, -1, True, 2.5j, None])
def test_what_is_no_size_is_refused(size):
    with pytest.raises(UsageError, match="is no size: 24GiB, 80GB, 512MiB"):
        bytes_of(size)


def test_python_takes_the_sizes_of_the_command_line():
    design = archscope.load("lenet5")
    written = archscope.largest_batch(design, device="h200", limit="100MiB", context="10MiB")
    assert written == archscope.largest_batch(design, device="h200", limit=100 * 2**20, context=10 * 2**20)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (12.3456, "12.3 s"), (0.0123456, "12.3 ms"), (858.2e-6, "858 µs"), (1e-6, "1 µs"), (29.9e-9, "29.9 ns"),
        (1e-9, "1 ns"), (5.97e-14, "under 1 ns"), (1.81e-12, "under 1 ns"), (0.0, "0 µs"), (4321.0, "4,321 s"),
    ],
)  # fmt: skip
def test_a_time_is_readable(seconds, written):
    assert duration(seconds) == written
