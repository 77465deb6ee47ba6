"""Search for a counterexample, confirm it, shrink it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from mdplab.claims.relations import Relation
from mdplab.falsifier.conjecture import Conjecture, Sides, as_conjecture
from mdplab.falsifier.result import Counterexample, Falsification, Verdict
from mdplab.falsifier.search import Candidate, Family, Search
from mdplab.falsifier.shrink import shrunk
from mdplab.interrupts import raised

__all__ = ["falsify"]

MARGIN = 1e-6
"""Score from which a violation is believed whose sides state no error."""

_SHRINK_EVALUATIONS = 300, 3000


def falsify(
    conjecture: Conjecture | Relation | Sides,
    family: Family,
    *,
    evaluations: int | None = None,
    seconds: float = 60.0,
    seed: int = 0,
    witnesses: tuple[Any, ...] = (),
    progress: bool = False,
) -> Falsification:
    """Search a family for an instance that breaks a conjecture, or comes nearest to it.

    Parameters
    ----------
    conjecture : Conjecture, AtMost, AtLeast, Equal or callable
        What is conjectured of all instances; a callable returns the pair ``(left, right)`` of ``left <= right``.
    family : callable
        Function of a draw that returns an instance, such as those of :mod:`mdplab.instances`.
    evaluations : int, optional
        Number of instances to try; the same number and seed give the same answer.  Without it the time decides.
    seconds : float, default 60
        Time to search; where ``evaluations`` is given, they alone decide.
    seed : int, default 0
        Seed of the sequence of instances.
    witnesses : tuple
        Named instances, tried first.
    progress : bool, default False
        Whether to show a progress bar on the standard error stream.

    Returns
    -------
    Falsification
        *refuted* with a small counterexample, *not refuted* with the tightest instance, or *undecided*.  A counterexample
        is confirmed by the conjecture's exact sides; where it has none, by the error bounds that its sides state; where
        they state none, by a relative violation of at least ``1e-6``.  Ctrl-C gives the best so far.

    Raises
    ------
    ValueError
        If a budget is not positive.
    TypeError
        If the conjecture is none.
    """
    if evaluations is not None and evaluations < 1:
        raise ValueError(f"evaluations is {evaluations}, expected at least 1")
    if not seconds > 0:
        raise ValueError(f"seconds is {seconds}, expected a positive number")
    stated = as_conjecture(conjecture)
    started = time.monotonic()
    deadline = float("inf") if evaluations is not None else started + seconds
    confirm = Confirmation(stated)
    with _Bar(progress, evaluations, seconds, stated.name) as bar:
        search = Search(stated, family, seed, evaluations, deadline, confirm, bar.update)
        interrupted = False
        try:
            with raised():
                search.run(witnesses)
        except KeyboardInterrupt:
            interrupted = True
    best = search.found or search.best
    if best is not None and not interrupted:
        limit = float("inf") if evaluations is not None else time.monotonic() + seconds
        least, most = _SHRINK_EVALUATIONS
        allowed = most if evaluations is None else min(max(evaluations, least), most)
        shrinking = Search(stated, family, seed, allowed, limit, lambda candidate: False)
        best = _simplest(shrinking, best, confirm)
    return _result(stated, search, confirm, best, interrupted, time.monotonic() - started)


class Confirmation:
    """Decides whether a violation in floats is believed; counts those that are not.

    Parameters
    ----------
    conjecture : Conjecture
        Its exact sides decide where it has them.
    """

    def __init__(self, conjecture: Conjecture) -> None:
        self._conjecture = conjecture
        self.refused = 0
        self.open = 0
        self.message = ""

    def __call__(self, candidate: Candidate) -> bool:
        """Whether the candidate's violation is real."""
        if self._conjecture.exact is None:
            # Below the margin rounding may have broken a conjecture that is tight.
            return candidate.score > (0.0 if candidate.measured.stated else MARGIN)
        try:
            sure = self._conjecture.surely_violated(candidate.instance)
        except Exception as problem:
            self.open += 1
            self.message = self.message or f"exact sides: {type(problem).__name__}: {problem}"
            return False
        self.refused += sure is False
        self.open += sure is None
        return sure is True

    def describe(self, candidate: Candidate) -> str:
        """How a violation is known, in words."""
        if self._conjecture.exact is not None:
            return "confirmed in exact arithmetic"
        if candidate.measured.stated:
            return "beyond the error bounds of both sides"
        return f"beyond {MARGIN:g} of the sides, whose error bounds are not stated"


def _simplest(search: Search, best: Candidate, confirm: Callable[[Candidate], bool]) -> Candidate:
    """The simplest candidate that shrinking finds, if what it shows is confirmed too."""
    try:
        with raised():
            small = shrunk(search, best)
    except KeyboardInterrupt:
        return best
    return best if small.score > 0 and not confirm(small) else small


def _result(
    conjecture: Conjecture,
    search: Search,
    confirm: Confirmation,
    best: Candidate | None,
    interrupted: bool,
    seconds: float,
) -> Falsification:
    found = search.found is not None
    verdict: Verdict = "refuted" if found else "undecided" if best is None or confirm.open else "not refuted"
    message = confirm.message
    if search.failed:
        message = (message + "; " if message else "") + f"first failure: {search.failure}"
    if confirm.refused:
        message = (message + "; " if message else "") + (
            "floats broke the conjecture where exact arithmetic does not: their error bounds are too small"
        )
    extremal = None
    if best is not None:
        how = confirm.describe(best) if found else "in floats"
        left, right = best.measured.left, best.measured.right
        extremal = Counterexample(
            conjecture.name, conjecture.statement, best.instance, left.tolist(), right.tolist(), how,
            best.tape,
        )  # fmt: skip
    return Falsification(
        verdict,
        conjecture,
        None if best is None or conjecture.kind == "equal" else _ratio(conjecture, best, found),
        extremal,
        search.tried,
        search.skipped,
        search.failed,
        search.undecided,
        confirm.refused + confirm.open,
        seconds,
        search.seed,
        interrupted,
        message,
    )


def _ratio(conjecture: Conjecture, best: Candidate, found: bool) -> float:
    """Tightness of the sides as they are; beyond 1 only where that is confirmed."""
    score = float(conjecture.scores(best.measured.left, best.measured.right).max())
    return _tightness(score if found else min(score, 0.0))


def _tightness(score: float) -> float:
    """For positive sides the ratio of the smaller-to-be to the larger-to-be."""
    return 1.0 + score if score <= 0 else float("inf") if score >= 1 else 1.0 / (1.0 - score)


class _Bar:
    """A progress bar over evaluations or seconds, or nothing."""

    def __init__(self, shown: bool, evaluations: int | None, seconds: float, name: str) -> None:
        from tqdm import tqdm

        self._by_time = evaluations is None
        self._bar = tqdm(
            total=seconds if self._by_time else evaluations,
            desc=name[:40],
            disable=not shown,
            leave=False,
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {postfix}",
        )
        self._started = time.monotonic()

    def update(self, search: Search) -> None:
        """Move on, now and then."""
        if not self._bar.disable and search.tried % 64 == 0:
            self._bar.n = (
                min(time.monotonic() - self._started, self._bar.total) if self._by_time else search.tried
            )
            best = search.best
            shown = "" if best is None else f"tightest {_tightness(best.score):.6g}"
            self._bar.set_postfix_str(f"{search.tried} evaluations {shown}")

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *problem: object) -> None:
        self._bar.close()
