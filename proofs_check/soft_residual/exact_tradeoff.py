"""Returns of customised policies over weights and coefficients, in balls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.composition_instances import Step
from proofs_check.soft_residual.exact_composition import AnyPriorTwin
from proofs_check.soft_residual.tradeoff_instances import TradeoffTask


class TradeoffTwin(AnyPriorTwin):
    """A task with a range of weights in exact numbers.

    Parameters
    ----------
    task : TradeoffTask
        The task in floats.
    """

    def __init__(self, task: TradeoffTask) -> None:
        super().__init__(task)
        self.start = mdplab.exact.laws(task.mdp.start_law())
        self.weights = mdplab.exact.rational(task.weights)

    def policies(self, steps: Sequence[Step]) -> list[Array]:
        """Customised policies."""
        return [mdplab.exact.exp(self.customised(self.log_prior, step).log_policy) for step in steps]

    def returns(
        self, policies: Sequence[Array], reward: Array, *, temperature: Any = 0, log_reference: Any = None
    ) -> Array:
        """Start values of policies."""
        model = replace(self.inherent, reward=reward)
        found = [
            mdplab.exact.policy_evaluation(
                model, policy, temperature=temperature, log_reference=log_reference
            ).value
            for policy in policies
        ]
        return np.array([self.start @ value for value in found], dtype=object)


def log_prior_return(task: TradeoffTask) -> Array:
    """``L`` at each weight."""
    twin = TradeoffTwin(task)
    return twin.returns(twin.policies(task.weighted), twin.log_prior)


def rest_return(task: TradeoffTask) -> Array:
    """``K`` at each weight."""
    twin = TradeoffTwin(task)
    policies = twin.policies(task.weighted)
    return twin.returns(policies, twin.addon.reward, temperature=twin.temperature)


def later_log_prior(task: TradeoffTask) -> Array:
    """``L`` at each weight but the first."""
    return log_prior_return(task)[1:]


def earlier_log_prior(task: TradeoffTask) -> Array:
    """``L`` at each weight but the last."""
    return log_prior_return(task)[:-1]


def later_rest(task: TradeoffTask) -> Array:
    """``K`` at each weight but the first."""
    return rest_return(task)[1:]


def earlier_rest(task: TradeoffTask) -> Array:
    """``K`` at each weight but the last."""
    return rest_return(task)[:-1]


def optimal_values(task: TradeoffTask) -> Array:
    """``F`` at each weight, from the residual fixed points."""
    twin = TradeoffTwin(task)
    values = [twin.start @ twin.customised(twin.log_prior, step).value for step in task.weighted]
    return np.array(values, dtype=object)


def split_values(task: TradeoffTask) -> Array:
    """``K + w L`` at each weight."""
    return np.asarray(rest_return(task) + mdplab.exact.rational(task.weights) * log_prior_return(task))


def tangent_sides(task: TradeoffTask, *, below: bool) -> Array:
    """Slopes times steps and rises, stacked so that the one is at most the other."""
    steps = np.diff(mdplab.exact.rational(task.weights))
    slopes, rise = log_prior_return(task), np.diff(optimal_values(task))
    rows = (slopes[:-1] * steps, rise) if below else (rise, slopes[1:] * steps)
    return np.array(rows, dtype=object)


def tangents_below(task: TradeoffTask) -> Array:
    """``L(w_i)`` times the step, and the rise of ``F``."""
    return tangent_sides(task, below=True)


def tangents_above(task: TradeoffTask) -> Array:
    """The rise of ``F``, and ``L(w_(i+1))`` times the step."""
    return tangent_sides(task, below=False)


def divergence(task: TradeoffTask) -> Array:
    """Discounted divergence from the prior at each coefficient."""
    twin = TradeoffTwin(task)
    policies = twin.policies(task.pure_kl)
    return np.asarray(
        -twin.returns(policies, 0 * twin.addon.reward, temperature=1, log_reference=twin.log_prior)
    )


def later_divergence(task: TradeoffTask) -> Array:
    """The divergence at each coefficient but the first."""
    return divergence(task)[1:]


def earlier_divergence(task: TradeoffTask) -> Array:
    """The divergence at each coefficient but the last."""
    return divergence(task)[:-1]


def addon_return(task: TradeoffTask) -> Array:
    """Return of the add-on reward at each coefficient."""
    twin = TradeoffTwin(task)
    return twin.returns(twin.policies(task.pure_kl), twin.addon.reward)


def later_addon(task: TradeoffTask) -> Array:
    """The return at each coefficient but the first."""
    return addon_return(task)[1:]


def earlier_addon(task: TradeoffTask) -> Array:
    """The return at each coefficient but the last."""
    return addon_return(task)[:-1]


def hidden_return(task: TradeoffTask) -> Array:
    """Return of the inherent reward at each weight."""
    twin = TradeoffTwin(task)
    return twin.returns(twin.policies(task.weighted), twin.inherent.reward)


def hidden_from_log_prior(task: TradeoffTask) -> Array:
    """``rho V* + alpha L`` at each weight."""
    twin = TradeoffTwin(task)
    best = twin.start @ twin.prior.value
    return np.asarray(best + twin.prior_temperature * log_prior_return(task))


def later_hidden(task: TradeoffTask) -> Array:
    """The hidden return at each weight but the first."""
    return hidden_return(task)[1:]


def earlier_hidden(task: TradeoffTask) -> Array:
    """The hidden return at each weight but the last."""
    return hidden_return(task)[:-1]
