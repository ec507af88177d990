"""The facts as a table, a row for each entry of each parameter."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from tricheck.containers import walk
from tricheck.report.facts import Report
from tricheck.report.words import entry_name


def to_records(report: Report) -> npt.NDArray[Any]:
    """A structured array; as described at `Report.to_records`."""
    parameters = report.parameters.values()
    sizes = [math.prod(p.shape) for p in parameters]
    columns = {
        "parameter": np.repeat([p.name for p in parameters], sizes),
        "entry": np.array([entry_name(p.name, i) for p in parameters for i in np.ndindex(p.shape)]),
        "verdict": np.repeat([p.verdict.value for p in parameters], sizes),
        "wrong": np.zeros(sum(sizes), dtype=bool),
    }
    start = 0
    for parameter, size in zip(parameters, sizes, strict=True):
        block = columns["wrong"][start : start + size].reshape(parameter.shape)
        for index in parameter.wrong:
            block[index] = True
        start += size
    for source, structure in report.gradients.items():
        name = str(source).replace("-", "_")
        columns[name] = _flat(structure)
        columns[f"{name}_bound"] = _flat(report.bounds[source])
    records = np.empty(sum(sizes), dtype=[(name, c.dtype) for name, c in columns.items()])
    for name, column in columns.items():
        records[name] = column
    return records


def _flat(structure: Any) -> npt.NDArray[np.float64]:
    return np.concatenate([np.ravel(np.asarray(v, np.float64)) for _, v in walk(structure, "")])
