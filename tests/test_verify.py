"""Published figures and budgets against computed ones."""

import pytest

import archscope
from archscope.errors import SpecError
from archscope.verify import verify

BASE = """
name: one
input: [3, 8, 8]
layers:
  - Conv2d: {out_channels: 4, kernel_size: 3}
    name: conv
  - BatchNorm2d
  - name: head
    layers: [Flatten, {Linear: 10, name: fc}]
"""
CONV, NORM, FC = 3 * 4 * 9 + 4, 8, 144 * 10 + 10


def verdicts(extra):
    return verify(archscope.load(BASE + extra))


def test_equal_figures_are_ok_and_others_tell_the_difference():
    result = verdicts(f"expect:\n  params: {CONV + NORM + FC}\n  macs: 1\n")
    good, bad = result.verdicts
    assert good.ok
    assert not bad.ok
    assert bad.computed == 4 * 36 * 27 + 1440
    assert bad.difference == bad.computed - 1
    assert not result.ok


@pytest.mark.parametrize(
    ("figure", "ok"),
    [
        ("params: {value: 1570, within: 1%}", True),
        ("params: {value: 1700, within: 1%}", False),
        ("params: {value: 1600, within: 40}", True),
        ("params: {value: 1600, within: 10}", False),
        (f"params: {{value: {CONV + NORM + FC + 8}, convention: keras}}", True),
        (f"params: {{value: {CONV + NORM + FC}, convention: keras}}", False),
        ("fc_params / params: {value: 92.4%, within: 0.1%}", True),
        ("output_shape: [10]", True),
        ("output_shape: [11]", False),
        ("depth: 2", True),
        (f"conv_params + fc_params: {CONV + FC}", True),
        (f"layers: {{conv: {{params: {CONV}, output_shape: [4, 6, 6]}}}}", True),
        ("layers: {conv: {params: 3}}", False),
        ("layers: {conv: {weights / biases: 27}}", True),
        (f"conv.params + head.fc.params: {CONV + FC}", True),
        ("head.fc.params / params: {value: 92.4%, within: 0.1%}", True),
        ("layers: {head: {output_shape: [10], params: 1450}}", True),
        ("layers: {head: {output_shape: [11]}}", False),
    ],
)
def test_figures(figure, ok):
    assert verdicts(f"expect:\n  {figure}\n").ok is ok


def test_a_wrong_publication_is_named():
    (verdict,) = verdicts(
        f"expect:\n  params: {{value: {CONV + NORM + FC}, stated: about 2 M, source: a book}}\n"
    ).verdicts
    assert verdict.ok
    assert verdict.note == "published: about 2 M (wrong); a book"


@pytest.mark.parametrize(
    ("budget", "ok"),
    [("params: <= 1570", True), ("params: < 1570", False), ("macs: <= 1e3", False), ("depth: == 2", True),
     ("params: '>= 1_000'", True), ("fc_params / params: < 50%", False)],
)  # fmt: skip
def test_budgets(budget, ok):
    assert verdicts(f"budget:\n  {budget}\n").ok is ok


@pytest.mark.parametrize(("limit", "ok"), [(229_592, True), (229_591, False)])
def test_memory_has_a_budget(limit, ok):
    """47,206 parameters, and the image, the map and its rectified copy: 784 + 2 x 4,704 numbers, of 4 bytes each."""
    text = f"""
input: [1, 28, 28]
layers: [{{Conv2d: {{out_channels: 6, kernel_size: 5, padding: 2}}}}, ReLU, Flatten, {{Linear: 10}}]
budget:
  inference_bytes: <= {limit}
  training_bytes: <= 500_000
"""
    first, second = verify(archscope.load(text)).verdicts
    assert (first.ok, second.ok) == (ok, True)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("expect:\n  parms: 3\n", "unknown name `parms`\n.*\n.*\n  hint: did you mean `params`"),
        ("expect:\n  layers: {cnv: {params: 3}}\n", "no layer or block `cnv`; did you mean `conv`"),
        ("expect:\n  layers: {conv: {depth: 3}}\n", "unknown name `depth`"),
        ("expect:\n  cnv.params: 3\n", "no layer or block `cnv`; did you mean `conv`"),
        ("expect:\n  conv.parms: 3\n", "`conv` has no figure `parms`"),
        ("budget:\n  prams: <= 3\n", "unknown name `prams`"),
    ],
)
def test_figures_that_do_not_exist_are_mistakes_of_the_spec(extra, words):
    with pytest.raises(SpecError, match=words):
        verdicts(extra)


def test_published_figures_may_be_arithmetic_and_stated_by_several() -> None:
    text = """
input: [3, 8, 8]
layers:
  - {Conv2d: {out_channels: 4, kernel_size: 3}, name: conv}
  - Flatten
expect:
  layers: 2
  params: [{value: 3 * 3 * 3 * 4 + 4, source: one}, {value: 112, source: another}]
  macs: 108 * 6**2
"""
    result = verify(archscope.load(text))
    assert [(v.figure, v.expected, v.ok, v.note) for v in result.verdicts] == [
        ("layers", 2, True, ""),
        ("params", 112, True, "one"),
        ("params", 112, True, "another"),
        ("macs", 3888, True, ""),
    ]


def test_figures_by_layer_may_be_stated_by_several() -> None:
    text = """
input: [3]
layers: [{Linear: 5, name: fc}]
expect:
  layers: {fc: {params: [{value: 20, source: one}, {value: 21, source: another}]}}
"""
    assert [(v.figure, v.ok) for v in verify(archscope.load(text)).verdicts] == [
        ("fc.params", True),
        ("fc.params", False),
    ]
