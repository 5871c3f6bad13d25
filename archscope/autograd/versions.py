"""What older versions of torch keep or cast otherwise: the versions since which they do as the present one.

Everything else is told of torch 2.13, and is not known to differ back to 1.10. (Before 2.0 ``zero_grad()`` filled
gradients with zeros and kept them: that is how a step is run, not how torch counts.)
"""

from __future__ import annotations

from typing import Final

from archscope.errors import UsageError

Version = tuple[int, int]

TORCH: Final[Version] = (2, 13)
OLDEST: Final[Version] = (1, 10)

#: softmax and log_softmax keep their output alone; before, their input, too (github.com/pytorch/pytorch/pull/65242)
SOFTMAX_KEEPS_OUTPUT: Final[Version] = (1, 11)
#: there is scaled_dot_product_attention, which torch.nn.MultiheadAttention calls
FUSED_ATTENTION: Final[Version] = (2, 0)
#: there is torch.compile
COMPILES: Final[Version] = (2, 0)
#: torch.optim updates all parameters on a CUDA device at once unasked
FOREACH: Final[Version] = (2, 0)
#: what fused attention gives on the CPU lies as its query; before, place by place, which MultiheadAttention copies
#: (github.com/pytorch/pytorch/pull/134656; seen in runs of 2.4.0 and 2.13.0)
ATTENTION_LIES_AS_ITS_QUERY: Final[Version] = (2, 5)
#: autocast on CUDA resamples in float32, nearest neighbours too (github.com/pytorch/pytorch/pull/121324)
RESAMPLING_IN_FLOAT32: Final[Version] = (2, 4)


def version(text: str) -> Version:
    """``2.0``, ``1.12.1`` or ``2.13.0+cpu`` as a version.

    Raises:
        UsageError: it is none, or older or newer than what is known.
    """
    if not isinstance(text, str):
        raise UsageError(f"a version of torch is a text, as in '2.0', not {text!r}")
    major, _, rest = text.partition(".")
    minor = rest.partition(".")[0].partition("+")[0]
    if not (major.isdecimal() and minor.isdecimal() and len(text) < 32):
        raise UsageError(f"`{text}` is no version of torch: 2.0, 1.12")
    number = int(major), int(minor)
    if number < OLDEST:
        raise UsageError(f"torch {text}: what versions before {spelled(OLDEST)} keep is not known")
    if number > TORCH:
        raise UsageError(f"torch {text}: what versions after {spelled(TORCH)} keep is not known")
    return number


def spelled(one: Version) -> str:
    """``2.13``."""
    return ".".join(map(str, one))
