"""torch's autograd with bytes in place of numbers: what a training step allocates, keeps and frees."""
