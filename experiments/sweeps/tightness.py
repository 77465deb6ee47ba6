"""Tightness of every inequality of the registered claims against discount and size.

A claim draws its instances from a family.  Where one question of the family is the discount, the number of states or of
actions of the instance, this answer is pinned (:mod:`experiments.sweeps.pinned`) to one value after another, inside the
family's own range; everything else is drawn as before, at the same seeds.  The tightness of an instance is that of the
registry: the largest ratio of the smaller to the larger side, over entries whose larger side is above the part's floor.

What is meaningful, and what is not: the *typical* tightness (median of random instances) says what a bound costs on the
family's law, and its change with the discount says which power of the horizon the bound overstates.  The *found* tightness
(the best of these and of a short search by the falsifier) is a lower bound of the supremum at this value, no more.  Parts
that state a sign or a monotonicity have a ratio too, but it says how much changes, not how good a bound is; parts with a
zero on the smaller side have none.  Claims without such a question (laws on the line, games, fixed models) are counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.sweeps.configuration import Settings, names, number
from experiments.sweeps.drawing import log_ticks
from experiments.sweeps.pinned import KNOBS, Question, find_question, pinned
from experiments.sweeps.study import Parameters, Row, Study, generator
from mdplab._typing import FloatArray
from mdplab.claims import registry
from mdplab.claims.claim import Claim
from mdplab.claims.evaluate import evaluate, inside
from mdplab.claims.part import InstanceFamily, Part
from mdplab.claims.relations import AtLeast, AtMost
from mdplab.claims.sides import Outcome
from mdplab.falsifier import of_part
from mdplab.falsifier.search import Search
from mdplab.instances import Rejected, SeededDraw

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_DRAWS = 20
"""Draws for one instance inside the assumptions."""


@dataclass(frozen=True)
class Configuration(Settings):
    """What is varied, and what is kept; the TOML file says what each number is."""

    knobs: tuple[str, ...] = names(tuple(KNOBS))
    discounts: tuple[float, ...] = number(0, 1, inside=True)
    sizes: tuple[int, ...] = number(1, 100)
    instances: int = number(1, 10_000)
    evaluations: int = number(1, 1_000_000)
    moderate: float = number(0, 1)
    steep: float = number(0, 1)


def inequalities() -> Iterator[tuple[Claim, Part]]:
    """The inequalities of the registry that speak of all instances."""
    for identifier in registry.records():
        record = registry.find(identifier)
        if isinstance(record, Claim):
            for part in record.parts:
                if part.quantifier == "for_all" and isinstance(part.relation, (AtMost, AtLeast)):
                    yield record, part


@cache
def _question(family: InstanceFamily, knob: str) -> Question | None:
    return find_question(family, knob)


def tasks(configuration: Configuration) -> Iterator[Parameters]:
    """A task for each inequality; those without a question to pin are tasks too, of one row."""
    for claim, part in inequalities():
        yield {"claim": claim.id, "part": part.name}


def rows(configuration: Configuration, parameters: Parameters) -> Iterator[Row]:
    """Typical and found tightness of one inequality at every value of every knob that its family takes."""
    registry.load()
    claim = registry.find(str(parameters["claim"]))
    assert isinstance(claim, Claim)
    part = next(part for part in claim.parts if part.name == parameters["part"])
    family = part.family or claim.instance_family
    found = False
    for knob in configuration.knobs:
        question = _question(family, knob)
        if question is None:
            continue
        for value in configuration.discounts if knob == "discount" else configuration.sizes:
            if question.low <= value <= question.high:
                found = True
                yield {"family": claim.family, "knob": knob, "value": float(value)} | _measure(
                    configuration, claim, part, pinned(family, question, value)
                )
    if not found:
        yield {"family": claim.family, "knob": "none", "value": None}


def _measure(configuration: Configuration, claim: Claim, part: Part, family: InstanceFamily) -> Row:
    """Typical and found tightness on a family."""
    outcomes = []
    for index in range(configuration.instances):
        instance = _instance(configuration.seed, claim, part, family, index)
        if instance is not None:
            outcomes.append(evaluate(part, instance, cross_checked=False))
    ratios = _ratios(outcomes)
    conjecture = of_part(claim, part)
    search = Search(
        conjecture, family, configuration.seed, configuration.evaluations, math.inf, lambda _: False
    )
    search.run()
    best = [] if search.best is None else [evaluate(part, search.best.instance, cross_checked=False)]
    return {
        "typical": float(np.median(ratios)) if ratios else None,
        "found": max(ratios + _ratios(best), default=None),
        "instances": len(ratios),
        "undecided": sum(outcome.verdict == "undecided" for outcome in outcomes),
        "violated": sum(outcome.verdict in ("violated", "error") for outcome in outcomes),
    }


def _instance(seed: int, claim: Claim, part: Part, family: InstanceFamily, index: int) -> Any:
    """An instance inside the assumptions, None where none of some draws is; the same seeds at every value."""
    for attempt in range(_DRAWS):
        try:
            instance = family(SeededDraw(generator(seed, claim.id, part.name, index, attempt)))
        except Rejected:
            continue
        if inside(claim, part, instance):
            return instance
    return None


def _ratios(outcomes: list[Outcome]) -> list[float]:
    """The tightness of the outcomes that have one."""
    found = (outcome.tightness for outcome in outcomes)
    return [ratio for ratio in found if ratio is not None and math.isfinite(ratio)]


# --- the figure and what it says --------------------------------------------------------------------------------------


def exponents(table: pd.DataFrame, knob: str) -> pd.DataFrame:
    """Power of the knob with which the typical tightness of each inequality goes, in order.

    Parameters
    ----------
    table : pandas.DataFrame
        The table of the study.
    knob : str
        ``"discount"``, of which the horizon ``1 / (1 - discount)`` is taken, or a size.

    Returns
    -------
    pandas.DataFrame
        Columns ``claim, part, power``, for the inequalities with a positive ratio at three values or more.
    """
    import pandas as pd

    found = []
    for (claim, part), lines in table[table.knob == knob].groupby(["claim", "part"], sort=True):
        if len(lines) < 3 or lines.typical.isna().any() or (lines.typical <= 0).any():
            continue
        x = _gauge(lines.value, knob)
        found.append((claim, part, float(np.polyfit(np.log(x), np.log(lines.typical), 1)[0])))
    return pd.DataFrame(found, columns=["claim", "part", "power"]).sort_values("power", kind="stable")


def _gauge(values: pd.Series[float], knob: str) -> FloatArray:
    """The horizon of a discount; a size is its own gauge."""
    raw = values.to_numpy(dtype=float)
    return np.asarray(1 / (1 - raw) if knob == "discount" else raw)


def figure(table: pd.DataFrame, configuration: Configuration) -> Figure:
    """Typical tightness over the horizon, the steepest by name, and over the number of states."""
    from mdplab import plotting

    picture, axes = plotting.new_figure(len(configuration.knobs), panel_size=(4.6, 4.0))
    for ax, knob in zip(axes, configuration.knobs, strict=True):
        powers = exponents(table, knob)
        steep = powers[powers.power <= -configuration.steep] if knob == "discount" else powers[:0]
        named = [(row.claim, row.part) for row in steep.itertuples()][:_NAMED]
        shown = {(row.claim, row.part) for row in powers.itertuples()}
        lines = table[table.knob == knob].groupby(["claim", "part"], sort=True)
        curves = {key: (_gauge(part.value, knob), part.typical) for key, part in lines if key in shown}
        for key, (x, y) in curves.items():
            if key not in named:
                ax.plot(x, y, color="0.72", linewidth=0.7, zorder=1)
        for number_, key in enumerate(named):
            label = " ".join(map(str, key))
            ax.plot(
                *curves[key], color=f"C{number_}", marker="os^Dv<"[number_ % 6], markersize=4, label=label
            )
        middle = table[(table.knob == knob) & table.typical.notna()]
        middle = middle[[key in shown for key in zip(middle.claim, middle.part, strict=True)]]
        typical = middle.groupby("value", as_index=False).typical.median()
        ax.plot(_gauge(typical.value, knob), typical.typical, color="black", linewidth=2.4, label="median")
        log_ticks(ax, _gauge(typical.value, knob))
        xlabel = r"horizon $1/(1-\gamma)$" if knob == "discount" else f"number of {knob}"
        ax.set(yscale="log", ylim=(5e-4, 1.3), xlabel=xlabel, title=f"{len(curves)} inequalities")
    axes[0].set_ylabel("typical tightness (smaller / larger side)")
    handles, labels = axes[0].get_legend_handles_labels()
    picture.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8)
    return picture


_NAMED = 6  # inequalities with a colour and a name


def findings(table: pd.DataFrame, configuration: Configuration) -> dict[str, float | str]:
    """How many inequalities lose tightness with the horizon, which most, and what the size does."""
    powers, sizes = exponents(table, "discount"), exponents(table, "states")
    steep = powers[powers.power <= -configuration.steep]
    pinned_parts = table[table.knob != "none"].drop_duplicates(["claim", "part", "knob"])
    over = table[table.knob == "discount"].merge(powers)
    least, most = min(configuration.discounts), max(configuration.discounts)
    # without a value where no inequality was compared there
    ends = over.groupby("value")[["typical", "found"]].median().reindex([least, most])
    last = over[(over.value == most) & (over.power <= -configuration.steep)]
    return {
        "inequalities": float(len(table.drop_duplicates(["claim", "part"]))),
        "with_discount": float((pinned_parts.knob == "discount").sum()),
        "with_states": float((pinned_parts.knob == "states").sum()),
        "without": float((table.knob == "none").sum()),
        "instances": float(table.instances.sum()),
        "violated": float(table.violated.sum()),
        "undecided": float(table.undecided.sum()),
        "compared": float(len(powers)),
        "flat": float((powers.power.abs() < configuration.moderate).sum()),
        "falling": float((powers.power <= -configuration.moderate).sum()),
        "rising": float((powers.power >= configuration.moderate).sum()),
        "moderate": configuration.moderate,
        "steep": configuration.steep,
        "steep_count": float(len(steep)),
        "steep_met": float((last.found >= 0.9).sum()),
        "steepest": ", ".join(f"`{row.claim}` {row.part} ({row.power:.2f})" for row in steep.itertuples()),
        "least": least,
        "most": most,
        "typical_least": float(ends.typical[least]),
        "typical_most": float(ends.typical[most]),
        "found_least": float(ends.found[least]),
        "found_most": float(ends.found[most]),
        "smallest": float(min(configuration.sizes)),
        "largest": float(max(configuration.sizes)),
        "sizes_compared": float(len(sizes)),
        "size_power": float(sizes.power.median()),
    }


STUDY = Study(
    file=__file__,
    title="Tightness of every inequality against discount and size",
    question=(
        "Every inequality of the registered claims is evaluated on instances of its own family in which one answer is pinned: "
        "the discount, or the number of states, as far as the family asks for them and inside its own ranges. The *typical* "
        "tightness is the median of the ratio of the smaller to the larger side over random instances; the *found* one is the "
        "best of these and of a short search. The power of the horizon with which the typical tightness falls is the power "
        "that a bound overstates on its family. Signs and monotonicities have ratios too, which say how much changes rather "
        "than how good a bound is; inequalities with a zero on the smaller side have none and are not compared."
    ),
    configuration=Configuration,
    tasks=tasks,
    rows=rows,
    figure=figure,
    caption=(
        "Typical tightness of inequalities over the horizon and over the number of states, one thin line each; the median of "
        "all in black, and in colour those that lose most with the horizon."
    ),
    findings=findings,
    answer=(
        "Of {inequalities:g} inequalities {with_discount:g} draw a discount and {with_states:g} a number of states; {without:g} "
        "have neither (laws on the line, games, fixed models). On about {instances:,.0f} instances with a ratio {violated:g} are "
        "violated and {undecided:g} undecided. Of the {compared:g} that can be compared over the horizon {flat:g} keep their "
        "tightness (power below {moderate:g}), {falling:g} lose and {rising:g} gain: the median goes from {typical_least:g} at "
        "discount {least:g} to {typical_most:g} at {most:g} (found by search: {found_least:g} and {found_most:g}). Half a power "
        "of the horizon or more is lost by {steep_count:g}: {steepest}. A power of -1 means that the bound carries a factor "
        "1/(1 - γ) that typical instances do not show; {steep_met:g} of these bounds are still met to 90% or more by an instance that the "
        "search found at discount {most:g}. From {smallest:g} to {largest:g} states the median power over {sizes_compared:g} "
        "inequalities is {size_power:.2f}."
    ),
    also=("pinned",),
)
