"""The structure of a flat design: its nested parts, which are alike, what differs in these, and arithmetic over that.

The spec writer and the source exporter say the same findings in two languages: as blocks and repeats, as classes and
loops.
"""
