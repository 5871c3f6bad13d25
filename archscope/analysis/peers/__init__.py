"""How other tools count: a model of each, read from its source, and what makes the difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archscope.analysis.peers import fvcore, keras, ptflops, ptflops_aten, thop, torch_counter, torchinfo
from archscope.analysis.peers.base import TERMS, Bridge, Measured, Peer, Term
from archscope.design import Design, hold_designs
from archscope.setting import Setting
from archscope.shown import Shown

#: every peer by its name
PEERS: dict[str, Peer] = {
    module.PEER.name: module.PEER for module in (fvcore, torch_counter, torchinfo, ptflops, ptflops_aten, thop, keras)
}


@dataclass(frozen=True)
class Reading:
    """What a peer reports of a design, as modelled.

    Attributes:
        work: from archscope's MACs to the peer's count; ``None`` where the peer has none.
        params: from archscope's parameters to the peer's.
    """

    peer: Peer
    work: Bridge | None
    params: Bridge


@dataclass(frozen=True)
class Reconciliation(Shown, report="reconciliation"):
    """What all peers report of a design, as modelled.

    Attributes:
        setting: how it is run.
        macs, params: archscope's.
        readings: by the name of the peer.
    """

    design: Design
    setting: Setting
    macs: int
    params: int
    readings: dict[str, Reading]


def reconcile(design: Design, setting: Setting | None = None, **changes: Any) -> Reconciliation:
    """What fvcore, torch's counter, torchinfo, ptflops, thop and Keras report of a design, and why.

    Each peer's figure is a bridge: archscope's, and terms that add up to the peer's. Where an op's rule is not modelled
    the bridge says so, and has no total.

    Args:
        setting: how it is run (:class:`~archscope.setting.Setting`); its batch and its precision
            matter.
        changes: fields of a setting that differ from it: ``batch=32``.

    Raises:
        SpecError: types do not go together in the precision.
        UsageError: an impossible setting, or nothing is known of a run in it.
    """
    hold_designs(design)
    setting = Setting.of(setting, **changes)
    setting.numbers.runs("what peers count")
    steps = design.steps(setting.batch, setting.types)
    readings = {
        name: Reading(peer, peer.work(design, steps) if peer.work else None, peer.params(design, steps))
        for name, peer in PEERS.items()
    }
    own = readings["torch"]
    assert own.work is not None
    return Reconciliation(design, setting, own.work.start, own.params.start, readings)


__all__ = ["PEERS", "TERMS", "Bridge", "Measured", "Peer", "Reading", "Reconciliation", "Term", "reconcile"]
