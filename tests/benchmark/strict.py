"""Results as JSON has them."""

from __future__ import annotations

import math
from typing import Any


def strict(tree: Any) -> Any:
    """The same with null for infinity and NaN, which JSON does not have.

    Examples
    --------
    >>> strict({"bounds": [1.0, math.inf]})
    {'bounds': [1.0, None]}
    """
    if isinstance(tree, dict):
        return {key: strict(child) for key, child in tree.items()}
    if isinstance(tree, list):
        return [strict(child) for child in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree
