"""The account as a pandas frame; pandas is imported here and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archscope.errors import MissingLibrary
from archscope.report.text import plain
from archscope.table import COLUMNS, cell

if TYPE_CHECKING:
    import pandas as pd

    from archscope.analysis.account import Account


def frame(account: Account) -> pd.DataFrame:
    """A row a layer, indexed by name; the columns of :data:`archscope.table.COLUMNS`, shapes as ``96x55x55``.

    Raises:
        MissingLibrary: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise MissingLibrary("a frame needs pandas: `pip install pandas`") from None
    columns = {
        name: [plain(cell(account, row, column), column.style) for row in account.rows]
        for name, column in COLUMNS.items()
    }
    result: pd.DataFrame = pd.DataFrame(columns).set_index("name")
    return result
