"""What layers cost, as figures that add, and the account of a whole design."""
