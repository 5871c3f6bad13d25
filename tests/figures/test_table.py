"""The one table: columns, folding, order, and sums that add up."""

import pytest

import archscope
from archscope.errors import UsageError
from archscope.figures.table import COLUMNS, DEFAULT, choose, tabulate_account, tabulate_blocks

TEXT = """
name: nested
input: [3, 16, 16]
blocks:
  unit(out):
    - Conv2d: {out_channels: out, kernel_size: 3, padding: 1}
    - ReLU
layers:
  - name: stem
    layers: [unit: 4]
  - repeat: 3
    name: stage
    index: i
    layers:
      - unit: 8 * 2**i
      - MaxPool2d: 2
  - Flatten
  - Linear: 10
"""


@pytest.fixture(scope="module")
def account():
    return archscope.analyze(archscope.load(TEXT))


@pytest.mark.parametrize("depth", [None, 1, 2, 3, 9])
@pytest.mark.parametrize("sort", [None, "macs"])
def test_every_additive_column_adds_up_to_its_printed_total(account, depth, sort):
    table = tabulate_account(account, [n for n, c in COLUMNS.items() if c.additive], depth=depth, sort=sort)
    rows = [line for line in table.lines if line.role != "heading"]
    for index, column in enumerate(table.columns):
        if not column.additive:
            continue
        printed = table.totals[-1].cells[index]
        assert sum(line.cells[index] or 0 for line in rows) == pytest.approx(printed or 0)
        assert sum(line.cells[index] or 0 for line in table.totals[:-1]) == pytest.approx(printed or 0)


def test_blocks_are_headings_and_layers_stand_under_them(account):
    lines = tabulate_account(account).lines
    assert [(line.level, line.label, line.role) for line in lines[:6]] == [
        (0, "stem.unit", "heading"),
        (1, "Conv2d", "layer"),
        (1, "ReLU", "layer"),
        (0, "stage.0", "heading"),
        (1, "unit", "heading"),
        (2, "Conv2d", "layer"),
    ]


def test_folding_sums_blocks(account):
    table = tabulate_account(account, ["kind", "output_shape", "params"], depth=1)
    assert [(line.label, line.role) for line in table.lines] == [
        ("stem", "folded"), ("stage", "folded"), ("Flatten", "layer"), ("Linear", "layer"),
    ]  # fmt: skip
    assert table.lines[0].cells == ("stem", "2 layers", (4, 16, 16), 3 * 4 * 9 + 4)
    assert table.folded == 1


def test_a_repeat_folds_under_its_block_and_count():
    text = """input: [3, 8, 8]
blocks:
  cell(w): [Conv2d: {out_channels: w, kernel_size: 1}, ReLU]
layers:
  - {repeat: 3, index: i, layers: [cell: 4 + i]}
  - {repeat: 2, layers: [cell: 4]}
  - {repeat: 2, index: i, layers: [ReLU, Tanh]}
  - {repeat: 2, name: part, layers: [cell: 4]}
  - {repeat: 2, name: cell, layers: [cell: 4, Tanh: ]}
  - {repeat: 3, index: i, layers: [{Sigmoid: , when: i > 0}]}
"""
    table = tabulate_account(archscope.analyze(archscope.load(text)), ("kind",), depth=1)
    assert [(line.label, line.cells[-1]) for line in table.lines] == [
        ("cell_1", "3 x cell"), ("cell_2", "2 x cell"), ("repeat", "4 layers"), ("part", "4 layers"),
        ("cell", "6 layers"), ("Sigmoid", "2 x Sigmoid"),
    ]  # fmt: skip


def test_as_many_rows_as_fit(account):
    assert len(account.rows) == 13
    assert tabulate_account(account, most=13).folded is None
    assert tabulate_account(account, most=12).folded == 3
    assert tabulate_account(account, most=9).folded == 2
    assert tabulate_account(account, most=2).folded == 1  # the least there is


def test_sorting_puts_the_largest_first_under_full_names(account):
    table = tabulate_account(account, ["macs"], sort="macs")
    values = [line.cells[1] for line in table.lines]
    assert values == sorted(values, reverse=True)
    assert table.lines[0].label == "stage.0.unit.Conv2d"


def test_a_row_for_each_kind(account):
    table = tabulate_account(account, ["kind", "macs"], by_kind=True)
    assert [(line.label, line.cells[1]) for line in table.lines] == [
        ("Conv2d", "4 layers"),
        ("ReLU", "4 layers"),
        ("MaxPool2d", "3 layers"),
        ("Flatten", "1 layer"),
        ("Linear", "1 layer"),
    ]
    assert sum(line.cells[2] for line in table.lines) == account.total.macs
    ordered = tabulate_account(account, ["params"], by_kind=True, sort="params").lines
    assert [line.label for line in ordered][:2] == ["Conv2d", "Linear"]


def test_columns_are_chosen_by_name_and_the_name_comes_first():
    assert [column.name for column in choose(["macs", "params", "macs"])] == ["name", "macs", "params"]
    assert set(DEFAULT) <= set(COLUMNS)


def test_wrong_columns_are_refused(account):
    with pytest.raises(UsageError, match="there is no column `mac`; did you mean `macs`"):
        choose(["mac"])
    with pytest.raises(UsageError, match="`kind` is no number; sort by a figure such as macs"):
        tabulate_account(account, sort="kind")


def test_every_column_says_how_it_counts():
    for column in COLUMNS.values():
        assert column.convention
        assert column.unit or column.style in ("text", "shape")


def test_sums_stand_above_what_is_in_a_block() -> None:
    account = archscope.analyze(archscope.load("resnet50"))
    table = tabulate_blocks(account, ["params", "saved_bytes"])
    found = {line.cells[0]: line for line in table.lines}
    assert [line.cells[0] for line in table.lines if line.role == "layer"] == [row.name for row in account.rows]
    for name, line in found.items():
        if line.role == "block":
            inside = [row for row in account.rows if row.name.startswith(f"{name}.")]
            assert line.cells[1:] == (
                sum(row.params for row in inside),
                sum(account.memory.by_layer[row.name] for row in inside),
            )
    assert found["layer1"].cells[1] == 215_808  # torchvision's layer1
    assert (found["layer1.0.downsample.0"].label, found["layer1.0.downsample.0"].level) == ("downsample.0", 3)


def test_a_block_of_one_stands_in_its_label() -> None:
    labels = [
        (line.label, line.level, line.role)
        for line in tabulate_blocks(archscope.analyze(archscope.load("alexnet")), []).lines
    ]
    assert labels[2] == ("norm1.LocalResponseNorm", 0, "layer")
    assert {role for _, _, role in labels} == {"layer"}


def test_a_layer_may_be_called_as_what_is_around_another():
    text = "input: [3]\nlayers: [{ReLU: , name: 1}, {Tanh: , name: 1.5}, {ELU: , name: 1.5.2}, {ReLU: , name: 1.6}]\n"
    lines = tabulate_blocks(archscope.analyze(archscope.load(text)), []).lines
    assert [(line.label, line.level, line.role) for line in lines] == [
        ("1", 0, "layer"), ("1", 0, "block"), ("1.5", 1, "layer"), ("1.5.2", 1, "layer"), ("1.6", 1, "layer"),
    ]  # fmt: skip
