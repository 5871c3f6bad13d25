"""The table in a terminal: it fits, it is exact, it stays readable."""

import click
import pytest

import archscope
from archscope.report.formats.terminal import printed
from archscope.report.results.account import AccountReport

TEXT = """
name: AlexNet's head
input: [3, 227, 227]
layers:
  - Conv2d: {out_channels: 96, kernel_size: 11, stride: 4}
    name: conv1
  - ReLU
  - name: a_block_with_a_rather_long_name_that_nobody_needs
    layers:
      - MaxPool2d: {kernel_size: 3, stride: 2}
      - Conv2d: {out_channels: 256, kernel_size: 5, padding: 2}
  - Flatten
  - Linear: 1000
"""


@pytest.fixture(scope="module")
def account():
    return archscope.analyze(archscope.load(TEXT))


def plain(account, width, **options):
    return click.unstyle(printed(AccountReport(account, **options), width))


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal(account, width):
    assert max(map(len, plain(account, width).splitlines())) <= width


def test_figures_are_exact_to_the_unit(account):
    text = plain(account, 160)
    assert "34,944" in text
    assert "105,415,200" in text
    assert f"{account.total.params:,}" in text
    assert f"{account.total.macs:,}" in text


def test_a_narrow_terminal_loses_columns_before_digits(account):
    narrow = plain(account, 60)
    assert f"{account.total.params:,}" in narrow
    assert f"{account.total.macs:,}" in narrow
    assert "%" not in narrow


def test_long_names_are_cut_in_the_middle(account):
    assert "…" in plain(account, 80, sort="params")


def test_what_is_folded_is_said(account):
    assert "blocks folded at depth 1; `--depth all` shows all 6 layers" in plain(account, 120, depth=1)


def test_a_design_without_layers_prints():
    empty = archscope.load("input: [3]\nlayers:\n  - repeat: 0\n    layers: [ReLU]\n")
    assert "0 layers" in plain(archscope.analyze(empty), 80)
