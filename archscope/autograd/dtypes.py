"""Types of elements, and what they weigh."""

#: bytes of an element
ITEM_BYTES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "float8": 1,
    "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1, "bool": 1,
}  # fmt: skip

FLOATING = ("float64", "float32", "float16", "bfloat16", "float8")


def wider(first: str, second: str) -> str:
    """The type that two floating types are promoted to."""
    return first if first == second else "float32"
