"""The facts as plain containers and as strict JSON, and back."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import namedtuple
from collections.abc import Mapping
from enum import Enum
from importlib import resources
from typing import Any

import numpy as np

from tricheck.containers import walk
from tricheck.errors import ModelError
from tricheck.report.facts import PairReport, ParameterReport, Report, Stage, Worst
from tricheck.vocabulary import BlindSpot, Cause, Finding, Severity, Source, Verdict

VERSION = 1
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def schema() -> dict[str, Any]:
    """The JSON Schema, draft 2020-12, of a report, and of a run as ``--json`` writes it.

    Examples
    --------
    >>> schema()["title"]
    'tricheck report, or run'
    """
    text = (resources.files("tricheck.report") / "schema.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def to_dict(report: Report) -> dict[str, Any]:
    """The facts as dicts, lists, strings and numbers; gradients and bounds by parameter."""
    names = [f.name for f in dataclasses.fields(report) if not f.name.startswith("_")]
    fields = {name: _plain(getattr(report, name)) for name in names}
    arrays = {
        kind: {str(source): _by_name(given) for source, given in getattr(report, kind).items()}
        for kind in ("gradients", "bounds")
    }
    structure = _structure(next(iter(report.gradients.values())))
    return {
        "schema_version": VERSION,
        **fields,
        **arrays,
        "structure": structure,
        "ok": report.ok,
    }


def to_json(report: Report, indent: int | None = 2) -> str:
    """Strict JSON: NaN and infinities as the strings "NaN", "Infinity", "-Infinity"."""
    return json.dumps(_strict(to_dict(report)), indent=indent, allow_nan=False, ensure_ascii=False)


def from_json(text: str | bytes) -> Report:
    """The report that `to_json` has written.

    Raises
    ------
    ModelError
        When the text is no such report, or one of another version.
    """
    try:
        facts = json.loads(text)
    except (TypeError, ValueError) as error:
        raise ModelError(f"from_json got no JSON ({error}): pass what to_json returned") from error
    if isinstance(facts, dict) and "models" in facts:
        raise ModelError(
            "from_json got the reports of a run, expected one: each entry of its 'models' is one, "
            "as in Report.from_json(json.dumps(run['models'][0]))"
        )
    version = facts.get("schema_version") if isinstance(facts, dict) else None
    if version != VERSION:
        raise ModelError(
            f"from_json got JSON of schema_version {version!r}, expected {VERSION}: pass what "
            "to_json of this version returned"
        )
    try:
        return _report(facts)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"from_json got a report that does not follow the schema ({error!r}): "
            "tricheck.report.json.schema() has it"
        ) from error


# --- out ----------------------------------------------------------------------------------------


def _by_name(structure: Any) -> dict[str, Any]:
    return {name: _plain(value) for name, value in walk(structure, "")}


def _structure(gradient: Any) -> Any:
    """The containers, with the parameters' names in place of the arrays."""
    names = iter(name for name, _ in walk(gradient, ""))

    def described(node: Any) -> Any:
        if isinstance(node, Mapping):
            return {"dict": [[_key(key), described(value)] for key, value in node.items()]}
        if isinstance(node, tuple) and hasattr(node, "_fields"):
            return {"tuple": [described(value) for value in node], "fields": list(node._fields)}
        if isinstance(node, list | tuple):
            kind = "list" if isinstance(node, list) else "tuple"
            return {kind: [described(value) for value in node]}
        return next(names)

    return described(gradient)


def _key(key: Any) -> Any:
    """A key as JSON has it; what it has not is a string."""
    if isinstance(key, np.integer | np.floating | np.bool_):
        key = key.item()
    return key if type(key) in (int, float, bool) or key is None else str(key)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return str(value)  # NumPy has strings of its own
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


# --- back ---------------------------------------------------------------------------------------


def _report(facts: dict[str, Any]) -> Report:
    facts = {
        name: value for name, value in facts.items() if name not in ("schema_version", "ok", "file")
    }
    structure = facts.pop("structure")
    facts["verdict"] = Verdict(facts["verdict"])
    facts["parameters"] = {name: _parameter(p) for name, p in facts["parameters"].items()}
    facts["findings"] = [_finding(finding) for finding in facts["findings"]]
    facts["blind_spots"] = [_blind_spot(spot) for spot in facts["blind_spots"]]
    facts["stages"] = [Stage(**stage) for stage in facts["stages"]]
    for kind in ("gradients", "bounds"):
        facts[kind] = {
            source: _rebuilt(structure, blocks) for source, blocks in facts[kind].items()
        }
    return Report(**{**facts, "loss": _number(facts["loss"])})


def _rebuilt(structure: Any, blocks: dict[str, Any]) -> Any:
    match structure:
        case {"dict": pairs}:
            return {key: _rebuilt(node, blocks) for key, node in pairs}
        case {"list": nodes}:
            return [_rebuilt(node, blocks) for node in nodes]
        case {"tuple": nodes, "fields": fields}:
            return namedtuple("Params", fields, rename=True)(
                *(_rebuilt(node, blocks) for node in nodes)
            )
        case {"tuple": nodes}:
            return tuple(_rebuilt(node, blocks) for node in nodes)
    return np.array(_numbers(blocks[structure]), dtype=np.float64)[()]


def _parameter(facts: dict[str, Any]) -> ParameterReport:
    worst = facts["worst"]
    return ParameterReport(
        facts["name"],
        tuple(facts["shape"]),
        Verdict(facts["verdict"]),
        [tuple(entry) for entry in facts["wrong"]],
        {name: _pair(pair) for name, pair in facts["pairs"].items()},
        _number(facts["sensitivity"]),
        _number(facts["block_sensitivity"]),
        _number(facts["shared_sensitivity"]),
        Worst(
            tuple(worst["entry"]),
            {Source(source): _number(value) for source, value in worst["values"].items()},
            {Source(source): _number(bound) for source, bound in worst["bounds"].items()},
        ),
    )


def _pair(facts: dict[str, Any]) -> PairReport:
    numbers = {name: _number(facts[name]) for name in ("difference", "bound", "relative_error")}
    sources = {name: Source(facts[name]) for name in ("first", "second")}
    return PairReport(**{**facts, **numbers, **sources, "entry": tuple(facts["entry"])})


def _finding(facts: dict[str, Any]) -> Finding:
    source = facts["source"]
    return Finding(
        **{
            **facts,
            "cause": Cause(facts["cause"]),
            "source": None if source is None else Source(source),
            "entries": [tuple(entry) for entry in facts["entries"]],
            "severity": Severity(facts["severity"]),
            "evidence": {name: _number(value) for name, value in facts["evidence"].items()},
        }
    )


def _blind_spot(facts: dict[str, Any]) -> BlindSpot:
    return BlindSpot(**{**facts, "hides": [Cause(cause) for cause in facts["hides"]]})


def _number(value: Any) -> Any:
    """What `to_json` has written for a number; anything else as it is."""
    return _NOT_FINITE.get(value, value) if isinstance(value, str) else value


def _numbers(value: Any) -> Any:
    return [_numbers(child) for child in value] if isinstance(value, list) else _number(value)
