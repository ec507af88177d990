"""What the user asked of a check, and what is no sensible thing to ask."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import numpy as np

from tricheck.contract import refuse_bad_seed
from tricheck.errors import ModelError

Entries = Literal["auto", "all"]


@dataclass(frozen=True)
class Options:
    """The options of `tricheck.check`, as they are described there.

    Raises
    ------
    ModelError
        When one of them is no sensible value.
    """

    reference: Any = "auto"
    step: float | None = None
    rtol: float = 0.0
    entries: Entries = "auto"
    seed: int = 0
    displace: int | None = None
    jobs: int = 1
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.step is not None and not _is_positive(self.step):
            raise ModelError(
                f"step is {self.step!r}, expected a positive number such as 1e-5, or None"
            )
        if not (_is_number(self.rtol) and np.isfinite(self.rtol) and self.rtol >= 0):
            raise ModelError(f"rtol is {self.rtol!r}, expected a number of 0 or more")
        if self.entries not in get_args(Entries):
            raise ModelError(f"entries is {self.entries!r}, expected 'auto' or 'all'")
        refuse_bad_seed(self.seed)
        if self.displace is not None:
            refuse_bad_seed(self.displace, "displace", ", or None")
        if not _is_count(self.jobs):
            raise ModelError(
                f"jobs is {self.jobs!r}, expected how many processes: 1, 2, ..., or -1 for one on "
                "each core"
            )
        if self.max_seconds is not None and not _is_positive(self.max_seconds):
            raise ModelError(
                f"max_seconds is {self.max_seconds!r}, expected a positive number, or None"
            )

    @property
    def call(self) -> str:
        """The call of `tricheck.check` that makes the same report.

        Examples
        --------
        >>> Options(step=1e-4, seed=3).call
        'tricheck.check(model, step=0.0001, seed=3)'
        """
        # on how many processes it was made, the report does not depend
        named = [field for field in fields(self) if field.name != "jobs"]
        chosen = [(f.name, getattr(self, f.name), f.default) for f in named]
        said = [
            f"{name}={getattr(value, '__name__', None) or repr(value)}"
            for name, value, default in chosen
            if value is not default and (callable(value) or value != default)
        ]
        return f"tricheck.check({', '.join(['model', *said])})"


def _is_positive(value: Any) -> bool:
    return _is_number(value) and bool(np.isfinite(value)) and value > 0


def _is_count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and value != 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
