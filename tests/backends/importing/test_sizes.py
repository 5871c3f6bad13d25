"""Sizes that depend on the batch."""

from archscope.backends.importing.sizes import BATCH, LinearSize, at, size_of


def test_a_size_follows_from_two_batches():
    assert size_of(7, 7, batch=2) == 7
    assert size_of(2, 3, batch=2) == BATCH
    assert size_of(11, 15, batch=2) == LinearSize(4, 3)  # 4 x 2 + 3, 4 x 3 + 3


def test_a_size_at_another_batch():
    assert [at(size, 10) for size in (7, BATCH, LinearSize(4, 3))] == [7, 10, 43]
