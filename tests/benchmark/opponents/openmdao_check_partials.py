"""OpenMDAO's `check_partials`, read by its own `assert_check_partials`."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from tests.benchmark.opponents.opponent import Opponent, Task

# found by `python -m tests.benchmark.opponents.tune`
FORM, STEP, ATOL, RTOL = "central", 1e-5, 1e-6, 1e-6


def check(task: Task, *, atol: float = 1e-6, rtol: float = 1e-6, **settings: Any) -> str | None:
    """The model is an explicit component; OpenMDAO computes in double precision only."""
    import openmdao.api as om
    from openmdao.utils.assert_utils import assert_check_partials

    problem = om.Problem(reports=None)
    problem.model.add_subsystem("model", _component()(task=task))
    problem.setup()
    partials = problem.check_partials(out_stream=None, **settings)
    try:
        assert_check_partials(partials, atol=atol, rtol=rtol)
    except ValueError as mismatch:
        return str(mismatch).strip("=\n")  # its headline is ruled off
    return None


@cache
def _component() -> Any:
    import openmdao.api as om

    class Model(om.ExplicitComponent):  # type: ignore[misc]  # openmdao is not type-checked
        def initialize(self) -> None:
            self.options.declare("task", recordable=False)

        def setup(self) -> None:
            self.add_input("x", val=self.options["task"].point)
            self.add_output("loss")
            self.declare_partials("loss", "x")

        def compute(self, inputs: Any, outputs: Any) -> None:
            outputs["loss"] = self.options["task"].loss(inputs["x"])

        def compute_partials(self, inputs: Any, partials: Any) -> None:
            partials["loss", "x"] = self.options["task"].gradient(inputs["x"])

    return Model


OPPONENTS = (
    Opponent("openmdao check_partials", "default", check, "openmdao.api"),
    Opponent(
        "openmdao check_partials",
        "best",
        partial(check, form=FORM, step=STEP, atol=ATOL, rtol=RTOL),
        "openmdao.api",
    ),
)
