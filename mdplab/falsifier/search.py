"""The search for an instance that breaks a conjecture, or comes nearest to it.

Three stages in rounds that grow: instances of simple rationals and instances of the family's law are scored; the best
tapes of different sizes are climbed by random changes of all orders of magnitude; the real numbers of the best are
polished by the simplex method of Nelder and Mead.  Random instances alone understate how tight a bound is: extrema lie
at vertices, which the grid meets, or inside, where only the polish arrives.

The sequence of instances depends on the seed alone.  A larger budget of evaluations goes on with it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mdplab.claims.sides import Undecided
from mdplab.falsifier.conjecture import Conjecture, Measured
from mdplab.falsifier.stack import CopiesDraw, StackDraw
from mdplab.falsifier.tapes import Tape, mutated, real_vector, signature, with_reals
from mdplab.instances import Draw, LatticeDraw, Rejected, ReplayDraw, SeededDraw

__all__ = ["BudgetSpent", "Candidate", "Family", "Search"]

Family = Callable[[Draw], Any]

_POOL = 24  # candidates that are kept between rounds
_SAME_SIZE = 3  # of them with the same sizes
_BATCH = 500  # instances of a stack
_COPIES = 100  # of one that are changed in a step of a climb
_STARTS = 4  # climbs of one round
_LONGEST_ROUND = 4000
_SIMPLEX_LIMIT = 40  # numbers beyond which Nelder-Mead no longer gets anywhere


class BudgetSpent(Exception):
    """The evaluations or the seconds are used up."""


@dataclass(frozen=True)
class Candidate:
    """An instance that was scored.

    Attributes
    ----------
    score : float
        See :mod:`mdplab.falsifier.conjecture`.
    tape : list of TapeEntry or None
        Answers that give it; None for a named instance.
    instance : object
        The instance.
    measured : Measured
        Both sides.
    """

    score: float
    tape: Tape | None
    instance: Any
    measured: Measured


@dataclass
class Search:
    """State of a search: counts, the best candidates, and those that break the conjecture.

    Attributes
    ----------
    conjecture : Conjecture
        What is searched.
    family : callable
        Instance family.
    seed : int
        Seed of the whole sequence.
    evaluations : int or None
        Largest number of instances that are tried.
    deadline : float
        Time (``time.monotonic``) after which no further instance is tried.
    accept : callable
        Asked about each candidate that breaks the conjecture; True ends the search.
    progress : callable
        Called after every evaluation.
    tried, skipped, failed, undecided : int
        Instances so far: all; those outside the family or its assumptions; those on which something raised or was no
        number; those whose solver did not converge.
    failure : str
        The first failure.
    pool : list of Candidate
        The best ones, the best first.
    found : Candidate or None
        The one that was accepted.
    """

    conjecture: Conjecture
    family: Family
    seed: int
    evaluations: int | None
    deadline: float
    accept: Callable[[Candidate], bool]
    progress: Callable[[Search], None] = lambda search: None
    tried: int = 0
    skipped: int = 0
    failed: int = 0
    undecided: int = 0
    failure: str = ""
    pool: list[Candidate] = field(default_factory=list)
    found: Candidate | None = None

    @property
    def best(self) -> Candidate | None:
        """The candidate with the largest score."""
        return self.pool[0] if self.pool else None

    def run(self, witnesses: tuple[Any, ...] = ()) -> None:
        """Search until something is accepted or the budget is spent.

        Parameters
        ----------
        witnesses : tuple
            Named instances, scored first.
        """
        try:
            for witness in witnesses:
                self._spend()
                candidate = self._scored(witness, None)
                if candidate is not None:
                    self._enter(candidate)
            for number in range(1 << 30):
                self._round(number)
        except BudgetSpent:
            pass

    def _round(self, number: int) -> None:
        size = min(100 << number, _LONGEST_ROUND)
        stacked = self.conjecture.stacked is not None
        engines: tuple[type[LatticeDraw] | type[SeededDraw], ...] = (LatticeDraw, SeededDraw)
        for kind, engine in enumerate(engines):
            rng = self._rng(number, kind)
            if stacked:
                for _ in range(8 * size // _BATCH + 1):
                    self._score_stack(StackDraw(engine(rng), _BATCH), 2)
            else:
                for _ in range(size // (1 + kind)):
                    self._draw(engine(rng))
        for place, start in enumerate(self._starts(self._rng(number, 2))):
            rng = self._rng(number, 2, place)
            best = (
                self._climb_stacked(start, 4 * size, rng) if stacked else self._climb(start, size // 2, rng)
            )
            for _ in range(2):
                best = self._polish(best, size // (8 if stacked else 4), rng)

    def _rng(self, *place: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, *place])))

    def _starts(self, rng: np.random.Generator) -> list[Candidate]:
        """The best candidates of the two best sizes, and of two other sizes by chance; where there are none, the next best."""
        chosen: dict[Any, Candidate] = {}
        tapes = [candidate for candidate in self.pool if candidate.tape is not None]
        for candidate in tapes:
            chosen.setdefault(signature(candidate.tape or []), candidate)
        first, others = list(chosen.values())[:2], list(chosen.values())[2:]
        starts = first + [others[i] for i in rng.permutation(len(others))[: _STARTS - 2]]
        spare = [candidate for candidate in tapes if all(candidate is not start for start in starts)]
        return starts + spare[: _STARTS - len(starts)]

    # --- one instance ----------------------------------------------------------------------------------------------

    def evaluate(self, draw: Draw) -> Candidate | None:
        """Score one instance of the family; None where there is nothing to score.

        Parameters
        ----------
        draw : Draw
            The engine that answers.

        Returns
        -------
        Candidate or None

        Raises
        ------
        BudgetSpent
            If the budget is used up.
        """
        self._spend()
        try:
            instance = self.family(draw)
        except Rejected:
            self.skipped += 1
            return None
        except Exception as problem:
            return self._fail(problem)
        return self._scored(instance, draw.tape)

    def _draw(self, draw: Draw) -> Candidate | None:
        candidate = self.evaluate(draw)
        return None if candidate is None else self._enter(candidate)

    def _spend(self, count: int = 1) -> None:
        used = self.evaluations is not None and self.tried >= self.evaluations
        if used or time.monotonic() > self.deadline:
            raise BudgetSpent
        self.tried += count
        self.progress(self)

    def _fail(self, problem: Exception, count: int = 1) -> Candidate | None:
        self.failed += count
        self.failure = self.failure or f"{type(problem).__name__}: {problem}"
        return None

    def _scored(self, instance: Any, tape: Tape | None) -> Candidate | None:
        try:
            if not self.conjecture.assumes(instance):
                self.skipped += 1
                return None
            measured = self.conjecture.measure(instance)
        except Undecided:
            self.undecided += 1
            return None
        except Exception as problem:
            return self._fail(problem)
        return Candidate(measured.score, tape, instance, measured)

    def _enter(self, candidate: Candidate) -> Candidate:
        if candidate.score > 0:
            if self.accept(candidate):
                self.found = candidate
                raise BudgetSpent
            # What is not confirmed counts as tight, so that the search goes elsewhere.
            candidate = replace(candidate, score=0.0)
        last = self.pool[-1].score if len(self.pool) >= _POOL else -math.inf
        if candidate.score > last and all(candidate.score != other.score for other in self.pool):
            self.pool.append(candidate)
            self.pool.sort(key=lambda other: -other.score)
            self._thin()
        return candidate

    def _thin(self) -> None:
        """Keep the pool small, and open to many sizes: a few candidates of each."""
        seen: dict[Any, int] = {}
        kept = []
        for candidate in self.pool:
            sizes = None if candidate.tape is None else signature(candidate.tape)
            seen[sizes] = seen.get(sizes, 0) + 1
            if seen[sizes] <= _SAME_SIZE:
                kept.append(candidate)
        self.pool = kept[:_POOL]

    # --- stages ----------------------------------------------------------------------------------------------------

    def _score_stack(self, draw: StackDraw, looks: int, least: float = -math.inf) -> Candidate | None:
        """Score many instances by one call, and look closely at the best above a score; returns the best of these."""
        self._spend(draw.size)
        raw, sides = self.conjecture.stacked  # type: ignore[misc]
        try:
            with np.errstate(all="ignore"):
                left, right = sides(raw(draw))
        except Rejected:
            self.skipped += draw.size
            return None
        except Exception as problem:
            self._fail(problem, draw.size)
            return None
        scores = self.conjecture.scores(np.asarray(left, float), np.asarray(right, float))
        scores = scores.reshape(draw.size, -1).max(axis=1)
        best = None
        for i in np.argsort(-scores)[:looks]:
            if scores[i] > -np.inf and scores[i] >= least:
                tried = self._draw(ReplayDraw(draw.tape_of(int(i))))
                if tried is not None and (best is None or tried.score > best.score):
                    best = tried
        return best

    def _climb(self, start: Candidate, steps: int, rng: np.random.Generator) -> Candidate:
        """Random changes, one after another; what is no worse is kept."""
        best = start
        for _ in range(steps):
            tried = self._draw(ReplayDraw(mutated(best.tape or [], rng)))
            if tried is not None and tried.score >= best.score:
                best = tried
        return best

    def _climb_stacked(self, start: Candidate, steps: int, rng: np.random.Generator) -> Candidate:
        """Random changes of many copies at once; the best goes on."""
        best = start
        for _ in range(steps // _COPIES):
            tried = self._score_stack(CopiesDraw(best.tape or [], rng, _COPIES), 1, best.score)
            if tried is not None and tried.score >= best.score:
                best = tried
        return best

    def _polish(self, start: Candidate, size: int, rng: np.random.Generator) -> Candidate:
        from scipy.optimize import minimize

        tape = start.tape or []
        reals = real_vector(tape)
        n = reals.values.size
        if not 0 < n <= _SIMPLEX_LIMIT:
            return start
        best = start

        def height(vector: Any) -> float:
            nonlocal best
            tried = self._draw(ReplayDraw(with_reals(tape, vector)))
            if tried is None or tried.score == -math.inf:
                return 3.0
            if tried.score > best.score:
                best = tried
            return -tried.score

        scale = 10.0 ** -rng.uniform(0, 3)
        corners = reals.values + np.vstack(
            [np.zeros(n), scale * np.diag(reals.steps * rng.choice([-1, 1], n))]
        )
        minimize(
            height,
            reals.values,
            method="Nelder-Mead",
            options={
                "initial_simplex": corners,
                "maxfev": size,
                "xatol": 1e-13,
                "fatol": 1e-13,
                "adaptive": n > 5,
            },
        )
        return best
