"""Mistakes in layers, blocks and graphs: what is said, where the caret stands, what is advised."""

from __future__ import annotations

import pickle
import time

import pytest

import archscope
from archscope.errors import SpecError
from tests.spec.asking import HEAD, Mistake, check, each, messages, mistakes, place

BLOCKS = "input: [3, 8, 8]\nblocks:\n  f(out, k=1): [{Conv2d: {out_channels: out, kernel_size: k}}, ReLU]\nlayers:\n"

MISTAKES = [
    Mistake(
        "infinity",
        HEAD + "  - {name: r, ReLU}\n  - {MaskedFill: -inf, from: [r, r]}\n",
        "4:19",
        "inf",
        "unknown name `inf`",
        "infinity is written `.inf`, and below all numbers `-.inf`",
    ),
    Mistake(
        "an unknown op",
        HEAD + "  - Conv2D: 3\n",
        "3:5",
        "Conv2D",
        "there is no layer or block `Conv2D`",
        "did you mean `Conv2d`?",
    ),
    Mistake(
        "a word like no op",
        HEAD + "  - convolve_bn\n",
        "3:5",
        "convolve_bn",
        "there is no layer or block `convolve_bn`",
        "`archscope ops` lists the layers; blocks of this spec: none",
    ),
    Mistake(
        "an unknown argument",
        HEAD + "  - Conv2d: {out_channels: 3, kernal_size: 1}\n",
        "3:31",
        "kernal_size",
        "Conv2d has no argument `kernal_size`",
        "did you mean `kernel_size`?",
    ),
    Mistake(
        "an argument like none",
        HEAD + "  - Linear: {out_features: 3, xyzzy: 1}\n",
        "3:31",
        "xyzzy",
        "Linear has no argument `xyzzy`",
        "arguments: out_features, bias",
    ),
    Mistake(
        "an inferred argument that is wrong",
        HEAD + "  - Conv2d: {in_channels: 4, out_channels: 4, kernel_size: 1}\n",
        "3:27",
        "4",
        "`in_channels` of Conv2d is 4, and 3 arrive",
        "it follows from what arrives: leave it out",
    ),
    Mistake(
        "a refused argument",
        HEAD + "  - {ReLU: , device: cpu}\n",
        "3:14",
        "device",
        "`ReLU` and `device` stand in one entry",
        "begin each layer with `- `",
    ),
    Mistake(
        "missing arguments",
        HEAD + "  - Conv2d\n",
        "3:5",
        "Conv2d",
        "Conv2d needs `out_channels` and `kernel_size`",
        "`Conv2d: {out_channels: ..., kernel_size: ...}`",
    ),
    Mistake(
        "a missing argument",
        HEAD + "  - Conv2d: {out_channels: 4}\n",
        "3:5",
        "Conv2d",
        "Conv2d needs `kernel_size`",
        "`Conv2d: {out_channels: ..., kernel_size: ...}`",
    ),
    Mistake(
        "a list for a number",
        HEAD + "  - Linear: [1, 2]\n",
        "3:13",
        "[1, 2]",
        "`out_features` of Linear: expected an integer of at least 1, got [1, 2]",
        "arguments go by name: `Linear: {out_features: 2}`",
    ),
    Mistake(
        "a word for a flag",
        HEAD + "  - Linear: {out_features: 1, bias: maybe}\n",
        "3:37",
        "maybe",
        "`bias` of Linear: expected true or false, got 'maybe'",
        "known here: in_channels, in_features, in_size, in_length, in_shape",
    ),
    Mistake(
        "a word for a mode",
        HEAD + "  - {Upsample: {scale_factor: 2, mode: bilinaer}}\n",
        "3:40",
        "bilinaer",
        "`mode` of Upsample: expected one of nearest, linear, bilinear, bicubic, trilinear, got 'bilinaer'",
        "did you mean `bilinear`?",
    ),
    Mistake(
        "too many numbers",
        HEAD + "  - MaxPool2d: [1, 2, 3]\n",
        "3:16",
        "[1, 2, 3]",
        "`kernel_size` of MaxPool2d: expected one number or a list of 2, got 3 numbers",
        "arguments go by name: `MaxPool2d: {kernel_size: 1, stride: 2, padding: 3}`",
    ),
    Mistake(
        "a misspelt variable",
        HEAD + "  - Linear: in_feature\n",
        "3:13",
        "in_feature",
        "`out_features` of Linear: expected an integer of at least 1, got 'in_feature'",
        "did you mean `in_features`?",
    ),
    Mistake(
        "a misspelt name in arithmetic",
        HEAD + "  - Linear: 2 * in_feature + 1\n",
        "3:17",
        "in_feature",
        "unknown name `in_feature`",
        "did you mean `in_features`?",
    ),
    Mistake(
        "an argument that is a mapping",
        HEAD + "  - Linear: {out_features: {a: 1}}\n",
        "3:28",
        "{a: 1}",
        "expected a value, not a mapping",
    ),
    Mistake("arguments for none", HEAD + "  - Sigmoid: 3\n", "3:14", "3", "Sigmoid takes no arguments"),
    Mistake(
        "an argument beside its op",
        HEAD + "  - Conv2d: 3\n    kernel_size: 3\n",
        "4:5",
        "kernel_size",
        "the argument `kernel_size` stands beside `Conv2d`, not under it",
        "indent `kernel_size` deeper than `Conv2d`, or write `Conv2d: {kernel_size: ...}`",
    ),
    Mistake(
        "two layers in one entry",
        HEAD + "  - {ReLU: , Linear: 3}\n",
        "3:14",
        "Linear",
        "`ReLU` and `Linear` stand in one entry",
        "begin each layer with `- `",
    ),
    Mistake("a number for a layer", HEAD + "  - 3\n", "3:5", "3", "a layer is expected here, not 3", "as in `- ReLU`"),
    Mistake(
        "nothing for a layer", HEAD + "  -\n", "3:4", "", "a layer is expected here, not nothing", "as in `- ReLU`"
    ),
    Mistake(
        "a list for a layer",
        HEAD + "  - [ReLU]\n",
        "3:5",
        "[ReLU]",
        "a layer is expected here, not a list",
        "lists stand only inside merging ops such as Add",
    ),
    Mistake("an empty entry", HEAD + "  - {}\n", "3:5", "{}", "this entry names no layer", "as in `- ReLU`"),
    Mistake("a name alone", HEAD + "  - name: x\n", "3:5", "name", "this entry names no layer", "as in `- ReLU`"),
    Mistake(
        "an index alone",
        HEAD + "  - index: i\n",
        "3:5",
        "index",
        "`index:` stands without a `repeat:`",
        "it names the variable that counts a repeat",
    ),
    Mistake("a repeat without layers", HEAD + "  - repeat: 3\n", "3:5", "repeat", "a repeat needs `layers:`, a list"),
    Mistake(
        "a repeat of a word",
        HEAD + "  - {repeat: 3, layers: ReLU}\n",
        "3:25",
        "ReLU",
        "a repeat needs `layers:`, a list",
    ),
    Mistake(
        "a key beside a repeat",
        HEAD + "  - {repeat: 3, layers: [ReLU], count: 2}\n",
        "3:33",
        "count",
        "unknown key `count` beside `repeat`",
    ),
    Mistake(
        "an index of a group",
        HEAD + "  - {layers: [ReLU], index: i}\n",
        "3:29",
        "i",
        "`index:` names the variable that counts a repeat",
        "as in `index: stage`",
    ),
    Mistake(
        "an index that is a number",
        HEAD + "  - {repeat: 2, index: 3, layers: [ReLU]}\n",
        "3:24",
        "3",
        "`index:` names the variable that counts a repeat",
        "as in `index: stage`",
    ),
    Mistake(
        "an index with a meaning",
        HEAD + "  - {repeat: 2, index: in_channels, layers: [ReLU]}\n",
        "3:24",
        "in_channels",
        "`index:` names the variable that counts a repeat",
        "as in `index: stage`",
    ),
    Mistake(
        "endless repeats",
        HEAD + "  - {repeat: 10**9, layers: [ReLU]}\n",
        "3:14",
        "10**9",
        "1,000,000,000 repetitions; the most is 20,000",
    ),
    Mistake(
        "endless layers",
        HEAD + "  - {repeat: 15000, layers: [Tanh, ReLU]}\n",
        "3:30",
        "Tanh",
        "more than 20,000 layers",
    ),
    Mistake(
        "repeats in repeats",
        HEAD + "  - {repeat: 10**4, layers: [{repeat: 10**4, layers: []}]}\n",
        "3:31",
        "repeat",
        "the design takes more than 100,000 steps to lay out",
        "blocks that call themselves twice, or repeats in repeats, soon are too many",
    ),
    Mistake(
        "a negative repeat",
        HEAD + "  - {repeat: -1, layers: [ReLU]}\n",
        "3:14",
        "-1",
        "expected an integer of at least 0, got -1",
    ),
    Mistake(
        "half a repeat",
        HEAD + "  - {repeat: 5 / 2, layers: [ReLU]}\n",
        "3:14",
        "5 / 2",
        "expected an integer of at least 0, got 2.5",
        "round it: `round(...)`, `floor(...)` or `//`",
    ),
    Mistake(
        "a word for a condition",
        HEAD + "  - {ReLU: , when: maybe}\n",
        "3:20",
        "maybe",
        "unknown name `maybe`",
        "known here: in_channels, in_features, in_size, in_length, in_shape",
    ),
    Mistake("yes", HEAD + "  - {ReLU: , freeze: yes}\n", "3:22", "yes", "unknown name `yes`", "write true or false"),
    Mistake(
        "a list for a condition", HEAD + "  - {ReLU: , when: [1]}\n", "3:20", "[1]", "expected a condition, got a list"
    ),
    Mistake("no condition", HEAD + "  - {ReLU: , when: }\n", "3:20", "}", "expected a condition, got nothing"),
    Mistake(
        "HTML in a name",
        HEAD + "  - {ReLU: , name: '<script>'}\n",
        "3:20",
        "'<script>'",
        "`<script>` is not a name",
        "letters, digits, _ and -; dots between parts",
    ),
    Mistake(
        "an umlaut in a name",
        HEAD + "  - {ReLU: , name: größe}\n",
        "3:20",
        "größe",
        "`größe` is not a name",
        "letters, digits, _ and -; dots between parts",
    ),
    Mistake(
        "an empty name",
        HEAD + "  - {ReLU: , name: }\n",
        "3:20",
        "}",
        "a name is one word",
        "letters, digits, _ and -; dots between parts",
    ),
    Mistake(
        "a list for a name",
        HEAD + "  - {ReLU: , name: [a]}\n",
        "3:20",
        "[a]",
        "a name is one word",
        "letters, digits, _ and -; dots between parts",
    ),
    Mistake(
        "an open template",
        HEAD + "  - {ReLU: , name: 'a{b'}\n",
        "3:20",
        "'a{b'",
        "`a{b` is not a name",
        "letters, digits, _ and -; dots between parts",
    ),
    Mistake(
        "an unknown name in a template",
        HEAD + "  - {ReLU: , name: 'a{b}'}\n",
        "3:20",
        "'a{b}'",
        "unknown name `b`",
        "known here: in_channels, in_features, in_size, in_length, in_shape",
    ),
    Mistake(
        "a name twice",
        HEAD + "  - {ReLU: , name: a}\n  - {Tanh: , name: a}\n",
        "4:6",
        "Tanh",
        "two parts of the design are called `a` (the first on line 3)",
        "give one of them another `name:`",
    ),
    Mistake(
        "the name of an input",
        HEAD + "  - {ReLU: , name: input}\n",
        "3:6",
        "ReLU",
        "two parts of the design are called `input`",
        "give one of them another `name:`",
    ),
    Mistake(
        "a template without the index",
        HEAD + "  - {repeat: 2, index: i, name: 'b{3}', layers: [ReLU]}\n",
        "3:6",
        "repeat",
        "two parts of the design are called `b3`",
        "put the index into it: `name: block{i}`",
    ),
    Mistake(
        "a path twice",
        HEAD + "  - {name: a, layers: [{ReLU: , name: b}]}\n  - {ReLU: , name: a.b}\n",
        "4:6",
        "ReLU",
        "two parts of the design are called `a.b` (the first on line 3)",
        "give one of them another `name:`",
    ),
    Mistake(
        "an unknown layer",
        HEAD + "  - {ReLU: , name: conv1}\n  - {ReLU: , from: conv}\n",
        "4:20",
        "conv",
        "there is no layer `conv` before this one",
        "did you mean `conv1`?",
    ),
    Mistake(
        "a later layer",
        HEAD + "  - {ReLU: , from: b, name: a}\n  - {ReLU: , name: b}\n",
        "3:20",
        "b",
        "`b` comes later, or contains this layer",
        "a layer can only read what comes before it: the graph has no cycles",
    ),
    Mistake(
        "itself",
        HEAD + "  - {ReLU: , from: a, name: a}\n",
        "3:20",
        "a",
        "`a` comes later, or contains this layer",
        "a layer can only read what comes before it: the graph has no cycles",
    ),
    Mistake(
        "the group around it",
        HEAD + "  - {name: g, layers: [{ReLU: , from: g}]}\n",
        "3:39",
        "g",
        "`g` comes later, or contains this layer",
        "a layer can only read what comes before it: the graph has no cycles",
    ),
    Mistake(
        "a layer inside a group",
        HEAD + "  - {name: g, layers: [{ReLU: , name: a}]}\n  - {ReLU: , from: a}\n",
        "4:20",
        "a",
        "there is no layer `a` before this one",
        "did you mean `g.a`?",
    ),
    Mistake(
        "an output that does not exist",
        HEAD + "  - {ReLU: , from: 'input[1]'}\n",
        "3:20",
        "'input[1]'",
        "`input` has 1 output, numbered from 0",
    ),
    Mistake(
        "an index that is a word",
        HEAD + "  - {ReLU: , from: 'input[x]'}\n",
        "3:20",
        "'input[x]'",
        "expected the name of an earlier layer",
        "one output of several is written `lstm[1]`",
    ),
    Mistake(
        "an output of several not chosen",
        HEAD + "  - Chunk: {chunks: 2, dim: 2}\n  - ReLU\n",
        "4:5",
        "ReLU",
        "`Chunk` has 2 outputs; say which one is meant",
        "`from: Chunk[0]`",
    ),
    Mistake(
        "an output of several at the end",
        HEAD + "  - Chunk: {chunks: 2, dim: 2}\n",
        "3:5",
        "Chunk",
        "`Chunk` has 2 outputs; say which one is meant",
        "`outputs: ['Chunk[0]']`",
    ),
    Mistake(
        "two sources for one input",
        HEAD + "  - {ReLU: , from: [input, input]}\n",
        "3:6",
        "ReLU",
        "ReLU takes 1 input; 2 given",
    ),
    Mistake("no source", HEAD + "  - {ReLU: , from: []}\n", "3:6", "ReLU", "ReLU takes 1 input; 0 given"),
    Mistake(
        "two sources for a group",
        HEAD + "  - {layers: [ReLU], from: [input, input]}\n",
        "3:6",
        "layers",
        "a group starts from one tensor, not 2",
    ),
    Mistake(
        "two sources for a named group",
        HEAD + "  - {name: g, layers: [ReLU], from: [input, input]}\n",
        "3:15",
        "layers",
        "a group starts from one tensor, not 2",
    ),
    Mistake(
        "two sources for a repeat",
        HEAD + "  - {repeat: 2, layers: [ReLU], from: [input, input]}\n",
        "3:6",
        "repeat",
        "a repeat starts from one tensor, not 2",
    ),
    Mistake(
        "an op for a branch",
        HEAD + "  - Add: [[], ReLU]\n",
        "3:15",
        "ReLU",
        "there is no layer `ReLU` before this one",
        "a branch is a list: `[ReLU]`",
    ),
    Mistake(
        "a mapping for a branch",
        HEAD + "  - Add: [[], {ReLU: }]\n",
        "3:15",
        "{ReLU: }",
        "a branch is a list of layers",
        "begin it with `- - ` or put it in [...]",
    ),
    Mistake(
        "no branches",
        HEAD + "  - Add\n",
        "3:5",
        "Add",
        "Add takes at least 2 inputs; 1 given",
        "give it branches: a list whose entries are lists of layers or names of earlier ones",
    ),
    Mistake(
        "a number for branches",
        HEAD + "  - Add: 3\n",
        "3:10",
        "3",
        "Add takes no arguments",
        "give it branches: a list whose entries are lists of layers or names of earlier ones",
    ),
    Mistake(
        "inputs that are a word",
        HEAD + "  - Add: {inputs: input}\n",
        "3:19",
        "input",
        "`inputs:` is a list",
        "each a branch (a list of layers) or the name of an earlier layer",
    ),
    Mistake(
        "one branch",
        HEAD + "  - Add: [[ReLU]]\n",
        "3:5",
        "Add",
        "Add takes at least 2 inputs; 1 given",
        "give it branches: a list whose entries are lists of layers or names of earlier ones",
    ),
    Mistake(
        "channels that differ",
        HEAD + "  - Add: [[], [Conv2d: {out_channels: 8, kernel_size: 1}]]\n",
        "3:5",
        "Add",
        "Add: input 1 is (3, 32, 32) and input 2 is (8, 32, 32): dimension C differs (3 and 8)",
    ),
    Mistake(
        "groups that do not divide",
        HEAD + "  - Conv2d: {out_channels: 8, kernel_size: 1, groups: 2}\n",
        "3:55",
        "2",
        "in_channels (3) must be divisible by groups (2)",
    ),
    Mistake(
        "a kernel larger than its map",
        HEAD + "  - MaxPool2d: 4\n  - MaxPool2d: 2\n  - Conv2d: {out_channels: 8, kernel_size: 7}\n",
        "5:44",
        "7",
        "kernel 7 (dilation 1) does not fit into a map of 4 with padding 0",
        "the layers before it have reduced 32 x 32 to 4 x 4",
    ),
    Mistake(
        "a kernel larger than the input",
        HEAD + "  - Conv2d: {out_channels: 8, kernel_size: 33}\n",
        "3:44",
        "33",
        "kernel 33 (dilation 1) does not fit into a map of 32 with padding 0",
    ),
    Mistake(
        "a flat input",
        HEAD + "  - Flatten\n  - Conv2d: {out_channels: 8, kernel_size: 1}\n",
        "4:5",
        "Conv2d",
        "Conv2d needs (N, C, H, W); what arrives is (N, 3072)",
        "it has been flattened; Unflatten gives it axes again",
    ),
    Mistake(
        "a layer of another rank",
        HEAD + "  - Conv1d: {out_channels: 8, kernel_size: 1}\n",
        "3:5",
        "Conv1d",
        "Conv1d needs (N, C, L); what arrives is (N, 3, 32, 32)",
        "the layer for 2 axes is Conv2d",
    ),
    Mistake(
        "a layer of another rank, for one axis",
        "input: [8, 4]\nlayers:\n  - Conv2d: {out_channels: 8, kernel_size: 1}\n",
        "3:5",
        "Conv2d",
        "Conv2d needs (N, C, H, W); what arrives is (N, 8, 4)",
        "the layer for 1 axis is Conv1d",
    ),
    Mistake(
        "a beginning that torch has not",
        HEAD + "  - Parameter: {shape: [2, 2], init: foo(std=1)}\n",
        "3:38",
        "foo(std=1)",
        "`init` of Parameter: expected a number, or one of zeros, ones, normal, uniform, trunc_normal, xavier_uniform, "
        "xavier_normal, kaiming_uniform, kaiming_normal, orthogonal, eye, dirac, got 'foo(std=1)'",
    ),
    Mistake(
        "a beginning that is misspelt",
        HEAD + "  - Parameter: {shape: [2, 2], init: norml(std=1)}\n",
        "3:38",
        "norml(std=1)",
        "`init` of Parameter: expected a number, or one of zeros, ones, normal, uniform, trunc_normal, xavier_uniform, "
        "xavier_normal, kaiming_uniform, kaiming_normal, orthogonal, eye, dirac, got 'norml(std=1)'",
        "did you mean `normal`?",
    ),
    Mistake(
        "a value that is no number",
        HEAD + "  - Constant: {shape: [2, 2], value: nan}\n",
        "3:38",
        "nan",
        "`value` of Constant: expected a number, a list of numbers, one of arange, tril, triu, or FILE.npz[NAME], "
        "got 'nan'",
    ),
    Mistake(
        "infinity as Python has it",
        HEAD + "  - Constant: {shape: [2, 2], value: -inf, dtype: int64}\n",
        "3:38",
        "-inf",
        "`value` of Constant: expected a number, a list of numbers, one of arange, tril, triu, or FILE.npz[NAME], "
        "got '-inf'",
        "infinity is written `-.inf`; no type of whole numbers holds it",
    ),
    Mistake(
        "infinity as a whole number",
        HEAD + "  - Constant: {shape: [2, 2], value: -.inf, dtype: int64}\n",
        "3:38",
        "-.inf",
        "value (-inf) does not suit a tensor of int64: it holds whole numbers up to 2^53, no infinity",
    ),
    Mistake(
        "too many chunks",
        HEAD + "  - {Chunk: {chunks: 2000, dim: 1}}\n",
        "3:22",
        "2000",
        "`chunks` of Chunk is 2,000; the most is 1,024",
    ),
    Mistake(
        "beyond int64",
        HEAD + "  - Upsample: {scale_factor: 1e300}\n",
        "3:5",
        "Upsample",
        "the output has more than 2^63 - 1 elements",
    ),
    Mistake(
        "whole numbers wanted",
        "inputs: {ids: {shape: [5], dtype: int64}}\nlayers: [Linear: 4]\n",
        "2:10",
        "Linear",
        "Linear needs floating values; what arrives has int64 ones",
    ),
    Mistake(
        "floats to an embedding",
        "input: [5]\nlayers: [Embedding: {num_embeddings: 10, embedding_dim: 4}]\n",
        "2:10",
        "Embedding",
        "Embedding needs int64 values; what arrives has floating ones",
    ),
    Mistake(
        "a weight that does not fit",
        "input: [8, 16]\nlayers:\n  - {Parameter: {shape: [512, 16]}, name: p}\n  - {Add: , from: [input, p]}\n",
        "4:6",
        "Add",
        "Add: input 1 is (8, 16) and input 2 is (512, 16): dimension 1 differs (8 and 512)",
    ),
    Mistake(
        "two weights that differ in their first dimension",
        "input: [8, 64]\nlayers:\n  - {Parameter: {shape: [512, 64]}, name: p}\n"
        "  - {Parameter: {shape: [1024, 64]}, name: q}\n  - {Add: [p, q]}\n",
        "5:6",
        "Add",
        "Add: input 1 is (512, 64) and input 2 is (1024, 64): dimension 0 differs (512 and 1024)",
    ),
    Mistake(
        "a product with a weight",
        "input: [8, 16]\nlayers:\n  - {Parameter: {shape: [512, 1024]}, name: p}\n  - {MatMul: , from: [input, p]}\n",
        "4:6",
        "MatMul",
        "MatMul: input 1 is (8, 16) and input 2 is (512, 1024): 16 columns cannot meet 512 rows",
    ),
    Mistake(
        "a map of a weight",
        "input: [8, 16]\nlayers:\n  - {Parameter: {shape: [512, 64]}, name: p}\n"
        "  - {Conv2d: {out_channels: 3, kernel_size: 1}, from: p}\n",
        "4:6",
        "Conv2d",
        "Conv2d needs (N, C, H, W); what arrives is (512, 64)",
    ),
    Mistake("reuse of nothing", HEAD + "  - reuse: nope\n", "3:12", "nope", "there is no layer `nope` before this one"),
    Mistake(
        "reuse of an input",
        HEAD + "  - reuse: input\n",
        "3:12",
        "input",
        "`input` cannot be applied again",
        "name a layer or a block",
    ),
    Mistake(
        "reuse of a number",
        HEAD + "  - reuse: 3\n",
        "3:12",
        "3",
        "`reuse:` takes the name of an earlier layer or block",
    ),
    Mistake(
        "reuse of itself",
        HEAD + "  - {name: g, layers: [reuse: g]}\n",
        "3:31",
        "g",
        "`g` comes later, or contains this layer",
        "a layer can only read what comes before it: the graph has no cycles",
    ),
    Mistake(
        "reuse of a repeat",
        HEAD + "  - {repeat: 2, name: g, layers: [ReLU]}\n  - reuse: g\n",
        "4:12",
        "g",
        "`g` cannot be applied again",
        "name a layer or a block",
    ),
    Mistake(
        "reuse with other channels",
        HEAD + "  - {Conv2d: {out_channels: 8, kernel_size: 1}, name: c}\n  - reuse: c\n",
        "4:12",
        "c",
        "`c` cannot be reused here: weight is [8, 3, 1, 1] there and would be [8, 8, 1, 1]",
        "the same weights need the same channels",
    ),
    Mistake(
        "an unknown parameter",
        BLOCKS + "  - f: {out: 3, kk: 2}\n",
        "5:17",
        "kk",
        "the block `f` has no parameter `kk`",
        "did you mean `k`?",
    ),
    Mistake(
        "a misspelt parameter",
        BLOCKS + "  - f: {ot: 3}\n",
        "5:9",
        "ot",
        "the block `f` has no parameter `ot`",
        "did you mean `out`?",
    ),
    Mistake(
        "a missing parameter",
        BLOCKS + "  - f\n",
        "5:5",
        "f",
        "the block `f` needs `out`",
        "its signature is f(out, k=1)",
    ),
    Mistake(
        "a mistake inside a block",
        BLOCKS + "  - f: {out: 4, k: 9}\n",
        "3:59",
        "k",
        "kernel 9 (dilation 1) does not fit into a map of 8 with padding 0",
    ),
    Mistake(
        "the same mistake twice",
        BLOCKS + "  - f: {out: 4, k: 9}\n  - f: {out: 4, k: 9}\n",
        "3:59",
        "k",
        "kernel 9 (dilation 1) does not fit into a map of 8 with padding 0",
    ),
    Mistake(
        "two sources for a block",
        BLOCKS + "  - {f: 3, from: [input, input]}\n",
        "5:6",
        "f",
        "the block `f` reads one tensor, not 2",
        "the second of several is `input[1]` inside it",
    ),
    Mistake(
        "a name outside the block",
        BLOCKS + "  - {f: 3, name: b}\n  - {ReLU: , from: ReLU}\n",
        "6:20",
        "ReLU",
        "`ReLU` comes later, or contains this layer",
        "a layer can only read what comes before it: the graph has no cycles",
    ),
    Mistake(
        "arguments for a block without",
        "input: [3]\nblocks: {f: [ReLU]}\nlayers: [f: 3]\n",
        "3:13",
        "3",
        "the block `f` takes no arguments",
    ),
    Mistake(
        "a name from outside",
        "input: [3]\nblocks:\n  f:\n    - {ReLU: , from: a}\nlayers:\n  - {ReLU: , name: a}\n  - f\n",
        "4:22",
        "a",
        "there is no layer `a` before this one",
        "inside a block only its own layers have names; what it was given is `input`",
    ),
    Mistake(
        "endless recursion",
        "input: [3]\nblocks:\n  f: [ReLU, f]\nlayers: [f]\n",
        "3:13",
        "f",
        "blocks call blocks 50 levels deep, `f` among them",
        "a recursive block needs a `when:` that ends it",
    ),
    Mistake(
        "endless mutual recursion",
        "input: [3]\nblocks:\n  f(n): [g: n + 1]\n  g(n): [f: n + 1]\nlayers: [f: 0]\n",
        "4:10",
        "f",
        "blocks call blocks 50 levels deep, `f` among them",
        "a recursive block needs a `when:` that ends it",
    ),
    Mistake(
        "a tree of calls",
        "input: [3]\nblocks:\n  f(n): [{f: n - 1, when: n > 0}, {f: n - 1, when: n > 0}]\nlayers: [f: 40]\n",
        "3:52",  # where the work runs out
        "n > 0",
        "the design takes more than 100,000 steps to lay out",
        "blocks that call themselves twice, or repeats in repeats, soon are too many",
    ),
    Mistake(
        "a number for a layer's name",
        "input: [3]\nvars: {act: 3}\nlayers: [act]\n",
        "3:10",
        "act",
        "the variable `act` is 3, not the name of a layer or block",
    ),
    Mistake(
        "a misspelt op in a variable",
        "input: [3]\nvars: {act: Relu}\nlayers: [act]\n",
        "3:10",
        "act",
        "there is no layer or block `Relu`",
        "did you mean `ReLU`?",
    ),
    Mistake(
        "a reused block with other channels",
        "input: [3, 8, 8]\nblocks: {f: [Conv2d: {out_channels: 2 * in_channels, kernel_size: 1}]}\n"
        "layers: [{f: , name: a}, reuse: a]\n",
        "2:14",
        "Conv2d",
        "`a.Conv2d` cannot be reused here: weight is [6, 3, 1, 1] there and would be [12, 6, 1, 1]",
        "the same weights need the same channels",
    ),
]


@each(MISTAKES)
def test_mistakes(mistake: Mistake) -> None:
    check(mistake)


def test_arguments_that_torch_has_and_archscope_does_not_say_why() -> None:
    (told,) = mistakes(f"{HEAD}  - Upsample: {{scale_factor: 2, recompute_scale_factor: true}}\n")
    assert told.message == "`recompute_scale_factor` of Upsample is not taken"
    assert told.hint == "it changes where samples are taken, and no shape or count"


def test_names_and_lists_end_somewhere() -> None:
    (told,) = mistakes(f"{HEAD}  - {{ReLU: , name: {'a' * 201}}}\n")
    assert told.message == "a name of 201 characters; the most is 200"
    (told,) = mistakes(f"{HEAD}  - Reshape: [{'1, ' * 257}]\n")
    assert told.message == "`shape` of Reshape has 257 numbers; the most is 256"


def test_each_dimension_that_differs_is_told() -> None:
    first, second = mistakes(f"{HEAD}  - Concat: [[], [MaxPool2d: 2]]\n")
    start = "Concat: input 1 is (3, 32, 32) and input 2 is (3, 16, 16): dimension "
    assert (first.message, second.message) == (f"{start}H differs (32 and 16)", f"{start}W differs (32 and 16)")


def test_a_mistake_in_every_round_of_a_repeat_is_told_once() -> None:
    text = "input: [3]\nvars: {w: [1, 2]}\nlayers:\n  - repeat: 24\n    index: i\n    layers:\n"
    (told,) = mistakes(f"{text}    - Linear: w[i + 5]\n")
    assert (
        told.render()
        == """<text>:7:15: error: index 5 is outside a list of 2
  7 |     - Linear: w[i + 5]
    |               ^^^^^^^^
  and 23 more times, with other numbers"""
    )
    (told,) = mistakes(f"{text}    - Linear: -1 - i\n")
    assert (told.message, told.again) == ("`out_features` of Linear: expected an integer of at least 1, got -1", 23)
    (told,) = mistakes(f"{text}    - {{Linear: 3, from: 'a{{i}}'}}\n")
    assert (told.message, told.again) == ("there is no layer `a0` before this one", 23)
    (told,) = mistakes(f"{text}    - Linear: nope * i\n")  # the same in every round
    assert (told.message, told.again) == ("unknown name `nope`", 0)


@pytest.mark.parametrize(
    ("text", "given", "hint"),
    [
        ("input: [1, 8, 8]\nlayers: [Conv2d: {out_channels: 2, kernel_size: 1}]\n", (32, 1, 8, 8), "1 x 8 x 8"),
        ("input: [3, 8, 8]\nlayers: [ReLU, {Conv2d: {out_channels: 2, kernel_size: 1}}]\n", (1, 3, 8, 8), "3 x 8 x 8"),
        ("input: [1, 3, 8, 8]\nlayers: [Conv2d: {out_channels: 2, kernel_size: 1}]\n", None, "3 x 8 x 8"),
    ],
)
def test_an_input_with_its_batch(text: str, given: tuple[int, ...] | None, hint: str) -> None:
    (told,) = mistakes(text, input=given)
    assert told.hint == f"leave the batch out: {hint}; else the layer for 3 axes is Conv3d"


def test_an_input_of_another_rank_is_not_taken_for_one_with_its_batch() -> None:
    (told,) = mistakes("input: [3, 16, 8, 8]\nlayers: [Conv2d: {out_channels: 2, kernel_size: 1}]\n")
    assert told.hint == "the layer for 3 axes is Conv3d"


def test_an_input_with_its_batch_that_a_design_takes_is_a_warning() -> None:
    design = archscope.load("input: [784]\nlayers: [Linear: 10]\n", input=(1, 784))
    (told,) = design.warnings
    assert (
        told.render()
        == """input:1:7: warning: the input `input` has 2 sizes, and is declared with one fewer
  1 | input=[1, 784]
    |       ^
  hint: if the first is the batch, leave it out: 784"""
    )
    assert archscope.load("input: [784]\nlayers: [Linear: 10]\n", input=(100,)).warnings == ()


def test_a_mistake_inside_blocks_tells_the_calls() -> None:
    text = """input: [3, 8, 8]
blocks:
  outer(n, project=true): [inner: {n: n + 1}]
  inner(n): [Conv2d: {out_channels: 4, kernel_size: n}]
layers:
  - outer: 9
"""
    (told,) = mistakes(text)
    assert (
        told.render()
        == """<text>:4:53: error: kernel 10 (dilation 1) does not fit into a map of 8 with padding 0
  4 |   inner(n): [Conv2d: {out_channels: 4, kernel_size: n}]
    |                                                     ^
  in block `inner(n=10)`, called at <text>:3:28
  in block `outer(n=9, project=true)`, called at <text>:6:5"""
    )


def test_a_long_trail_is_told_by_its_ends() -> None:
    text = "input: [3]\nblocks:\n  f(n): [{f: n - 1, when: n > 0}, {Linear: x, when: n == 0}]\nlayers: [f: 40]\n"
    (told,) = mistakes(text)
    steps = [line.strip() for line in told.render().splitlines() if line.startswith("  in ")]
    assert [step.partition(",")[0] for step in steps] == [
        "in block `f(n=0)`", "in block `f(n=1)`", "in block `f(n=2)`", "in 35 more calls",
        "in block `f(n=38)`", "in block `f(n=39)`", "in block `f(n=40)`",
    ]  # fmt: skip
    assert len(told.trail) == 41


def test_a_mistake_of_a_reused_block_tells_of_the_reuse() -> None:
    text = "input: [3, 8, 8]\nblocks:\n  f: [Conv2d: {out_channels: 4, kernel_size: 3}]\nlayers:\n"
    (told,) = mistakes(text + "  - {f: , name: a}\n  - AdaptiveAvgPool2d: 1\n  - reuse: a\n")
    assert told.message == "kernel 3 (dilation 1) does not fit into a map of 1 with padding 0"
    assert told.trail == ("block `f()`, called at <text>:7:12", "`reuse: a` at <text>:7:12")


MANY = """name: [wrong]
inptu: 3
input: [3, 32, 32]
vars: {w: 1 / 0, in_size: 3}
blocks:
  Bad(): [ReLU]
  g(n): [{Conv2d: {out_channels: n, kernel: 3}}, Relu]
layers:
  - Conv2D: 64
  - g: {m: 3}
  - {g: 3, from: nowhere}
  - MaxPool2d: x
  - {Linear: 3, when: perhaps}
  - {Flatten: , name: 'a b'}
  - {repeat: many, layers: [Sigmoid: 3]}
  - [ReLU]
outputs: [nothing]
expect: {params: lots}
budget: {params: 3}
"""

MANY_TOLD = [
    ("1:7", "expected text"),
    ("2:1", "unknown key `inptu`"),
    ("4:18", "`in_size` has a meaning of its own"),
    ("6:3", "`Bad` cannot be the name of a block"),
    ("18:18", "expected a number, a percentage or a shape"),
    ("19:18", "`params` has no limit"),
    ("4:11", "division by zero: `0` is 0"),
    ("16:5", "a layer is expected here, not a list"),
    ("9:5", "there is no layer or block `Conv2D`"),
    ("10:9", "the block `g` has no parameter `m`"),
    ("10:5", "the block `g` needs `n`"),
    ("11:18", "there is no layer `nowhere` before this one"),
    ("7:37", "Conv2d has no argument `kernel`"),
    ("7:50", "there is no layer or block `Relu`"),
    ("12:16", "`kernel_size` of MaxPool2d: expected an integer of at least 1, got 'x'"),
    ("13:23", "unknown name `perhaps`"),
    ("14:23", "`a b` is not a name"),
    ("15:14", "expected an integer of at least 0, got 'many'"),
    ("17:11", "there is no layer `nothing`"),
]


def test_many_mistakes_are_told_at_once() -> None:
    assert [(place(told), told.message) for told in mistakes(MANY)] == MANY_TOLD


def test_no_more_than_fifty_mistakes_are_told() -> None:
    assert len(mistakes(HEAD + "  - Relu\n" * 1000)) == 50
    assert len(mistakes("".join(f"k{i}: 1\n" for i in range(1000)))) == 50
    assert len(mistakes("k: 1\n" * 1000)) == 50


def test_what_follows_from_a_mistake_is_not_told() -> None:
    text = HEAD + "  - Conv2D: 3\n  - BatchNorm2d\n  - Conv2d: {out_channels: in_channels // 5, kernel_size: 99}\n"
    assert messages(text + "  - Add: [[], [Flatten]]\n  - Linear: in_features\n") == [
        "there is no layer or block `Conv2D`"
    ]


def test_a_mistake_does_not_hide_those_in_other_branches() -> None:
    text = HEAD + "  - Add:\n    - [Conv2D: 3]\n    - [ReLU: {inplac: true}]\n    - [{MaxPool2d: 33}]\n"
    assert messages(text) == [
        "there is no layer or block `Conv2D`",
        "ReLU has no argument `inplac`",
        "kernel 33 (dilation 1) does not fit into a map of 32 with padding 0",
    ]


def test_a_spec_error_is_pickled_with_its_diagnostics() -> None:
    with pytest.raises(SpecError) as caught:
        archscope.load(MANY)
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.diagnostics == caught.value.diagnostics
    assert str(again) == str(caught.value)
    assert again.exit_code == 2


def test_terminals_are_safe_from_names() -> None:
    (told,) = mistakes('input: [3]\nlayers: [{ReLU: , name: "\\e[31m\\r\\a\\0"}]\n')
    assert told.message == "the character U+001B cannot stand in a spec"
    assert (told.mark.line, told.mark.column) == (2, 25)
    assert all(char.isprintable() or char == "\n" for char in told.render())


PATIENCE = 30.0  # seconds: a guard against hanging, not a measurement
LONG = {
    "tree of calls": "input: [3]\n"
    "blocks:\n  f(n): [{f: n - 1, when: n > 0}, {f: n - 1, when: n > 0}]\nlayers: [f: 40]\n",
    "repeats in repeats": HEAD + "  - {repeat: 10000, layers: [{repeat: 10000, layers: []}]}\n",
    "skipped layers": HEAD + "  - {repeat: 10000, layers: [{repeat: 10000, layers: [{ReLU: , when: false}]}]}\n",
    "long expressions": HEAD + "  - {repeat: 10000, layers: [{ReLU: , when: '1" + "+1-1" * 120 + "'}]}\n",
    "long lists": HEAD + "  - {repeat: 10000, layers: [{ReLU: , when: [" + "1, " * 990 + "]}]}\n",
    "many sources": HEAD + "  - {repeat: 10000, layers: [{Add: , from: [" + "input, " * 1000 + "]}]}\n",
    "many branches": HEAD + "  - {repeat: 10000, layers: [Concat: [" + "input, " * 1000 + "]]}\n",
    "doubling lists": "vars:\n  a: [1, 1]\n"
    + "".join(f"  a{i}: [a{i - 1 or ''}, a{i - 1 or ''}]\n" for i in range(1, 60))
    + "input: [3]\nlayers: [Linear: a59]\n",
    "unknown names": HEAD
    + "  - {repeat: 9000, index: i, layers: [{ReLU: , name: a}]}\n"
    + "".join(f"  - {{ReLU: , from: nope{i}}}\n" for i in range(60)),
    "the same mistake": HEAD + "  - {repeat: 10000, layers: [Relu, {Linear: 2 * in_chanels}, {ReLU: , from: nope}]}\n",
    "a long name": HEAD + "  - {repeat: 10000, layers: [{ReLU: , name: " + "a" * 10**6 + "}]}\n",
    "a long index": HEAD + "  - {repeat: 10000, index: " + "a" * 10**6 + ", layers: [ReLU]}\n",
    "a long word": HEAD + "  - repeat: 10000\n    layers:\n      - ? " + "a" * 10**6 + "\n        : 1\n",
    "stacked layers": "input: [5, 4]\nlayers: [LSTM: {hidden_size: 3, num_layers: 1000000000}]\n",
    "many chunks": "input: [1000000000]\nlayers: [Chunk: {chunks: 1000000000, dim: 1}]\n",
    "nested groups": HEAD + "  - " + "{layers: [" * 45 + "Relu" + "]}" * 45 + "\n",
    "groups in recursion": "input: [3]\nblocks:\n  f(n): ["
    + "{layers: [" * 40
    + "{f: n - 1, when: n > 0}"
    + "]}" * 40
    + "]\nlayers: [f: 45]\n",
    "many keys": "".join(f"k{i}: 1\n" for i in range(70_000)),
    "many variables": "vars:\n"
    + "".join(f"  a{i}: a{i + 1}\n" for i in range(60_000))
    + "input: [3]\nlayers: [ReLU]\n",
    "many brackets on a line": "a: " + "[b[1]" * 50_000 + "\n",
}


#: those that take seconds
LONGEST = {
    "long expressions", "tree of calls", "many keys", "many variables", "skipped layers", "repeats in repeats",
}  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, id=title, marks=[pytest.mark.slow] if title in LONGEST else [])
        for title, text in LONG.items()
    ],
)
def test_nothing_takes_long(text: str) -> None:
    start = time.perf_counter()
    with pytest.raises(SpecError):
        archscope.load(text)
    assert time.perf_counter() - start < PATIENCE
