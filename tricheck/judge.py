"""From three sources along some coordinates to what the verdict can rest on.

What hangs on a bound alone is measured again with more care before anybody is accused: backprop's
rounding, the reference's digits, the loss's noise, the finite difference of single entries.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tricheck.calls import Calls
from tricheck.comparison import BoolArray
from tricheck.contract import Point
from tricheck.errors import TraceError
from tricheck.excuse import accused, excuse
from tricheck.facts import Evidence
from tricheck.parameters import FloatArray, Parameters
from tricheck.sources import reference as references
from tricheck.sources import sympy as symbols
from tricheck.sources.estimate import Estimate
from tricheck.sources.finite_difference import FiniteDifference, Sweeper
from tricheck.sources.monte_carlo import backprop_bound, noise_inside
from tricheck.sources.noise import Noise
from tricheck.sources.reference import ReferenceEstimate
from tricheck.sources.several import Settled, settle
from tricheck.verdict import ACCUSING, decide_all
from tricheck.vocabulary import Cause, Finding, Severity, Source, Verdict

_FINE = 1e-3
_SEARCH = 500  # losses that a search for jumps may take
_REMEASURED = 32  # entries of one parameter that are measured again before anyone is accused


@dataclass(frozen=True)
class Sources:
    """What was asked of the model before any finite difference.

    Attributes
    ----------
    calls : Calls
    point : Point
        What the contract's calls have shown.
    noise : Noise
        Of the loss.
    backprop : Estimate
    candidates : list of ReferenceEstimate
        The references.
    unrepeatable : ndarray of bool, shape (size,)
        Where two calls of backprop differ.
    chosen : bool
        Whether the user chose the references.
    """

    calls: Calls
    point: Point
    noise: Noise
    backprop: Estimate
    candidates: list[ReferenceEstimate]
    unrepeatable: BoolArray
    chosen: bool

    @property
    def parameters(self) -> Parameters:
        """What the sources are derivatives in."""
        return self.calls.parameters

    def others(self, seed: int, /) -> list[ReferenceEstimate]:
        """The references that nobody asked for."""
        return [] if self.chosen else references.others(self.calls, self.noise, seed)

    def exact(self, noise: Noise, seed: int) -> ReferenceEstimate | None:
        """The derivatives to 50 digits, where they can be had."""
        try:
            found = symbols.measure(self.calls, noise, seed)
        except TraceError:
            return None
        return references.within_noise(found, self.calls.parameters, noise)

    def rounding_inside(self, seed: int) -> FloatArray:
        """What rounding in backprop's intermediate results adds to its bounds."""
        return backprop_bound(self.calls, self.point, self.backprop.bounds, seed)

    def hangs_on_rounding(self, evidence: Evidence) -> bool:
        """Whether backprop's own rounding matters: doubted, or claimed to be finer than the loss.

        A bound far below an ulp of the loss may come of terms that cancel where nothing shows it.
        Calls that differ at the same point say nothing of rounding; more of them move it further.
        """
        if evidence.unrepeatable.any():
            return False
        with_backprop = [pair for pair in evidence.pairs if pair.first is Source.BACKPROP]
        doubted = not all(np.all(pair.agree) for pair in with_backprop)
        ulp = float(np.spacing(np.abs(np.float64(evidence.point.loss))))
        return doubted or bool(np.any(evidence.backprop.bounds < _FINE * ulp))

    def excused(self, evidence: Evidence, sweeper: Sweeper, seed: int) -> Evidence:
        """The evidence with nobody accused of what jumps of the loss explain."""
        search = "whether jumps of the loss explain what is blamed"
        if np.any(accused(evidence)) and sweeper.work.forgoes(search, _SEARCH):
            return evidence
        return excuse(evidence, sweeper, seed)

    def settled(self, difference: FiniteDifference, rtol: float) -> Evidence:
        """The three sources, the reference chosen by the finite difference if there are several."""
        reference = settle(self.candidates, difference, self.parameters).reference
        return self.evidence(difference, reference, rtol)

    def evidence(
        self, difference: FiniteDifference, reference: ReferenceEstimate | None, rtol: float
    ) -> Evidence:
        """The three sources beside each other."""
        return Evidence(
            self.parameters,
            self.point,
            self.backprop,
            difference,
            reference,
            self.unrepeatable,
            rtol,
        )


def judge(
    sources: Sources, sweeper: Sweeper, difference: FiniteDifference, rtol: float, seed: int
) -> tuple[Evidence, list[Finding]]:
    """The evidence that a verdict rests on, and what was found on the way.

    Parameters
    ----------
    sources : Sources
    sweeper : Sweeper
        The loss along single entries, to look closer at some of them.
    difference : FiniteDifference
        What it has measured.
    rtol : float
    seed : int
    """
    candidates, parameters, notes = sources.candidates, sources.parameters, list[Finding]()
    work = sweeper.work
    settled = settle(candidates, difference, parameters)
    evidence = sources.evidence(difference, settled.reference, rtol)
    evidence = _with_rounding_inside(evidence, sources, seed)
    if not sources.chosen and _stands_alone(evidence):
        evidence = sources.excused(evidence, sweeper, seed)
    if not sources.chosen and _stands_alone(evidence) and not work.forgoes("other references"):
        # Nobody chose this reference: before it is blamed, the others are heard.
        candidates = [*candidates, *sources.others(seed)]
        settled = settle(candidates, difference, parameters)
        evidence = replace(evidence, reference=settled.reference)
    noise = sources.noise
    doubtful = _doubtful(evidence, settled.disputed)
    if doubtful and not work.forgoes("noise inside the loss"):
        noise = noise_inside(sources.calls, noise, seed)
        if noise.inside:
            sweeper = replace(sweeper, noise=noise)
            closer = sweeper.entries(doubtful, thorough=True)
            difference = difference.under(noise).with_entries(closer)
            settled = settle(candidates, difference, parameters)
            evidence = replace(evidence, difference=difference, reference=settled.reference)
    undecided = _undecided(evidence)
    look = undecided.any() and not work.forgoes("the loss on symbols")
    if look and (exact := _arbiter(undecided, sources.exact(noise, seed))):
        notes = [_arbitrated(undecided, settled.reference)]
        candidates, settled = [exact], settle([exact], difference, parameters)
        evidence = replace(evidence, reference=exact)
        # Beside exact values backprop's own rounding shows.
        evidence = _with_rounding_inside(evidence, sources, seed)
    evidence, settled = _looked_closer(evidence, settled, candidates, sweeper)
    evidence = _with_left_out(evidence)
    return sources.excused(evidence, sweeper, seed), [*notes, *settled.findings]


def _looked_closer(
    evidence: Evidence, settled: Settled, candidates: list[ReferenceEstimate], sweeper: Sweeper
) -> tuple[Evidence, Settled]:
    """Measured thoroughly wherever the finite difference alone tells, until it changes nothing."""
    work, parameters = sweeper.work, evidence.parameters
    measured: set[int] = set()
    while (decisive := _decisive(evidence, settled.disputed, measured)).any():
        found = sweeper.entries(_first_few(decisive, parameters), thorough=True)
        if not found:
            work.watch.omit("a closer look at what the finite difference alone tells")
            return replace(evidence, unexamined=decisive), settled
        measured.update(found)
        again = evidence.difference.under(sweeper.noise).with_entries(found)
        settled = settle(candidates, again, parameters)
        evidence = replace(evidence, difference=again, reference=settled.reference)
    return evidence, settled


def _with_left_out(evidence: Evidence) -> Evidence:
    """Nobody accused where there was no time for a finite difference: a kink would show there."""
    left_out = evidence.difference.left_out
    if not left_out.any():
        return evidence
    earlier = evidence.unexamined
    left_out &= np.isin(decide_all(evidence.facts), list(ACCUSING))
    return replace(evidence, unexamined=left_out if earlier is None else left_out | earlier)


def _with_rounding_inside(evidence: Evidence, sources: Sources, seed: int) -> Evidence:
    """Backprop bounded by the rounding of its intermediate results too, unless it is already."""
    own = sources.backprop
    if evidence.backprop is not own or not sources.hangs_on_rounding(evidence):
        return evidence
    bounds = own.bounds + sources.rounding_inside(seed)
    return replace(evidence, backprop=replace(own, bounds=bounds))


def _stands_alone(evidence: Evidence) -> bool:
    """Whether backprop and the finite difference agree against the reference somewhere."""
    return bool(np.any(decide_all(evidence.facts) == Verdict.REFERENCE))


def _undecided(evidence: Evidence) -> BoolArray:
    """Entries that a sharper reference might decide.

    Those without a conclusion, and those where backprop is acquitted by the reference's bound
    alone, for the finite difference cannot tell. Of a loss that jumps nobody is sharper: symbols
    show one piece as well.
    """
    reference = evidence.reference
    if reference is None or not (reference.traced and reference.faithful) or evidence.point.spread:
        return np.zeros(evidence.parameters.size, dtype=bool)
    facts = evidence.facts
    verdicts = decide_all(facts)
    apart = np.abs(evidence.backprop.values - reference.values) > evidence.backprop.bounds
    undecided = verdicts == Verdict.INCONCLUSIVE
    undecided |= (verdicts == Verdict.FINITE_DIFFERENCE) & apart
    rough = ~(reference.bounds <= 4.0 * np.spacing(np.abs(reference.values)))
    return np.array(undecided & rough & ~facts.kink & ~facts.jumpy, dtype=bool)


def _arbiter(undecided: BoolArray, exact: ReferenceEstimate | None) -> ReferenceEstimate | None:
    """Exact derivatives, if they are those of the model's loss and known where nothing else is."""
    if exact is None or not exact.faithful:
        return None
    return exact if np.all(exact.finite[undecided]) else None


def _arbitrated(undecided: BoolArray, before: ReferenceEstimate | None) -> Finding:
    count = int(np.sum(undecided))
    return Finding(
        Cause.SETTLED,
        f"In {count} {'entry' if count == 1 else 'entries'} the finite difference could not tell "
        f"backprop from the reference ({before.method if before else 'none'}), so the loss was run "
        "on symbols: the reference's derivatives are now known to 50 digits.",
        Source.REFERENCE,
        severity=Severity.NOTE,
        evidence={"entries": float(count)},
    )


def _doubtful(evidence: Evidence, disputed: BoolArray) -> list[int]:
    """Entries where the finite difference is decisive, or nothing is concluded."""
    inconclusive = decide_all(evidence.facts) == Verdict.INCONCLUSIVE
    return _first_few(_alone(evidence, disputed) | inconclusive, evidence.parameters)


def _decisive(evidence: Evidence, disputed: BoolArray, measured: set[int]) -> BoolArray:
    """Entries where the finite difference alone contradicts somebody, or settles a dispute.

    And those whose one stencil meets nobody: a loss that is odd about the point bends unseen. None
    of a parameter in which one was measured with care and still does.
    """
    alone = _alone(evidence, disputed)
    unmet = _unmet(evidence)
    look = alone | (unmet & evidence.difference.with_one_stencil)
    for leaf in evidence.parameters.leaves:
        decided = sorted(measured.intersection(range(leaf.start, leaf.stop)))
        if alone[decided].any():
            look[leaf.place] = False
        elif unmet[decided].any():
            look[leaf.place] = alone[leaf.place]
    return look


def _unmet(evidence: Evidence) -> BoolArray:
    """Entries where the finite difference agrees with nobody."""
    facts = evidence.facts
    return np.array(facts.difference & ~(facts.bf | facts.fr), dtype=bool)


def _alone(evidence: Evidence, disputed: BoolArray) -> BoolArray:
    facts = evidence.facts
    verdicts = decide_all(facts)
    alone = disputed | np.isin(verdicts, [Verdict.REFERENCE, Verdict.BACKPROP_AND_REFERENCE])
    unsupported = ~facts.reference | facts.br | ~(facts.fr | facts.trusted)
    return np.array(alone | (verdicts == Verdict.BACKPROP) & unsupported)


def _first_few(chosen: BoolArray, parameters: Parameters) -> list[int]:
    """Positions of each parameter's first chosen entries."""
    positions: list[int] = []
    for leaf in parameters.leaves:
        offsets = np.flatnonzero(chosen[leaf.place])[:_REMEASURED]
        positions += [leaf.start + int(offset) for offset in offsets]
    return positions
