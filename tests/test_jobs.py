"""Finite differences in other processes: the same report, and one clear error where that fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from threadpoolctl import threadpool_info

import tricheck
from tricheck import ModelError

Params = dict[str, Any]
RNG = np.random.default_rng(5)
HERE = os.getpid()


def network(
    inputs: int = 4,
    hidden: int = 5,
    dtype: type = np.float64,
    *,
    samples: int = 7,
    wrong: bool = False,
) -> tuple[Callable[[Params], Any], Callable[[Params], Params], Params]:
    """A small network, its gradient, and its parameters."""
    rng = np.random.default_rng(inputs)
    X: Any = rng.standard_normal((samples, inputs)).astype(dtype)
    y: Any = rng.standard_normal(samples).astype(dtype)
    params = {
        "W": (rng.standard_normal((inputs, hidden)) / np.sqrt(inputs)).astype(dtype),
        "v": rng.standard_normal(hidden).astype(dtype),
    }

    def loss(p: Params) -> Any:
        return np.mean((np.tanh(X @ p["W"]) @ p["v"] - y) ** 2)

    def gradient(p: Params) -> Params:
        a = np.tanh(X @ p["W"])
        d = 2 * (a @ p["v"] - y) / y.size
        dW = X.T @ (np.outer(d, p["v"]) * (1 - a**2))
        if wrong:
            dW[1, 2] *= 1.01
        return {"W": dW, "v": a.T @ d}

    return loss, gradient, params


def relu(p: Any) -> Any:
    return np.sum(np.maximum(p, 0.0) * np.arange(1.0, p.size + 1.0))


def relu_gradient(p: Any) -> Any:
    return (p > 0.0) * np.arange(1.0, p.size + 1.0)


MODELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "correct": (network(), {}),
    "one wrong entry": (network(wrong=True), {}),
    "no reference": (network(wrong=True), {"reference": None}),
    "float32": (network(dtype=np.float32), {}),
    "fixed step": (network(), {"step": 1e-6}),
    "random directions": (network(60, 40, wrong=True), {}),
    "BLAS on several threads": (network(300, 100, samples=64), {}),
    "at a kink": ((relu, relu_gradient, np.array([0.0, 1.0, -2.0, 3e-7, 0.5])), {}),
    "longdouble": (network(2, 2), {"reference": "longdouble"}),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_report_does_not_depend_on_their_number(name: str) -> None:
    model, options = MODELS[name]
    reports = [tricheck.check(*model, **options, jobs=jobs).to_json() for jobs in (1, 2, 3, -1)]
    assert len(set(reports)) == 1


def test_what_only_one_process_knows_is_no_part_of_the_model() -> None:
    """A function that is defined anywhere goes along, with what it closes over."""
    scale = 3.0

    def loss(x: Any) -> Any:
        return scale * np.sum(x**2)

    assert tricheck.check(loss, lambda x: 6.0 * x, np.ones(5), jobs=2).verdict == "agree"


def test_each_works_on_one_core(tmp_path: Path) -> None:
    def loss(x: Any) -> Any:
        if os.getpid() != HERE:
            threads = max((pool["num_threads"] for pool in threadpool_info()), default=1)
            (tmp_path / f"{os.getpid()}-{threads}").touch()
        return np.sum(np.ones((3, 3)) @ x**2)

    tricheck.check(loss, lambda x: 6.0 * x, np.ones((3, 4)), reference=None, jobs=2)
    seen = [path.name for path in tmp_path.iterdir()]
    assert seen
    assert all(name.endswith("-1") for name in seen)


# --- what goes wrong ----------------------------------------------------------------------------


def gradient(x: Any) -> Any:
    return 2.0 * x


def dies(x: Any) -> Any:
    if os.getpid() != HERE:
        os._exit(3)
    return np.sum(x**2)


def raises(x: Any) -> Any:
    if os.getpid() != HERE:
        raise FileNotFoundError("weights.npz")
    return np.sum(x**2)


def differs(x: Any) -> Any:
    return np.sum(x**2) + (os.getpid() != HERE)


LOCK = threading.Lock()


def locked() -> Callable[[Any], Any]:
    held = threading.Lock()

    def loss(x: Any) -> Any:
        with held:
            return np.sum(x**2)

    return loss


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (dies, ["jobs=2", "a worker process died", "jobs=1"]),
        (raises, ["jobs=2", "FileNotFoundError: weights.npz", "test_jobs.py", "jobs=1"]),
        (differs, ["jobs=2", "in a worker process the loss is 6", "here 5", "args", "jobs=1"]),
        (locked(), ["jobs=2", "cannot be sent", "lock", "inside the loss", "jobs=1"]),
    ],
    ids=["dies", "raises", "differs", "unpicklable"],
)
def test_failures_are_one_clear_message(loss: Callable[[Any], Any], words: list[str]) -> None:
    # `HERE` must be that of this process, and not of where the function is run.
    loss.__globals__["HERE"] = os.getpid()
    shipped = _by_value(loss)
    point = np.ones(5)
    with pytest.raises(ModelError) as caught:
        tricheck.check(shipped, gradient, point, reference=None, jobs=2)
    assert [word for word in words if word not in str(caught.value)] == []
    assert tricheck.check(lambda x: np.sum(x**2), gradient, point, jobs=2).ok  # they work again


def _by_value(function: Any) -> Any:
    """The same function as if it were written in a script, whose globals go along."""
    import types

    own = types.FunctionType(
        function.__code__,
        {"np": np, "os": os, "HERE": os.getpid(), "__name__": "__main__"},
        function.__name__,
        None,
        function.__closure__,
    )
    own.__module__ = "__main__"
    return own


@pytest.mark.parametrize("jobs", [0, 1.5, "2", True, None])
def test_jobs_is_a_number_of_processes(jobs: Any) -> None:
    with pytest.raises(ModelError, match=r"jobs is .*, expected how many processes"):
        tricheck.check(np.sum, np.ones_like, np.ones(3), jobs=jobs)


@pytest.mark.parametrize("missing", ["joblib", "cloudpickle", "threadpoolctl"])
def test_what_is_not_installed_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ModelError, match=rf"jobs needs joblib.*{missing}.*tricheck\[parallel\]"):
        tricheck.check(np.sum, np.ones_like, np.ones(3), jobs=2)


def test_a_model_file_and_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("def square(x):\n    return x * x\n")
    (tmp_path / "model.py").write_text(
        "import numpy as np, tricheck\n"
        "from helper import square\n"
        "def loss(x):\n    return np.sum(square(x))\n"
        "def gradient(x):\n    return 2 * x\n"
        "model = tricheck.Model(loss, gradient, np.arange(1.0, 9.0))\n"
    )
    command = [sys.executable, "-c", "from tricheck.cli import main; main()", "check"]
    command += [str(tmp_path / "model.py"), "--jobs", "2", "--json", "-"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["models"][0]["verdict"] == "agree"


# --- joblib's own choices -----------------------------------------------------------------------


def test_threads_have_a_model_each() -> None:
    class Kept:
        def __init__(self) -> None:
            self.x = np.array([0.5, -1.0, 2.0, 1.5])

        def loss(self) -> Any:
            self.squares = self.x**2
            time.sleep(0.001)  # another thread would now write there
            return np.sum(self.squares)

    model = tricheck.Model.from_object(
        Kept(), ["x"], lambda kept: kept.loss(), lambda kept: (2 * kept.x,)
    )
    alone = tricheck.check(model, reference=None).to_json()
    with joblib.parallel_config(backend="threading"):
        assert tricheck.check(model, reference=None, jobs=4).to_json() == alone


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed", reason="the dask extra is not installed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as local,
        distributed.Client(local) as client,
    ):
        yield client


@pytest.mark.filterwarnings("default")  # its own, of shutting down
def test_on_a_dask_cluster(cluster: Any) -> None:
    model, options = MODELS["one wrong entry"]
    alone = tricheck.check(*model, **options).to_json()
    with joblib.parallel_config(backend="dask"):
        assert tricheck.check(*model, **options, jobs=2).to_json() == alone


@pytest.mark.filterwarnings("default")
def test_on_a_dask_cluster_that_loses_a_worker(cluster: Any) -> None:
    loss, backprop, params = network(6, 8, wrong=True)
    here = os.getpid()

    def slow(p: Params) -> Any:
        if os.getpid() != here:
            time.sleep(0.02)
        return loss(p)

    alone = tricheck.check(slow, backprop, params, reference=backprop).to_json()
    pids = cluster.run(os.getpid)
    threading.Timer(1.0, os.kill, (next(iter(pids.values())), 9)).start()
    with joblib.parallel_config(backend="dask"):
        assert tricheck.check(slow, backprop, params, reference=backprop, jobs=2).to_json() == alone
    assert set(cluster.run(os.getpid).values()) != set(pids.values())
