"""Where designs become real: one package a framework."""
