"""What a page says is read from it, and nothing else."""

from hashlib import sha256

from tests.pages import words

PAGE = """<!doctype html><title>t</title><style>p {}</style><h1>A
  net</h1><p>has <b>3</b> layers</p>
<svg><text>drawn</text></svg><table><tr><th>layer<th>MACs</tr><tr><td>conv</td><td>1,024</td></tr></table>
<div class="tile big">params <strong>7</strong></div><script>let x = 1</script>
<script type="application/json" id="data">{"a": 1}</script>"""


def test_rows_headings_and_tiles_are_lines():
    digest = sha256(b'{"a": 1}').hexdigest()[:16]
    assert words(PAGE).splitlines() == [
        "A net",
        "has 3 layers",
        "layer | MACs",
        "conv | 1,024",
        "params 7",
        f"data: 8 characters, sha256 {digest}",
    ]


def test_what_it_looks_like_is_nothing():
    assert words(PAGE.replace("p {}", "p {margin: 0}").replace("let x = 1", "let x = 2")) == words(PAGE)
