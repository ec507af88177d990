"""Reverse mode over a traced run: the loss's value and its gradient in every parameter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from autograd.core import VJPNode, add_outgrads
from autograd.tracer import new_box, toposort, trace_stack

from tricheck.calls import read_loss
from tricheck.errors import TraceError
from tricheck.location import user_line
from tricheck.parameters import FloatArray, Leaf, Parameters
from tricheck.tracing.traced import Traced


def value_and_gradient(
    loss: Callable[[Any], Any], parameters: Parameters, flat: FloatArray
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
    trace_stack.top += 1
    try:

        def start(leaf: Leaf) -> Traced:
            roots.append(VJPNode.new_root())
            block = flat[leaf.place].reshape(leaf.shape).copy()
            return Traced(new_box(block[()] if leaf.scalar else block, trace_stack.top, roots[-1]))

        end = loss(parameters.fill(start))
        grown = _backward(end) if isinstance(end, Traced) else {}
    except Exception as error:
        raise TraceError(_told(error)) from error
    finally:
        trace_stack.top -= 1
    value = read_loss(end.value if isinstance(end, Traced) else end)
    gradient = np.zeros(parameters.size, dtype=flat.dtype)
    for leaf, root in zip(parameters.leaves, roots, strict=True):
        if root in grown:
            gradient[leaf.place] = np.reshape(grown[root], -1)
    return value, gradient


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
    return roots


def _told(error: Exception) -> str:
    line = user_line(error)
    reason = str(error) if isinstance(error, TraceError) else f"{type(error).__name__}: {error}"
    return (
        f"{line + ': ' if line else ''}{reason}. Rewrite that line, or pass another reference "
        '(reference="sympy", or a function returning the gradient)'
    )
