"""The HTML report of a design."""
