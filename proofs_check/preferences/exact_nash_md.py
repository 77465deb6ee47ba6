"""Nash-MD in balls: the regularised Nash policy as a proven fixed point, updates and the identity in logarithms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import mdplab
from mdplab._typing import Array

if TYPE_CHECKING:
    from proofs_check.preferences.instances import NashMDTask

_RUN_BITS = 768  # the radii of a run grow with every update, by a small factor each


class Game(NamedTuple):
    """A task in exact numbers: preferences with ``P + P' = 1`` (rational), logarithms of the laws (balls)."""

    payoff: Array
    log_reference: Array
    temperature: Any
    step: Any
    log_nash: Array
    log_start: Array


def read(task: NashMDTask) -> Game:
    """The game of a task: the entries above the diagonal are the data."""
    given = mdplab.exact.rational(task.payoff)
    rows, columns = np.indices(given.shape)
    payoff: Array = np.where(rows < columns, given, 1 - given.T)
    payoff[rows == columns] = mdplab.exact.rational(0.5)
    log_reference = mdplab.exact.log(mdplab.exact.laws(task.reference))
    tau, step = mdplab.exact.rational(task.temperature), mdplab.exact.rational(task.step)
    nash = log_nash(payoff, log_reference, tau, task.nash.log_policy)
    start = nash if task.policy is None else mdplab.exact.log(mdplab.exact.laws(task.policy))
    return Game(payoff, log_reference, tau, step, nash, start)


def log_nash(payoff: Array, log_reference: Array, tau: Any, near: Any) -> Array:
    """The zero of ``log pi - log tilt(mu, P pi / tau)``, enclosed; the game is strongly monotone, so there is no other."""
    one = mdplab.exact.identity(len(payoff))

    def system(log_policy: Array) -> tuple[Array, Array]:
        policy = mdplab.exact.exp(log_policy)
        gain = mdplab.exact.multiply(payoff, policy) / tau
        tilted = mdplab.exact.log_tilt(gain, log_reference=log_reference)
        slopes = payoff * policy / tau
        mean = mdplab.exact.exp(tilted) @ slopes
        return log_policy - tilted, one - slopes + mean

    return mdplab.exact.enclose_zero(system, near)


def mixture(game: Game, log_policy: Array, step: Any) -> Array:
    """``log p``, the geometric mixture of the policy with the reference."""
    pull = step * game.temperature
    return mdplab.exact.log_tilt((1 - pull) * log_policy + pull * game.log_reference)


def updated(game: Game, log_policy: Array, step: Any) -> Array:
    """One update of Nash-MD."""
    log_p = mixture(game, log_policy, step)
    gain = mdplab.exact.multiply(game.payoff, mdplab.exact.exp(log_p))
    return mdplab.exact.log_tilt(step * gain, log_reference=log_p)


def divergence(log_p: Array, log_q: Array) -> Any:
    """``KL(p || q)`` from logarithms."""
    return mdplab.exact.exp(log_p) @ (log_p - log_q)


def identity(game: Game, log_policy: Array, step: Any, present: Any) -> Any:
    """Right side of (a), the KL of the policy being given."""
    pull, tau = step * game.temperature, game.temperature
    log_p = mixture(game, log_policy, step)
    p, nash = mdplab.exact.exp(log_p), mdplab.exact.exp(game.log_nash)
    payoff = mdplab.exact.multiply(game.payoff, p)
    half = mdplab.exact.rational(0.5)
    cost = divergence(game.log_nash, game.log_reference) - divergence(log_p, game.log_reference)
    win = nash @ payoff - tau * cost
    moved = mdplab.exact.log(p @ mdplab.exact.exp(step * (payoff - half)))
    return (1 - pull) * (present - divergence(log_p, log_policy)) - step * (win - half) + moved


def next_divergence(task: NashMDTask) -> Any:
    """KL from the Nash policy to one update."""
    game = read(task)
    return divergence(game.log_nash, updated(game, game.log_start, game.step))


def identity_side(task: NashMDTask) -> Any:
    """The identity, term by term."""
    game = read(task)
    return identity(game, game.log_start, game.step, divergence(game.log_nash, game.log_start))


def one_step_bound(task: NashMDTask, constant: float) -> Any:
    """``(1 - eta tau) KL + c eta^2``."""
    game = read(task)
    present = divergence(game.log_nash, game.log_start)
    return (1 - game.step * game.temperature) * present + mdplab.exact.rational(constant) * game.step**2


def run_divergences(task: NashMDTask) -> Array:
    """KL from the Nash policy to every iterate of the schedule ``2 / (tau (t + 2))``."""
    with mdplab.exact.precision(_RUN_BITS):
        game = read(task)
        log_policy, found = game.log_start, []
        for t in range(task.steps):
            log_policy = updated(game, log_policy, 2 / (game.temperature * (t + 2)))
            found.append(divergence(game.log_nash, log_policy))
    return np.array(found, dtype=object)


def schedule_bound(task: NashMDTask, constant: float) -> Array:
    """``C / (tau^2 (T + 1))``."""
    tau, c = mdplab.exact.rational(task.temperature), mdplab.exact.rational(constant)
    return np.array([c / (tau**2 * (count + 1)) for count in range(1, task.steps + 1)], dtype=object)
