"""Names of parts."""

from archscope.structure.names import free, numbered, pattern


def test_a_number_at_the_end_counts_unless_it_is_written_otherwise():
    assert numbered("layer12") == ("layer", 12)
    assert numbered("0") == ("", 0)
    assert numbered("conv") is None
    assert numbered("part007") == ("part00", 7)


def test_names_alike_but_for_numbers_have_one_pattern():
    assert pattern(("layer1", "0", "conv2")) == pattern(("layer4", "11", "conv3")) == ("layer#", "#", "conv#")


def test_a_name_that_is_taken_gets_a_number():
    assert free("conv", set()) == "conv"
    assert free("conv", {"conv", "conv_2"}) == "conv_3"
    assert free("Conv", {"Conv"}, joint="") == "Conv2"
    assert free("in", lambda name: name in ("in", "in_2")) == "in_3"
