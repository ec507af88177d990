"""The model: a scalar loss of named parameter arrays, and the hand-written gradient of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tricheck.errors import ModelError
from tricheck.outside import named_values

if TYPE_CHECKING:
    from tricheck.calls import Calls
    from tricheck.facts import Evidence
    from tricheck.vocabulary import Finding

Function = Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Model:
    """A scalar loss of named parameter arrays, and the hand-written gradient of it.

    Nothing is computed here; `tricheck.check` does. A model at module level is found by
    ``tricheck check FILE``. `loss`, `gradient`, `params` and `args` are what
    ``scipy.optimize.minimize`` calls `fun`, `jac`, `x0` and `args`.

    Parameters
    ----------
    loss : callable
        ``loss(params, *args, **kwargs)`` returns a number (an array of one entry will do).
    gradient : callable or True
        ``gradient(params, *args, **kwargs)`` returns the gradient in the structure of `params`.
        True means that `loss` returns ``(loss, gradient)``, as in
        ``scipy.optimize.minimize(jac=True)``. Intermediate gradients may come beside it, as
        ``(gradient, {"dz2": dz2, "delta1": delta1})``: see the notes.
    params : ndarray, or dict, list or tuple of them (nested too)
        The point. Floating-point arrays, Python floats or NumPy scalars; never changed. A plain
        list or tuple of numbers is an array, as SciPy takes it. A lone number is handed over as a
        number (SciPy: an array of one entry).
    args : tuple, or a lone argument
        Further arguments of both functions.
    kwargs : mapping
        Further keyword arguments of both functions.
    name : str, optional
        What reports call the model; the loss's own name unless given.

    Raises
    ------
    ModelError
        When `loss` or `gradient` cannot be called, or `kwargs` is not a mapping.

    Notes
    -----
    Intermediate gradients are compared with the right ones, and where backprop is wrong, a note
    says which is the last right and which the first wrong. An array, or one for each turn of a
    loop in a list, belongs to the variable of the loss that its name says: ``dz1``, ``dL_dz1``,
    ``delta_z1``, ``grad_z1`` or ``z1_grad`` to ``z1``; ``delta1`` to the input of the first
    layer's activation. Under other names only what is right is recognised, by its value. Of two
    parameters in a list or tuple the second of which is a dict, such a pair is the gradient itself.

    Examples
    --------
    >>> import numpy as np
    >>> from tricheck import Model, check
    >>> def loss(w, X, y):
    ...     return 0.5 * np.sum((X @ w - y) ** 2)
    >>> def gradient(w, X, y):
    ...     return X.T @ (X @ w - y)
    >>> X = np.array([[1.0, 2.0], [1.0, -1.0], [1.0, 0.5]])
    >>> model = Model(loss, gradient, np.array([0.3, -0.2]), args=(X, np.array([1.0, 0.0, 2.0])))
    >>> check(model).verdict
    <Verdict.AGREE: 'agree'>
    """

    loss: Function
    gradient: Function | Literal[True]
    params: Any
    args: Any = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None

    def __post_init__(self) -> None:
        if not callable(self.loss):
            raise ModelError(
                f"loss is a {type(self.loss).__name__}, expected a function loss(params, *args)"
            )
        if self.gradient is not True and not callable(self.gradient):
            raise ModelError(
                f"gradient is a {type(self.gradient).__name__}, expected a function "
                "gradient(params, *args), or True when loss returns (loss, gradient)"
            )
        if not isinstance(self.args, tuple):
            # As scipy.optimize does; a list is one argument too.
            object.__setattr__(self, "args", (self.args,))
        if type(self.params) in (list, tuple) and _numbers(self.params):
            object.__setattr__(self, "params", np.array(self.params, dtype=np.float64))
        if not isinstance(self.kwargs, Mapping):
            raise ModelError(
                f"kwargs is a {type(self.kwargs).__name__}, expected a mapping of keyword arguments"
            )

    @property
    def title(self) -> str:
        """The name that reports show."""
        return self.name or str(getattr(self.loss, "__name__", type(self.loss).__name__))

    # --- adapters: other habits than loss(params), gradient(params) ---

    @staticmethod
    def from_layer(
        forward: Function,
        backward: Function,
        inputs: Mapping[str, Any],
        args: Any = (),
        *,
        name: str | None = None,
        seed: int = 0,
    ) -> Model:
        """A layer: ``forward(x, w, b)`` and ``backward(dout, cache)``, the habit of many courses.

        The loss is ``np.sum(dout * out)`` for a random upstream gradient `dout`, of both signs and
        nowhere small: with ones, many a wrong backward passes. That `backward` is linear in `dout`
        is checked too.

        Parameters
        ----------
        forward : callable
            ``forward(*inputs.values(), *args)`` returns ``out`` or ``(out, cache)``. ``out`` is
            an array, or a tuple or list of arrays; `dout` then is a tuple. Outputs of integers
            or booleans are left out of the loss, and get a `dout` of zeros.
        backward : callable
            ``backward(dout, cache)``, or ``backward(dout, *inputs.values(), *args)`` if `forward`
            returns no cache. Returns a tuple of gradients in the order of the inputs, or a dict
            by input name; for a single input the gradient itself will do. None is a gradient of
            zeros: it says that the output does not depend on this input. Arrays that it leaves in
            a `cache` that is a dict are taken for intermediate gradients (see `Model`), and so is
            a dict returned beside the gradients.
        inputs : dict of str to ndarray
            In the order in which `forward` takes them. Those of floats are the parameters; those
            of integers or booleans (labels, indices, masks) are passed on as they are, and a
            tuple of gradients may leave them out.
        args : tuple, or a lone argument
            What follows the inputs: stride, padding, a dict of options.
        name : str, optional
            What reports call the model; the name of `forward` unless given.
        seed : int
            Seed of the upstream gradient.

        Returns
        -------
        Model
            Its parameters are the inputs of floats, by name.

        Raises
        ------
        ModelError
            When an argument is not what is said above; in the check, when the answers are not.

        Notes
        -----
        A tuple of two is ``(out, cache)`` if `backward` can be called with two arguments, else two
        outputs. So a layer of two outputs and a single input, without a cache, has to return
        ``((first, second), None)``.

        Examples
        --------
        >>> import numpy as np
        >>> from tricheck import Model, check
        >>> def affine(x, w, b):
        ...     return x @ w + b, (x, w)
        >>> def affine_backward(dout, cache):
        ...     x, w = cache
        ...     return dout @ w.T, x.T @ dout, dout.mean(axis=0)  # should be the sum
        >>> rng = np.random.default_rng(0)
        >>> x, w, b = rng.normal(size=(5, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)
        >>> report = check(Model.from_layer(affine, affine_backward, {"x": x, "w": w, "b": b}))
        >>> [(f.parameter, f.cause.value, f.evidence["matches"]) for f in report.findings]
        [('b', 'bias-reduction', '1/5')]
        """
        from tricheck.adapters.layer import from_layer

        return from_layer(forward, backward, inputs, args, name, seed)

    @staticmethod
    def from_object(
        obj: Any,
        parameters: Sequence[str],
        loss: Function,
        gradient: Function,
        *,
        args: Any = (),
        name: str | None = None,
    ) -> Model:
        """An object that holds its parameters as attributes.

        The object is as it was after the check. A check works on a deep copy of the object as it
        is then. Where no copy can be made (it holds a lock, an open file), the object itself is
        used, and in the end its parameters are set back, and with them the attributes, lists,
        dicts and arrays that can be reached from it, even if a function raises or the check is
        interrupted. What cannot be set back then: state in compiled objects, ``__slots__``, files
        and modules.

        Parameters
        ----------
        obj : object
        parameters : sequence of str
            Attributes that hold arrays or floats, like ``"W1"``, ``"layer1.W"``,
            ``"layers[0].W"`` or ``"params['W1']"``. An array that is reached in two ways is
            named once.
        loss : callable
            ``loss(obj, *args)`` returns a number. It must use the object that it is given, which
            is not the one outside.
        gradient : callable
            ``gradient(obj, *args)`` returns a dict by attribute name (``"W1"`` will do for
            ``"params['W1']"`` where only one ends so), or a sequence in the order of
            `parameters`; for a single parameter the gradient itself will do. Attributes that it
            leaves, like ``self.delta2``, are taken for intermediate gradients (see `Model`), and
            so is a dict returned beside the gradient.
        args : tuple, or a lone argument
            Further arguments of both functions.
        name : str, optional
            What reports call the model; the name of the object's type unless given.

        Returns
        -------
        Model

        Raises
        ------
        ModelError
            When there is no such attribute, or it holds no parameter; in the check, when the
            answers are not as said above, or the loss does not depend on the object.

        Examples
        --------
        >>> import numpy as np
        >>> from tricheck import Model, check
        >>> class Line:
        ...     def __init__(self):
        ...         self.slope, self.offset = np.array([0.5, -1.0]), 0.25
        ...     def loss(self, X, y):
        ...         self.error = X @ self.slope + self.offset - y
        ...         return np.sum(self.error**2)
        ...     def gradient(self, X, y):
        ...         self.loss(X, y)
        ...         return 2 * X.T @ self.error, 2 * np.sum(self.error)
        >>> X, y = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 1.0]]), np.array([1.0, 0.0, 2.0])
        >>> model = Model.from_object(
        ...     Line(), ["slope", "offset"], Line.loss, Line.gradient, args=(X, y)
        ... )
        >>> check(model).verdict
        <Verdict.AGREE: 'agree'>
        """
        from tricheck.adapters.object import from_object

        return from_object(obj, parameters, loss, gradient, args, name)

    # --- what adapters override ---

    @contextmanager
    def at_work(self) -> Iterator[Model]:
        """The model to call during one check; nothing that its functions keep outlives it."""
        yield self

    def backward(self, params: Any, /, *args: Any, **kwargs: Any) -> Any:
        """The gradient, or a pair of it and the intermediate gradients that are shown."""
        assert self.gradient is not True
        return self.gradient(params, *args, **kwargs)

    def surroundings(self) -> dict[str, Any]:
        """What the user's functions compute with beside the parameters, by the names there."""
        functions = [f for f in (self.loss, self.gradient) if callable(f)]
        return {**self.kwargs, **named_values(functions, 1, self.args)}

    def probe(self, _calls: Calls, _evidence: Evidence, /) -> list[Finding]:
        """What else shows at the point; an error of backprop's convicts the parameter it names."""
        return []


def _numbers(container: Sequence[Any]) -> bool:
    kinds = int | float | np.integer | np.floating
    return bool(container) and all(
        isinstance(number, kinds) and not isinstance(number, bool) for number in container
    )
