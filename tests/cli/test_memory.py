"""``archscope memory`` end to end."""

import csv
import io
import json
import re

import pytest
from click.testing import CliRunner

from archscope.cli import main
from archscope.setting import Setting


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["memory", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_the_ledger():
    """VGG-16: 138,357,544 parameters of 4 bytes; Adam keeps two of each and a counter for each of 32 tensors."""
    out = run("vgg16", "--batch", "2", "--optimizer", "adam").stdout
    lines = {line.split("  ")[0].strip() or line.strip().split("  ")[0]: line for line in out.splitlines()}
    assert f"{4 * 138357544:,} B" in lines["parameters"]
    assert f"{8 * 138357544 + 32 * 4:,} B" in lines["optimizer state"]
    assert "weights alone: float32 527.79 MiB, bfloat16 263.90 MiB" in out
    assert "a file of float32: 553.43 MB, 527.79 MiB" in out
    assert "saved tensors, the largest first" in out
    assert "`--layers` shows all" in out


def test_all_layers_in_order():
    out = run("lenet5", "--layers").stdout
    assert "saved tensors, in the order of the forward pass" in out
    assert re.search(r"^c1 +the input +3.06 KiB", out, re.M)  # 28 x 28 x 4 = 3,136 bytes


def test_inference_alone():
    out = run("lenet5", "--optimizer", "none").stdout
    assert "training" not in out
    assert "inference" in out


def test_files(tmp_path):
    rows = list(csv.DictReader(io.StringIO(run("lenet5", "--csv", "-").stdout)))
    run_so = {"batch [samples]": "1", "precision": "float32", "mode": "train", "channels_last": "false"}
    run_so |= {"device": "cpu", "torch": Setting().torch}
    saved = {"layer": "c1", "what": "the input", "saved_bytes [bytes]": str(28 * 28 * 4), "shared_with": ""}
    assert rows[0] == saved | run_so
    target = tmp_path / "ledger.json"
    run("lenet5", "--batch", "3", "--json", str(target))
    data = json.loads(target.read_text())
    assert data["parameters"] == 4 * 61706
    assert data["saved_bytes"] == sum(piece["bytes"] for piece in data["saved"])
    assert data["weights"]["int8"] == 61706


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lenet5", "--optimizer", "adamx"), "'adamx' is not one of"),
        (("lenet5", "--batch", "0"), "0 is not in the range"),
        (("lenet5", "--limit", "24XiB"), "`24XiB` is no size"),
        (("lenet5", "--limit", "1KiB", "--context", "1024B"), "a context of 1,024 bytes leaves nothing of 1,024"),
        (("lenet5", "--device", "h300"), "'h300' is not one of"),
        (("lenet5", "--plot", "step.gif"), "a picture ends with .svg, .png, .pdf"),
        (("lenett5",), "did you mean `lenet5`"),
    ],
)
def test_mistakes(arguments, message):
    result = run(*arguments, code=2)
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_the_peak_is_told_with_all_that_lives_then():
    out = run("resnet18", "--batch", "4", "--optimizer", "momentum").stdout
    sizes = {
        line[:20].strip(): int(line.split(" B")[0].split()[-1].replace(",", ""))
        for line in out.split("\nsaved tensors")[0].splitlines()
        if line.startswith(("training", "  ")) and " B" in line
    }
    peak = sizes.pop("training step")
    assert peak == sum(sizes.values())
    assert "the most at once: backward of " in out


def test_cuda_shows_segments_and_workspaces():
    out = run("resnet18", "--batch", "4", "--device", "cuda").stdout
    assert "torch.cuda.max_memory_allocated() of a step" in out
    assert "8.12 MiB          8,519,680 B   in it" in out
    assert "cuDNN workspace: 0 B to" in out


@pytest.mark.parametrize(("arguments", "needed"), [((), "training"), (("--optimizer", "none"), "inference")])
def test_a_limit_gives_the_largest_batch_and_input(arguments, needed, tmp_path):
    """One sample more does not fit, nor does an input that is 32 wider; sides between are not tried, and it says so."""
    out = run("squeezenet1_1", "--batch", "3", "--limit", "300MiB", *arguments).stdout
    batch = int(out.split("the largest batch is ")[1].split(",")[0])
    said = "at batch 3, in steps of 32, the largest square input is 3x"
    side = int(out.split(said)[1].split("x")[0])
    assert side % 32 == 0

    def size(*more):
        target = tmp_path / "ledger.json"
        run("squeezenet1_1", *arguments, *more, "--json", str(target))
        return json.loads(target.read_text())[needed]

    limit = 300 * 2**20
    assert size("--batch", str(batch)) <= limit < size("--batch", str(batch + 1))
    fits, more = (size("--batch", "3", "--input", f"3x{s}x{s}") for s in (side, side + 32))
    assert fits <= limit < more


WORDS = """inputs: {ids: {shape: [length], dtype: int64}}
vars: {length: 64, width: 32}
layers:
  - {name: words, Embedding: {num_embeddings: 100, embedding_dim: width}}
  - {name: places, Parameter: {shape: [1, length, width]}}
  - Add: [words, places]
  - Add: [[LayerNorm, MultiheadAttention: {num_heads: 4, batch_first: true}], []]
  - Linear: 100
"""
VECTORS = "input: [24, 16]\nlayers: [{Linear: 64}, GELU, {Linear: 16}]\n"
CHANNELS = "input: [16, 24]\nlayers: [{Conv1d: {out_channels: 32, kernel_size: 3}}, ReLU]\n"


@pytest.mark.parametrize(
    ("text", "longer"),
    [
        (WORDS, lambda n: ("--set", f"length={n}")),
        (VECTORS, lambda n: ("--input", f"{n}x16")),
        (CHANNELS, lambda n: ("--input", f"16x{n}")),
    ],
)
def test_a_limit_gives_the_longest_sequence(text, longer, tmp_path):
    """One place more does not fit."""
    spec, target = tmp_path / "words.yaml", tmp_path / "ledger.json"
    spec.write_text(text)
    out = run(str(spec), "--batch", "3", "--limit", "20MiB").stdout
    length = int(re.search(r"longest sequence is ([\d,]+)(?: \(|, which)", out)[1].replace(",", ""))

    def size(number):
        run(str(spec), "--batch", "3", *longer(number), "--json", str(target))
        return json.loads(target.read_text())["training"]

    assert size(length) <= 20 * 2**20 < size(length + 1)
    assert ("--set length=" in out) is ("length" in text)


@pytest.mark.parametrize(
    "text",
    [
        "input: [24, 16]\nlayers: [Flatten, {Linear: 64}]\n",  # of an image: features, whose weights differ
        "input: [24]\nlayers: [{Linear: 64}]\n",
        "inputs: {a: [24, 16], b: [24, 16]}\nlayers: [{Add: [a, b]}]\n",  # which of the two, no variable says
    ],
)
def test_what_has_no_length_has_no_longest(text, tmp_path):
    spec = tmp_path / "features.yaml"
    spec.write_text(text)
    out = run(str(spec), "--limit", "20MiB").stdout
    assert "the largest batch is" in out
    assert "sequence" not in out


def test_a_device_by_name_has_a_limit():
    out = run("vgg16", "--optimizer", "adamw", "--device", "t4").stdout
    assert "in 13.10 GiB (15.00 GiB of NVIDIA T4; 1.90 GiB of them go to the driver, the CUDA context" in out
    assert "the largest batch is " in out
    assert "not even a batch of 1 fits" in run("vgg16", "--limit", "100MB").stdout


def test_a_limit_says_whether_the_context_of_a_named_device_counts():
    """With a limit all of it goes to tensors, unless a context is given."""
    out = run("resnet18", "--device", "rtx3090", "--limit", "2GiB").stdout
    assert "in 2.00 GiB (all of it for tensors: the context of NVIDIA GeForce RTX 3090 is not in it, unless" in out
    assert "in 2.00 GiB\n" in run("resnet18", "--device", "cuda", "--limit", "2GiB").stdout


def test_the_context_is_an_option():
    """15,360 MiB of a T4; the allocator gets the rest."""
    given = run("resnet18", "--batch", "2", "--device", "t4", "--context", "360MiB").stdout
    assert "in 14.65 GiB (15.00 GiB of NVIDIA T4; 360.00 MiB of them go to" in given  # 15,000 / 1,024
    limited = run("resnet18", "--batch", "2", "--device", "cuda", "--limit", "15000MiB").stdout
    both = run("resnet18", "--batch", "2", "--device", "t4", "--limit", "15360MiB", "--context", "360MiB").stdout
    assert given.splitlines()[-2:] == limited.splitlines()[-2:] == both.splitlines()[-2:]
    assert "in 15.00 GiB less 360.00 MiB of context" in both


def test_a_batch_that_does_not_fit_is_told_with_what_would_make_it_fit():
    out = run("resnet18", "--batch", "512", "--device", "cuda", "--limit", "4GiB", "--optimizer", "adamw").stdout
    assert "batch 512 does not fit: it needs " in out
    lines = [line.split(":")[0].strip() for line in out.split("too much\n")[1].splitlines()]
    largest = lines[-2].removeprefix("the largest batch is ").split(",")[0]
    assert lines[0] == f"a batch of {largest}"
    assert lines[1] == "gradients accumulated over 4 steps of 128 (`--accumulate`)"
    assert int(largest) // 128 == 1 == 512 // 4 // 128  # 128 fits, 256 does not
    assert "does not fit" not in run("resnet18", "--batch", "8", "--device", "cuda", "--limit", "4GiB").stdout


def test_batches_beyond_any_memory_are_not_tried(tmp_path):
    (tmp_path / "tiny.yaml").write_text("input: [8]\nlayers: [{Linear: 2}]\n")
    out = run(str(tmp_path / "tiny.yaml"), "--limit", "1000000TiB").stdout
    assert "larger batches than 1,099,511,627,776, which needs " in out
    assert "the largest batch is" not in out


def test_the_timeline_is_drawn(tmp_path):
    target = tmp_path / "step.svg"
    run("lenet5", "--batch", "8", "--optimizer", "adam", "--plot", str(target))
    drawn = target.read_text()
    assert "LeNet-5, batch 8, float32, training with adam" in drawn
    assert "MiB: " in drawn


def test_what_has_the_inputs_in_it_is_said(tmp_path):
    """A Linear of 8 to 4 features at batch 100: 3,200 bytes in, 1,600 out."""
    spec = tmp_path / "lin.yaml"
    spec.write_text("name: lin\ninput: [8]\nlayers: [{Linear: 4}]\n")
    out = CliRunner().invoke(main, ["memory", str(spec), "--batch", "100"]).stdout
    assert re.search(r"activations .* 4,800 B   the most at once, inputs among them, at Linear", out)
    assert re.search(r"without reuse .* 1,600 B   all that is allocated, inputs aside", out)


def test_what_fits_is_not_looked_for_in_very_deep_designs(tmp_path):
    """One step of 20,000 layers takes a second, and a search takes twenty of them."""
    spec = tmp_path / "deep.yaml"
    spec.write_text("input: [3, 8, 8]\nlayers:\n  - {repeat: 5001, layers: [ReLU]}\n")
    result = CliRunner().invoke(main, ["memory", str(spec), "--limit", "24GiB"])
    assert result.exit_code == 0
    assert "what fits is looked for in designs of at most 5,000 layers; this has 5,001" in result.output
    assert "the largest batch" not in result.output
