"""A derivative of an activation that is smooth in its argument, and wrong: no known function's.

What a wrong derivative adds to the right one is then nearly a polynomial of the argument, and going
back is linear in that. With far more entries than coefficients, hardly anything else fits.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

import numpy as np

from tricheck.diagnosis.mistakes.activations import Activation, is_recognised, slope_of
from tricheck.diagnosis.mistakes.slopes import Group, argument_of, by_slope, groups
from tricheck.diagnosis.relations.block import Block
from tricheck.parameters import FloatArray
from tricheck.tracing.study import Edits, Study
from tricheck.vocabulary import Cause, Finding

_FEWEST, _MOST = 3, 16  # coefficients
_ENTRIES = 3  # and values of the argument for each coefficient
_LEFT = 0.03  # of the error of a block


def smoothly_wrong(
    study: Study, blocks: Iterable[Block], wrong: Collection[str], unexplained: Collection[str]
) -> dict[str, Finding]:
    """For each parameter that a smooth wrong derivative explains, that derivative.

    Parameters
    ----------
    study : Study
    blocks : iterable of Block
        All parameters, in their order.
    wrong, unexplained : collection of str
        Parameters that are wrong; those that nothing explains yet.
    """
    by_name = {block.name: block for block in blocks}
    found: dict[str, Finding] = {}
    # What fits a part of a function fits the whole of it, too.
    for group in sorted(groups(study), key=lambda group: -len(group.members[0].steps)):
        names = study.through(*(member.steps[0] for member in group.members)) & set(wrong)
        if not names or not names <= set(unexplained) - found.keys():
            continue
        if not all(_may_be_wrong(study, member) for member in group.members) or _flat(group):
            continue
        left = _left(study, group, {name: by_name[name] for name in names})
        if left is not None and max(left.values()) <= _LEFT:
            found |= {
                name: _finding(study, group, by_name[name], share) for name, share in left.items()
            }
    return found


def _may_be_wrong(study: Study, activation: Activation) -> bool:
    """Whether it is an activation of what is computed: a term of its own fits a parameter's too."""
    return activation.place.storage not in study.roots and is_recognised(study, activation)


def _left(study: Study, group: Group, blocks: Mapping[str, Block]) -> dict[str, float] | None:
    """What the best polynomial leaves of each block's error; None where that would say nothing."""
    errors = {name: _entries(block.error, block) for name, block in blocks.items()}
    # A curve through as many points as it has coefficients fits whatever came back there.
    points = len(np.unique(np.concatenate([m.argument.reshape(-1) for m in group.members])))
    entries = min(points, sum(error.size for error in errors.values()))
    count = min(_MOST, entries // _ENTRIES)
    sizes = {name: float(np.linalg.norm(error)) for name, error in errors.items()}
    if count < _FEWEST or not all(0.0 < size < math.inf for size in sizes.values()):
        return None
    right, places = study.gradient(), {leaf.name: leaf.place for leaf in study.parameters.leaves}
    added = [study.gradient(_with_term(study, group, degree)) - right for degree in range(count)]
    columns = {
        name: np.stack([_entries(one[places[name]], block) for one in added], axis=1)
        for name, block in blocks.items()
    }
    table = np.concatenate([columns[name] / sizes[name] for name in blocks])
    aim = np.concatenate([errors[name] / sizes[name] for name in blocks])
    fit = np.linalg.lstsq(table, aim)[0]
    return {
        name: float(np.linalg.norm(errors[name] - columns[name] @ fit)) / sizes[name]
        for name in blocks
    }


def _range(group: Group) -> tuple[float, float]:
    arguments = [member.argument for member in group.members]
    return float(min(map(np.min, arguments))), float(max(map(np.max, arguments)))


def _flat(group: Group) -> bool:
    """Whether the arguments are all one number."""
    low, high = _range(group)
    return low == high


def _entries(values: FloatArray, block: Block) -> FloatArray:
    return values.reshape(-1)[block.known.reshape(-1)]


def _with_term(study: Study, group: Group, degree: int) -> Edits:
    """Back by the right slopes and a Chebyshev polynomial of the arguments."""
    term = np.polynomial.Chebyshev.basis(degree, domain=_range(group))
    return {
        member.last: by_slope(member.place, slope_of(study, member) + term(member.argument))
        for member in group.members
    }


def _finding(study: Study, group: Group, block: Block, left: float) -> Finding:
    argument = argument_of(study, group.members[0])
    return block.finding(
        Cause.ACTIVATION_DERIVATIVE,
        f"Consistent with a backward pass where the derivative of {group.words}{argument} is "
        f"that of another function: a polynomial of the argument, added to the right one, explains "
        f"all but {left:.1g} of the error.",
        {"mistake": "derivative-smooth", "line": group.spot, "left": left},
        list(block.blamed),
    )
