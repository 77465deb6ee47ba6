"""Tasks of the family: raw data; M2, the generator G of offline problems, re-weighted trajectories, safety graphs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from mdplab._typing import BoolArray, FloatArray, IntArray
from mdplab.enumeration import Trajectories, enumerate_trajectories
from mdplab.instances import (
    Draw,
    deterministic_horizon_mdp,
    dirichlet_mdp,
    full_support,
    horizon_mdps,
    mdp_with_policy,
    safety_graph,
    survival_chain,
    two_state_behaviour,
    two_state_mdp,
)
from mdplab.models import MDP, FiniteHorizonMDP
from mdplab.operators import occupancy

__all__ = [
    "OfflineTask",
    "PlanningTask",
    "SafetyTask",
    "WeightingTask",
    "behaviour_task",
    "closed_class",
    "detour_task",
    "lottery_task",
    "offline_mdp",
    "offline_task",
    "partly_reached",
    "partly_started",
    "partly_supported",
    "planning_task",
    "safety_task",
    "start_blind_task",
    "stochastic_task",
    "survival_task",
    "two_state_task",
    "two_step_task",
    "weighting_task",
]


@dataclass(frozen=True, eq=False)
class PlanningTask:
    """A discounted model with a start law, and nothing else.

    Attributes
    ----------
    mdp : MDP
        The model.
    """

    mdp: MDP

    @property
    def start(self) -> FloatArray:
        """``(1 - gamma) mu_0``, shape (S,)."""
        return np.asarray((1.0 - self.mdp.discount) * self.mdp.start_law())


@dataclass(frozen=True, eq=False)
class OfflineTask(PlanningTask):
    """A regularised occupancy program: ``max <d, R> - strength D_f(d || data)``.

    Attributes
    ----------
    data : ndarray, shape (S, A)
        Law ``d_O`` on pairs; not necessarily an occupancy.
    strength : float
        Weight ``alpha`` of the divergence.
    """

    data: FloatArray
    strength: float


def offline_mdp(draw: Draw) -> MDP:
    """S in 2..5, A in 2..3, rows Dirichlet(.5), rewards uniform on [0, 1], discount in (.5, .95), start Dirichlet(1)."""
    return dirichlet_mdp(
        draw, states=(2, 5), actions=(2, 3), concentration=(0.5,), reward="unit", discount=(0.5, 0.95)
    )


def planning_task(draw: Draw) -> PlanningTask:
    """A model of generator G."""
    return PlanningTask(offline_mdp(draw))


def offline_task(draw: Draw) -> OfflineTask:
    """A model of generator G with data and strength 10^U(-1, .5).

    Half of the data are the occupancy of a behaviour policy ``.9 Dirichlet(1) + .1 / A``, half an arbitrary law on
    pairs: Dirichlet(1), floored at .001 and normalised again.
    """
    mdp = offline_mdp(draw)
    pairs = (mdp.n_states, mdp.n_actions)
    if draw.boolean(0.5):
        data = _behaviour(draw, mdp)
    else:
        data = np.maximum(draw.weights(pairs[0] * pairs[1]), 1e-3).reshape(pairs)
        data = data / data.sum()
    return OfflineTask(mdp, data, draw.log_number(0.1, 10.0**0.5))


def _behaviour(draw: Draw, mdp: MDP) -> FloatArray:
    """Occupancy of a behaviour policy ``.9 Dirichlet(1) + .1 / A``."""
    return np.asarray(occupancy(mdp, full_support(draw, (mdp.n_states, mdp.n_actions), mixture=0.1)))


def behaviour_task(draw: Draw) -> OfflineTask:
    """A model of generator G with the occupancy of a behaviour policy as data and strength 10^U(-2, .5)."""
    mdp = offline_mdp(draw)
    return OfflineTask(mdp, _behaviour(draw, mdp), draw.log_number(0.01, 10.0**0.5))


def closed_class(mdp: MDP, size: int) -> MDP:
    """The model with its first ``size`` states made a closed class, in which it starts; the others are not reached."""
    transition, start = np.array(mdp.transition), np.array(mdp.start_law())
    transition[:size, :, size:] = 0.0
    start[size:] = 0.0
    lost = transition.sum(axis=-1) < 1e-9
    transition[lost] = np.eye(mdp.n_states)[0]
    transition /= transition.sum(axis=-1, keepdims=True)
    start[0] += 1e-3
    return MDP(transition, mdp.reward, mdp.discount, start / start.sum())


def partly_started(draw: Draw) -> PlanningTask:
    """A model of generator G that starts in a closed class of states; some or all states."""
    mdp = offline_mdp(draw)
    return PlanningTask(closed_class(mdp, draw.integer(1, mdp.n_states)))


def partly_reached(draw: Draw) -> OfflineTask:
    """An offline task on a model that starts in a closed class of states."""
    task = offline_task(draw)
    return OfflineTask(closed_class(task.mdp, draw.integer(1, task.mdp.n_states)), task.data, task.strength)


def partly_supported(draw: Draw) -> OfflineTask:
    """An offline task without data on one pair or on none."""
    task = offline_task(draw)
    data = task.data.copy()
    data.flat[draw.integer(0, data.size - 1)] = 0.0
    return OfflineTask(task.mdp, data / data.sum(), task.strength)


def two_state_task(strength: float = 0.1) -> OfflineTask:
    """The instance M2 with the occupancy of its behaviour policy as data."""
    mdp = two_state_mdp()
    return OfflineTask(mdp, occupancy(mdp, two_state_behaviour()), strength)


def detour_task() -> OfflineTask:
    """The optimal policy stays in state 0; data of the uniform policy also visit state 1, where actions nearly tie."""
    transition = np.array([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]])
    mdp = MDP(transition, [[1.0, 0.0], [0.5, 0.7]], 0.5, [1.0, 0.0])
    return OfflineTask(mdp, occupancy(mdp, np.full((2, 2), 0.5)), 0.1)


@dataclass(frozen=True, eq=False)
class WeightingTask:
    """All trajectories of a behaviour policy, to be re-weighted by the exponential of their return.

    Attributes
    ----------
    model : FiniteHorizonMDP
        Undiscounted model with a start law.
    behaviour : ndarray, shape (H, S, A)
        Behaviour policy of every stage.
    temperatures : ndarray, shape (K,)
        Temperatures ``eta``, decreasing.
    normalisation : {"each start", "all starts", "first order"}
        Where the weights ``exp(G / eta)`` have mean one: given each initial state, over all trajectories, or only to
        first order in ``1 / eta`` (``exp((G - V(s_0)) / eta)``, then over all trajectories).
    """

    model: FiniteHorizonMDP
    behaviour: FloatArray
    temperatures: FloatArray
    normalisation: str = "each start"

    @cached_property
    def paths(self) -> Trajectories:
        """All trajectories with their probabilities under the behaviour policy."""
        return enumerate_trajectories(self.model, self.behaviour)

    @cached_property
    def starts(self) -> FloatArray:
        """Membership of each trajectory in its initial state, shape (N, S)."""
        return np.eye(self.model.n_states)[self.paths.states[:, 0]]

    @cached_property
    def taken_model(self) -> FiniteHorizonMDP:
        """The model with the actions alone that the behaviour policy takes with positive probability."""
        model = self.model
        return FiniteHorizonMDP(
            model.transition,
            model.reward,
            model.horizon,
            terminal=model.terminal,
            initial=model.initial,
            available=self.behaviour > 0,
        )

    @property
    def deterministic(self) -> bool:
        """Whether every transition has one successor."""
        return bool(np.isin(self.model.transition, (0.0, 1.0)).all())


def weighting_task(draw: Draw) -> WeightingTask:
    """Four states, two actions, four stages, uniform successors and rewards, Dirichlet(1) start and behaviour.

    Four temperatures, log-uniform in (.25, 8).
    """
    model, behaviour = mdp_with_policy(draw, model=deterministic_horizon_mdp, kind="dirichlet")
    return WeightingTask(model, behaviour, -np.sort(-draw.log_uniform(0.25, 8.0, 4)))


def stochastic_task(draw: Draw) -> WeightingTask:
    """A small model of any kind of kernel, a Dirichlet(1) behaviour, four temperatures log-uniform in (.25, 8)."""
    model, behaviour = mdp_with_policy(
        draw, model=partial(horizon_mdps, states=(2, 3), actions=(2, 2), horizon=(1, 3)), kind="dirichlet"
    )
    return WeightingTask(model, behaviour, -np.sort(-draw.log_uniform(0.25, 8.0, 4)))


def start_blind_task(draw: Draw) -> WeightingTask:
    """A deterministic task with weights that are normalised per initial state, or not."""
    task = weighting_task(draw)
    return replace(task, normalisation=draw.choice(("each start", "all starts", "first order")))


def two_step_task(normalisation: str = "each start") -> WeightingTask:
    """Two states, two steps, the action is the next state; temperature 1."""
    model = FiniteHorizonMDP(
        np.eye(2)[[[0, 1], [0, 1]]], [[0.0, 1.0], [0.5, 2.0]], horizon=2, initial=[0.5, 0.5]
    )
    behaviour = np.tile([[0.8, 0.2], [0.5, 0.5]], (2, 1, 1))
    return WeightingTask(model, behaviour, np.array([1.0]), normalisation)


def lottery_task(temperatures: tuple[float, ...] = (3.0, 1.0)) -> WeightingTask:
    """One step: the safe action pays 1, the risky one 10 with probability .05, else nothing; behaviour uniform."""
    transition = np.zeros((4, 2, 4))
    transition[0] = [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.05, 0.95]]
    transition[[1, 2, 3], :, [1, 2, 3]] = 1.0
    model = FiniteHorizonMDP(
        transition, np.zeros((4, 2)), horizon=1, terminal=[0.0, 1.0, 10.0, 0.0], initial=[1.0, 0.0, 0.0, 0.0]
    )
    return WeightingTask(model, np.full((1, 4, 2), 0.5), np.array(temperatures))


@dataclass(frozen=True, eq=False)
class SafetyTask:
    """A deterministic graph with unsafe states, for reachability values.

    Attributes
    ----------
    successors : ndarray of int, shape (S, A)
        Next states ``n(s, a)``.
    unsafe : ndarray of bool, shape (S,)
        Where the constraint is violated.
    margin : float
        ``h = margin > 0`` on unsafe states, -1 on safe ones.
    discount : float
        Discount of the contracting operator.
    """

    successors: IntArray
    unsafe: BoolArray
    margin: float
    discount: float

    @property
    def cost(self) -> FloatArray:
        """The constraint ``h``, shape (S,)."""
        return np.where(self.unsafe, self.margin, -1.0)


def safety_task(draw: Draw) -> SafetyTask:
    """S in 4..14, A in 2..3, uniform successors, unsafe with probability .4, margin in (.5, 8), discount .5, .9, .99."""
    successors, unsafe = safety_graph(draw)
    return SafetyTask(successors, unsafe, draw.number(0.5, 8.0), draw.choice((0.5, 0.9, 0.99)))


def survival_task(discount: float) -> SafetyTask:
    """The chain of seven states of which two may stay safe, margin 5."""
    return SafetyTask(*survival_chain(), 5.0, discount)
