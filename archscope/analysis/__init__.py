"""Analyses: pure functions of the layer graph, each with a frozen result."""

from archscope.analysis.counts.account import Account, Row, analyze
from archscope.analysis.explain import Explanation, Explanations, explain

__all__ = ["Account", "Explanation", "Explanations", "Row", "analyze", "explain"]
