"""How far a check is, on the last line of a terminal or below the cell of a notebook."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tricheck.watch import Watch

if TYPE_CHECKING:
    from rich.text import Text

_PATIENCE = 2.0  # seconds before anything is shown
_REFRESH = 8  # times a second
_BAR = 10
_NOTEBOOK_WIDTH = 100


@contextmanager
def shown(watch: Watch, progress: bool | None) -> Iterator[None]:
    """Show a check's progress while the block runs, from a thread that only reads.

    Parameters
    ----------
    watch : Watch
    progress : bool or None
        None: on a terminal or in a notebook, if not under CI. True: there, under CI too. False:
        never.
    """
    wanted = progress or (progress is None and not os.environ.get("CI"))
    show = _place() if wanted else None
    if show is None:
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_patiently, args=(show, watch, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


Show = Callable[[Watch, threading.Event], None]


def _place() -> Show | None:
    """Where somebody sees it, if anybody does."""
    if sys.stderr is not None and sys.stderr.isatty():
        return _on_terminal
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return _in_notebook if hasattr(shell, "kernel") else None


def _patiently(show: Show, watch: Watch, over: threading.Event) -> None:
    if not over.wait(_PATIENCE):
        show(watch, over)


def _on_terminal(watch: Watch, over: threading.Event) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    with Live(
        get_renderable=lambda: status(watch, console.width),
        console=console,
        refresh_per_second=_REFRESH,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ):
        over.wait()


def _in_notebook(watch: Watch, over: threading.Event) -> None:
    from IPython.display import display

    def now() -> dict[str, str]:
        return {"text/plain": status(watch, _NOTEBOOK_WIDTH).plain}

    handle = display(now(), raw=True, display_id=True)
    while not over.wait(1 / _REFRESH):
        handle.update(now(), raw=True)
    handle.update({"text/plain": ""}, raw=True)


def status(watch: Watch, width: int) -> Text:
    """One line: what is being looked at, how much of it is done, the time left, the worst so far.

    The worst is by how much backprop and the finite difference are apart, relative to the
    parameter's largest entry.

    Examples
    --------
    >>> import numpy as np
    >>> from tricheck.parameters import Parameters
    >>> W = np.array([1.0, 2.0, 3.0, 4.0])
    >>> watch = Watch()
    >>> watch.begin("finite differences", Parameters.read({"W": W}), 4, W)
    >>> watch.saw([0, 1], np.array([1.0, 2.5]))
    >>> print(status(watch, 80).plain)
    finite differences of W #####..... 2/4, 0:00 left, worst 1.2e-01
    """
    from rich.text import Text

    of = f" of {name}" if (name := watch.parameter) else ""
    line = Text(watch.doing + of, no_wrap=True, overflow="ellipsis")
    if watch.total:
        done = int(_BAR * min(watch.done / watch.total, 1.0))
        line.append(" " + "#" * done, style="cyan")
        line.append("." * (_BAR - done) + f" {watch.done}/{watch.total}")
    left = watch.seconds_left
    line.append(f", {_clock(left)} left" if left is not None else f", {_clock(watch.elapsed)}")
    if watch.worst:
        line.append(f", worst {watch.worst:.1e}")
    if watch.max_seconds is not None or watch.interrupted:
        line.append(_deadline(watch))
    line.truncate(width, overflow="ellipsis")
    return line


def _deadline(watch: Watch) -> str:
    return f", ends at {_clock(watch.max_seconds or 0.0)}" if watch.allows() else ", finishing"


def _clock(seconds: float) -> str:
    """Like ``0:07`` or ``1:02:33``.

    Examples
    --------
    >>> _clock(7.2), _clock(3753.0)
    ('0:07', '1:02:33')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
