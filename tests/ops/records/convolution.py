"""Test records of the convolutions."""

from hypothesis import strategies as st

from tests.ops.records.base import ErrorCase, cases, default_or, maps, per_axis, record

_CHANNELS = st.sampled_from([1, 2, 3, 4, 6, 8, 12])
_GROUPS = default_or(st.sampled_from([1, 1, 2, 3]))

for _rank in (1, 2, 3):
    record(
        f"Conv{_rank}d",
        cases(
            f"Conv{_rank}d",
            {
                "out_channels": _CHANNELS,
                "kernel_size": per_axis(_rank, 1, 4),
                "stride": default_or(per_axis(_rank, 1, 3)),
                "padding": default_or(per_axis(_rank, 0, 3) | st.sampled_from(["same", "valid"])),
                "dilation": default_or(per_axis(_rank, 1, 2)),
                "groups": _GROUPS,
                "bias": default_or(st.booleans()),
                "padding_mode": default_or(st.sampled_from(["zeros", "reflect", "replicate", "circular"])),
            },
            maps(_rank, sizes=st.integers(2, 12)),
        ),
        ErrorCase(
            {"out_channels": 8, "kernel_size": 3, "groups": 2},
            ((1, 3, *(8,) * _rank),),
            "in_channels (3) must be divisible by groups (2)",
        ),
        ErrorCase(
            {"out_channels": 9, "kernel_size": 3, "groups": 2},
            ((1, 4, *(8,) * _rank),),
            "out_channels (9) must be divisible by groups (2)",
        ),
        ErrorCase(
            {"out_channels": 8, "kernel_size": 7},
            ((1, 3, *(4,) * _rank),),
            "kernel 7 (dilation 1) does not fit into a map of 4",
        ),
        ErrorCase(
            {"out_channels": 8, "kernel_size": 3, "stride": 2, "padding": "same"},
            ((1, 3, *(8,) * _rank),),
            "padding 'same' needs stride 1, not 2",
        ),
        ErrorCase(
            {"out_channels": 8, "kernel_size": 3, "padding": 4, "padding_mode": "reflect"},
            ((1, 3, *(4,) * _rank),),
            "reflect padding 4",
        ),
    )
    record(
        f"ConvTranspose{_rank}d",
        cases(
            f"ConvTranspose{_rank}d",
            {
                "out_channels": _CHANNELS,
                "kernel_size": per_axis(_rank, 1, 4),
                "stride": default_or(per_axis(_rank, 1, 3)),
                "padding": default_or(per_axis(_rank, 0, 2)),
                "output_padding": default_or(per_axis(_rank, 0, 1)),
                "groups": _GROUPS,
                "bias": default_or(st.booleans()),
                "dilation": default_or(per_axis(_rank, 1, 2)),
            },
            maps(_rank),
        ),
        ErrorCase(
            {"out_channels": 8, "kernel_size": 3, "groups": 2},
            ((1, 3, *(8,) * _rank),),
            "in_channels (3) must be divisible by groups (2)",
        ),
        ErrorCase(
            {"out_channels": 9, "kernel_size": 3, "groups": 2},
            ((1, 4, *(8,) * _rank),),
            "out_channels (9) must be divisible by groups (2)",
        ),
        ErrorCase(
            {"out_channels": 8, "kernel_size": 3, "output_padding": 2},
            ((1, 3, *(8,) * _rank),),
            "output_padding (2) must be smaller",
        ),
        ErrorCase(
            {"out_channels": 8, "kernel_size": 3, "padding": 3}, ((1, 3, *(3,) * _rank),), "leaves -1 of a map of 3"
        ),
    )
