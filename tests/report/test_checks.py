"""Lines of figures held against a module."""

import click
import pytest

from archscope.backends.importing.proof import Check
from archscope.report.blocks import Checks
from archscope.report.checks import checked
from archscope.report.formats.terminal import drawn


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (Check("macs", 1234, 1234, "by torch", 2), "ok     a: macs at batch 2 = 1,234   by torch"),
        (Check("macs", 1234, 1235), "FAILED a: macs: stated 1,234, measured 1,235"),
        (Check("outputs", 4, None, "too large"), "open   a: outputs: stated 4, not measured   too large"),
        (Check("flops", 0, None), "open   a: flops: stated 0, not measured"),
        (Check("flops", "", None, "not modelled: GRUCell"), "open   a: flops: not measured   not modelled: GRUCell"),
    ],
)
def test_a_line_says_what_there_is(one, said):
    assert click.unstyle(drawn(Checks((checked(one, "a: "),)), 160)) == said
