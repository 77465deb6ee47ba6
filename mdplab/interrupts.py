"""Ctrl-C and callbacks: both end a run at its next step, with the bounds reached.

While a solver runs the first Ctrl-C is only noted; the solver's loop asks at each step, and returns its solution with
the status INTERRUPTED.  A second one within two seconds, in the same run or a later one, raises ``KeyboardInterrupt``
at once, so that a program that solves in a loop is ended by pressing twice.  Where the solver asks no more before it returns,
``KeyboardInterrupt`` is raised in the place of its solution: no Ctrl-C is lost.  A program that handles SIGINT by itself
keeps its handler, and outside the main thread nothing is changed.
"""

from __future__ import annotations

import functools
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

__all__ = ["asked", "interruptible", "raised"]

P = ParamSpec("P")
T = TypeVar("T")

_TWICE = 2.0
"""Seconds within which a second Ctrl-C is no longer only noted."""


class _Noted:
    """Whether Ctrl-C was pressed during the present solve of the main thread, whether the solve has asked since, and
    when it was last only noted."""

    now = False
    heard = False
    time = -_TWICE


def interruptible(solver: Callable[P, T]) -> Callable[P, T]:
    """Note Ctrl-C while a solver runs, for :func:`asked`.

    Parameters
    ----------
    solver : callable
        Its loop calls :func:`asked` at each step.

    Returns
    -------
    callable
        The same solver.
    """

    @functools.wraps(solver)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        if (
            threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        ):
            return solver(*args, **kwargs)
        _Noted.now = _Noted.heard = False
        signal.signal(signal.SIGINT, _note)
        try:
            solution = solver(*args, **kwargs)
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            lost = _Noted.now and not _Noted.heard
            _Noted.now = False
        if lost:
            raise KeyboardInterrupt
        return solution

    return run


@contextmanager
def raised() -> Iterator[None]:
    """Within this context Ctrl-C raises ``KeyboardInterrupt`` at once, inside solvers too.

    For runs of many solves, in which a solution that was cut short must not pass for an answer.  A program that handles
    SIGINT by itself keeps its handler, and outside the main thread nothing is changed.

    Yields
    ------
    None

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    signal.signal(signal.SIGINT, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _stop(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _note(number: int, frame: Any) -> None:
    """Handler of SIGINT during a solve."""
    now = time.monotonic()
    if now - _Noted.time < _TWICE:
        raise KeyboardInterrupt
    _Noted.now, _Noted.time = True, now


def asked(callback: Callable[..., Any] | None, *arguments: Any) -> bool:
    """Whether the run shall end at this step.

    Parameters
    ----------
    callback : callable or None
        The caller's; a true answer, or ``KeyboardInterrupt`` raised in it, ends the run.  Other exceptions pass.
    *arguments
        What it is called with.

    Returns
    -------
    bool
        True also where Ctrl-C was noted.
    """
    if callback is not None:
        try:
            if callback(*arguments):
                return True
        except KeyboardInterrupt:
            return True
    noted = _Noted.now and threading.current_thread() is threading.main_thread()
    _Noted.heard |= noted
    return noted
