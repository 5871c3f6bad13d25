"""What a design cannot represent: as it is raised where it is found out, and as it is listed."""

from __future__ import annotations

from typing import NamedTuple


class Refusal(NamedTuple):
    """A part of a model that a design cannot represent.

    Attributes:
        place: the path of the module, or the node.
        what: the call that is meant: ``aten.fft_fftn``.
        needed: what would be needed: ``an op for the Fourier transform``.
    """

    place: str
    what: str
    needed: str


class Unsupported(Exception):
    """A call or a node that no op represents: what is wrong, and what would be needed."""

    def __init__(self, what: str, needed: str = "") -> None:
        super().__init__(what)
        self.what, self.needed = what, needed

    def at(self, place: str) -> Refusal:
        """It, as what cannot be represented of a place."""
        return Refusal(place, self.what, self.needed)
