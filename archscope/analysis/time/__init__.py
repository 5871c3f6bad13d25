"""What a step computes and moves, how long that takes at least, and about how long."""
