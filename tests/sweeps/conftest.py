"""Ctrl-C works in these tests, and in the programs that they start, also in the background of a shell."""

import signal

import pytest


@pytest.fixture(autouse=True)
def _heard_interrupts():
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:  # which a shell leaves to what it starts with &, and that to its own children
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
