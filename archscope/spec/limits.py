"""How much a spec may hold. Beyond it is a mistake or an attack, told in its place within a second.

Real designs stay far below: the largest that ship with archscope has some 900 layers, 10 variables and 60 figures.
"""

# -- the text --

#: bytes of a file, levels of nesting in it, values with aliases written out, files that include each other
LARGEST_FILE = 4 * 2**20
DEEPEST_NESTING = 100
MOST_VALUES = 150_000
MOST_FILES = 50

#: of variables, blocks, inputs, outputs, and of figures that are stated (expect, budget, accuracy)
MOST_DECLARED = 1_000

#: characters of a name, and of a full name with those of all blocks around it
LONGEST_NAME = 200
LONGEST_PATH = 1_000

# -- arithmetic --

#: characters of an expression, bits of a number, values of a list
LONGEST_EXPRESSION = 500
MOST_BITS = 256
LONGEST_LIST = 1_000

# -- the design --

#: layers, calls of blocks in each other, and steps that laying it out may take
MOST_LAYERS = 20_000
DEEPEST_CALLS = 50
MOST_WORK = 100_000

# -- its sweep --

#: values that all axes of the spec have together; a command line may give more
MOST_SWEPT = 10_000
