"""The account as a pandas frame; pandas is imported here and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archscope.analysis.metrics import FIELD_FIGURES, LAYER_FIGURES, METRICS
from archscope.errors import MissingLibrary

if TYPE_CHECKING:
    import pandas as pd

    from archscope.analysis.account import Account


def frame(account: Account) -> pd.DataFrame:
    """A row a layer, indexed by name: op, category, input shapes and every figure; shapes are tuples without the batch.

    Figures of receptive fields are tuples, a value an axis.

    Raises:
        MissingLibrary: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise MissingLibrary("a frame needs pandas: `pip install pandas`") from None
    rows = account.rows
    columns: dict[str, list[Any]] = {
        "kind": [row.kind for row in rows],
        "category": [row.category for row in rows],
        "input_shape": [tuple(tensor.shape[1:] for tensor in row.x) for row in rows],
    }
    columns |= {name: [getattr(row, name) for row in rows] for name in (*LAYER_FIGURES, *METRICS)}
    columns |= {name: [account.field_figure(row.name, name) for row in rows] for name in FIELD_FIGURES}
    columns |= {"kept_bytes": [account.memory.by_layer[row.name] for row in rows]}
    index = pd.Index([row.name for row in rows], name="name")
    result: pd.DataFrame = pd.DataFrame(columns, index=index)
    return result
