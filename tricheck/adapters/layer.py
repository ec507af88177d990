"""A layer as a model: ``forward(x, w, b)`` and ``backward(dout, cache)``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from tricheck.adapters.answers import by_name
from tricheck.adapters.linearity import WEIGHTS, departures
from tricheck.adapters.state import changed_arrays, named_arrays
from tricheck.adapters.upstream import is_integer, upstream
from tricheck.calls import Calls, private_copy
from tricheck.contract import refuse_bad_seed
from tricheck.errors import ModelError
from tricheck.facts import Evidence
from tricheck.location import user_line
from tricheck.model import Function, Model
from tricheck.outside import named_values
from tricheck.parameters import FloatArray, split
from tricheck.vocabulary import Cause, Finding, Severity


def from_layer(
    forward: Function,
    backward: Function,
    inputs: Mapping[str, Any],
    args: Any,
    name: str | None,
    seed: int,
) -> Model:
    """See `Model.from_layer`."""
    for role, function in (("forward", forward), ("backward", backward)):
        if not callable(function):
            raise ModelError(f"{role} is a {type(function).__name__}, expected a function")
    _refuse_bad_inputs(inputs)
    refuse_bad_seed(seed)
    params = {key: value for key, value in inputs.items() if not is_integer(value)}
    fixed = {key: value for key, value in inputs.items() if is_integer(value)}
    if not params:
        raise ModelError(
            f"inputs holds no floats ({', '.join(inputs) or 'it is empty'}), and no gradient "
            "exists in anything else: pass at least one array of floats, like x.astype(float)"
        )
    layer = Layer(forward, backward, tuple(inputs), tuple(params), _takes(backward, 2), int(seed))
    return LayerModel(layer.loss, layer.gradient, params, args, fixed, name, layer=layer)


class Run(NamedTuple):
    """A forward pass: its outputs as a list, and what backward takes beside `dout`."""

    outputs: list[Any]
    several: bool
    saved: tuple[Any, ...]

    @property
    def cache(self) -> Mapping[str, Any]:
        """What backward may leave arrays in; empty where the cache is no dict."""
        return next((saved for saved in self.saved if isinstance(saved, Mapping)), {})


@dataclass(frozen=True)
class Layer:
    """A forward and a backward pass, and the upstream gradient between them.

    Attributes
    ----------
    forward, backward : callable
    names, floating : tuple of str
        The inputs; those that are parameters.
    caches : bool
        Whether backward can be called as ``backward(dout, cache)``.
    seed : int
    weights : tuple of two floats
        The upstream gradient, as a sum of two random ones; the loss is that of the first.
    """

    forward: Function
    backward: Function
    names: tuple[str, ...]
    floating: tuple[str, ...]
    caches: bool
    seed: int
    weights: tuple[float, float] = (1.0, 0.0)

    def loss(self, params: Mapping[str, Any], /, *args: Any, **fixed: Any) -> Any:
        """The sum of all outputs, each times its upstream gradient."""
        run = self.run(params, *args, **fixed)
        douts = upstream(run.outputs, self.weights, self.seed)
        # The outputs may be traced: nothing is done to them but arithmetic.
        terms = (np.sum(out * dout) for out, dout in zip(run.outputs, douts, strict=True))
        return sum(terms) if run.several else next(terms)

    def gradient(self, params: Mapping[str, Any], /, *args: Any, **fixed: Any) -> dict[str, Any]:
        """The gradients by input name, from a backward pass with a fresh forward pass's cache."""
        return self.both(params, *args, **fixed)[0]

    def both(
        self, params: Mapping[str, Any], /, *args: Any, **fixed: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The same, and the arrays that come beside them or are left in the cache."""
        run = self.run(params, *args, **fixed)
        if not _takes(self.backward, 1 + len(run.saved)):
            raise ModelError(_cannot_be_called(self, len(args)))
        douts = upstream(run.outputs, self.weights, self.seed)
        before = private_copy(named_arrays(run.cache))
        answer, beside = split(self.backward(tuple(douts) if run.several else douts[0], *run.saved))
        left = changed_arrays(run.cache, before)
        grown = by_name(answer, self._answered(answer), "backward", "inputs")
        # None claims that the output does not depend on the input, which is checked as a zero.
        gradients = {
            name: np.zeros_like(params[name]) if block is None else block
            for name, block in grown.items()
            if name in self.floating or name not in self.names
        }
        return gradients, {**left, **beside}

    def run(self, params: Mapping[str, Any], /, *args: Any, **fixed: Any) -> Run:
        """A forward pass.

        Raises
        ------
        ModelError
            When an output is no array, or none is of floats.
        """
        taken = (*(params[n] if n in params else fixed[n] for n in self.names), *args)
        out, saved = self.forward(*taken), taken
        if type(out) is tuple and len(out) == 2 and self.caches:
            out, saved = out[0], (out[1],)
        several = isinstance(out, tuple | list)
        outputs = list(out) if several else [out]
        _refuse_bad_outputs(outputs, several)
        return Run(outputs, several, saved)

    def _answered(self, answer: Any) -> tuple[str, ...]:
        """What a sequence of gradients stands for; it may leave out the inputs of integers."""
        count = len(answer) if isinstance(answer, tuple | list) else 1
        return self.floating if count == len(self.floating) else self.names


@dataclass(frozen=True, eq=False)
class LayerModel(Model):
    """A model made of a layer."""

    layer: Layer = field(kw_only=True)

    @property
    def title(self) -> str:
        """The name that reports show."""
        forward = self.layer.forward
        return self.name or str(getattr(forward, "__name__", type(forward).__name__))

    def backward(self, params: Any, /, *args: Any, **kwargs: Any) -> Any:
        """The gradients, and beside them the arrays that are left in the cache."""
        return self.layer.both(params, *args, **kwargs)

    def surroundings(self) -> dict[str, Any]:
        """What forward and backward compute with beside the inputs of floats."""
        functions = [self.layer.forward, self.layer.backward]
        return {**self.kwargs, **named_values(functions, len(self.layer.names), self.args)}

    def probe(self, calls: Calls, evidence: Evidence, /) -> list[Finding]:
        """Whether `backward` is linear in its upstream gradient; what the loss leaves out."""
        whole, second = (self._gradient(calls, weights) for weights in (WEIGHTS, (0.0, 1.0)))
        return [*departures(evidence, whole, second), *self._skipped(calls)]

    def _gradient(self, calls: Calls, weights: tuple[float, float]) -> FloatArray:
        """Backprop at the point for another upstream gradient, shape (size,)."""
        calls.counts["gradient"] += 1
        args, fixed = calls.arguments()
        try:
            answer = replace(self.layer, weights=weights).gradient(_point(calls), *args, **fixed)
        except Exception as error:
            line = user_line(error)
            raise ModelError(
                f"backward took one upstream gradient, but raised {type(error).__name__} at "
                f"another: {error}" + (f" (at {line})" if line else "")
            ) from error
        return calls.parameters.read_gradient(answer, "backward")[0]

    def _skipped(self, calls: Calls) -> Iterator[Finding]:
        calls.counts["loss"] += 1
        args, fixed = calls.arguments()
        for number, output in enumerate(self.layer.run(_point(calls), *args, **fixed).outputs):
            if is_integer(output):
                dtype = str(np.asarray(output).dtype)
                yield Finding(
                    Cause.SKIPPED_OUTPUT,
                    f"Output {number} of the forward pass has dtype {dtype}, which has no "
                    "gradient: the loss leaves it out, and its upstream gradient is 0.",
                    severity=Severity.NOTE,
                    evidence={"output": float(number), "dtype": dtype},
                )


def _point(calls: Calls) -> Any:
    """The parameters at the point, in fresh arrays of their own dtypes."""
    return calls.parameters.build(calls.parameters.values.copy(), native=True)


def _takes(function: Function, count: int) -> bool:
    """Whether a function can be called with so many positional arguments; yes if it hides that."""
    try:
        inspect.signature(function).bind(*[None] * count)
    except ValueError:  # compiled functions may have no signature to show
        return True
    except TypeError:
        return False
    return True


def _cannot_be_called(layer: Layer, arguments: int) -> str:
    taken = ", ".join(["dout", *layer.names, *(f"args[{i}]" for i in range(arguments))])
    signature = inspect.signature(layer.backward)
    return (
        f"forward returned no cache, so backward is called as backward({taken}), but it takes "
        f"{signature}: return (out, cache) from forward for backward(dout, cache), or let backward "
        "take the inputs and args"
    )


def _refuse_bad_inputs(inputs: Any) -> None:
    if not isinstance(inputs, Mapping):
        raise ModelError(
            f"inputs is a {type(inputs).__name__}, expected a dict of arrays by name, in the order "
            'in which forward takes them, like {"x": x, "w": w, "b": b}'
        )
    for name, value in inputs.items():
        if not isinstance(name, str):
            raise ModelError(f"inputs has the key {name!r}, expected names: write {str(name)!r}")
        if not isinstance(value, np.ndarray | np.generic | float | int):
            raise ModelError(
                f"input {name!r} is a {type(value).__name__}, expected an ndarray: pass "
                f"np.array({name}), or what is no array through args"
            )


def _refuse_bad_outputs(outputs: list[Any], several: bool) -> None:
    for number, output in enumerate(outputs):
        if output is None or isinstance(output, str | Mapping | tuple | list):
            which = f"output {number} of forward" if several else "the output of forward"
            hint = (
                "return several outputs and a cache as ((first, second), cache), for a "
                "backward(dout, cache) of two arguments"
                if several
                else "return the array"
            )
            raise ModelError(f"{which} is a {type(output).__name__}, expected an array: {hint}")
    if all(map(is_integer, outputs)):
        raise ModelError(
            "forward returned no floats, and no gradient exists in anything else: return an array "
            "of floats"
        )
