"""How a design is run: the numbers that it is held in, the devices and the optimizers that there are."""
