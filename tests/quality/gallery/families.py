"""Families of the gallery: general ones of :mod:`mdplab.instances`, with names for what belongs together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from mdplab.instances import (
    Draw,
    finite_laws,
    matrix_games,
    mdp_with_perturbation,
    mdps,
    random_policy,
    random_reward,
)
from mdplab.laws import FiniteLaw
from mdplab.models import MDP, Bandit, MatrixGame

small_mdps = partial(mdps, states=(1, 3), actions=(1, 3))
ergodic_mdps = partial(mdps, states=(1, 3), actions=(1, 3), kernel="ergodic")
ending_mdps = partial(mdps, states=(1, 3), actions=(1, 3), kernel="absorbing")


@dataclass(frozen=True, eq=False)
class Values:
    """A model and two functions of its states."""

    mdp: MDP
    first: np.ndarray
    second: np.ndarray


def values(draw: Draw) -> Values:
    mdp = small_mdps(draw)
    return Values(mdp, draw.normal(mdp.n_states), draw.normal(mdp.n_states))


@dataclass(frozen=True, eq=False)
class Rewards:
    """A model and a second reward."""

    mdp: MDP
    second: np.ndarray


def rewards(draw: Draw) -> Rewards:
    mdp = small_mdps(draw)
    return Rewards(mdp, random_reward(draw, mdp.reward.shape, "symmetric"))


@dataclass(frozen=True, eq=False)
class Bonus:
    """A model and one number."""

    mdp: MDP
    bonus: float


def ending_with_bonus(draw: Draw) -> Bonus:
    return Bonus(ending_mdps(draw), draw.number(-1.0, 1.0))


@dataclass(frozen=True, eq=False)
class Discounts:
    """A model and a discount above its own."""

    mdp: MDP
    larger: float


def ending_with_discounts(draw: Draw) -> Discounts:
    return _discounts(draw, ending_mdps(draw))


def small_with_discounts(draw: Draw) -> Discounts:
    return _discounts(draw, small_mdps(draw))


def _discounts(draw: Draw, mdp: MDP) -> Discounts:
    share = draw.number(0.0, 1.0)
    return Discounts(mdp, float((1 - share) * mdp.discount + share * 0.95))


@dataclass(frozen=True, eq=False)
class Policies:
    """A model and two policies."""

    mdp: MDP
    first: np.ndarray
    second: np.ndarray


def policies(draw: Draw) -> Policies:
    mdp = small_mdps(draw)
    return Policies(mdp, *(random_policy(draw, mdp.n_states, mdp.n_actions) for _ in range(2)))


def _rows(draw: Draw, rows: tuple[int, ...], n: int) -> np.ndarray:
    """Deterministic or Dirichlet rows of n numbers; a stack of draws can answer for either kind."""
    if draw.boolean():
        return np.eye(n)[draw.integers(0, n - 1, rows)]
    return draw.weights((*rows, n))


def raw_policies(draw: Draw) -> tuple[np.ndarray, ...]:
    """Arrays of a model and two policies."""
    n, k = draw.integer(1, 3), draw.integer(1, 3)
    rewards, discount = draw.uniform(-1.0, 1.0, (n, k)), draw.number(0.0, 0.95)
    return _rows(draw, (n, k), n), rewards, discount, _rows(draw, (n,), k), _rows(draw, (n,), k)


def stackable_policies(draw: Draw) -> Policies:
    transition, reward, discount, first, second = raw_policies(draw)
    return Policies(MDP(transition, reward, discount), first, second)


def raw_values(draw: Draw) -> tuple[np.ndarray, ...]:
    """Arrays of a model and an estimate of its values."""
    n, k = draw.integer(1, 3), draw.integer(1, 3)
    reward, discount = draw.uniform(-1.0, 1.0, (n, k)), draw.number(0.0, 0.95)
    return _rows(draw, (n, k), n), reward, discount, draw.normal(n)


def stackable_values(draw: Draw) -> Values:
    transition, reward, discount, first = raw_values(draw)
    return Values(MDP(transition, reward, discount), first, np.zeros(len(first)))


@dataclass(frozen=True, eq=False)
class Estimated:
    """A model, a policy and the error of an estimate of its action values."""

    mdp: MDP
    policy: np.ndarray
    error: np.ndarray


def estimated(draw: Draw) -> Estimated:
    mdp = small_mdps(draw)
    policy = random_policy(draw, mdp.n_states, mdp.n_actions)
    return Estimated(mdp, policy, draw.uniform(-1.0, 1.0, mdp.reward.shape))


@dataclass(frozen=True, eq=False)
class Blind:
    """A model whose states are not seen: one law of actions for all of them."""

    mdp: MDP
    law: np.ndarray


def blind(draw: Draw) -> Blind:
    mdp = small_mdps(draw)
    return Blind(mdp, draw.weights(mdp.n_actions))


def ergodic_blind(draw: Draw) -> Blind:
    mdp = ergodic_mdps(draw)
    return Blind(mdp, draw.weights(mdp.n_actions, positive=True))


@dataclass(frozen=True, eq=False)
class Temperatures:
    """A model and two temperatures, the lower first."""

    mdp: MDP
    lower: float
    higher: float


def temperatures(draw: Draw) -> Temperatures:
    mdp = small_mdps(draw)
    lower = draw.log_number(0.1, 1.0)
    return Temperatures(mdp, lower, lower * draw.log_number(1.0, 10.0))


@dataclass(frozen=True, eq=False)
class Perturbed:
    """Two models that are near each other, and a policy."""

    mdp: MDP
    other: MDP
    policy: np.ndarray


def perturbed(draw: Draw) -> Perturbed:
    mdp, other = mdp_with_perturbation(draw, model=small_mdps)
    return Perturbed(mdp, other, random_policy(draw, mdp.n_states, mdp.n_actions))


@dataclass(frozen=True, eq=False)
class Laws:
    """Laws on the same outcomes; all but the first are positive everywhere."""

    p: np.ndarray
    q: np.ndarray
    r: np.ndarray


def three_laws(draw: Draw) -> Laws:
    n = draw.integer(2, 4)
    return Laws(draw.weights(n), draw.weights(n, positive=True), draw.weights(n, positive=True))


@dataclass(frozen=True, eq=False)
class Channel:
    """Two laws and a kernel."""

    p: np.ndarray
    q: np.ndarray
    kernel: np.ndarray


def channels(draw: Draw) -> Channel:
    n, m = draw.integer(2, 4), draw.integer(1, 3)
    return Channel(draw.weights(n), draw.weights(n, positive=True), draw.weights((n, m), positive=True))


@dataclass(frozen=True, eq=False)
class Risks:
    """Two laws on the line and a level."""

    x: FiniteLaw
    y: FiniteLaw
    level: float


def risks(draw: Draw) -> Risks:
    x, y = (finite_laws(draw, atoms=(1, 4), value="integer") for _ in range(2))
    return Risks(x, y, draw.number(0.05, 1.0))


@dataclass(frozen=True, eq=False)
class Returns:
    """A model, and two laws of the return for each pair: k atoms with their masses, shapes (S, A, k)."""

    mdp: MDP
    atoms: np.ndarray
    masses: np.ndarray
    other_atoms: np.ndarray
    other_masses: np.ndarray


def returns(draw: Draw) -> Returns:
    mdp = small_mdps(draw)
    shape = (*mdp.reward.shape, draw.integer(1, 2))
    atoms, masses = draw.uniform(-2.0, 2.0, shape), draw.weights(shape)
    share = draw.number(0.0, 1.0)
    moved = (1 - share) * atoms + share * draw.uniform(-2.0, 2.0, shape)
    return Returns(mdp, atoms, masses, moved, (1 - share) * masses + share * draw.weights(shape))


@dataclass(frozen=True, eq=False)
class Features:
    """A chain with rewards on its states, one feature, and a law that weighs the states."""

    mdp: MDP
    feature: np.ndarray
    weight: np.ndarray


def features(draw: Draw) -> Features:
    chain = mdps(draw, states=(1, 3), actions=(1, 1), kernel="ergodic")
    return Features(chain, draw.normal(chain.n_states), draw.weights(chain.n_states, positive=True))


@dataclass(frozen=True, eq=False)
class Logged:
    """A bandit with data of another law: rewards, the laws of target and behaviour, two models of the rewards."""

    reward: np.ndarray
    target: np.ndarray
    behaviour: np.ndarray
    model: np.ndarray
    other_model: np.ndarray


def logged(draw: Draw) -> Logged:
    n = draw.integer(1, 4)
    target, behaviour = draw.weights(n), draw.weights(n, positive=True)
    reward, model, other = (draw.uniform(-1.0, 1.0, n) for _ in range(3))
    return Logged(reward, target, behaviour, model, other)


@dataclass(frozen=True, eq=False)
class TwoSteps:
    """A model that is run for two steps, the target and the behaviour policy."""

    mdp: MDP
    target: np.ndarray
    behaviour: np.ndarray


def two_steps(draw: Draw) -> TwoSteps:
    mdp = small_mdps(draw)
    shape = (mdp.n_states, mdp.n_actions)
    return TwoSteps(mdp, random_policy(draw, *shape), random_policy(draw, *shape, kind="full"))


@dataclass(frozen=True, eq=False)
class Games:
    """Two zero-sum games of one shape."""

    game: MatrixGame
    other: MatrixGame


def two_games(draw: Draw) -> Games:
    game = matrix_games(draw, rows=(1, 3), columns=(1, 3))
    change = random_reward(draw, game.payoff.shape, "symmetric") * draw.log_number(0.01, 1.0)
    return Games(game, MatrixGame(game.payoff + change))


@dataclass(frozen=True, eq=False)
class Pooled:
    """Data of contexts: law of the context (n,), law of the arm (n, k) and mean reward (n, k) in each."""

    context: np.ndarray
    behaviour: np.ndarray
    reward: np.ndarray


def pooled(draw: Draw) -> Pooled:
    n, k = draw.integer(1, 3), draw.integer(2, 3)
    return Pooled(draw.weights(n), draw.weights((n, k), positive=True), random_reward(draw, (n, k), "unit"))


@dataclass(frozen=True, eq=False)
class RiskyArms:
    """A bandit whose rewards have laws: atoms (n, k) with their masses (n, k), and a policy (n,)."""

    policy: np.ndarray
    atoms: np.ndarray
    masses: np.ndarray


def risky_arms(draw: Draw) -> RiskyArms:
    n, k = draw.integer(1, 3), draw.integer(1, 3)
    return RiskyArms(draw.weights(n, positive=True), draw.uniform(0.0, 1.0, (n, k)), draw.weights((n, k)))


@dataclass(frozen=True, eq=False)
class Tilts:
    """A bandit with its reference law, a temperature and another law of the arms."""

    bandit: Bandit
    temperature: float
    law: np.ndarray


def tilts(draw: Draw) -> Tilts:
    n = draw.integer(1, 4)
    bandit = Bandit(draw.uniform(-1.0, 1.0, n), draw.weights(n, positive=True))
    return Tilts(bandit, draw.log_number(0.1, 10.0), draw.weights(n))
