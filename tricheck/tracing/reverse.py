"""Reverse mode over a traced run: the loss's value and its gradient in every parameter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from autograd.core import VJPNode, add_outgrads
from autograd.tracer import new_box, notrace_primitives, toposort, trace_stack

from tricheck.calls import read_loss
from tricheck.errors import TraceError
from tricheck.location import user_line
from tricheck.parameters import FloatArray, Leaf, Parameters
from tricheck.tracing.traced import Traced, tracing


def value_and_gradient(
    loss: Callable[[Any], Any],
    parameters: Parameters,
    flat: FloatArray,
    jitter: np.random.Generator | None = None,
) -> tuple[np.floating[Any], FloatArray]:
    """Run the loss on traced arrays at a point, then go back through what it did.

    Parameters
    ----------
    loss : callable
        Takes the user's containers, returns the loss.
    parameters : Parameters
        Their layout.
    flat : ndarray, shape (size,)
        The point.
    jitter : numpy.random.Generator, optional
        Round every intermediate result at random.

    Returns
    -------
    value : numpy scalar
    gradient : ndarray, shape (size,)

    Raises
    ------
    TraceError
        When an operation cannot be traced; names file, line and operation.
    """
    roots: list[Any] = []

    def start(leaf: Leaf) -> Traced:
        block = flat[leaf.place].reshape(leaf.shape).copy()
        value = block[()] if leaf.scalar else block
        roots.append(ShapedNode.new_root(np.shape(value)))
        return Traced(new_box(value, trace_stack.top, roots[-1]))

    trace_stack.top += 1
    try:
        with tracing(jitter):
            end = loss(parameters.fill(start))
            grown = _backward(end) if isinstance(end, Traced) else {}
            value = read_loss(end.value if isinstance(end, Traced) else end)
    except Exception as error:
        raise TraceError(_told(error)) from error
    finally:
        trace_stack.top -= 1
    gradient = np.zeros(parameters.size, dtype=flat.dtype)
    for leaf, root in zip(parameters.leaves, roots, strict=True):
        if root in grown:
            gradient[leaf.place] = np.reshape(grown[root], -1)
    return value, gradient


class ShapedNode(VJPNode):  # type: ignore[misc]  # autograd ships no types
    """A step of the trace that knows the shape of its value, to hold its gradient to it."""

    __slots__ = ("shape",)

    def __init__(self, value: Any, *args: Any) -> None:
        super().__init__(value, *args)
        self.shape = np.shape(value)

    def initialize_root(self, shape: tuple[int, ...]) -> None:
        super().initialize_root()
        self.shape = shape


# Functions without a slope are the same for this node as for its parent.
notrace_primitives[ShapedNode] = notrace_primitives[VJPNode]


def _backward(end: Traced) -> dict[Any, Any]:
    """Gradients of the roots that the loss depends on."""
    seed = np.ones(end.shape, dtype=end.dtype)
    pending: dict[Any, Any] = {end.box._node: (seed if end.ndim else seed[()], False)}
    roots = {}
    for node in toposort(end.box._node):
        gradient = pending.pop(node)
        if not node.parents:
            roots[node] = gradient[0]
            continue
        for parent, part in zip(node.parents, node.vjp(gradient[0]), strict=True):
            pending[parent] = add_outgrads(pending.get(parent), part)
            came = np.shape(pending[parent][0])
            if hasattr(parent, "shape") and came != parent.shape:
                raise TraceError(
                    f"a derivative rule of autograd gave shape {came} for an array of shape "
                    f"{parent.shape}"
                )
    return roots


def _told(error: Exception) -> str:
    line = user_line(error)
    reason = str(error) if isinstance(error, TraceError) else f"{type(error).__name__}: {error}"
    return (
        f"{line + ': ' if line else ''}{reason}. Rewrite that line, or pass another reference "
        '(reference="sympy", or a function returning the gradient)'
    )
