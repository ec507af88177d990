"""The facts as plain containers and as strict JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np

from tricheck.report.facts import Report


def to_dict(report: Report) -> dict[str, Any]:
    """The facts as dicts, lists, strings and numbers; a bare array of gradients is a list."""
    names = [f.name for f in dataclasses.fields(report) if not f.name.startswith("_")]
    fields = {name: _plain(getattr(report, name)) for name in names}
    return {**fields, "ok": report.ok}


def to_json(report: Report, indent: int | None = 2) -> str:
    """Strict JSON: NaN and infinities as the strings "NaN", "Infinity", "-Infinity"."""
    return json.dumps(_strict(to_dict(report)), indent=indent, allow_nan=False, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(child) for child in value]
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value, dtype=np.float64).tolist()
    return value


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _strict(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_strict(child) for child in value]
    if isinstance(value, float) and not math.isfinite(value):
        if math.isnan(value):
            return "NaN"
        return "Infinity" if value > 0 else "-Infinity"
    return value
