"""Routes of the trust-region step: the mirror step at a root, the cone program, divergences along the path, the converse order."""

from __future__ import annotations

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Side, Undecided, rounding
from mdplab.convex import RegionProgram, RegionSolution
from mdplab.divergences import kl_from_logs
from mdplab.numerics import bisect_rows, monotone_root
from mdplab.operators import mirror_step
from proofs_check.soft_residual import tomar2020_mdpo as mdpo
from proofs_check.soft_residual.trust_instances import TrustTask


def mean(task: TrustTask, rows: FloatArray, errors: FloatArray) -> tuple[float, float]:
    """Mean of a function of the state under the occupancy of the policy, and its error."""
    size = float(np.abs(rows).max())
    error = task.states @ errors + task.flow_error * size + rounding(size, rows.size + 2)
    return float(task.states @ rows), float(error)


def divergence(task: TrustTask, log_first: FloatArray, log_second: FloatArray) -> tuple[float, float]:
    """Mean ``KL(first || second)``, summed plainly from the logarithms, and its error."""
    with np.errstate(invalid="ignore"):
        logs = np.where(log_first > -np.inf, np.abs(log_first) + np.abs(log_second), 0.0)
    sizes = (np.exp(log_first) * (logs + 1)).sum(axis=1)
    return mean(task, kl_from_logs(log_first, log_second), rounding(sizes, logs.shape[1] + 8))


def surrogate(task: TrustTask, log_policy: FloatArray) -> tuple[float, float]:
    """Mean of the advantages of a policy, and its error."""
    policy, advantage = np.exp(log_policy), task.advantage
    terms = (policy * (np.abs(advantage) + 4 * task.evaluation.q_error)).sum(axis=1)
    error = 2 * task.evaluation.q_error + rounding(terms, policy.shape[1] + 8)
    return mean(task, (policy * advantage).sum(axis=1), error)


def critic_error(task: TrustTask) -> float:
    """What the recorded step misses: its critic is ``Q + epsilon``."""
    return float(task.states @ task.move.critic_error)


def policy_of(task: TrustTask, found: RegionSolution) -> Side:
    """A certified solution's policy, and how far it can be from the only optimal one.

    With ``r = x - lambda log(p / pi)``, the policy ``p`` meets the conditions of optimality for the multiplier ``lambda`` and the
    values ``x - r``, of which constants of a state do not matter; the optimal multiplier lies in an interval around ``lambda``
    (:func:`bracket`).  Both move log-ratios of two actions of a state by at most ``kappa``, and probabilities by ``p (e^kappa - 1)``.
    """
    price, x = float(found.multipliers[0]), found.program.gradient
    if not (price > 0 and np.isfinite(found.log_policy).all()):
        raise Undecided("no price of the radius, or no logarithms of the policy")
    ratios = found.log_policy - found.program.log_references[0]
    logs = np.abs(found.log_policy) + np.abs(found.program.log_references[0])
    missed = np.ptp(x / price - ratios, axis=1) + 2 * rounding((np.abs(x) / price + logs).max(axis=1), 4)
    width = bracket(found.program, price) / price
    kappa = missed + np.ptp(x, axis=1) / price * width / (1 - width)
    off = found.policy * np.expm1(kappa)[:, None]
    return Side(found.policy, off + rounding(found.policy * (1 + np.abs(found.log_policy)), 4))


def path_policy(task: TrustTask) -> Side:
    """The mirror step whose divergence is the radius; its step by a root."""
    return policy_of(task, task.region)


def conic_policy(task: TrustTask) -> Side:
    """Policy of the cone program, polished by Newton's method on its conditions of optimality."""
    return policy_of(task, task.conic)


def bracket(program: RegionProgram, price: float) -> float:
    """Distance from a multiplier within which the divergence passes the radius."""
    for part in 10.0 ** np.arange(-13, -2, 0.25):
        ends = [
            program.divergences(program.log_policy(np.array([price * (1 + side * part)]))) for side in (-1, 1)
        ]
        (high, high_error), (low, low_error) = ends
        if high[0] - high_error[0] > program.radii[0] > low[0] + low_error[0]:
            return float(part * price)
    raise Undecided("the divergence does not pass the radius near the multiplier")


def multiplier(task: TrustTask) -> Side:
    """Multiplier of the radius: the inverse of the step."""
    price = 1 / task.region.step
    return Side(price, bracket(task.region.program, price))


def conic_multiplier(task: TrustTask) -> Side:
    """Multiplier of the cone program."""
    price = float(task.conic.multipliers[0])
    return Side(price, bracket(task.conic.program, price))


def lead(task: TrustTask) -> Side:
    """Surrogate of the step less that of another policy."""
    ours, other = surrogate(task, task.region.log_policy), surrogate(task, task.log_rival)
    return Side(ours[0] - other[0], ours[1] + other[1])


def lead_by_divergences(task: TrustTask) -> Side:
    """The radius and two divergences of the other policy, over the step."""
    apart = divergence(task, task.log_rival, task.region.log_policy)
    away = divergence(task, task.log_rival, task.log_policy)
    step = task.region.step
    value = (apart[0] - away[0] + task.radius) / step
    logs = np.abs(task.log_policy) + np.abs(task.region.log_policy)
    # the recorded logarithms miss the exact path by their rounding, which the other policy sees too
    drift = float(task.states @ rounding(logs.max(axis=1) + step * np.abs(task.advantage).max(axis=1), 8))
    own = float(task.region.program.divergences(task.region.log_policy)[1][0]) + task.flow_error * float(
        kl_from_logs(task.region.log_policy, task.log_policy).max()
    )
    missed = (apart[1] + away[1] + 2 * drift + 2 * own) / step
    return Side(value, missed + 2 * task.evaluation.q_error + critic_error(task) + rounding(value, 4))


FACTORS = [2.0**k for k in range(-6, 6)]


def steps_of_the_path(task: TrustTask) -> list[FloatArray]:
    """Log-policies at twelve multiples of the step."""
    step = task.region.step
    return [np.asarray(mirror_step(task.log_policy, task.advantage, step=f * step)) for f in FACTORS]


def increments(task: TrustTask) -> Side:
    """Differences of the divergence from the policy at twelve steps, each the double of the one before."""
    found = [divergence(task, logs, task.log_policy) for logs in steps_of_the_path(task)]
    errors = np.array([side[1] for side in found])
    return Side(np.diff([side[0] for side in found]), errors[1:] + errors[:-1])


def increments_by_divergences(task: TrustTask) -> Side:
    """Divergences between successive policies: positive unless they are one."""
    logs, values, errors = steps_of_the_path(task), [], []
    for k in range(len(FACTORS) - 1):
        forth, back = divergence(task, logs[k + 1], logs[k]), divergence(task, logs[k], logs[k + 1])
        ratio = FACTORS[k] / (FACTORS[k + 1] - FACTORS[k])
        values.append(forth[0] + ratio * (forth[0] + back[0]))
        moved = np.abs(np.exp(logs[k + 1]) - np.exp(logs[k])).sum(axis=1)
        size = (
            np.abs(logs[k + 1]).max(axis=1)
            + np.abs(logs[k]).max(axis=1)
            + np.abs(task.log_policy).max(axis=1)
        )
        drift = task.states @ (
            moved * (rounding(size, 8) + 2 * FACTORS[k] * task.region.step * task.evaluation.q_error)
        )
        both = forth[1] + ratio * (forth[1] + back[1])
        errors.append(both + (1 + ratio) * drift)
    return Side(values, errors)


def divergence_far_out(task: TrustTask) -> Side:
    """The divergence at a step so large that the actions that are not greedy have no weight left."""
    advantage = np.where(task.greedy, 0.0, task.advantage)
    gaps = -advantage[~task.greedy]
    if not gaps.size:
        raise Undecided("all actions are greedy: the path is one policy")
    step = (60 + 2 * float(np.abs(task.log_policy).max())) / float(gaps.min())
    side = divergence(task, np.asarray(mirror_step(task.log_policy, advantage, step=step)), task.log_policy)
    kept = np.where(task.greedy, np.exp(task.log_policy), 0.0).sum(axis=1)
    tails = np.where(
        task.greedy, 0.0, np.exp(task.log_policy) * (1 - step * advantage) * np.exp(step * advantage)
    )
    # the divergence still to come is at most sum_a pi(a) / pi(greedy) (1 + step gap_a) exp(-step gap_a)
    return Side(side[0], side[1] + task.states @ (tails.sum(axis=1) / kept))


def largest_radius(task: TrustTask) -> Side:
    """Mean of ``-log pi(greedy actions)``."""
    size = float(np.abs(task.log_policy).max()) + 1
    return Side(task.largest_radius, rounding(size, 24) + task.flow_error * size)


def improvements(task: TrustTask) -> Side:
    """Values after the step less those before, in every state."""
    return mdpo.improvements(task.move)


def improvements_by_solves(task: TrustTask) -> Side:
    """Two dense solves."""
    return mdpo.improvements_by_solves(task.move)


def nothing(task: TrustTask) -> Side:
    """Zero."""
    return mdpo.nothing(task.move)


def attained(task: TrustTask) -> Side:
    """Surrogate of the mirror step whose divergence is the radius, less that of the policy."""
    before = surrogate(task, task.log_policy)
    ours = surrogate(task, task.region.log_policy)
    return Side(
        ours[0] - before[0],
        ours[1] + before[1] + 1.01 * task.region.certificate.bound,
    )


def conic_attained(task: TrustTask) -> Side:
    """Objective of the cone program, less the surrogate of the policy."""
    before = surrogate(task, task.log_policy)
    error = before[1] + 1.01 * task.conic.certificate.bound + 2 * task.evaluation.q_error
    size = float(np.abs(task.advantage).max())
    return Side(task.conic.objective - before[0], error + task.flow_error * size)


def converse_policy(task: TrustTask) -> FloatArray:
    """Log-policy of largest surrogate within a mean ``KL(policy || .)``: ``lambda pi / (nu - A)`` in each state."""
    old, advantage = np.exp(task.log_policy), task.advantage

    def moved(price: float) -> FloatArray:
        def mass(nu: FloatArray) -> FloatArray:
            return np.asarray((price * old / (nu[:, None] - advantage)).sum(axis=1) - 1)

        best = advantage.max(axis=1)
        low, high = bisect_rows(mass, best + price * old.min() * 0.5, best + 2 * price)
        return np.asarray(np.log(price * old / (0.5 * (low + high)[:, None] - advantage)))

    def excess(price: float) -> float:
        return divergence(task, task.log_policy, moved(price))[0] - task.radius

    return moved(monotone_root(excess, 0.1, 10.0, bounds=(0.0, np.inf), log=True).root)


def implied_steps(task: TrustTask) -> Side:
    """The step that the converse order implies in each state but the first: change of the log-odds over the gap of ``Q``."""
    return Side(steps_implied(task)[1:], rounding(steps_implied(task)[1:], 4096))


def implied_first_step(task: TrustTask) -> Side:
    """The step that the converse order implies in the first state."""
    first = steps_implied(task)[0]
    return Side(np.full(task.mdp.n_states - 1, first), rounding(first, 4096))


def steps_implied(task: TrustTask) -> FloatArray:
    """Change of the log-odds of the first two actions over the difference of their values."""
    change = converse_policy(task) - task.log_policy
    return np.asarray((change[:, 0] - change[:, 1]) / (task.advantage[:, 0] - task.advantage[:, 1]))
