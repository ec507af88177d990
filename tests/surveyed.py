"""Models of more entries than are differentiated one by one, small enough to run in no time."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import tricheck
from tricheck import Report

Array = npt.NDArray[np.floating[Any]]
Params = dict[str, Any]
Index = tuple[int, ...]
_LARGE = 10_000  # entries of which nobody wants to read every number


@dataclass(frozen=True)
class Surveyed:
    """A loss of named arrays, its right gradient, and a point."""

    loss: Callable[[Any], Any]
    gradient: Callable[[Any], Any]
    params: Params

    def moved(self, offset: Callable[[], float]) -> Surveyed:
        """The same, something added to the loss at each call."""
        return replace(self, loss=lambda p: self.loss(p) + offset())

    def off_by(self, errors: Params) -> Callable[[Any], Params]:
        """The gradient with something added to some parameters."""

        def wrong(params: Any) -> Params:
            right = self.gradient(params)
            return {n: g + np.asarray(errors.get(n, 0.0), np.asarray(g).dtype)
                    for n, g in right.items()}  # fmt: skip

        return wrong

    def right(self, name: str) -> Array:
        """The right gradient of one parameter at the point."""
        return np.asarray(self.gradient(self.params)[name], dtype=np.float64)

    def largest(self, name: str) -> float:
        """Its largest entry."""
        return float(np.max(np.abs(self.right(name))))

    def error(self, name: str, entries: Collection[Index], sizes: Any) -> Params:
        """Errors of some entries, in units of the parameter's largest."""
        error = np.zeros(np.shape(self.params[name]))
        for entry, size in zip(entries, np.broadcast_to(sizes, len(entries)), strict=True):
            error[entry] = size
        return {name: self.largest(name) * error}


def checked(model: Surveyed, gradient: Any = None, **options: Any) -> Report:
    """A check whose report can be read in every form, and that changes nothing of the user's."""
    before = {name: np.copy(value) for name, value in model.params.items()}
    report = tricheck.check(model.loss, gradient or model.gradient, model.params, **options)
    for name, value in before.items():
        np.testing.assert_array_equal(model.params[name], value)
    if sum(np.size(value) for value in model.params.values()) < _LARGE:
        assert json.loads(report.to_json(indent=None))["verdict"] == report.verdict.value
    assert all(len(line) <= 80 for line in str(report).splitlines()), str(report)
    shapes = {name: np.shape(value) for name, value in model.params.items()}
    for finding in report.findings:
        for entry in finding.entries:
            assert np.zeros(shapes[str(finding.parameter)])[entry] == 0.0  # it exists
    for name, parameter in report.parameters.items():
        assert len(set(parameter.wrong)) == len(parameter.wrong)
        for entry in parameter.wrong:
            assert np.zeros(shapes[name])[entry] == 0.0
    return report


def wrong(report: Report) -> dict[str, set[Index]]:
    """The entries blamed, of the parameters that have some."""
    return {name: set(p.wrong) for name, p in report.parameters.items() if p.wrong}


def entries(rng: np.random.Generator, shape: tuple[int, ...], count: int) -> list[Index]:
    """Some different entries of an array."""
    offsets = rng.choice(int(np.prod(shape)), count, replace=False)
    return [tuple(int(i) for i in np.unravel_index(offset, shape)) for offset in offsets]


# --- models -------------------------------------------------------------------------------------


def network(seed: int, dtype: type = np.float64, kind: str = "tanh") -> Surveyed:
    """A layer of 70 units on 31 inputs: 2,170 + 70 + 210 + 3 entries."""
    rng = np.random.default_rng(seed)
    X: Array = rng.standard_normal((6, 31)).astype(dtype)
    Y: Array = rng.standard_normal((6, 3)).astype(dtype)
    params: Params = {
        "W1": rng.standard_normal((31, 70)) / 6,
        "b1": rng.standard_normal(70) / 4,
        "W2": rng.standard_normal((70, 3)) / 8,
        "b2": rng.standard_normal(3),
    }
    relu = kind == "relu"

    def forward(p: Any) -> tuple[Array, Array, Array]:
        z = X @ p["W1"] + p["b1"]
        a = np.maximum(z, 0) if relu else np.tanh(z)
        return z, a, a @ p["W2"] + p["b2"]

    def loss(p: Any) -> Any:
        return np.mean((forward(p)[2] - Y) ** 2)

    def gradient(p: Any) -> Params:
        z, a, out = forward(p)
        d2 = 2 * (out - Y) / Y.size
        d1 = d2 @ p["W2"].T * ((z > 0) if relu else 1 - a**2)
        return {"W1": X.T @ d1, "b1": d1.sum(0), "W2": a.T @ d2, "b2": d2.sum(0)}

    return Surveyed(loss, gradient, {name: value.astype(dtype) for name, value in params.items()})


def classifier(seed: int, size: int = 3000) -> Surveyed:
    """Logistic regression on many features and few samples, its bias a number."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((12, size)), rng.integers(0, 2, 12)
    params = {"w": rng.standard_normal(size) / np.sqrt(size), "b": float(rng.standard_normal())}

    def loss(p: Any) -> Any:
        z = X @ p["w"] + p["b"]
        return np.mean(np.logaddexp(0.0, z) - y * z)

    def gradient(p: Any) -> Params:
        d = (1 / (1 + np.exp(-(X @ p["w"] + p["b"]))) - y) / 12
        return {"w": X.T @ d, "b": float(d.sum())}

    return Surveyed(loss, gradient, params)


def embedding(seed: int, words: int = 500) -> Surveyed:
    """A gradient that is zero but for a few rows."""
    rng = np.random.default_rng(seed)
    text = rng.integers(0, words, 9)
    params = {"E": rng.standard_normal((words, 5)), "u": rng.standard_normal(5)}

    def loss(p: Any) -> Any:
        return np.sum(np.tanh(p["E"][text] @ p["u"]))

    def gradient(p: Any) -> Params:
        rows = p["E"][text]
        d = 1 - np.tanh(rows @ p["u"]) ** 2
        g = np.zeros_like(p["E"])
        np.add.at(g, text, np.outer(d, p["u"]))
        return {"E": g, "u": rows.T @ d}

    return Surveyed(loss, gradient, params)


def scales(seed: int, size: int = 2500) -> Surveyed:
    """Parameters of very different sizes, beside 0-d ones and arrays of one entry."""
    rng = np.random.default_rng(seed)
    c = rng.standard_normal(size)
    params: Params = {
        "tiny": rng.standard_normal(size) * 1e-6,
        "huge": rng.standard_normal(20) * 1e5,
        "scalar": np.array(rng.standard_normal()),
        "one": rng.standard_normal(1),
        "also": rng.standard_normal((1, 1)),
    }

    def loss(p: Any) -> Any:
        return (
            np.sum(c * np.sin(p["tiny"]))
            + np.sum(np.log1p((p["huge"] / 1e5) ** 2))
            + np.exp(p["scalar"]) * p["one"][0]
            + p["also"][0, 0] ** 3
        )

    def gradient(p: Any) -> Params:
        h = p["huge"] / 1e5
        return {
            "tiny": c * np.cos(p["tiny"]),
            "huge": 2 * h / (1 + h**2) / 1e5,
            "scalar": np.asarray(np.exp(p["scalar"]) * p["one"][0]),
            "one": np.exp(p["scalar"]) * np.ones(1),
            "also": 3 * p["also"] ** 2,
        }

    return Surveyed(loss, gradient, params)


def convolution(seed: int) -> Surveyed:
    """Kernels of four axes, through patches."""
    rng = np.random.default_rng(seed)
    patches, weights = rng.standard_normal((20, 45)), rng.standard_normal((20, 50))
    params = {"K": rng.standard_normal((50, 5, 3, 3)) / 7, "b": rng.standard_normal(50)}

    def loss(p: Any) -> Any:
        return np.sum(weights * np.tanh(patches @ p["K"].reshape(50, -1).T + p["b"]))

    def gradient(p: Any) -> Params:
        a = np.tanh(patches @ p["K"].reshape(50, -1).T + p["b"])
        d = weights * (1 - a**2)
        return {"K": (d.T @ patches).reshape(50, 5, 3, 3), "b": d.sum(0)}

    return Surveyed(loss, gradient, params)


def waves(seed: int, size: int = 2600) -> Surveyed:
    """One vector, each entry by itself: the cheapest there is."""
    rng = np.random.default_rng(seed)
    c, w = rng.standard_normal((2, size))
    return Surveyed(
        lambda p: np.sum(c * np.sin(p["w"])), lambda p: {"w": c * np.cos(p["w"])}, {"w": w}
    )


def bowl(seed: int, size: int) -> Surveyed:
    """A loss that even many entries cost next to nothing in."""
    rng = np.random.default_rng(seed)
    c, w = rng.standard_normal((2, size))
    return Surveyed(lambda p: c @ (p["w"] * p["w"]), lambda p: {"w": 2 * c * p["w"]}, {"w": w})


MODELS: dict[str, Callable[[int], Surveyed]] = {
    "network": network,
    "classifier": classifier,
    "embedding": embedding,
    "scales": scales,
    "convolution": convolution,
    "waves": waves,
}


class Pair(NamedTuple):
    """A named tuple of parameters."""

    first: Any
    second: Any


def nested(model: Surveyed) -> tuple[Surveyed, dict[str, str]]:
    """The same in a list in a named tuple in a dict, and what its parameters are called there."""
    head, *tail = model.params

    def pack(flat: Any) -> Any:
        return {"model": Pair(flat[head], [flat[name] for name in tail])}

    def unpack(params: Any) -> Params:
        first, second = params["model"]
        return {head: first, **dict(zip(tail, second, strict=True))}

    packed = replace(
        model,
        loss=lambda p: model.loss(unpack(p)),
        gradient=lambda p: pack(model.gradient(unpack(p))),
        params=pack(model.params),
    )
    names = {name: f"model.second[{i}]" for i, name in enumerate(tail)}
    return packed, {head: "model.first", **names}
