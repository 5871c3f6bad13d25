"""The page of wrong published figures: each with the true one and how it comes about."""

import archscope
from archscope.report.errata import MOST_TERMS, page
from archscope.verify import verify

TEXT = """
name: small
input: [3, 8, 8]
blocks:
  pair(out):
    - {name: a, Conv2d: {out_channels: out, kernel_size: 3}}
    - {name: b, Conv2d: {out_channels: out, kernel_size: 1}}
layers:
  - {name: one, pair: 4}
  - {name: only, layers: [{name: deep, Conv2d: {out_channels: 2, kernel_size: 2}}, ReLU]}
  - Flatten
  - {name: fc, Linear: 10}
expect:
  params: 1
  fc_params: {value: 510, stated: 511, source: a book}
  conv_params: {value: 166, stated: a few, source: a book}
  output_shape: {value: [10], stated: 11, source: a book}
  conv_params / fc_params: {value: 0.32549, within: 1e-5, stated: 1, source: a book}
  layers:
    one:
      params: {value: 132, stated: 131, source: a table}
      output_shape: {value: [4, 6, 6], stated: 5x5, source: a table}
    one.a: {output_shape: {value: [4, 6, 6], stated: 4x4, source: a table}}
    only: {macs: {value: 800, stated: 700, source: a table}}
"""


def made(text=TEXT):
    return page([verify(archscope.load(text))], "my/", "out.md")


def test_it_says_how_it_is_made_and_what_is_wrong():
    text = made()
    assert "archscope verify my/ --errata out.md" in text
    assert "## small (`<text>`)" in text
    assert "- **`fc_params`** is 510, published as 511 (a book)." in text
    assert "- **`one.output_shape`** is 4 x 6 x 6, published as 5x5 (a table)." in text
    assert "`params` is" not in text


def test_it_shows_sums_and_formulas():
    text = made()
    assert "conv_params = 112 (one.a) + 20 (one.b) + 34 (only.deep) = 166" in text
    assert "one.params" not in text.replace("**`one.params`**", "")
    assert "params = 112 (one.a) + 20 (one.b) = 132" in text
    assert "fc: params = F_in x F_out + F_out = 50 x 10 + 10 = 510" in text
    assert "conv_params / fc_params = 0.32549" in text
    assert "only.deep: macs = " in text
    assert "one.a: H_out = floor(" in text
    assert "one.b: H_out = floor(" in text
    assert "fc: F_out = 10" in text


def test_many_terms_are_summed_by_block():
    blocks = "".join(f"  - {{name: b{i}, layers: [{{Linear: 2}}, {{Linear: 3}}]}}\n" for i in range(MOST_TERMS))
    text = f"input: [3]\nlayers:\n{blocks}expect: {{params: {{value: {17 * MOST_TERMS}, stated: 1, source: x}}}}\n"
    assert "params = 17 (b0) + 17 (b1) +" in made(text)


def test_a_design_without_wrong_figures_is_left_out():
    assert "##" not in made("input: [3]\nlayers: [ReLU]\nexpect: {params: 0}\n")
