"""The torch side: nothing else in archscope imports torch."""
