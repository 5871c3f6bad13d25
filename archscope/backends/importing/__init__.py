"""What imports have in common, from whichever library: the words for what is read, and a design on its way."""
