"""A flat design as the spec that a person would write."""
