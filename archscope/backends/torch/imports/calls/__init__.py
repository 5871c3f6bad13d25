"""How the functions of torch are represented, a family a file."""

from archscope.backends.torch.imports.calls import functions, shapes, weights

#: the files whose handlers have entered themselves
LOADED = (functions, shapes, weights)
