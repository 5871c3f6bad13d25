"""The reports of results, a file each: what is told of one, whatever the format."""
