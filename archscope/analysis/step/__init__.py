"""A step on a tape: what it holds at every moment, what a device's allocator holds, what fits."""
