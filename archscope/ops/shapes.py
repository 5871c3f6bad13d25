"""The handful of shape formulas that many ops share."""

from __future__ import annotations

from archscope.arith import ceil_div, gcd, where
from archscope.ops.base import Check, Tensor


def span(kernel: int, dilation: int) -> int:
    """Extent of a dilated window: D x (K - 1) + 1."""
    return dilation * (kernel - 1) + 1


def conv_dim(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Positions of a window on a padded axis: floor((I + 2P - D(K - 1) - 1) / S) + 1 (torch.nn.Conv2d).

    Args:
        padding: on both sides.
    """
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def conv_transpose_dim(size: int, kernel: int, stride: int, padding: int, extra: int, dilation: int) -> int:
    """Inverse of :func:`conv_dim`: (I - 1)S - 2P + D(K - 1) + output_padding + 1 (torch.nn.ConvTranspose2d)."""
    return (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + extra + 1


def pool_dim(size: int, kernel: int, stride: int, padding: int, dilation: int, *, ceil_mode: bool) -> int:
    """Positions of a pooling window; in ``ceil_mode`` the last may hang over, starting inside (torch.nn.MaxPool2d)."""
    if not ceil_mode:
        return conv_dim(size, kernel, stride, padding, dilation)
    positions = ceil_div(size + 2 * padding - dilation * (kernel - 1) - 1, stride) + 1
    return where((positions - 1) * stride >= size + padding, positions - 1, positions)


def adaptive_total(size: int, out: int) -> int:
    """Elements that all windows of an adaptive pool hold on one axis: n + m - gcd(n, m) for n inputs and m outputs.

    Window i runs from floor(i n / m) to ceil((i + 1) n / m). Summed over i, the ends are n + sum of ceil(i n / m) over
    0 < i < m, and the starts the sum of floor(i n / m) over the same i. Ceiling and floor differ by 1, except where m
    divides i n, which holds for gcd(n, m) - 1 of those m - 1 numbers: n + (m - 1) - (gcd(n, m) - 1) in all.
    """
    return size + out - gcd(size, out)


def axis(dim: int, ndims: int) -> int:
    """The dimension that ``dim`` means among ``ndims``, a negative one counted from the end."""
    return dim + ndims if dim < 0 else dim


def in_range(dim: int, ndims: int, field: str) -> Check:
    """``dim`` names one of ``ndims`` dimensions (the batch is dimension 0)."""
    return Check(
        -ndims <= dim < ndims,
        "dimension {d} is not one of -{n} to {m}",
        field=field,
        hint="dimension 0 is the batch",
        d=dim,
        n=ndims,
        m=ndims - 1,
    )


def wanted_type(tensor: Tensor, dtype: str | None, what: str) -> Check:
    """A tensor has the type that an op takes in its place (``what``); ``None`` is floating."""
    kind, wanted = "floating" if tensor.floating else tensor.dtype, dtype or "floating"
    return Check(kind == wanted, "{what} must hold {w} values, not {g} ones", what=what, w=wanted, g=kind)


def window_fits(holds: bool, size: int, kernel: int, padding: int, dilation: int) -> Check:
    """A (dilated) window fits into a padded axis."""
    return Check(
        holds,
        "kernel {k} (dilation {d}) does not fit into a map of {i} with padding {p}",
        field="kernel_size",
        fit=True,
        k=kernel,
        d=dilation,
        i=size,
        p=padding,
    )
