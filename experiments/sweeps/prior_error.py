r"""Residual control with an imperfect prior: how the loss grows with the error of the prior, and with the horizon.

The task is to maximise :math:`r+r_R` with entropy, knowing :math:`r_R` and a prior that should be max-ent optimal for
:math:`r`.  The prior is wrong in one of three ways: *noise* of standard deviation ``size`` on its log-probabilities;
a *mixture* with the uniform policy of weight ``size``; or the optimum of a *reward* with noise of that standard deviation.
With :math:`\delta` the largest error of the log-prior, the claim ``rql-prior-error`` bounds the distance of the customised
log-policy from the optimal one by :math:`2\omega'\delta/(\hat\alpha(1-\gamma))` and the loss by
:math:`2\omega'\delta/(1-\gamma)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from experiments.sweeps.configuration import Settings, names, number
from experiments.sweeps.drawing import log_ticks
from experiments.sweeps.study import Parameters, Row, Study, generator
from mdplab import solvers
from mdplab.instances import SeededDraw, garnet
from mdplab.operators import log_tilt
from proofs_check.soft_residual.prior_instances import PriorErrorTask
from proofs_check.soft_residual.wang2025_prior_error import log_bound, log_distance, loss, loss_bound

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

KINDS = {
    "noise": "noise on log-policy",
    "mixture": "mixture with uniform",
    "reward": "optimum of a wrong reward",
}
"""How a prior is wrong, and the name of it in the figure."""


@dataclass(frozen=True)
class Configuration(Settings):
    """What is varied, and what is kept; the TOML file says what each number is."""

    discounts: tuple[float, ...] = number(0, 1, inside=True)
    kinds: tuple[str, ...] = names(tuple(KINDS))
    sizes: tuple[float, ...] = number(0, 1, inside=True)
    states: int = number(2, 1000)
    actions: int = number(2, 100)
    branching: int = number(1, 1000)
    instances: int = number(1, 10_000)
    prior_temperature: float = number(0, 100, inside=True)
    temperature: float = number(0, 100, inside=True)
    reward_weight: float = number(0, 100)


def tasks(configuration: Configuration) -> Iterator[Parameters]:
    """A task for each discount and instance."""
    for discount in configuration.discounts:
        for instance in range(configuration.instances):
            yield {"discount": discount, "instance": instance}


def rows(configuration: Configuration, parameters: Parameters) -> Iterator[Row]:
    """Errors of one task for all wrong priors: of the same task and along the same noise at every size and discount."""
    draw = SeededDraw(generator(configuration.seed, "task", int(parameters["instance"])))
    shape = (configuration.states, configuration.actions)
    mdp = garnet(draw, *shape, configuration.branching, discount=float(parameters["discount"]), sparse=False)
    addon, noise = draw.normal(shape), draw.normal(shape)
    for kind in configuration.kinds:
        for size in configuration.sizes:
            task = PriorErrorTask(
                mdp,
                addon,
                configuration.prior_temperature,
                configuration.temperature,
                configuration.reward_weight,
                noise=size * noise if kind == "noise" else np.zeros(shape),
                potential=np.zeros(shape[0]),
                mixture=size if kind == "mixture" else 0.0,
            )
            if kind == "reward":
                wrong = solvers.soft_policy_iteration(
                    mdp.replace(reward=mdp.reward + size * noise), temperature=configuration.prior_temperature
                )
                task = PriorErrorTask(
                    mdp,
                    addon,
                    configuration.prior_temperature,
                    configuration.temperature,
                    configuration.reward_weight,
                    noise=log_tilt(wrong.log_policy) - task.prior.log_policy,
                    potential=np.zeros(shape[0]),
                )
            lost = loss(task)
            missed = _number(lost.value)
            yield {
                "kind": kind,
                "size": size,
                "delta": task.delta,
                "log_distance": _number(log_distance(task).value),
                "log_bound": _number(log_bound(task).value),
                # a loss within its error is rounding
                "loss": missed if missed > 10 * _number(lost.error) else None,
                "loss_bound": _number(loss_bound(task).value),
            }


def _number(value: ArrayLike) -> float:
    """A scalar as a float."""
    return float(np.asarray(value))


# --- the figure and what it says --------------------------------------------------------------------------------------


def figure(table: pd.DataFrame, configuration: Configuration) -> Figure:
    """Distance and loss over the error of the prior at one discount, and the loss over the horizon."""
    from mdplab import plotting

    discount = _shown_discount(configuration)
    here = table[table.discount == discount]
    picture, axes = plotting.new_figure(3, panel_size=(3.4, 3.1))
    for ax, column, bound, ylabel in (
        (axes[0], "log_distance", "log_bound", r"$\|\log\tilde\mu - \log\hat\pi^*\|_\infty$"),
        (axes[1], "loss", "loss_bound", r"loss $\max_s(\hat V^* - \hat V^{\tilde\mu})(s)$"),
    ):
        for number_, kind in enumerate(configuration.kinds):
            part = here[here.kind == kind].dropna(subset=[column])
            ax.plot(
                part.delta,
                part[column],
                "o",
                color=f"C{number_}",
                markersize=2.6,
                alpha=0.7,
                label=KINDS[kind],
            )
        line = here.sort_values("delta")
        ax.plot(line.delta, line[bound], color="0.25", linestyle="--", linewidth=1.2, label="bound")
        ax.set(xscale="log", yscale="log", xlabel=r"error of the log-prior $\delta$", ylabel=ylabel)
    axes[0].set_title(rf"policy: first order ($\gamma = {discount:g}$)")
    axes[1].set_title(rf"value: second order ($\gamma = {discount:g}$)")
    axes[0].legend(loc="lower right", fontsize=8)
    axes[0].set_ylim(bottom=3e-6)
    ax, size = axes[2], _shown_size(configuration)
    for number_, kind in enumerate(configuration.kinds):
        part = table[(table.kind == kind) & (table["size"] == size)]
        horizon = 1 / (1 - np.array(sorted(part.discount.unique())))
        grouped = part.groupby("discount")
        ax.plot(horizon, grouped.loss.median(), "o-", color=f"C{number_}")
        ax.plot(horizon, grouped.loss_bound.median(), "--", color=f"C{number_}", linewidth=1.0)
    log_ticks(ax, 1 / (1 - np.array(configuration.discounts)))
    ax.set(yscale="log", xlabel=r"horizon $1/(1-\gamma)$", ylabel="median loss, bound (dashed)")
    ax.set_title(f"priors wrong by size {size:g}")
    return picture


def _shown_discount(configuration: Configuration) -> float:
    """The discount of the first panels: that nearest to .9."""
    return min(configuration.discounts, key=lambda discount: abs(discount - 0.9))


def _shown_size(configuration: Configuration) -> float:
    """The size of the last panel: that nearest to .1."""
    return min(configuration.sizes, key=lambda size: abs(size - 0.1))


def _slope(x: pd.Series[float], y: pd.Series[float]) -> float:
    """Slope of a line through logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def findings(table: pd.DataFrame, configuration: Configuration) -> dict[str, float]:
    """Orders in the error and in the horizon, and how tight the bounds are."""
    here = table[table.discount == _shown_discount(configuration)]
    small = here[(here.delta < 0.1)].dropna(subset=["loss"])
    size = _shown_size(configuration)
    noisy = table[(table.kind == "noise") & (table["size"] == size)].groupby("discount", as_index=False)
    horizon = 1 / (1 - noisy.loss.median().discount)
    return {
        "discount": _shown_discount(configuration),
        "size": size,
        "tasks": float(len(configuration.discounts) * configuration.instances),
        "policy_order": _slope(small.delta, small.log_distance),
        "loss_order": _slope(small.delta, small.loss),
        "horizon_order": _slope(horizon, noisy.loss.median().loss),
        "bound_horizon_order": _slope(horizon, noisy.loss_bound.median().loss_bound),
        "policy_ratio": float((here.log_distance / here.log_bound).median()),
        "largest_policy_ratio": float((table.log_distance / table.log_bound).max()),
        "loss_ratio": float((here.loss / here.loss_bound).median()),
        "largest_loss_ratio": float((table.loss / table.loss_bound).max()),
    }


STUDY = Study(
    file=__file__,
    title="Residual control with an imperfect prior",
    question=(
        "A max-ent policy is customised by an add-on reward, but the prior is not quite the policy it should be: its "
        "log-probabilities are noisy, it is mixed with the uniform policy, or it is optimal for a slightly wrong reward. The "
        "distance of the customised policy from the right one, and the loss, are compared with the bounds of the claim "
        "`rql-prior-error`."
    ),
    configuration=Configuration,
    tasks=tasks,
    rows=rows,
    figure=figure,
    caption=(
        "Distance of the customised log-policy from the optimal one, and loss of value, over the error of the log-prior, for "
        "three ways in which a prior is wrong, with their bounds (dashed); and the median loss over the horizon."
    ),
    findings=findings,
    answer=(
        "The policy moves to first order in the error of the log-prior (fitted order {policy_order:g} for errors below .1), the "
        "value to second order ({loss_order:g}), because the right policy is a maximum; the proven bound of the loss is of first "
        "order, so it is the more pessimistic the better the prior is. At discount {discount:g} the bounds are met to "
        "{policy_ratio:.1%} for the policy and {loss_ratio:.2%} for the value in the median over all sizes; at any of the discounts, "
        "in {tasks:g} tasks, to at most {largest_policy_ratio:.0%} and {largest_loss_ratio:.0%}. For noise of size {size:g} the median loss grows like the "
        "horizon to the power {horizon_order:g}, its bound like {bound_horizon_order:g}. A mixture with the uniform policy is the "
        "mildest error at the same δ: it is large only where the prior hardly ever acts."
    ),
)
