"""A formula as text for an 80-column terminal, and as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import sympy
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from tricheck.parameters import Index
from tricheck.report.text import WIDTH

if TYPE_CHECKING:
    from tricheck.formula import Formula

_SHORT = 3 * WIDTH  # a formula of more is shown with names for its repeated parts
_BREAKS = re.compile(r"(?<=[ (])|(?<=[^*]\*)(?=[^*])")


def text(expression: Any) -> str:
    """An expression as Python would write it, with numbers of six digits."""
    return str(_Text().doprint(expression))


def latex(expression: Any, names: Mapping[Any, str]) -> str:
    """An expression as LaTeX, with numbers of six digits."""
    return str(_Latex({"symbol_names": names}).doprint(expression))


class _Text(StrPrinter):  # type: ignore[misc]  # sympy ships no types
    def _print_Float(self, number: Any) -> str:  # noqa: N802  # sympy's name
        return f"{float(number):.6g}"


class _Latex(LatexPrinter):  # type: ignore[misc]
    def _print_Float(self, number: Any) -> str:  # noqa: N802
        mantissa, _, exponent = f"{float(number):.6g}".partition("e")
        return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else mantissa


def symbol_name(parameter: str, index: Index) -> str:
    """Like ``W1[2,0]``."""
    return f"{parameter}[{','.join(map(str, index))}]" if index else parameter


def latex_name(parameter: str, index: Index) -> str:
    r"""Like ``\mathrm{W1}_{2,0}``; Greek letters as such.

    Examples
    --------
    >>> latex_name("w", (1,)), latex_name("beta", ()), latex_name("W_out", (2, 0))
    ('w_{1}', '\\beta', '\\mathrm{W\\_out}_{2,0}')
    """
    name = sympy.latex(sympy.Symbol(parameter)) if parameter.isalpha() else parameter
    if len(parameter) > 1 and not name.startswith("\\"):
        name = rf"\mathrm{{{parameter}}}".replace("_", r"\_")
    return f"{name}_{{{','.join(map(str, index))}}}" if index else name


def to_text(formula: Formula) -> str:
    """The formula, its repeated parts by name where it is long, and its value."""
    left = f"dloss/d{symbol_name(formula.parameter, formula.index)}"
    lines = [f"{formula.model}: {left}", ""]
    if len(formula.text) <= _SHORT:
        lines += _wrapped(f"= {formula.text}")
    else:
        parts, [whole] = sympy.cse(formula.expression, _names(formula.expression))
        lines += [*_wrapped(f"= {text(whole)}"), "", "  where"]
        for name, part in parts:
            lines += _wrapped(f"  {name} = {text(part)}")
    lines += ["", f"  at the point {formula.digits}", f"  in float64   {formula.value!r}"]
    return "\n".join(lines) + "\n"


def _names(expression: Any) -> Iterator[Any]:
    """t0, t1, ... without those that are parameters."""
    yield from sympy.numbered_symbols("t", exclude=expression.free_symbols)


def _wrapped(words: str) -> list[str]:
    """Lines no wider than the terminal, broken after an operator or a bracket."""
    lines = ["  "]
    for piece in _BREAKS.split(words):
        if len(lines[-1]) + len(piece.rstrip()) > WIDTH:
            lines.append("      ")
        lines[-1] += piece
    return [line.rstrip() for line in lines]
