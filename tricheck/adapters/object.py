"""An object that holds its parameters as attributes, as a model."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tricheck.adapters.answers import by_name
from tricheck.adapters.paths import Path
from tricheck.adapters.state import Place, changed_arrays, kept, named_arrays, places
from tricheck.calls import Calls, private_copy, same_arrays
from tricheck.errors import ModelError
from tricheck.facts import Evidence
from tricheck.model import Function, Model
from tricheck.outside import named_values
from tricheck.parameters import split
from tricheck.vocabulary import Finding

_ELSEWHERE = 2  # random points at which a loss that uses the object has other values


def from_object(
    obj: Any,
    parameters: Sequence[str],
    loss: Function,
    gradient: Function,
    args: Any,
    name: str | None,
) -> Model:
    """See `Model.from_object`."""
    for role, function in (("loss", loss), ("gradient", gradient)):
        if not callable(function):
            raise ModelError(
                f"{role} is a {type(function).__name__}, expected a function {role}(obj, *args)"
            )
        if getattr(function, "__self__", None) is obj:
            raise ModelError(
                f"{role} is the bound method {function.__name__} of the object itself, expected a "
                f"function {role}(obj, *args), for it is called with copies too: pass "
                f"{type(obj).__name__}.{function.__name__}"
            )
    subject = Subject(obj, _paths(parameters), loss, gradient)
    return ObjectModel(
        subject.loss, subject.gradient, subject.values(), args, {}, name, subject=subject
    )


@dataclass(frozen=True)
class Subject:
    """An object, the places of its parameters, and the functions of it.

    Its own `loss` and `gradient` leave the object alone; those of what `at_work` hands out need
    not make a copy at every call.
    """

    obj: Any
    paths: tuple[Path, ...]
    loss_of: Function
    gradient_of: Function

    def values(self) -> dict[str, Any]:
        """The parameters as the object has them now."""
        values = {path.text: path.read(self.obj) for path in self.paths}
        for name, value in values.items():
            if isinstance(value, Mapping | list | tuple):
                keys = list(value) if isinstance(value, Mapping) else list(range(len(value)))
                within = ", ".join(f"{name}[{key!r}]" for key in keys[:3])
                raise ModelError(
                    f"parameter {name!r} is a {type(value).__name__}, expected an array or a "
                    f"float: name what it holds{f', like {within}' if within else ''}"
                )
        return values

    @contextmanager
    def at_work(self) -> Iterator[Working]:
        """The functions over a copy of the object, or over itself, which is then set back."""
        obj = _copied(self.obj)
        with ExitStack() as stack:
            if obj is self.obj:
                stack.enter_context(self._values_kept())
                stack.enter_context(kept(obj))
            subject = replace(self, obj=obj)
            arrays = {n: v for n, v in subject.values().items() if isinstance(v, np.ndarray)}
            yield Working(subject, places(obj, arrays))

    @contextmanager
    def _values_kept(self) -> Iterator[None]:
        """For parameters behind a property or in slots, where `kept` does not reach."""
        values = self.values()
        try:
            yield
        finally:
            for path in self.paths:
                if path.read(self.obj) is not values[path.text]:
                    path.write(self.obj, values[path.text])

    def loss(self, params: dict[str, Any], /, *args: Any) -> Any:
        """The loss with these parameters."""
        with self.at_work() as working:
            return working.loss(private_copy(params), *args)

    def gradient(self, params: dict[str, Any], /, *args: Any) -> dict[str, Any]:
        """The hand-written gradient with these parameters, by name."""
        with self.at_work() as working:
            return working.gradient(private_copy(params), *args)


@dataclass(frozen=True)
class Working:
    """A subject whose object may be changed.

    Attributes
    ----------
    subject : Subject
    places : mapping of str to list
        Every place that holds a parameter's very array: a layer, say, beside the network's dict.
    """

    subject: Subject
    places: Mapping[str, list[Place]]

    def loss(self, params: dict[str, Any], /, *args: Any) -> Any:
        """The loss with these parameters."""
        return self._call(self.subject.loss_of, params, args)

    def gradient(self, params: dict[str, Any], /, *args: Any) -> dict[str, Any]:
        """The hand-written gradient with these parameters, by name."""
        return self.both(params, *args)[0]

    def both(self, params: dict[str, Any], /, *args: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The same, and the arrays that come beside it or are left on the object."""
        left: dict[str, Any] = {}

        def gradient_of(obj: Any, *args: Any) -> Any:
            before = private_copy(named_arrays(obj))
            answer = self.subject.gradient_of(obj, *args)
            left.update(changed_arrays(obj, before))
            return answer

        answer, beside = split(self._call(gradient_of, params, args))
        names = [path.text for path in self.subject.paths]
        if not isinstance(answer, Mapping):
            answer = by_name(answer, names, "gradient", "parameters")
        gradients = {_full_name(key, self.subject.paths): answer[key] for key in answer}
        return gradients, {**left, **beside}

    def _call(self, function: Function, params: dict[str, Any], args: Any) -> Any:
        obj, paths = self.subject.obj, self.subject.paths
        for path in paths:
            path.write(obj, params[path.text])
            for holder, step in self.places.get(path.text, ()):
                step.write(holder, params[path.text])
        answer = function(obj, *args)
        for path in paths:
            # A function that moves the object's parameters is seen to move those handed over.
            now = path.read(obj)
            if not same_arrays(params[path.text], now):
                params[path.text] = now
        return answer


@dataclass(frozen=True, eq=False)
class ObjectModel(Model):
    """A model made of an object; at work, of one that may be changed."""

    subject: Subject = field(kw_only=True)
    working: Working | None = field(default=None, kw_only=True)

    @property
    def title(self) -> str:
        """The name that reports show."""
        return self.name or type(self.subject.obj).__name__

    @contextmanager
    def at_work(self) -> Iterator[Model]:
        """The model over a copy of the object as it is now."""
        with self.subject.at_work() as working:
            subject = working.subject
            yield replace(
                self,
                loss=working.loss,
                gradient=working.gradient,
                params=subject.values(),
                subject=subject,
                working=working,
            )

    def backward(self, params: Any, /, *args: Any, **kwargs: Any) -> Any:
        """The gradient, and beside it the arrays that it leaves on the object."""
        if self.working is None:
            return super().backward(params, *args, **kwargs)
        return self.working.both(params, *args, **kwargs)

    def surroundings(self) -> dict[str, Any]:
        """What loss and gradient compute with, the object's own values included."""
        subject = self.subject
        named = named_values([subject.loss_of, subject.gradient_of], 1, self.args)
        return {**named, "self": subject.obj}

    def probe(self, calls: Calls, evidence: Evidence, /) -> list[Finding]:
        """Nothing to add, unless the loss has nothing to do with the object.

        Raises
        ------
        ModelError
            When it is the same whatever the parameters are.
        """
        claimed = np.any(evidence.backprop.values != 0.0)
        slopes = evidence.difference.values
        seen = np.any(slopes[np.isfinite(slopes)])  # of many parameters few or none are measured
        if claimed and not seen and _is_constant(calls, evidence):
            raise ModelError(
                f"the loss stays {evidence.point.loss:.10g} whatever "
                f"{', '.join(leaf.name for leaf in evidence.parameters.leaves)} hold: let "
                "loss(obj) use the object that it is given, a copy, and no other; where the object "
                "computes with views of these arrays, name the views as parameters"
            )
        return []


def _is_constant(calls: Calls, evidence: Evidence) -> bool:
    rng = np.random.default_rng(0)
    point = calls.parameters.values
    for _ in range(_ELSEWHERE):
        try:
            loss = calls.loss(point + (1.0 + np.abs(point)) * rng.standard_normal(point.size))
        except Exception:  # outside its domain a loss depends on where it is
            return False
        if loss != evidence.point.loss:
            return False
    return True


def _copied(obj: Any) -> Any:
    """A deep copy, or the object itself where none can be made."""
    try:
        return copy.deepcopy(obj)
    except Exception:  # whatever an object's own copying may raise
        return obj


def _full_name(key: Any, paths: tuple[Path, ...]) -> Any:
    """The path that a key of a gradient means: its own, or the only one that ends so."""
    ending = [path.text for path in paths if path.last == key]
    exact = any(path.text == key for path in paths)
    return ending[0] if len(ending) == 1 and not exact else key


def _paths(parameters: Any) -> tuple[Path, ...]:
    if isinstance(parameters, str) or not isinstance(parameters, Sequence):
        raise ModelError(
            f"parameters is a {type(parameters).__name__}, expected a list of attribute names, "
            "like ['W1', 'b1']"
        )
    if not parameters:
        raise ModelError("parameters is empty: name the attributes the gradient is taken in")
    for name in parameters:
        if not isinstance(name, str):
            raise ModelError(
                f"parameters holds a {type(name).__name__}, expected the names of attributes, "
                "like 'W1'"
            )
        if list(parameters).count(name) > 1:
            raise ModelError(f"parameters names {name!r} twice: name every parameter once")
    return tuple(Path.parse(name) for name in parameters)
