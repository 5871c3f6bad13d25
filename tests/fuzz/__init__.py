"""Hostile input by the thousand: whatever is written, it is an answer or a list of mistakes, within a second.

``python -m tests.fuzz --count 100000 --jobs 1`` runs long by hand, prints a table of what came out, and for every kind
of failure the smallest input that shows it; ``tests/fuzz/test_fuzz.py`` runs some hundreds on every day.
"""
