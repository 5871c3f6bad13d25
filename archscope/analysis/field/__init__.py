"""What units see: receptive fields in closed form, and exactly, borders included."""
