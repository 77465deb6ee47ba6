r"""Return conditioning against stochasticity: how much of the requested return is luck.

An action draws an outcome :math:`o\sim p(o|s,a)` that pays and leads on.  The law is
:math:`(1-\epsilon)\,\delta_{o(s,a)}+\epsilon\,q(\cdot|s,a)`, from certain (:math:`\epsilon=0`) to Dirichlet
(:math:`\epsilon=1`).  The policy :math:`\pi_z(a|h)=p(a|h,R=z)` imitates what a random behaviour did when the return was
:math:`z`.  Everything is exact: all trajectories are enumerated (claim ``rcsl-inconsistency``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.sweeps.configuration import Settings, number
from experiments.sweeps.study import Parameters, Row, Study, generator
from mdplab._typing import FloatArray
from mdplab.instances import SeededDraw
from proofs_check.distributional.yang2022_dichotomy import ConditioningTask, outcome_model

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Configuration(Settings):
    """What is varied, and what is kept; the TOML file says what each number is."""

    stochasticities: tuple[float, ...] = number(0, 1)
    horizons: tuple[int, ...] = number(1, 4)
    actions: int = number(2, 4)
    concentration: float = number(0, 100, inside=True)
    instances: int = number(1, 10_000)


def tasks(configuration: Configuration) -> Iterator[Parameters]:
    """A task for each horizon and instance."""
    for horizon in configuration.horizons:
        for instance in range(configuration.instances):
            yield {"horizon": horizon, "instance": instance}


def rows(configuration: Configuration, parameters: Parameters) -> Iterator[Row]:
    """One pair of certain and random outcomes, mixed in all shares; the behaviour stays."""
    horizon = int(parameters["horizon"])
    draw = SeededDraw(generator(configuration.seed, "task", horizon, int(parameters["instance"])))
    certain = np.eye(3)[draw.integers(0, 2, (2, configuration.actions))]
    chance = draw.weights((2, configuration.actions, 3), configuration.concentration)
    behaviour = draw.weights((horizon, 2, configuration.actions))
    for share in configuration.stochasticities:
        task = ConditioningTask(outcome_model((1 - share) * certain + share * chance), behaviour)
        returns = task.returns
        asked = np.array([task.probability(float(z)) for z in returns])
        obtained = np.array([task.conditioned_value(float(z)) for z in returns])
        best, plain = _optimal_value(task, horizon), float(asked @ returns)
        yield {
            "stochasticity": share,
            "asked": float(returns[-1]),
            "obtained": float(obtained[-1]),
            "optimum": best,
            "behaviour": plain,
            "share_of_data": float(asked[-1]),
            "mean_gap": float(asked @ np.abs(obtained - returns)),
            "best_obtained": float(obtained.max()),
        }


def _optimal_value(task: ConditioningTask, horizon: int) -> float:
    """Largest expected return, by backward induction over the outcomes."""
    law, reward, following = task.model.law, task.model.outcome_reward, task.model.next_state
    value: FloatArray = np.zeros(law.shape[0])
    for _ in range(horizon):
        value = (law @ (reward + value[following])).max(axis=1)
    return float(task.model.start_law() @ value)


# --- the figure and what it says --------------------------------------------------------------------------------------


def figure(table: pd.DataFrame, configuration: Configuration) -> Figure:
    """What is asked for, possible, obtained, and what the data had; and how often the condition does harm."""
    from mdplab import plotting

    horizon = configuration.horizons[-1]
    here = table[table.horizon == horizon].groupby("stochasticity")
    x = np.array(sorted(table.stochasticity.unique()))
    picture, axes = plotting.new_figure(3, panel_size=(3.4, 3.2))
    for number_, (column, label) in enumerate(
        (
            ("asked", "asked for"),
            ("optimum", "best policy"),
            ("obtained", "obtained"),
            ("behaviour", "behaviour"),
        )
    ):
        axes[0].plot(x, here[column].mean(), "o-", color=f"C{number_}", label=label, markersize=3.5)
    axes[0].set(ylabel=f"mean return of {horizon} steps", title="asking for the largest return")
    axes[0].legend(loc="lower left")
    axes[0].set_ylim(0, 2.05 * horizon)
    for number_, steps in enumerate(configuration.horizons):
        part = table[table.horizon == steps]
        regret = ((part.optimum - part.obtained) / steps).groupby(part.stochasticity).mean()
        axes[1].plot(x, regret, "o-", color=f"C{number_}", label=f"$H = {steps}$", markersize=3.5)
        worse = (part.obtained < part.behaviour - 1e-9).groupby(part.stochasticity).mean()
        axes[2].plot(x, 100 * worse, "o-", color=f"C{number_}", label=f"$H = {steps}$", markersize=3.5)
    axes[1].set(ylabel="mean regret per step", title="what the best policy gets more")
    axes[2].set(ylabel="share of tasks (%)", title="worse than not to ask at all")
    for ax in axes:
        ax.set_xlabel(r"stochasticity $\epsilon$")
        ax.set_ylim(bottom=0)
    axes[1].legend(loc="lower right")
    return picture


def findings(table: pd.DataFrame, configuration: Configuration) -> dict[str, float]:
    """Means at no, little and full stochasticity for the longest horizon."""
    horizon = configuration.horizons[-1]
    long = table[table.horizon == horizon]
    little = min(configuration.stochasticities, key=lambda share: abs(share - 0.1))
    found = {
        "horizon": float(horizon),
        "tasks": float(configuration.instances),
        "little": little,
        "most": max(configuration.stochasticities),
        "certain_gap": round(float(np.abs(table.obtained - table.asked)[table.stochasticity == 0].max()), 9),
    }
    for key, share in (("little", little), ("most", found["most"])):
        part = long[long.stochasticity == share]
        found[f"{key}_asked"] = float(part.asked.mean())
        found[f"{key}_obtained"] = float(part.obtained.mean())
        found[f"{key}_optimum"] = float(part.optimum.mean())
        found[f"{key}_behaviour"] = float(part.behaviour.mean())
        found[f"{key}_worse"] = 100 * float((part.obtained < part.behaviour - 1e-9).mean())
    return found


STUDY = Study(
    file=__file__,
    title="Return conditioning against stochasticity",
    question=(
        "A policy that imitates what was done when the return was the largest possible one is run in the environment that "
        "gave the data. The outcomes of actions go from certain to random, and nothing else changes. What is obtained is "
        "compared with what was asked for, with the best policy and with the behaviour."
    ),
    configuration=Configuration,
    tasks=tasks,
    rows=rows,
    figure=figure,
    caption=(
        "Return asked for, that of the best policy, that obtained and that of the behaviour over the share of chance in the "
        "outcomes; the regret per step; and the share of tasks in which conditioning does worse than the behaviour."
    ),
    findings=findings,
    answer=(
        "With certain outcomes the policy obtains what it asks for (largest difference {certain_gap:g}). A little chance "
        "is enough to break this: with {little:g} of it, over {horizon:g} steps, {little_asked:.2f} is asked for on average, "
        "{little_optimum:.2f} is possible and {little_obtained:.2f} is obtained; the behaviour has {little_behaviour:.2f}. With "
        "outcomes that are all chance it is {most_asked:.2f}, {most_optimum:.2f}, {most_obtained:.2f} and "
        "{most_behaviour:.2f}. The regret appears at once and then hardly grows: as soon as the largest return can be had "
        "by luck, the condition selects lucky trajectories and copies what they did. In {little_worse:.1f}% of the "
        "{tasks:g} tasks with a little chance, and {most_worse:.1f}% of those with nothing else, it does worse than the behaviour that "
        "gave the data."
    ),
)
