"""Conditioning on the return (Yang, Schuurmans, Abbeel, Nachum 2022): luck is mistaken for skill.

A policy conditioned on the return imitates what the behaviour did on the trajectories that had this return.  In a
deterministic environment it obtains the return it asks for.  In a stochastic one the trajectories of a high return
are those on which the dice fell well, and the dice do not listen to the condition.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Assumption, Claim, Equal, Known, Side, rounding
from mdplab.enumeration import History, Trajectories, enumerate_outcome_trajectories
from mdplab.instances import Draw, SeededDraw
from mdplab.models import OutcomeModel
from proofs_check.distributional import exact_conditioning as exact

# --- instances ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ConditioningTask:
    """An outcome model and the behaviour that produced the data.

    Attributes
    ----------
    model : OutcomeModel
        Outcome laws, rewards, next states and start law.
    behaviour : ndarray, shape (H, S, A)
        The stage policy ``beta``.
    """

    model: OutcomeModel
    behaviour: FloatArray

    @cached_property
    def trajectories(self) -> Trajectories:
        """All trajectories of the behaviour."""
        return enumerate_outcome_trajectories(self.model, self.behaviour, self.behaviour.shape[0])

    @property
    def returns(self) -> FloatArray:
        """The achievable returns, ascending (rewards are such that equal returns are equal floats)."""
        return np.unique(self.trajectories.returns)

    def given(self, z: float) -> FloatArray:
        """``p(trajectory | return = z)``."""
        mass = self.trajectories.probability * (self.trajectories.returns == z)
        return np.asarray(mass / mass.sum())

    def probability(self, z: float) -> float:
        """``p(return = z)``."""
        return float(self.trajectories.probability @ (self.trajectories.returns == z))

    def conditioned_law(self, z: float) -> FloatArray:
        """Law of the trajectories when the conditioned policy runs in the true environment."""
        tau = self.trajectories
        actions = tau.conditioned_action_log_probability(tau.returns == z)
        return np.asarray(np.exp(tau.environment_log_probability + actions.sum(axis=1)))

    def conditioned_value(self, z: float) -> float:
        """``V(pi_z)`` by re-weighting the trajectories of the behaviour."""
        return float(self.conditioned_law(z) @ self.trajectories.returns)

    def conditioned_policy(self, z: float, history: History) -> FloatArray:
        """``pi_z(a | history)``, shape (M, A), by searching the trajectories; the behaviour where undefined."""
        tau, stage = self.trajectories, history.stage
        assert tau.outcomes is not None
        assert history.outcomes is not None
        weight = self.given(z)
        chosen: FloatArray = self.behaviour[stage][history.states[:, -1]].copy()
        for row, probabilities in enumerate(chosen):
            same = np.all(tau.states[:, : stage + 1] == history.states[row], axis=1)
            same &= np.all(tau.actions[:, :stage] == history.actions[row], axis=1)
            same &= np.all(tau.outcomes[:, :stage] == history.outcomes[row], axis=1)
            taken = np.bincount(tau.actions[same, stage], weights=weight[same], minlength=probabilities.size)
            if taken.sum() > 0:
                probabilities[:] = taken / taken.sum()
        return chosen

    def value_by_running(self, z: float) -> float:
        """``V(pi_z)`` by running the conditioned policy, history by history."""
        ran = enumerate_outcome_trajectories(
            self.model, lambda history: self.conditioned_policy(z, history), self.behaviour.shape[0]
        )
        return float(ran.probability @ ran.returns)

    def divergence(self, z: float) -> float:
        """``KL(p(trajectory | z) || law of the conditioned policy)``."""
        p = self.given(z)
        possible = p > 0
        return float(p[possible] @ np.log(p[possible] / self.conditioned_law(z)[possible]))


@dataclass(frozen=True)
class TwoArms:
    """Arm 0 pays 1 with some probability, else 0; arm 1 pays a fixed amount.

    Attributes
    ----------
    success : float
        Probability ``p`` of the payment of arm 0.
    sure : float
        Payment ``x`` of arm 1.
    first : float
        Probability ``beta_0`` with which the behaviour takes arm 0.
    """

    success: float
    sure: float
    first: float

    @property
    def task(self) -> ConditioningTask:
        """One state, outcomes (1, 0, x)."""
        law = [[[self.success, 1 - self.success, 0.0], [0.0, 0.0, 1.0]]]
        model = OutcomeModel(law, [1.0, 0.0, self.sure], [0, 0, 0], [1.0])
        return ConditioningTask(model, np.array([[[self.first, 1 - self.first]]]))


def two_arms(draw: Draw) -> TwoArms:
    """p and beta_0 uniform; x = 1 half of the time, otherwise uniform on (-1, 2)."""
    sure = 1.0 if draw.boolean() else draw.number(-1.0, 2.0)
    return TwoArms(draw.number(0.01, 0.99), sure, draw.number(0.01, 0.99))


def outcome_model(law: FloatArray, initial: FloatArray | None = None) -> OutcomeModel:
    """Two states, three outcomes with rewards 0, 1, 2 that lead to the states 0, 1, 1; start in state 0."""
    return OutcomeModel(law, [0.0, 1.0, 2.0], [0, 1, 1], [1.0, 0.0] if initial is None else initial)


def random_task(draw: Draw, *, stochastic: bool) -> ConditioningTask:
    horizon, n_actions = draw.integer(1, 2), draw.integer(2, 3)
    if stochastic:
        law = draw.weights((2, n_actions, 3), 0.5)
    else:
        law = np.eye(3)[draw.integers(0, 2, (2, n_actions))]
    return ConditioningTask(outcome_model(law), draw.weights((horizon, 2, n_actions)))


def deterministic_task(draw: Draw) -> ConditioningTask:
    """H in 1..2, 2 states, 2 or 3 actions, one random outcome for each pair, Dirichlet(1) behaviour."""
    return random_task(draw, stochastic=False)


def stochastic_task(draw: Draw) -> ConditioningTask:
    """As the deterministic tasks, with Dirichlet(.5) outcome laws."""
    return random_task(draw, stochastic=True)


def many_starts(draw: Draw) -> ConditioningTask:
    """A deterministic task that starts in a random state."""
    task = deterministic_task(draw)
    return ConditioningTask(outcome_model(task.model.law, draw.weights(2)), task.behaviour)


ARMS = TwoArms(success=0.2, sure=0.9, first=0.5)
TIED_ARMS = TwoArms(success=0.2, sure=1.0, first=0.5)
EVEN = np.full((2, 2, 2), 0.5)
CERTAIN = ConditioningTask(outcome_model(np.eye(3)[[[0, 2], [1, 2]]]), EVEN)
LONG_SHOT = ConditioningTask(outcome_model(np.array([[[0.9, 0.0, 0.1], [0.0, 1.0, 0.0]]] * 2)), EVEN)
RANDOM_START = ConditioningTask(outcome_model(np.eye(3)[[[0, 0], [1, 1]]], np.array([0.5, 0.5])), EVEN)

# --- routes ---------------------------------------------------------------------------------------------------------


def enumeration_error(task: ConditioningTask) -> float:
    """Rounding of a sum over the trajectories of products of probabilities (in logarithms) and returns."""
    tau = task.trajectories
    return float(rounding(max(1.0, float(np.abs(tau.returns).max())), 2 * tau.n_trajectories + 200))


def arms_by_enumeration(arms: TwoArms) -> Side:
    """Enumeration: probability of arm 0, value, and gap of the policy conditioned on the return 1."""
    task = arms.task
    actions = task.trajectories.conditioned_action_log_probability(task.trajectories.returns == 1.0)
    first = float(np.exp(actions[task.trajectories.actions[:, 0] == 0, 0][0]))
    gap = float(task.given(1.0) @ task.trajectories.returns) - task.conditioned_value(1.0)
    # a conditional probability is a quotient by p(z): relative rounding only
    return Side([first, task.conditioned_value(1.0), gap], 2 * enumeration_error(task))


def arms_in_closed_form(arms: TwoArms, *, bayes: bool = True) -> Side:
    """Closed form: Bayes' rule for arm 0; p, or a mixture of p and 1."""
    first = 1.0
    if arms.sure == 1.0:
        lucky = arms.first * (arms.success if bayes else 1.0)
        first = lucky / (lucky + 1 - arms.first)
    value = 1 - (1 - arms.success) * first
    return Side([first, value, 1 - value], rounding(1, 16))


def requested_returns(task: ConditioningTask) -> Side:
    """The return z itself, as the mean over the trajectories that have it, for every achievable z."""
    return Side([task.given(z) @ task.trajectories.returns for z in task.returns], enumeration_error(task))


def obtained_returns(task: ConditioningTask) -> Side:
    """Value of the conditioned policy run in the true environment, for every achievable z."""
    return Side([task.value_by_running(float(z)) for z in task.returns], 2 * enumeration_error(task))


# --- the claim ------------------------------------------------------------------------------------------------------

RCSL = Claim(
    "rcsl-inconsistency",
    title="Conditioning on the return is inconsistent in stochastic environments and consistent in deterministic ones",
    papers=("yang2022dichotomy", "brandfonbrener2022rcsl", "paster2022luck"),
    provenance="our formalisation",
    statement=r"""
    An action draws an outcome $o \sim p(o | s, a)$ that determines reward and next state. For a behaviour $\beta$ and a
    return $z$ of positive probability let $\pi_z(a | h) = p(a | h, R = z)$, and $\pi_z = \beta$ at histories with
    $p(h | z) = 0$.

    (i) Arm 0 pays $1$ with probability $p$ and else $0$, arm 1 pays $x$. Conditioned on the return $1$ with $x \ne 1$,
    $\pi_z(\text{arm } 0) = 1$ and $V(\pi_z) = p$: it misses what it asked for by $1 - p$. With $x = 1$,
    $$\pi_z(\text{arm } 0) = \frac{\beta_0 p}{\beta_0 p + 1 - \beta_0}, \qquad
      V(\pi_z) = 1 - (1 - p)\, \pi_z(\text{arm } 0).$$

    (ii) If outcomes and start are deterministic, $V(\pi_z) = z$ for every achievable $z$.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"in (ii): deterministic outcomes, $p(o | s, a) \in \{0, 1\}$",
            "stochastic outcomes",
            lambda task: bool(np.all((task.model.law == 0) | (task.model.law == 1))),
            wider=stochastic_task,
        ),
        Assumption(
            "A2",
            "in (ii): one start state",
            "two start states",
            lambda task: bool(np.max(task.model.start_law()) == 1),
            wider=many_starts,
        ),
    ),
    instance_family=deterministic_task,
    witnesses=(CERTAIN,),
    instances=200,
)
FINITE_SUM = "sums over at most a few hundred trajectories"

arms_part = RCSL.part(
    "(i)",
    r"two arms, return 1: $\pi_z(\text{arm } 0)$, $V(\pi_z)$ and the gap $1 - V(\pi_z)$",
    Equal(arms_by_enumeration, arms_in_closed_form),
    resolution=1e-12,
    reason=FINITE_SUM,
    family=two_arms,
    witnesses=(ARMS, TIED_ARMS),
    assumes=(),
    exact=(exact.arms_by_enumeration, exact.arms_in_closed_form),
)
consistent_part = RCSL.part(
    "(ii)",
    r"deterministic outcomes: $V(\pi_z) = z$ for every achievable $z$",
    Equal(obtained_returns, requested_returns),
    resolution=1e-11,
    reason=FINITE_SUM,
    exact=(exact.obtained_returns, exact.requested_returns),
)


@RCSL.known(ARMS)
def _(arms: TwoArms) -> Iterator[Known]:
    task = arms.task
    for z, printed in (
        (0.0, "0 0.4 0 0.2 0.2231435513"),
        (0.9, "0.9 0.5 0.9 0.9 0"),
        (1.0, "1 0.1 1 0.2 1.6094379124"),
    ):
        mean = float(task.given(z) @ task.trajectories.returns)
        row = [z, task.probability(z), mean, task.conditioned_value(z), task.divergence(z)]
        yield Known(f"z = {z:g}: z, p(z), E[R|z], value, KL", printed, np.array(row), 1e-14)
    best = enumerate_outcome_trajectories(task.model, np.array([[0.0, 1.0]]), 1)
    yield Known("value of the best arm", "0.9", best.expectation(best.returns), 1e-15)


# --- what must fail -------------------------------------------------------------------------------------------------


def without_bayes(arms: TwoArms) -> Side:
    """Closed form with the behaviour's probability of arm 0 instead of Bayes' rule."""
    return arms_in_closed_form(arms, bayes=False)


arms_part.control(
    "the behaviour in the place of Bayes' rule", kind="mutation", instance=TIED_ARMS, right=without_bayes
)
consistent_part.control("stochastic outcomes", kind="assumption", drops="A1", instance=LONG_SHOT)
consistent_part.control("two start states", kind="assumption", drops="A2", instance=RANDOM_START)


# --- the figure -----------------------------------------------------------------------------------------------------


@RCSL.figure(
    "Requested return and value of the policy conditioned on it, over random tasks of two stages. Deterministic tasks "
    "(circles, spread sideways to show their number) lie on the identity; stochastic ones miss what is asked for, "
    "most of all at the extremes. Crosses: the two arms with p = .2 and x = .9."
)
def _(ax: Any) -> None:
    ax.plot([0, 4], [0, 4], color="0.45", linewidth=1.0)
    spread = np.random.default_rng(0)
    for color, (family, look, label) in enumerate(
        ((deterministic_task, "o", "deterministic"), (stochastic_task, ".", "stochastic"))
    ):
        asked, got = [], []
        for seed in range(100):
            task = family(SeededDraw(seed))
            if task.behaviour.shape[0] == 2:
                asked += task.returns.tolist()
                got += [task.conditioned_value(float(z)) for z in task.returns]
        shift = spread.uniform(-0.12, 0.12, len(asked))
        fill = "none" if look == "o" else None
        ax.plot(
            np.array(asked) + shift,
            got,
            look,
            color=f"C{color}",
            fillstyle=fill or "full",
            label=label,
            alpha=0.6,
        )
    arms = ARMS.task
    values = [arms.conditioned_value(float(z)) for z in arms.returns]
    ax.plot(arms.returns, values, "kx", markersize=7, markeredgewidth=1.8, label="two arms")
    ax.set(
        xlabel="requested return $z$", ylabel=r"value of the conditioned policy $V(\pi_z)$", ylim=(-0.2, 5.2)
    )
    ax.legend(loc="upper left")
