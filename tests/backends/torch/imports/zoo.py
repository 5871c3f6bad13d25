"""Models that nobody here wrote, and what becomes of each.

``python -m tests.backends.torch.imports.zoo`` writes the table.

The widths are those of the configurations that ``transformers`` has as its defaults; layers are few where many would
say nothing more. Models are made on the meta device: their weights are never there.
"""

from __future__ import annotations

import functools
import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

import archscope
from archscope import UsageError
from archscope.backends.importing.imported import Imported
from archscope.backends.importing.proof import Check
from tests.data import models

REPORT = Path(__file__).parents[4] / "reports" / "imported_models.md"

Inputs = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Entry:
    """An architecture.

    Attributes:
        make: gives the module and its inputs by name.
        refused: what it is refused for: the words that stand in the message for it; none if it is imported.
        keeps: why the bytes that are kept for the backward pass are others than the original's; none if they are the
            same. All other figures always are.
    """

    name: str
    task: str
    make: Callable[[], tuple[nn.Module, Inputs]] = field(repr=False)
    refused: str = ""
    keeps: str = ""

    def __str__(self) -> str:
        return self.name


def ids(*shape: int) -> torch.Tensor:
    """Words."""
    return torch.zeros(shape, dtype=torch.int64, device="meta")


def reals(*shape: int) -> torch.Tensor:
    """Numbers."""
    return torch.zeros(shape, device="meta")


#: how configurations call the number of their layers
_DEPTHS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers", "encoder_layers", "decoder_layers")


def config(kind: str, layers: int = 2, **settings: Any) -> Any:
    """A configuration of transformers with few layers, and without a cache of keys and values."""
    from transformers import AutoConfig

    made = AutoConfig.for_model(kind)
    for name in _DEPTHS if layers else ():
        if isinstance(getattr(made, name, None), int):
            setattr(made, name, layers)
    if layers and isinstance(vars(made).get("layer_types"), list):
        made.layer_types = made.layer_types[:layers]
    made.use_cache, made.architectures = False, []
    for name, value in settings.items():
        setattr(made, name, value)
    return made


def module_of(settings: Any, head: str) -> nn.Module:
    """A model of transformers without weights, in training; the head is the end of the name of an ``Auto`` class."""
    import transformers

    transformers.logging.set_verbosity_error()
    auto = getattr(transformers, f"AutoModel{head}", None)
    with torch.device("meta"):
        made = auto.from_config(settings) if auto else getattr(transformers, head)(settings)
    return made.train()


def inputs_of(module: Any, settings: Any, size: int = 0, words: int = 16) -> dict[str, torch.Tensor]:
    """Inputs of the kind that a model takes, a batch of two."""
    name = module.main_input_name
    if name == "pixel_values":
        given = getattr(settings, "image_size", None)
        size = size or (given if isinstance(given, int) else 224)
        return {name: reals(2, getattr(settings, "num_channels", 3), size, size)}
    found = {name: ids(2, words)}
    if getattr(settings, "is_encoder_decoder", False):
        found["decoder_input_ids"] = ids(2, words // 2)
    return found


def of(
    kind: str,
    head: str = "",
    *,
    task: str = "",
    layers: int = 2,
    size: int = 0,
    given: Callable[[], Inputs] | None = None,
    training: bool = True,
    refused: str = "",
    keeps: str = "",
    label: str = "",
    **settings: Any,
) -> Entry:
    """An architecture of transformers.

    Args:
        head: the end of the name of an ``Auto`` class, or the name of a model.
        size: of an image; that of the configuration if left out.
        training: whether it is in training; some ask there for values, which a trace does not have.
        given: the inputs, where they are not those of its kind.
    """

    def make() -> tuple[nn.Module, Inputs]:
        made = config(kind, layers, **settings)
        module = module_of(made, head).train(training)
        return module, given() if given else inputs_of(module, made, size)

    words = head.removeprefix("For") or "Model"
    return Entry(label or f"{kind} {words}", task or _TASKS.get(head, "features"), make, refused, keeps)


_TASKS = {
    "": "features",
    "ForImageClassification": "image classification",
    "ForSequenceClassification": "text classification",
    "ForTokenClassification": "token classification",
    "ForMaskedLM": "masked language model",
    "ForCausalLM": "language model",
    "ForSemanticSegmentation": "segmentation",
    "ForSeq2SeqLM": "translation",
    "ForQuestionAnswering": "question answering",
    "ForDepthEstimation": "depth",
    "ForObjectDetection": "detection",
    "ForVideoClassification": "video classification",
    "ForAudioClassification": "audio classification",
    "ForCTC": "speech recognition",
}

_IMAGES, _SEGMENTS = "ForImageClassification", "ForSemanticSegmentation"
_TEXTS, _NEXT = "ForSequenceClassification", "ForCausalLM"


def own(make: Callable[[], nn.Module], task: str, refused: str = "", keeps: str = "", **given: Inputs) -> Entry:
    """A model of ours."""
    return Entry(make.__name__, task, lambda: (make(), given), refused, keeps)


def _resnet_detr() -> Any:
    from transformers import ResNetConfig

    backbone = ResNetConfig(out_features=["stage4"], depths=[1, 1, 1, 1])
    return config("detr", use_timm_backbone=False, backbone_config=backbone, use_pretrained_backbone=False)


def _detr(head: str) -> tuple[nn.Module, Inputs]:
    return module_of(_resnet_detr(), head).eval(), {"pixel_values": reals(2, 3, 128, 128)}


def _part(path: str, make: Callable[[], nn.Module], given: Inputs) -> tuple[nn.Module, Inputs]:
    return make().get_submodule(path), given


_CAUSAL = "where it is exported it makes a causal mask, which attention keeps; else attention is told so by a flag"
_CHOICE = "masks that it chooses by are turned round here, and the turned ones are kept"
_DETR = "not explained yet: 29,696 bytes more are kept in the original"
_NUMBERS = "two numbers that it divides by are tensors of 4 bytes there, and numbers here"

#: small ones, each a shape of model that the import must take; no library is needed for them
OWN: tuple[Entry, ...] = (
    own(models.Net, "image classification", x=reals(2, 3, 16, 16)),
    own(models.Tagger, "tags", ids=ids(2, 7)),
    own(models.Volume, "3-D classification", x=reals(2, 1, 8, 8, 8)),
    own(models.UNet, "segmentation", x=reals(2, 1, 16, 16)),
    own(models.Translator, "translation", source=reals(2, 5, 8), target=reals(2, 4, 8)),
    own(models.Tied, "language model, tied", ids=ids(2, 7)),
    own(models.Twice, "a layer called twice", x=reals(2, 6)),
    own(models.Lazy, "with unused parts", x=reals(2, 6)),
    own(models.Positions, "parameters and buffers outside layers", x=reals(2, 4, 6)),
    own(models.Causal, "sequences, under a causal mask", x=reals(2, 5, 16)),
    own(models.Generator, "images from noise", z=reals(2, 12)),
    own(models.Waves, "waves", x=reals(2, 1, 40)),
    own(models.Experts, "mixture of experts", x=reals(2, 5, 8)),
    own(models.Normed, "with a weight norm", x=reals(2, 4, 9), refused="aten._weight_norm.default has no op"),
)

#: the models of transformers
PUBLIC: tuple[Entry, ...] = (
    of("resnet", _IMAGES),
    of("convnext", _IMAGES, layers=0),
    of("convnextv2", _IMAGES, layers=0),
    of("regnet", _IMAGES, depths=[2, 2, 4, 2], size=112),
    of("mobilenet_v1", _IMAGES),
    of("mobilenet_v2", _IMAGES),
    of(
        "mobilenet_v2",
        _SEGMENTS,
        size=224,
    ),
    of("efficientnet", _IMAGES, size=224, depth_coefficient=1.0),
    of("vit", _IMAGES),
    of("deit", _IMAGES),
    of("beit", _IMAGES),
    of("beit", _SEGMENTS, layers=4, out_indices=[0, 1, 2, 3]),
    of("data2vec-vision", _IMAGES),
    of("dinov2", _IMAGES),
    of("dinov2_with_registers", _IMAGES),
    of("ijepa", _IMAGES),
    of("vit_msn", _IMAGES),
    of("vit_mae", "", refused="aten.rand.default has no op"),
    of("swin", _IMAGES, depths=[2, 2, 2, 2]),
    of("swinv2", _IMAGES, depths=[2, 2, 2, 2]),
    of("segformer", _SEGMENTS),
    of("pvt", _IMAGES),
    of("pvt_v2", _IMAGES),
    of("poolformer", _IMAGES),
    of("mobilevit", _IMAGES),
    of("mobilevitv2", _IMAGES, refused="aten.im2col.default has no op"),
    of("levit", _IMAGES, depths=[2, 2, 2]),
    of("cvt", _IMAGES, layers=0, depth=[1, 2, 3]),
    of("bit", _IMAGES, depths=[1, 1, 1, 1], refused="aten.conv2d.default with a weight that is computed"),
    of("focalnet", _IMAGES),
    of("swiftformer", _IMAGES),
    of("hiera", _IMAGES, depths=[1, 1, 2, 1]),
    of("textnet", _IMAGES),
    of("yolos", "ForObjectDetection", image_size=[128, 192], given=lambda: {"pixel_values": reals(2, 3, 128, 192)}),
    of("dpt", "ForDepthEstimation", layers=4, backbone_out_indices=[0, 1, 2, 3], size=384),
    of("glpn", "ForDepthEstimation", size=128),
    of("upernet", _SEGMENTS, size=128),
    Entry("detr Model", "features", functools.partial(_detr, "DetrModel"), keeps=_DETR),
    Entry("detr ForObjectDetection", "detection", functools.partial(_detr, "DetrForObjectDetection"), keeps=_DETR),
    of("clip_vision_model"),
    of(
        "clip_text_model",
        keeps=f"{_CAUSAL}; and a row that it picks by an index is gathered here, which keeps all rows",
    ),
    of("siglip_vision_model"),
    of("siglip_text_model", "SiglipTextModel"),
    of("videomae", "ForVideoClassification", given=lambda: {"pixel_values": reals(2, 16, 3, 224, 224)}),
    of(
        "timesformer",
        "ForVideoClassification",
        given=lambda: {"pixel_values": reals(2, 8, 3, 224, 224)},
        refused="aten.slice.Tensor of the batch",
    ),
    of("swin2sr", "ForImageToImage", layers=2, task="super-resolution", depths=[2, 2], num_heads=[6, 6]),
    of("bert", "ForMaskedLM"),
    of("bert", _TEXTS),
    of("roberta", _TEXTS),
    of("albert", "ForMaskedLM"),
    of("electra", "ForTokenClassification"),
    of("distilbert", "ForQuestionAnswering"),
    of("mobilebert", ""),
    of("mpnet", "ForMaskedLM"),
    of("deberta", "", keeps=_NUMBERS),
    of("deberta-v2", _TEXTS, keeps=_NUMBERS),
    of("xlnet", ""),
    of("funnel", "", layers=0, block_sizes=[1, 1, 1], keeps=_CHOICE),
    of("squeezebert", _TEXTS),
    of("fnet", "", refused="aten.fft_fftn.default has no op"),
    of("convbert", "", refused="aten.im2col.default has no op"),
    of("roformer", ""),
    of("nystromformer", ""),
    of("layoutlm", ""),
    of("rembert", ""),
    of("megatron-bert", ""),
    of("gpt2", _NEXT),
    of("gpt_neo", _NEXT, keeps=_CHOICE),
    of("gpt_neox", _NEXT),
    of("gptj", _NEXT),
    of("codegen", _NEXT),
    of("opt", _NEXT, keeps=_CAUSAL),
    of("bloom", _NEXT, refused="GeLUFunction, a function with a backward pass of its own"),
    of("falcon", _NEXT, keeps="torch runs one key for all heads by another kernel"),
    of("llama", _NEXT),
    of("mistral", _NEXT),
    of("qwen2", _NEXT),
    of("qwen3", _NEXT),
    of("gemma", _NEXT),
    of("gemma2", _NEXT),
    of("phi", _NEXT),
    of("phi3", _NEXT),
    of("stablelm", _NEXT),
    of("starcoder2", _NEXT),
    of("olmo2", _NEXT),
    of("cohere", _NEXT),
    of("biogpt", _NEXT),
    of("mixtral", _NEXT, refused="aten.sort.default has no op"),
    of("mamba", _NEXT, refused="aten.conv1d.default with a weight that is computed"),
    of("rwkv", _NEXT, refused="aten.copy_.default changes another tensor that is read later"),
    of("t5", "ForSeq2SeqLM", keeps=_CHOICE),
    of("bart", "ForSeq2SeqLM"),
    of("pegasus", "ForSeq2SeqLM"),
    of("marian", "ForSeq2SeqLM"),
    of(
        "wav2vec2",
        "ForCTC",
        training=False,
        given=lambda: {"input_values": reals(2, 4000)},
        refused="aten._weight_norm.default has no op",
    ),
    of(
        "hubert",
        "ForCTC",
        training=False,
        given=lambda: {"input_values": reals(2, 4000)},
        refused="aten._weight_norm.default has no op",
    ),
    of("audio-spectrogram-transformer", "ForAudioClassification", given=lambda: {"input_values": reals(2, 1024, 128)}),
    Entry(
        "whisper encoder",
        "features",
        lambda: _part("encoder", lambda: module_of(config("whisper"), ""), {"input_features": reals(2, 80, 3000)}),
    ),
)


ALL = (*OWN, *PUBLIC)


@functools.cache
def imported(entry: Entry) -> Imported | str:
    """The import, or the words in which it is refused, without the places of files."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own
        module, given = entry.make()
        try:
            return archscope.from_torch(module, given)
        except UsageError as error:
            return re.sub(r" \([^() ]*\.py:\d+\)", "", str(error))


_HEAD = """# Imported models

Third-party models and those of the tests, each imported by `archscope.from_torch` and compared with the original:
names and shapes of all parameters and buffers, also of unused ones, output shapes, MACs forward and backward by torch's
own counter, the bytes that autograd saves, and the outputs of small models with the same weights. Those of
`transformers` are built from their configurations, without trained weights and with fewer layers. The batch is 2.

Made by `python -m tests.backends.torch.imports.zoo`; `tests/backends/torch/imports/test_zoo.py` checks that it is up
to date.

"""
_COLUMNS = ("architecture", "task", "layers", "lines of spec", "parameters", "MACs", "saved bytes", "result")


def row(entry: Entry) -> tuple[str, ...]:
    """What the table says of an architecture."""
    found = imported(entry)
    if isinstance(found, str):
        parts = [line.strip() for line in found.splitlines() if line.startswith("  ")] or [found]
        more = f" (and {len(parts) - 1} more such)" if len(parts) > 1 else ""
        return entry.name, entry.task, *("",) * 5, f"refused: {parts[0]}{more}"
    figures = {one.what: one for one in found.proof}
    numbers = (f"{figures[what].stated:,}" for what in ("params", "macs", "saved_bytes"))
    counts = str(len(found.design.layers)), str(len(found.spec.splitlines()))
    return entry.name, entry.task, *counts, *numbers, _result(entry, figures)


def _result(entry: Entry, figures: Mapping[str, Check]) -> str:
    wrong = [
        f"{one.what} {_said(one.stated)}, and {_said(one.measured)} in the original"
        for one in figures.values()
        if not one.ok
    ]
    if not wrong:
        return "equal in all"
    return f"differs: {'; '.join(wrong)}" + (f": {entry.keeps}" if entry.keeps else "")


def _said(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def report(rows: Sequence[tuple[str, ...]]) -> str:
    """The page."""
    equal = sum(one[-1] == "equal in all" for one in rows)
    refused = sum(one[-1].startswith("refused") for one in rows)
    others = len(rows) - equal - refused
    counts = f"{len(rows)} models: {equal} equal in all, {others} equal but for saved bytes, {refused} refused."
    lines = [_COLUMNS, ("---", "---", *["---:"] * 5, "---"), *rows]
    return f"{_HEAD}{counts}\n\n" + "".join(f"| {' | '.join(one)} |\n" for one in lines)


def _numbered(number: int) -> tuple[str, ...]:
    return row(ALL[number])


def main() -> None:
    """Write the table."""
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        rows = list(tqdm(pool.map(_numbered, range(len(ALL))), total=len(ALL), unit="model"))
    REPORT.write_text(report(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
