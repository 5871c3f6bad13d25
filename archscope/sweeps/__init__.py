"""Sweeps: every design of a space accounted for, many in one pass."""
