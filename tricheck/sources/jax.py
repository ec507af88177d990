"""The reference by jax, for losses written in `jax.numpy`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tricheck.calls import Calls, read_loss
from tricheck.errors import TraceError
from tricheck.location import defined_at
from tricheck.parameters import FloatArray
from tricheck.sources.noise import Noise
from tricheck.sources.reference import ReferenceEstimate
from tricheck.sources.rewrite import Rewrite, own_loss, private_arguments, rewrite, through


def jax(loss: Callable[..., Any]) -> Rewrite:
    """A reference: the gradient of `loss` by jax (Bradbury et al., 2018).

    For a loss that tricheck cannot trace as it stands: write the same function in `jax.numpy` and
    hand it over. Its value is compared with the model's before any gradient is.

    Parameters
    ----------
    loss : callable
        ``loss(params, *args, **kwargs)``, in `jax.numpy`. It is given float64 jax arrays in the
        structure of `params`; float arrays in args become float64 jax arrays too, integer and
        boolean ones keep their kind.

    Returns
    -------
    reference object
        To be passed as `reference`. jax is imported when it is used, and its 64-bit mode is on
        only while it runs.

    Raises
    ------
    ModelError
        When `loss` cannot be called.

    Examples
    --------
    >>> import tricheck
    >>> def rewritten(w, X, y):
    ...     import jax.numpy as jnp
    ...     return jnp.mean((X @ w - y) ** 2)
    >>> reference = tricheck.jax(rewritten)  # tricheck.check(..., reference=reference)
    """
    return rewrite(loss, _JAX)


def measure(calls: Calls, noise: Noise, seed: int) -> ReferenceEstimate:
    """The gradient of the model's own loss, written in `jax.numpy`."""
    return through(_JAX, own_loss(calls), calls, noise, seed, traced=True)


class _Jax:
    name = "jax"

    def value_and_gradient(
        self, loss: Callable[..., Any], calls: Calls, flat: FloatArray
    ) -> tuple[float, FloatArray]:
        framework = _imported()
        leaves = calls.parameters.leaves

        def scalar(blocks: list[Any], args: Any, kwargs: Any) -> Any:
            following = iter(blocks)
            answer = loss(calls.parameters.fill(lambda _: next(following)), *args, **kwargs)
            return _one_number(framework, answer, defined_at(loss))

        with _in_64_bits(framework):
            blocks = [
                framework.numpy.asarray(flat[leaf.place].reshape(leaf.shape), dtype="float64")
                for leaf in leaves
            ]
            args, kwargs = private_arguments(calls, lambda value: _array(framework, value))
            value, grown = framework.value_and_grad(lambda b: scalar(b, args, kwargs))(blocks)
            gradient = np.concatenate([np.asarray(block).reshape(-1) for block in grown])
            return float(value), gradient.astype(np.float64)


_JAX = _Jax()


def _imported() -> Any:
    try:
        import jax as framework
        import jax.numpy
    except ImportError as error:
        raise TraceError(
            f'the jax reference needs jax ({error}): pip install "tricheck[jax]"'
        ) from error
    return framework


def _in_64_bits(framework: Any) -> Any:
    """A context in which jax keeps float64; before jax 0.8 it was an experimental one."""
    if hasattr(framework, "enable_x64"):
        return framework.enable_x64(True)
    from jax.experimental import enable_x64

    return enable_x64()


def _array(framework: Any, value: Any) -> Any:
    if not isinstance(value, np.ndarray | framework.Array) or value.dtype.kind not in "fiub":
        return value
    kind = "float64" if value.dtype.kind == "f" else value.dtype
    return framework.numpy.asarray(value, dtype=kind)


def _one_number(framework: Any, answer: Any, loss: str) -> Any:
    if not isinstance(answer, framework.Array):
        read_loss(answer)  # says what is wrong with what is no number
        raise TraceError(
            f"{loss} came back as a {type(answer).__name__}, not as a jax array, which cuts its "
            "path to the parameters: leave float(), .item() and NumPy calls out of it"
        )
    if answer.size != 1:
        raise TraceError(
            f"{loss} has shape {answer.shape} on jax arrays, expected one number: sum or average it"
        )
    if not isinstance(answer, framework.core.Tracer):
        raise TraceError(
            f"{loss} came back without a path to the parameters: leave jax.lax.stop_gradient and "
            "NumPy copies out of it"
        )
    return framework.numpy.reshape(answer, ())
