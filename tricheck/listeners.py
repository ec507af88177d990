"""Who wants to know what `tricheck.assert_gradients` finds, such as the pytest plugin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tricheck.report import Report

listeners: list[Callable[[Report], None]] = []
