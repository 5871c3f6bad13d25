"""What torch and the authors of models raise: one line with its place and what to do."""

from __future__ import annotations

import inspect
import re
import warnings
from functools import partial
from importlib import import_module

import pytest
import torch
from torch import nn
from torch.nn.attention.flex_attention import flex_attention
from torch.nn.utils.rnn import pack_padded_sequence

import archscope
from archscope.errors import UsageError

PLACE = rf"{re.escape(__file__)}:\d+"


class Layer(nn.Module):
    def __init__(self, layer=None):
        super().__init__()
        self.layer = layer or nn.Linear(4, 5)

    def forward(self, x):
        return self.layer(x)


class Packs(Layer):
    def forward(self, x):
        return self.layer(pack_padded_sequence(x, [5] * len(x), batch_first=True))[0].data


class Attends(Layer):
    def forward(self, x):
        heads = x.unflatten(-1, (2, 8)).transpose(1, 2)
        return flex_attention(heads, heads, heads)


class Means(Layer):
    def forward(self, x):
        return self.layer(x).mean()


class Transforms(Layer):
    def forward(self, x):
        return torch.fft.fft(self.layer(x)).abs()


class Lists(Layer):
    """Its second layer is in a list, where torch does not see it."""

    def __init__(self):
        super().__init__()
        self.others = [nn.Linear(5, 3)]

    def forward(self, x):
        return self.others[0](self.layer(x))


class Fixed(Layer):
    def forward(self, x):
        return self.layer(x) + torch.zeros(7, 5)


class Values(Layer):
    def forward(self, x):
        return self.layer(x) * float(x.detach().numpy().sum())


class Nothing(Layer):
    def forward(self, x):
        return None


class Raises(Layer):
    def forward(self, x):
        raise KeyError("width")


def ragged(layout):
    """Made when the test runs: torch imports for seconds what nested tensors need."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a prototype of torch
        return torch.nested.nested_tensor([torch.zeros(3, 4), torch.zeros(2, 4)], layout=layout)


@pytest.mark.parametrize(
    ("module", "data", "says"),
    [
        (
            Layer(),
            partial(ragged, torch.strided),
            "an input is a nested tensor, which has no one shape; give torch.nested.to_padd",
        ),
        (
            Layer(),
            partial(ragged, torch.jagged),
            "an input is a nested tensor, which has no one shape; give torch.nested.to_padd",
        ),
        (Layer(), torch.zeros(2, 4).to_sparse(), r"the layout torch.sparse_coo; give it dense: tensor.to_dense\(\)"),
        (
            Layer(nn.LSTM(4, 5)),
            pack_padded_sequence(torch.zeros(2, 5, 4), [5, 3], batch_first=True),
            "an input is a packed sequence; give the padded one that it was packed of",
        ),
        (Packs(nn.LSTM(4, 5)), torch.zeros(2, 5, 4), rf"\({PLACE}\); run the layer on padded sequences of one length$"),
        (Layer(), torch.zeros(4), r"it takes \(4,\), but not with another first dimension: .* \(x.unsqueeze\(0\)\)$"),
        (
            Layer(nn.Conv2d(3, 5, 3)),
            torch.zeros(3, 8, 8),
            r"it takes \(3, 8, 8\), but not with another first dimension: that is the batch",
        ),
        (Layer(), torch.tensor(3.0), "need a tensor whose first dimension is the batch"),
        (Fixed(), torch.zeros(7, 4), r"it takes \(7, 4\), but not with another first dimension"),
        (Attends(), torch.zeros(2, 8, 16), "flex_attention, which runs functions that it is given.*scaled_dot_product"),
        (
            Attends(),
            torch.zeros(2, 8, 16, requires_grad=True),
            "flex_attention.*scaled_dot_product_attention in its pl",
        ),
        (Means(), torch.zeros(2, 4), "it cannot be kept as a black box either, for it gives a tensor of .* the batch$"),
        (Transforms(), torch.zeros(2, 4), "black box either, for it has a tensor of torch.complex64, which designs"),
        (
            Lists(),
            torch.zeros(2, 4),
            r"a parameter that is none of its own, of shape \[3, 5\] \(the model itself: aten",
        ),
        (Values(), torch.zeros(2, 4), rf"\({PLACE}\)"),
        (Nothing(), torch.zeros(2, 4), "the model gives no tensor"),
        (Raises(), torch.zeros(2, 4), rf"KeyError: 'width' \({PLACE}\)$"),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, nn.Module) else "",
)
def test_what_others_raise_is_one_line_with_place_and_remedy(module, data, says):
    with pytest.raises(UsageError) as caught:
        archscope.summary(module, input_data=data() if isinstance(data, partial) else data)
    assert type(caught.value).__module__.startswith("archscope")
    assert re.search(says, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("layer", "shape"), [(nn.LSTM(4, 5), (6, 4)), (nn.GRU(4, 5), (6, 2, 4))])
def test_a_layer_that_runs_along_the_batch_is_noted(layer, shape):
    (note,) = archscope.summary(Layer(layer), shape).imported.notes
    assert f"layer: {type(layer).__name__} runs along the first dimension of its input" in note
    assert archscope.summary(Layer(nn.GRU(4, 5, batch_first=True)), (6, 2, 4)).imported.notes == ()


def test_no_exception_of_ours_is_told_as_one_of_theirs():
    """The words of an internal exception are no message to a user: none has its class in it."""
    parts = [import_module(f"archscope.{name}") for name in ("backends.importing.refusals", "backends.importing.draft")]
    ours = [one for part in parts for _, one in inspect.getmembers(part, inspect.isclass)]
    internal = [one.__name__ for one in ours if issubclass(one, Exception) and one.__module__.startswith("archscope")]
    assert {"Unsupported", "Unfit"} <= set(internal)

    class Weights(nn.Module):
        """Computes with its weights alone as no op does, which is no black box of a tensor either."""

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4, 4))

        def forward(self, x):
            return x @ torch.linalg.matrix_exp(self.weight)

    with pytest.raises(UsageError) as caught:
        archscope.summary(Weights(), (2, 4))
    assert not any(f"{name}:" in str(caught.value) for name in internal)
    assert "aten.linalg_matrix_exp.default has no op; it cannot be kept as a black box either" in str(caught.value)
