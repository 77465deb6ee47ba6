"""What a search for a counterexample ended with."""

from __future__ import annotations

import html
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mdplab.falsifier.conjecture import Conjecture
from mdplab.falsifier.show import as_latex, as_source, as_text
from mdplab.falsifier.tapes import Tape
from mdplab.instances.stored import decode, decode_tape, encode, encode_tape

__all__ = ["Counterexample", "Falsification", "load"]

Verdict = Literal["refuted", "not refuted", "undecided"]
FORMAT = 1


@dataclass(frozen=True, eq=False)
class Counterexample:
    """An instance with both sides of a conjecture: explicit data that need no family.

    Attributes
    ----------
    conjecture : str
        Name of the conjecture.
    statement : str
        Its relation.
    instance : object
        The instance.
    left, right : list
        Both sides on it.
    confirmation : str
        How it is known that the sides are so.
    tape : list of TapeEntry or None
        Answers that gave the instance.
    """

    conjecture: str
    statement: str
    instance: Any
    left: Any
    right: Any
    confirmation: str
    tape: Tape | None = None

    def to_json(self) -> str:
        """The counterexample as JSON text; :func:`load` reads it."""
        data = {
            "format": FORMAT,
            "conjecture": self.conjecture,
            "statement": self.statement,
            "instance": encode(self.instance),
            "left": encode(self.left),
            "right": encode(self.right),
            "confirmation": self.confirmation,
            "tape": encode_tape(self.tape),
        }
        return json.dumps(data, indent=1, allow_nan=False) + "\n"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the counterexample to a JSON file.

        Parameters
        ----------
        path : path
            File to write.

        Returns
        -------
        Path
            The file.
        """
        place = Path(path)
        place.write_text(self.to_json(), encoding="utf-8")
        return place


def load(path: str | os.PathLike[str]) -> Counterexample:
    """Read a counterexample.

    Parameters
    ----------
    path : path
        A file that :meth:`Counterexample.save` wrote.

    Returns
    -------
    Counterexample
        Its instance equals the one written in every bit.

    Raises
    ------
    ValueError
        If the file is of another format.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as problem:
        raise ValueError(f"{path} is no JSON file: {problem}") from problem
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError(f"{path} is no counterexample of format {FORMAT}")
    return Counterexample(
        data["conjecture"],
        data["statement"],
        decode(data["instance"]),
        decode(data["left"]),
        decode(data["right"]),
        data["confirmation"],
        decode_tape(data["tape"]),
    )


@dataclass(frozen=True, eq=False)
class Falsification:
    """Result of :func:`mdplab.falsify`.

    Attributes
    ----------
    verdict : {"refuted", "not refuted", "undecided"}
        Undecided where no instance said anything, or where floats broke the conjecture and nothing confirmed it.
    conjecture : Conjecture
        What was searched.
    tightness : float or None
        One plus the largest score: for positive sides the largest ratio ``left / right`` that was found; None where there
        was no instance, or for an equality.
    extremal : Counterexample or None
        The counterexample, or the instance that comes nearest to one.
    evaluations, skipped, failed, undecided : int
        Instances that were tried; those outside the assumptions; those on which a side raised or was not a number;
        those whose solver did not converge.
    unconfirmed : int
        Instances that broke the conjecture in floats and not in exact arithmetic.
    seconds : float
        Time of the search.
    seed : int
        Its seed: with the same evaluations it gives the same answer.
    interrupted : bool
        Whether it was stopped by hand: the answer is the best so far.
    message : str
        What else is to be known, such as the first failure.
    """

    verdict: Verdict
    conjecture: Conjecture
    tightness: float | None
    extremal: Counterexample | None
    evaluations: int
    skipped: int
    failed: int
    undecided: int
    unconfirmed: int
    seconds: float
    seed: int
    interrupted: bool = False
    message: str = ""
    _lines: tuple[str, ...] = field(default=(), repr=False)

    @property
    def instance(self) -> Any:
        """The extremal instance, or None."""
        return None if self.extremal is None else self.extremal.instance

    def __str__(self) -> str:
        """Verdict, numbers and the extremal instance."""
        head = {
            "refuted": f"{self.conjecture.name}: refuted",
            "not refuted": f"{self.conjecture.name}: not refuted",
            "undecided": f"{self.conjecture.name}: undecided",
        }[self.verdict]
        if self.tightness is not None:
            head += f", tightest ratio {self.tightness:.6g}"
        counts = f"{self.evaluations} evaluation{'s' * (self.evaluations != 1)} in {self.seconds:.1f} s, seed {self.seed}"
        extra = {
            "outside the assumptions": self.skipped,
            "failed": self.failed,
            "not converged": self.undecided,
        }
        extra["not confirmed"] = self.unconfirmed
        counts += "".join(f", {count} {name}" for name, count in extra.items() if count)
        lines = [head, counts + (", interrupted" if self.interrupted else "")]
        if self.message:
            lines.append(self.message)
        if self.extremal is not None:
            lines += [
                f"left = {_short(self.extremal.left)}, right = {_short(self.extremal.right)}  "
                f"({self.extremal.statement}; {self.extremal.confirmation})",
                as_text(self.extremal.instance),
            ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The text, for notebooks."""
        return f"<pre>{html.escape(str(self))}</pre>"

    def to_latex(self) -> str:
        """The extremal instance as LaTeX, with its transition diagram.

        Returns
        -------
        str
            Needs the packages ``amsmath`` and ``tikz``.

        Raises
        ------
        ValueError
            If there is no instance.
        """
        return as_latex(self._need().instance)

    def to_pytest(self) -> str:
        """A test that holds the counterexample: it passes while the conjecture is broken on it.

        Returns
        -------
        str
            Python source; the conjecture is imported where its module can be.

        Raises
        ------
        ValueError
            If the conjecture was not refuted.
        """
        if self.verdict != "refuted":
            raise ValueError(f"the conjecture was {self.verdict}: there is no counterexample to test")
        expression, imports = as_source(self._need().instance)
        sides = getattr(self.conjecture.sides, "func", self.conjecture.sides)
        module, name = getattr(sides, "__module__", ""), getattr(sides, "__name__", "sides")
        lines = [*imports, "from mdplab.falsifier import Conjecture"]
        lines = [line for line in lines if not line.startswith("from __main__ ")]
        if module not in ("__main__", "") and "<" not in name:
            lines.append(f"from {module} import {name}")
        test = "".join(c if c.isalnum() else "_" for c in self.conjecture.name).strip("_").lower()
        return "\n".join(
            [
                *lines,
                "",
                "",
                f"def test_counterexample_to_{test}():",
                f"    instance = {expression}",
                f"    outcome = Conjecture({name}, {self.conjecture.kind!r}).check(instance)",
                '    assert outcome.verdict == "violated", outcome',
                "",
            ]
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the extremal instance to a JSON file; see :meth:`Counterexample.save`.

        Parameters
        ----------
        path : path
            File to write.

        Returns
        -------
        Path
            The file.
        """
        return self._need().save(path)

    def _need(self) -> Counterexample:
        if self.extremal is None:
            raise ValueError("no instance was evaluated: there is nothing to show")
        return self.extremal


def _short(side: Any) -> str:
    if isinstance(side, list):
        inner = ", ".join(_short(x) for x in side[:6])
        return f"({inner}{', ...' if len(side) > 6 else ''})"
    return f"{side + 0.0:.10g}"  # no negative zero
