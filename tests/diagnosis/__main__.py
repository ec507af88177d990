"""Print how well mistakes are named, class by class, or how correct models fare."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tests.diagnosis.bench import Outcome, outcome
from tests.diagnosis.bugs import BUGS
from tests.diagnosis.correct import fare
from tests.diagnosis.fresh import FRESH
from tests.diagnosis.heldout import HELDOUT


def main() -> None:
    """Parse the command line and print the table it asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.diagnosis", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--held-out", action="store_true", help="bugs that it has not been built with"
    )
    which.add_argument(
        "--correct", type=int, metavar="N", help="correct models, at N random points each"
    )
    parser.add_argument(
        "--cases",
        action="store_true",
        help="list the held-out failures too",
    )
    options = parser.parse_args()
    if options.correct is not None:
        print_correct(options.correct)
        return
    outcomes = [outcome(bug) for bug in (HELDOUT if options.held_out else [*BUGS, *FRESH])]
    print_named(outcomes)
    if options.cases or not options.held_out:
        print_failures(outcomes)


def print_named(outcomes: Sequence[Outcome]) -> None:
    """One row for each class of mistakes."""
    print("| class | bugs | verdict | parameters | cause | reading | line |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in dict.fromkeys(each.bug.row for each in outcomes):
        print(_row(row, [each for each in outcomes if each.bug.row == row]))
    print(_row("all", outcomes))
    certain = [finding for each in outcomes for finding in each.certain_and_wrong]
    print(f"\nstated as certain and wrong: {len(certain)}")


def print_failures(outcomes: Sequence[Outcome]) -> None:
    """Everything that is not right, case by case."""
    print()
    for each in outcomes:
        for failure in failures(each):
            print(f"- {each.bug.model}: {each.bug.name}: {failure}")


def failures(each: Outcome) -> list[str]:
    """What is not right about a report, in a line each."""
    report, bug = each.report, each.bug
    blamed = sorted(name for name, p in report.parameters.items() if p.verdict == report.verdict)
    causes = ", ".join(f"{m.parameters}: {m.causes}" for m in bug.mistakes)
    checks = [
        (each.verdict_right, f"verdict {report.verdict}"),
        (each.parameters_right, f"blames {blamed}, not {sorted(bug.parameters)}"),
        (each.cause_right, f"named {each.said}, not {causes}"),
        (not each.certain_and_wrong, "stated as certain"),
        (all(each.readings_right), f"lacks {[m.reading for m in bug.mistakes]}"),
        (all(each.lines_right), f"points elsewhere than {[m.line for m in bug.mistakes]}"),
    ]
    return [failure for right, failure in checks if not right]


def _row(name: str, outcomes: Sequence[Outcome]) -> str:
    shares = [
        [each.verdict_right for each in outcomes],
        [each.parameters_right for each in outcomes],
        [each.cause_right for each in outcomes],
        [right for each in outcomes for right in each.readings_right],
        [right for each in outcomes for right in each.lines_right],
    ]
    cells = [f"{sum(rights)}/{len(rights)}" if rights else "" for rights in shares]
    return f"| {name} | {len(outcomes)} | {' | '.join(cells)} |"


def print_correct(points: int) -> None:
    """One row for each correct model, then every accusation."""
    print("| model | points | skipped | agree | fin. diff. | nondiff. | inconclusive | accused |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    accusations = []
    for fared in fare(points):
        print(fared.row, flush=True)
        accusations += fared.accusations
    print(f"\naccusations: {len(accusations)}\n")
    for accusation in accusations:
        print(f"- {accusation}")


if __name__ == "__main__":
    main()
