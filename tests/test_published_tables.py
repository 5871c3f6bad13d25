"""Whole published tables, row by row: torchvision's counts and keras.applications' parameters.

The tables say which design answers for which row.
"""

from __future__ import annotations

import pytest

import archscope

#: torchvision's name: parameters as its documentation states them, and the exact MACs of its evaluation forward pass by
#: torch.utils.flop_counter, halved (3 x 224 x 224; inception_v3 at 299)
TORCHVISION = {
    "alexnet": (61_100_840, 714_188_480),
    "densenet121": (7_978_856, 2_834_161_664),
    "densenet161": (28_681_000, 7_727_907_072),
    "densenet169": (14_149_480, 3_359_843_328),
    "densenet201": (20_013_928, 4_291_365_888),
    "efficientnet_b0": (5_288_548, 385_814_752),
    "googlenet": (6_624_904, 1_498_376_192),
    "inception_v3": (27_161_264, 5_713_216_096),
    "mnasnet1_0": (4_383_312, 314_415_872),
    "mobilenet_v2": (3_504_872, 300_774_272),
    "mobilenet_v3_large": (5_483_032, 216_589_760),
    "mobilenet_v3_small": (2_542_856, 56_510_400),
    "resnet101": (44_549_160, 7_801_405_440),
    "resnet152": (60_192_808, 11_513_626_624),
    "resnet18": (11_689_512, 1_814_073_344),
    "resnet34": (21_797_672, 3_663_761_408),
    "resnet50": (25_557_032, 4_089_184_256),
    "resnext50_32x4d": (25_028_904, 4_230_479_872),
    "shufflenet_v2_x1_0": (2_278_604, 144_907_992),
    "squeezenet1_0": (1_248_424, 818_924_576),
    "squeezenet1_1": (1_235_496, 349_151_936),
    "vgg11": (132_863_336, 7_609_090_048),
    "vgg11_bn": (132_868_840, 7_609_090_048),
    "vgg13": (133_047_848, 11_308_466_176),
    "vgg13_bn": (133_053_736, 11_308_466_176),
    "vgg16": (138_357_544, 15_470_264_320),
    "vgg16_bn": (138_365_992, 15_470_264_320),
    "vgg19": (143_667_240, 19_632_062_464),
    "vgg19_bn": (143_678_248, 19_632_062_464),
    "wide_resnet50_2": (68_883_240, 11_398_021_120),
}

#: keras.applications' name: the design that answers for it, and its total, running statistics included
KERAS = {
    "Xception": ("xception", 22_910_480),
    "VGG16": ("vgg16", 138_357_544),
    "VGG19": ("vgg19", 143_667_240),
    "ResNet50": ("resnet50_keras", 25_636_712),
    "ResNet101": ("resnet101_keras", 44_707_176),
    "ResNet152": ("resnet152_keras", 60_419_944),
    "ResNet50V2": ("resnet50v2", 25_613_800),
    "ResNet101V2": ("resnet101v2", 44_675_560),
    "ResNet152V2": ("resnet152v2", 60_380_648),
    "InceptionV3": ("inception_v3_keras", 23_851_784),
    "InceptionResNetV2": ("inception_resnet_v2", 55_873_736),
    "MobileNet": ("mobilenet_v1_keras", 4_253_864),
    "MobileNetV2": ("mobilenet_v2_keras", 3_538_984),
    "DenseNet121": ("densenet121", 8_062_504),
    "DenseNet169": ("densenet169", 14_307_880),
    "DenseNet201": ("densenet201", 20_242_984),
    "NASNetMobile": ("nasnet_mobile", 5_326_716),
    "NASNetLarge": ("nasnet_large", 88_949_818),
}

#: designs that answer for torchvision's models under another name
NAMED = {"alexnet": "alexnet_torchvision"}


@pytest.mark.parametrize(("row", "design"), [(row, NAMED.get(row, row)) for row in TORCHVISION])
def test_torchvisions_counts(row: str, design: str) -> None:
    account = archscope.analyze(archscope.load(design))
    params, macs = account.total.params, account.total.macs
    if row == "inception_v3":  # its evaluation forward leaves the auxiliary head out; its parameters count it
        macs -= account["AuxLogits"].macs
    assert (params, macs) == TORCHVISION[row]


@pytest.mark.parametrize(("row", "design"), [(row, design) for row, (design, _) in KERAS.items()])
def test_keras_parameters(row: str, design: str) -> None:
    assert archscope.analyze(archscope.load(design)).total.keras_params == KERAS[row][1]


def test_the_tables_are_whole() -> None:
    assert (len(TORCHVISION), len(KERAS)) == (30, 18)


#: torchvision's documentation: parameters and GFLOPS (MACs) of EfficientNets at their own resolutions
EFFICIENTNETS = {
    "efficientnet_b1": (7_794_184, 0.687),
    "efficientnet_b2": (9_109_994, 1.088),
    "efficientnet_b3": (12_233_232, 1.827),
    "efficientnet_b4": (19_341_616, 4.394),
    "efficientnet_b5": (30_389_784, 10.266),
    "efficientnet_b6": (43_040_704, 19.068),
    "efficientnet_b7": (66_347_960, 37.746),
}


@pytest.mark.parametrize("name", EFFICIENTNETS)
def test_efficientnets(name: str) -> None:
    total = archscope.analyze(archscope.load(name)).total
    assert (total.params, round(total.macs / 1e9, 3)) == EFFICIENTNETS[name]
