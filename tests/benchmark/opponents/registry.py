"""All checkers that tricheck is compared with, each as it comes and with its best settings."""

from __future__ import annotations

from tests.benchmark.opponents import (
    autograd_check_grads,
    jax_check_grads,
    numdifftools_gradient,
    openmdao_check_partials,
    scipy_check_derivative,
    scipy_check_grad,
    torch_gradcheck,
    tutorial,
)
from tests.benchmark.opponents.opponent import Opponent

OPPONENTS: tuple[Opponent, ...] = (
    *scipy_check_grad.OPPONENTS,
    *scipy_check_derivative.OPPONENTS,
    *autograd_check_grads.OPPONENTS,
    *torch_gradcheck.OPPONENTS,
    *jax_check_grads.OPPONENTS,
    *openmdao_check_partials.OPPONENTS,
    *numdifftools_gradient.OPPONENTS,
    *tutorial.OPPONENTS,
)
