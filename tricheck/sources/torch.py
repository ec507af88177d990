"""The reference by torch's autograd, for losses written in torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tricheck.calls import Calls, read_loss
from tricheck.errors import TraceError
from tricheck.location import defined_at
from tricheck.parameters import FloatArray, Leaf
from tricheck.sources.noise import Noise
from tricheck.sources.reference import ReferenceEstimate
from tricheck.sources.rewrite import Rewrite, own_loss, private_arguments, rewrite, through


def torch(loss: Callable[..., Any]) -> Rewrite:
    """A reference: the gradient of `loss` by torch's autograd (Paszke et al., 2017).

    For a loss that tricheck cannot trace as it stands: write the same function in torch and hand
    it over. Its value is compared with the model's before any gradient is.

    Parameters
    ----------
    loss : callable
        ``loss(params, *args, **kwargs)``, in torch. It is given float64 tensors in the structure
        of `params`; float arrays and tensors in args become float64 tensors too, integer and
        boolean arrays tensors of their own kind.

    Returns
    -------
    reference object
        To be passed as `reference`. torch is imported when it is used; its default dtype stays.

    Raises
    ------
    ModelError
        When `loss` cannot be called.

    Examples
    --------
    >>> import tricheck
    >>> def rewritten(w, X, y):
    ...     return ((X @ w - y) ** 2).mean()
    >>> reference = tricheck.torch(rewritten)  # tricheck.check(..., reference=reference)
    """
    return rewrite(loss, _TORCH)


def measure(calls: Calls, noise: Noise, seed: int) -> ReferenceEstimate:
    """The gradient of the model's own loss, which takes tensors as well as arrays."""
    return through(_TORCH, own_loss(calls), calls, noise, seed, traced=True)


class _Torch:
    name = "torch"

    def value_and_gradient(
        self, loss: Callable[..., Any], calls: Calls, flat: FloatArray
    ) -> tuple[float, FloatArray]:
        framework = _imported()
        roots: list[Any] = []

        def start(leaf: Leaf) -> Any:
            block = flat[leaf.place].reshape(leaf.shape).astype(np.float64)  # a copy
            roots.append(framework.from_numpy(block).requires_grad_())
            return roots[-1]

        args, kwargs = private_arguments(calls, lambda value: _tensor(framework, value))
        with framework.enable_grad():
            end = loss(calls.parameters.fill(start), *args, **kwargs)
            _refuse_cut(framework, end, defined_at(loss))
            # A root without a path to the loss has no gradient, which is zero.
            grown = framework.autograd.grad(end.sum(), roots, allow_unused=True)
        gradient = [
            np.zeros(root.numel()) if block is None else block.detach().numpy().reshape(-1)
            for root, block in zip(roots, grown, strict=True)
        ]
        return float(end.detach().sum()), np.concatenate(gradient)


_TORCH = _Torch()


def _imported() -> Any:
    try:
        import torch as framework
    except ImportError as error:
        raise TraceError(
            f'the torch reference needs torch ({error}): pip install "tricheck[torch]"'
        ) from error
    return framework


def _tensor(framework: Any, value: Any) -> Any:
    if isinstance(value, framework.Tensor):
        return value.detach().double() if value.is_floating_point() else value
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
        return value
    wanted = value.astype(np.float64) if value.dtype.kind == "f" else value.copy()
    return framework.from_numpy(wanted)


def _refuse_cut(framework: Any, end: Any, loss: str) -> None:
    if not isinstance(end, framework.Tensor):
        read_loss(end)  # says what is wrong with what is no number
        raise TraceError(
            f"{loss} came back as a {type(end).__name__}, not as a tensor, which cuts its path "
            "to the parameters: leave float(), .item() and .numpy() out of it"
        )
    if end.numel() != 1:
        raise TraceError(
            f"{loss} has shape {tuple(end.shape)} on tensors, expected one number: sum or "
            "average it"
        )
    if not end.requires_grad:
        raise TraceError(
            f"{loss} came back without a path to the parameters: leave .detach(), .item(), "
            "torch.tensor(...) and torch.no_grad() out of it"
        )
