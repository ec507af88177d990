"""The report as data: strict JSON after a schema, back again, and as a table."""

from __future__ import annotations

import json
from collections import namedtuple
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest

import tricheck
from tests.test_report import GOOD, WRONG
from tricheck.report import Report
from tricheck.report.json import schema
from tricheck.targets import find

EXAMPLES = Path(__file__).parent.parent / "examples"
VALIDATOR = jsonschema.Draft202012Validator(schema())
Pair = namedtuple("Pair", ["W", "b"])


def refused(_: str) -> Any:
    raise AssertionError("NaN or infinity as a number, which strict parsers refuse")


def same(text: str) -> str:
    """The text of the report that was read from this one."""
    return Report.from_json(text).to_json()


def checked(params: Any, factor: float = 2.0) -> Report:
    """Of the sum of squares, in any containers."""

    def arrays(p: Any) -> list[Any]:
        if isinstance(p, dict):
            p = list(p.values())
        return [a for q in p for a in arrays(q)] if isinstance(p, list | tuple) else [p]

    def double(p: Any) -> Any:
        if isinstance(p, dict):
            return {key: double(value) for key, value in p.items()}
        if isinstance(p, Pair):
            return Pair(*map(double, p))
        return type(p)(map(double, p)) if isinstance(p, list | tuple) else factor * p

    return tricheck.check(lambda p: sum(np.sum(a**2) for a in arrays(p)), double, params)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


def test_every_fact_of_the_report_is_in_the_schema() -> None:
    described = schema()["$defs"]["report"]
    assert described["properties"].keys() - {"file"} == WRONG.to_dict().keys()
    assert set(described["required"]) == WRONG.to_dict().keys()


@pytest.mark.parametrize("report", [WRONG, GOOD], ids=["wrong", "good"])
def test_a_built_report_follows_the_schema_and_comes_back(report: Report) -> None:
    text = report.to_json()
    VALIDATOR.validate(json.loads(text, parse_constant=refused))
    assert same(text) == text
    assert str(Report.from_json(text)) == str(report)


@pytest.mark.parametrize(
    "name", ["two_layer_mse_half", "batch_normalization", "max_pooling", "lstm_bias"]
)
def test_a_measured_report_follows_the_schema_and_comes_back(name: str) -> None:
    [target] = find(str(EXAMPLES / "broken" / f"{name}.py"))
    report = tricheck.check(target.model, displace=1)
    text = report.to_json(indent=None)
    VALIDATOR.validate(json.loads(text, parse_constant=refused))
    back = Report.from_json(text)
    assert back.to_json(indent=None) == text
    assert str(back) == str(report)
    assert back.findings == report.findings
    for source, gradient in report.gradients.items():
        for parameter, block in gradient.items():
            np.testing.assert_array_equal(back.gradients[source][parameter], block)
    with pytest.raises(tricheck.ModelError, match="without its model"):
        back.formula("W", 0)


@pytest.mark.parametrize(
    "params",
    [
        np.ones((2, 3)),
        {"w": np.ones(2), "c": 2.0},
        [np.ones(2), (np.ones(1), {"a": np.array(3.0)})],
        {0: np.ones(2), 1: [Pair(np.ones((2, 2)), np.zeros(2))]},
    ],
    ids=["array", "number", "nested", "named"],
)
def test_containers_come_back(params: Any) -> None:
    report = checked(params)
    back = Report.from_json(report.to_json()).gradients["backprop"]

    def compare(first: Any, second: Any) -> None:
        if isinstance(first, dict):
            assert list(first) == list(second)
            first, second = list(first.values()), list(second.values())
        if isinstance(first, list | tuple):
            assert getattr(first, "_fields", ()) == getattr(second, "_fields", ())
            assert isinstance(second, list) == isinstance(first, list)
            for one, other in zip(first, second, strict=True):
                compare(one, other)
        else:
            assert np.shape(first) == np.shape(second)
            np.testing.assert_array_equal(first, second)

    compare(report.gradients["backprop"], back)
    VALIDATOR.validate(json.loads(report.to_json()))


def test_what_is_not_finite_comes_back() -> None:
    report = tricheck.check(
        lambda w: np.sum(w**2), lambda w: np.array([np.nan, np.inf, -np.inf]), np.ones(3)
    )
    text = report.to_json()
    back = Report.from_json(json.dumps(json.loads(text, parse_constant=refused)))
    np.testing.assert_array_equal(back.gradients["backprop"], [np.nan, np.inf, -np.inf])
    assert back.to_json() == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no JSON"),
        ("[]", "schema_version None, expected 1"),
        ('{"schema_version": 99}', "schema_version 99, expected 1"),
        ('{"schema_version": 1}', "does not follow the schema"),
        ('{"models": []}', "each entry of its 'models'"),
    ],
)
def test_what_is_no_report_is_refused(text: str, said: str) -> None:
    with pytest.raises(tricheck.ModelError, match=said):
        Report.from_json(text)


def test_a_report_of_a_run_is_a_report() -> None:
    facts = {"file": "model.py", **json.loads(GOOD.to_json())}
    VALIDATOR.validate(facts)
    assert Report.from_json(json.dumps(facts)).to_json() == GOOD.to_json()


def test_a_table_has_a_row_for_each_entry() -> None:
    report = checked({"W": np.arange(6.0).reshape(2, 3), "c": 2.0}, factor=3.0)
    table = pd.DataFrame(report.to_records())
    assert table["entry"].tolist() == [f"W[{i}, {j}]" for i in range(2) for j in range(3)] + ["c"]
    assert table["wrong"].tolist() == [False, *[True] * 6]  # W[0, 0] is 0, and so its gradient
    np.testing.assert_array_equal(table["backprop"], [0.0, 3.0, 6.0, 9.0, 12.0, 15.0, 6.0])
    np.testing.assert_allclose(table["reference"], [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 4.0])
    assert set(table["verdict"]) == {"backprop"}
    assert (table["finite_difference_bound"] >= 0.0).all()


def test_reports_are_equal_if_their_facts_are() -> None:
    report = checked({"w": np.ones(2)})
    assert report == checked({"w": np.ones(2)})
    assert report == Report.from_json(report.to_json())
    assert report != checked({"w": np.ones(3)})
    assert report != "report"


def test_strings_of_numpy_are_names_too() -> None:
    names = np.array(["a", "b"])
    params = {name: np.ones(2) for name in names}
    report = tricheck.check(
        lambda p: sum(np.sum(p[n] ** 2) for n in names),
        lambda p: {n: 2 * p[n] for n in names},
        params,
        name=np.str_("named"),
    )
    assert list(Report.from_json(report.to_json()).gradients["backprop"]) == ["a", "b"]
    assert report.to_html()


@pytest.mark.parametrize("key", [np.int64(3), 1.5, True, None])
def test_keys_come_back_as_they_were(key: Any) -> None:
    report = tricheck.check(lambda p: np.sum(p[key] ** 2), lambda p: {key: 2 * p[key]},
                            {key: np.ones(2)})  # fmt: skip
    [back] = Report.from_json(report.to_json()).gradients["backprop"]
    assert back == key
    VALIDATOR.validate(json.loads(report.to_json()))
