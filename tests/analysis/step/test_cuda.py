"""The caching allocator's rules, worked out by hand, and a step replayed through them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archscope
from archscope.analysis.step.cuda import CachingAllocator, OutOfMemory, Traffic
from archscope.analysis.step.memory import memory
from archscope.autograd.graph import Storage
from archscope.setting.devices import HOPPER_WORKSPACE, MIB, WORKSPACE


@pytest.mark.parametrize(
    ("size", "allocated", "reserved"),
    [
        (1, 512, 2 * MIB),  # rounded up to 512, cut from a small segment
        (513, 1024, 2 * MIB),
        (MIB, MIB, 2 * MIB),
        (MIB + 1, MIB + 512, 20 * MIB),  # large: the rest of 20 MiB is split off
        (10 * MIB - 512, 10 * MIB - 512, 20 * MIB),
        (10 * MIB, 10 * MIB, 10 * MIB),  # a segment of its own
        (11 * MIB, 12 * MIB, 12 * MIB),  # in steps of 2 MiB; a rest of 1 MiB is not split off, and counts
        (11 * MIB - 512, 11 * MIB - 512, 12 * MIB),  # a rest of more than 1 MiB is
        (100 * MIB + 1, 100 * MIB + 512, 102 * MIB),
    ],
)
def test_one_request(size, allocated, reserved):
    allocator = CachingAllocator()
    allocator.take(size)
    assert (allocator.allocated, allocator.reserved) == (allocated, reserved)


def test_small_requests_share_a_segment_and_a_third_mebibyte_takes_another():
    allocator = CachingAllocator()
    for _ in range(2):
        allocator.take(MIB)
    assert allocator.reserved == 2 * MIB
    allocator.take(1)
    assert allocator.reserved == 4 * MIB


def test_the_smallest_block_that_is_large_enough_is_taken():
    allocator = CachingAllocator()
    first, second, third = (allocator.take(size * MIB) for size in (40, 20, 30))
    for block in (first, second, third):
        allocator.give(block)
    assert allocator.take(19 * MIB + 512) is second  # 30 and 40 would do, too
    assert allocator.allocated == 20 * MIB  # its rest of less than 1 MiB is not split off
    assert allocator.reserved == 90 * MIB


def test_free_neighbours_are_joined():
    allocator = CachingAllocator()
    blocks = [allocator.take(4 * MIB) for _ in range(5)]
    assert allocator.reserved == 20 * MIB
    for block in (blocks[1], blocks[3], blocks[2]):
        allocator.give(block)
    assert allocator.take(12 * MIB).place == blocks[1].place  # from the three in the middle
    assert (allocator.allocated, allocator.reserved) == (20 * MIB, 20 * MIB)


def test_freed_memory_stays_reserved_and_the_most_is_remembered():
    allocator = CachingAllocator()
    allocator.give(allocator.take(64 * MIB))
    assert (allocator.allocated, allocator.reserved, allocator.most_allocated) == (0, 64 * MIB, 64 * MIB)
    allocator.reset()
    assert (allocator.most_allocated, allocator.most_reserved) == (0, 64 * MIB)


def test_a_segment_that_is_wholly_free_is_given_back_before_memory_is_out():
    """c10/cuda/CUDACachingAllocator.cpp: alloc_block, or release_cached_blocks and alloc_block again."""
    allocator = CachingAllocator(limit=60 * MIB)
    allocator.give(allocator.take(30 * MIB))
    allocator.take(40 * MIB)  # 30 + 40 is more than 60
    assert (allocator.allocated, allocator.reserved) == (40 * MIB, 40 * MIB)


def test_a_segment_that_is_in_use_in_part_is_not():
    allocator = CachingAllocator(limit=60 * MIB)
    first, _ = allocator.take(4 * MIB), allocator.take(4 * MIB)  # of a segment of 20 MiB
    allocator.give(first)
    with pytest.raises(OutOfMemory) as raised:
        allocator.take(42 * MIB)
    assert raised.value.missing == (20 + 42 - 60) * MIB
    allocator.take(40 * MIB)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 32 * MIB)), max_size=60))
def test_a_limit_is_never_exceeded_and_memory_is_out_only_where_segments_in_use_leave_no_room(requests):
    limit, held = 100 * MIB, []
    allocator = CachingAllocator(limit)
    for free, size in requests:
        if free and held:
            allocator.give(held.pop(size % len(held)))
            continue
        try:
            held.append(allocator.take(size))
        except OutOfMemory as error:
            used = {block.place for block in allocator._blocks.values() if not block.free}
            assert used or error.missing > 0
            free_segments = [b for b in allocator._blocks.values() if b.free and b.before is b.after is None]
            assert not free_segments
            assert allocator.reserved + size > limit
        assert allocator.reserved <= limit
        assert sum(block.size for block in allocator._blocks.values()) == allocator.reserved


@pytest.mark.parametrize("name", ["resnet18", "vgg11"])
def test_a_step_runs_with_less_than_it_reserves_but_not_with_less_than_its_tensors(name):
    ledger = memory(archscope.load(name), batch=32, optimizer="adam", device="cuda")
    assert ledger.cuda.allocated <= ledger.needed <= ledger.cuda.reserved
    assert ledger.fits(ledger.needed)
    assert not ledger.fits(ledger.needed - 2 * MIB)
    assert not ledger.fits(ledger.training)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 64 * MIB)), max_size=60))
def test_blocks_never_overlap_and_fill_their_segments(requests):
    allocator, held = CachingAllocator(), []
    for free, size in requests:
        if free and held:
            allocator.give(held.pop(size % len(held)))
        else:
            held.append(allocator.take(size))
            assert held[-1].size >= size
        places = sorted((block.place, block.place + block.size) for block in held)
        assert all(end <= begin for (_, end), (begin, _) in pairwise(places))
        assert allocator.allocated == sum(block.size for block in held) <= allocator.reserved
    for block in held:
        allocator.give(block)
    assert allocator.allocated == 0
    assert all(block.before is block.after is None for block in allocator._blocks.values())  # all joined again
    assert sum(block.size for block in allocator._blocks.values()) == allocator.reserved


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "vit_b_16"])
def test_a_step_on_cuda_takes_a_little_more_than_its_tensors(name):
    ledger = memory(archscope.load(name), batch=16, optimizer="adam", device="cuda")
    assert ledger.cuda is not None
    more = ledger.cuda.allocated - ledger.cuda.workspace - ledger.training
    assert 0 < more < 0.03 * ledger.training  # rounding, and rests that are too small to split off
    assert ledger.cuda.allocated <= ledger.cuda.reserved


def test_the_workspace_of_cublas_is_there_where_there_is_a_product():
    classifier = archscope.load("lenet5")
    filters = archscope.load("input: [3, 8, 8]\nlayers: [{Conv2d: {out_channels: 4, kernel_size: 3}}]\n")
    assert memory(classifier, device="h200").cuda.workspace == HOPPER_WORKSPACE == 33_554_432
    assert memory(classifier, device="t4").cuda.workspace == WORKSPACE == 2 * 4096 * 1024 + 8 * 16 * 1024
    assert memory(filters, device="h200").cuda.workspace == 0


def test_cudnn_may_unfold_an_input():
    """A 3x3 convolution of 64 channels on 32x32 reads 9 x 64 x 32 x 32 numbers a sample."""
    text = (
        "input: [64, 32, 32]\nlayers: [{Conv2d: {out_channels: 64, kernel_size: 3, padding: 1}}, Flatten, {Linear: 10}]"
    )
    ledger = memory(archscope.load(text + "\n"), batch=2, device="cuda")
    assert 0 < ledger.cuda.cudnn[1] <= 2 * 9 * 64 * 32 * 32 * 4


def test_cuda_keeps_steps_on_the_host_and_updates_all_parameters_at_once():
    design = archscope.load("vgg11")
    on_cpu, on_cuda = (memory(design, optimizer="adam", device=device) for device in ("cpu", "cuda"))
    assert on_cpu.optimizer_state - on_cuda.optimizer_state == 4 * 22  # a count for each of 22 parameters
    (update,) = [moment.live for moment in on_cuda.timeline if moment.phase == "optimizer"]
    state = on_cuda.parameters + on_cuda.buffers + on_cuda.gradients + on_cuda.optimizer_state
    assert update == state + on_cuda.parameters + on_cuda.inputs + 4  # a root of all second moments; the loss


@pytest.mark.parametrize("precision", ["float32", "bf16-mixed", "bf16"])
def test_a_normalisation_keeps_its_input_its_weight_and_the_roots(precision):
    """_fused_rms_norm (derivatives.yaml): input, weight, rstd; autocast runs it in float32."""
    design = archscope.load("input: [8, 4]\nlayers: [{Linear: 4}, {name: it, RMSNorm: }, {Linear: 4}]\n")
    found = memory(design, batch=2, precision=precision, device="cuda")
    wide = 2 if precision == "bf16" else 4
    assert found.by_layer["it"] == 2 * 8 * 4 * wide + 2 * 8 * 4


def test_a_recurrent_layer_keeps_its_input_its_outputs_and_a_reserve():
    """_cudnn_rnn (derivatives.yaml): input, output and reserve; of that what the native kernels keep a step."""
    layer = "{name: it, LSTM: {hidden_size: 5, batch_first: true}}"
    design = archscope.load(f"input: [7, 4]\nlayers: [{{Linear: 4}}, {layer}, {{Linear: 3}}]\n")
    found = memory(design, batch=2, device="cuda")
    steps = 2 * 7
    assert found.by_layer["it"] == 4 * steps * (4 + 5 + 4 * 5 + 2 * 5)
    assert memory(design, batch=2, precision="bf16-mixed", device="cuda").by_layer["it"] > found.by_layer["it"] / 2


def test_requests_of_any_size_keep_apart():
    """The largest tensor has 2^63 - 1 elements of 8 bytes; where nothing is short, thousands of them have places."""
    allocator, largest = CachingAllocator(), 8 * (2**63 - 1)
    blocks = [allocator.take(size) for _ in range(40) for size in (largest, 4 * MIB, 1)]
    assert len({block.place for block in blocks}) == len(blocks)
    for block in blocks:
        allocator.give(block)
    assert [allocator.take(largest).size for _ in range(40)] == [2**66] * 40
    assert allocator.reserved == 40 * 2**66 + 8 * 20 * MIB + 2 * MIB


REQUESTS = st.lists(st.tuples(st.booleans(), st.integers(1, 32 * MIB)), max_size=40)


def _gone_through(requests, limit):
    """What an allocator says behind every request, and that memory was out."""
    allocator, held, said = CachingAllocator(limit), [], []
    try:
        for free, size in requests:
            if free and held:
                allocator.give(held.pop(size % len(held)))
            else:
                held.append(allocator.take(size))
            said.append((allocator.allocated, allocator.reserved, held[-1].place if held else None))
    except OutOfMemory:
        said.append("out")
    return said, allocator.alike


@given(REQUESTS, st.integers(1, 200), st.floats(0, 1))
def test_all_goes_alike_within_the_limits_that_are_said_to_be_alike(requests, limit, where):
    said, (least, above) = _gone_through(requests, limit * MIB)
    assert least <= limit * MIB < above
    other = least + int(where * (min(above, 1000 * MIB) - 1 - least))
    assert _gone_through(requests, other)[0] == said


@st.composite
def traffics(draw):
    """A step that makes and frees what it likes, in any order, and some parameters."""
    sizes = draw(st.lists(st.integers(1, 24 * MIB), min_size=1, max_size=12))
    storages = [Storage(size, "", "") for size in sizes]
    order = draw(st.permutations([*range(len(sizes))] * 2))
    seen, step = set(), []
    for number in order:
        step.append((storages[number], number not in seen))
        seen.add(number)
    standing = tuple(Storage(size, "", "") for size in draw(st.lists(st.integers(1, 4 * MIB), max_size=3)))
    return Traffic(standing, tuple(step), (Storage(MIB, "", ""),), (), draw(st.sampled_from([0, MIB])))


@given(traffics())
def test_a_step_runs_within_the_least_limit_and_not_within_less(traffic):
    least = traffic.least()
    assert least % (2 * MIB) == 0
    assert traffic.fits(least)
    assert not traffic.fits(least - 2 * MIB)
    assert traffic.least_allocated() <= traffic.most()[0] <= least <= traffic.most()[1]


@given(traffics(), st.integers(0, 100))
def test_what_is_at_least_allocated_is_what_a_sum_says(traffic, more):
    """No limit below it lets a step through: there the replay says the same."""
    live, most = 0, 0
    for storage, born in traffic.step:
        size = (storage.bytes + 511) // 512 * 512
        live += size if born else -size
        most = max(most, live)
    standing = sum((storage.bytes + 511) // 512 * 512 for storage in traffic.standing)
    assert traffic.least_allocated() == standing + MIB + traffic.workspace + most
    allocator = CachingAllocator(traffic.least_allocated() - 1 - more * 512)
    with pytest.raises(OutOfMemory):
        for _ in zip(range(2), traffic.steps(allocator), strict=False):
            pass


def test_the_least_limit_takes_few_replays(monkeypatch):
    """Bisecting the 107 segments between both bounds takes seven, behind one without a limit and one at the upper."""
    made = []
    begin = CachingAllocator.__init__
    monkeypatch.setattr(CachingAllocator, "__init__", lambda self, *limit: made.append(limit) or begin(self, *limit))
    ledger = memory(archscope.load("resnet18"), batch=32, optimizer="adam", device="cuda")
    needed, replays = ledger.needed, len(made)
    assert (ledger.cuda.reserved - ledger.cuda.allocated) // (2 * MIB) == 107
    assert needed < ledger.cuda.reserved
    assert replays < 9
