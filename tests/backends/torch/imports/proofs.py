"""What tests ask of proofs."""

from __future__ import annotations


def unproved(found):
    """The figures that differ from the original's, or could not be measured; outputs need a model that can run."""
    return [one for one in found.proof if not one.ok or (one.measured is None and not one.what.startswith("outputs"))]
