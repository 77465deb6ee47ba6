"""Routes of the claim on guided roll-outs: by occupancies, by values that carry a regret as a reward, by pairs."""

from __future__ import annotations

import numpy as np

from mdplab import solvers
from mdplab._typing import BoolArray, FloatArray
from mdplab.claims import Side
from mdplab.claims.tolerances import rounding
from mdplab.models import MDP
from mdplab.operators import (
    action_values,
    guided_regret,
    pair_flow_matrix,
    performance_difference,
    state_occupancy,
)
from proofs_check.dual_rl.guidance_tasks import evaluated, kernels, mean_reward, solved, visits
from proofs_check.dual_rl.rollout_tasks import RolloutTask

# --- shared arithmetic -----------------------------------------------------------------------------------------------


def pair_values(mdp: MDP, policy: FloatArray) -> tuple[FloatArray, float]:
    """Action values by one solve in the pairs, and their error."""
    matrix, reward = pair_flow_matrix(mdp, policy).toarray(), mdp.reward.ravel()
    q = np.linalg.solve(matrix, reward)
    residual = float(np.abs(matrix @ q - reward).max())
    size = float(rounding(2 * np.abs(q).max() + np.abs(reward).max(), 2 * reward.size + 8))
    return q.reshape(mdp.reward.shape), 1.01 * (residual + size) / (1 - mdp.discount)


def weights(task: RolloutTask, policy: FloatArray, start: FloatArray) -> tuple[FloatArray, float]:
    """Normalised occupancy of the states from a law, and its error in 1-norm, from its own flow."""
    mdp, law = task.mdp, start / start.sum()
    found = state_occupancy(mdp, policy, initial=law)
    flow = (1 - mdp.discount) * law + mdp.discount * (found @ kernels(mdp, policy)) - found
    rounded = float(rounding(2.0, mdp.n_states + mdp.n_actions + 4))
    return found, 1.01 * (float(np.abs(flow).sum()) + rounded) / (1 - mdp.discount)


def weighted_error(task: RolloutTask, q_error: float, q: FloatArray, off: float) -> float:
    """Error of ``E_d[.]/(1 - gamma)`` of differences of action values, given those of d and of the values."""
    spread = float(np.ptp(q)) + float(np.abs(q).max())
    total = 4 * q_error + off * spread + float(rounding(spread, 4 * q.size + 16))
    return total / (1 - task.mdp.discount)


# --- (i), (ii) -------------------------------------------------------------------------------------------------------


def difference_of_values(task: RolloutTask) -> Side:
    """Start value of the learner less that of the guide, one solve each."""
    found, error = evaluated(task.mdp, task.both)
    return Side(
        (found[0] - found[1]) @ task.mdp.start_law(), 2 * error + float(rounding(np.abs(found).max(), 8))
    )


def lemma(task: RolloutTask, occupied_by: int = 0) -> Side:
    """E_d[<pi, Q^g> - V^g] / (1 - gamma), d by a transposed solve and Q^g by a solve in the pairs."""
    q, error = pair_values(task.mdp, task.guide)
    d, off = weights(task, task.both[occupied_by], task.mdp.start_law())
    found = performance_difference(
        task.learner, task.guide, q=q, state_occupancy=d, discount=task.mdp.discount
    )
    return Side(found, weighted_error(task, error, q, off))


def guide_value(task: RolloutTask) -> Side:
    """Value of the guide, one solve."""
    found, error = evaluated(task.mdp, task.guide)
    return Side(found, error)


def guide_value_by_pairs(task: RolloutTask) -> Side:
    """Value of the guide, the mean of its action values from a solve in the pairs."""
    q, error = pair_values(task.mdp, task.guide)
    return Side((task.guide * q).sum(axis=1), error + rounding(np.abs(q).max(), 8))


def greedy_value(task: RolloutTask) -> Side:
    """Value of the greedy policy of Q^g, one solve."""
    found, error = evaluated(task.mdp, task.greedy)
    return Side(found, error + 4 * evaluated(task.mdp, task.guide)[1] / (1 - task.mdp.discount))


def greedy_value_by_visits(task: RolloutTask) -> Side:
    """Value of the greedy policy of Q^g, by its visits from every state."""
    reach, error = visits(task.mdp, task.greedy)
    found = reach @ mean_reward(task.mdp, task.greedy)
    return Side(
        found, error * np.abs(task.mdp.reward).max() + rounding(np.abs(found).max(), task.mdp.n_states + 8)
    )


# --- (iii) -----------------------------------------------------------------------------------------------------------


def local_shortfall(task: RolloutTask) -> tuple[FloatArray, float]:
    """``max_a Q^pi - V^pi`` in every state, and its error, from a solve in the states."""
    value, error = evaluated(task.mdp, task.learner)
    short = action_values(task.mdp, value).max(axis=1) - value
    return short, 2 * error + float(rounding(2 * np.abs(value).max() + np.abs(task.mdp.reward).max(), 16))


def loss_and_local_regret(task: RolloutTask) -> Side:
    """b times the loss against the guide, and 1 - b times the local regret on the learner's occupancy."""
    loss = difference_of_values(task)
    short, error = local_shortfall(task)
    d, off = weights(task, task.learner, task.mdp.start_law())
    local = float(d @ short) / (1 - task.mdp.discount)
    doubt = weighted_error(task, error, short, off)
    return Side(
        -task.share * float(np.asarray(loss.value)) + (1 - task.share) * local, np.asarray(loss.error) + doubt
    )


def loss_and_local_value(task: RolloutTask) -> Side:
    """b times the loss by the lemma, and 1 - b times the value of the local regret as a reward."""
    loss = lemma(task)
    short, error = local_shortfall(task)
    carried, second = solved(task.mdp, task.learner, short)
    local = float(carried @ task.mdp.start_law())
    doubt = second + error / (1 - task.mdp.discount) + float(rounding(local, 16))
    return Side(
        -task.share * float(np.asarray(loss.value)) + (1 - task.share) * local, np.asarray(loss.error) + doubt
    )


def regret(task: RolloutTask) -> Side:
    """Regret against separate maxima on the learner's occupancy, action values by solves in the pairs."""
    (q, first), (guided, second) = (pair_values(task.mdp, policy) for policy in task.both)
    d, off = weights(task, task.learner, task.mdp.start_law())
    found = guided_regret(
        task.learner,
        q=q,
        guide_q=guided,
        guide_share=task.share,
        state_occupancy=d,
        discount=task.mdp.discount,
    )
    return Side(found, weighted_error(task, first + second, np.array([q, guided]), off))


def mixed_values(task: RolloutTask) -> tuple[FloatArray, FloatArray, float]:
    """Action values of learner and guide, from solves in the states, with their error."""
    found, error = evaluated(task.mdp, task.both)
    q, guided = (action_values(task.mdp, value) for value in found)
    return q, guided, error + float(rounding(np.abs(q).max() + np.abs(guided).max() + 1, 8))


def regret_as_value(task: RolloutTask) -> Side:
    """The regret against separate maxima, as a reward whose value is taken; action values by solves in the states."""
    q, guided, error = mixed_values(task)
    mixed = task.share * guided + (1 - task.share) * q
    best = task.share * guided.max(axis=1) + (1 - task.share) * q.max(axis=1)
    carried, second = solved(task.mdp, task.learner, best - (task.learner * mixed).sum(axis=1))
    return Side(carried @ task.mdp.start_law(), 1.01 * second + 4 * error / (1 - task.mdp.discount))


# --- (iv) ------------------------------------------------------------------------------------------------------------


def loss(task: RolloutTask) -> Side:
    """Start value of policy iteration less that of the learner, one solve."""
    found, error = evaluated(task.mdp, task.learner)
    error += task.optimum.certificate.bound + float(rounding(np.abs(found).max() + 1, 8))
    return Side((task.optimum.value - found) @ task.mdp.start_law(), error)


def loss_by_visits(task: RolloutTask) -> Side:
    """Start value of value iteration less the return of the learner's visits."""
    best = solvers.value_iteration(task.mdp, tol=1e-11)
    reach, error = visits(task.mdp, task.learner)
    found = reach @ mean_reward(task.mdp, task.learner)
    size = error * np.abs(task.mdp.reward).max() + float(
        rounding(np.abs(best.value).max(), task.mdp.n_states + 16)
    )
    return Side((best.value - found) @ task.mdp.start_law(), best.certificate.bound + size)


def largest_ratio(task: RolloutTask, law: FloatArray, off: float, known: BoolArray) -> tuple[float, float]:
    """Largest ``d* / law`` over the states in which the law has mass, and its error."""
    best, error = weights(task, task.optimum.policy, task.mdp.start_law())
    best, law = best[known], law[known]
    ratio = float((best / law).max())
    if not (law > off).all():
        return ratio, np.inf
    return ratio, float(((best + error) / (law - off)).max()) - ratio + float(rounding(ratio, 4))


def local_regret(task: RolloutTask) -> tuple[float, float]:
    """``epsilon``, the local regret of the learner from the restart law, and its error."""
    q, error = pair_values(task.mdp, task.learner)
    d, off = weights(task, task.learner, task.restarted)
    found = guided_regret(
        task.learner, q=q, guide_q=q, guide_share=0.0, state_occupancy=d, discount=task.mdp.discount
    )
    factor = 1 - task.mdp.discount
    return factor * float(found), factor * weighted_error(task, error, q, off)


def local_regret_as_value(task: RolloutTask) -> tuple[float, float]:
    """``epsilon`` as the value of the local regret from the restart law, and its error."""
    short, error = local_shortfall(task)
    carried, second = solved(task.mdp, task.learner, short)
    factor = 1 - task.mdp.discount
    rho, off = restart_by_visits(task)
    found = factor * float(rho @ carried)
    return found, factor * (second + off * float(np.abs(carried).max())) + error + float(rounding(found, 16))


def restart_by_visits(task: RolloutTask) -> tuple[FloatArray, float]:
    """The restart law from the guide's visits from every state, and its error in 1-norm."""
    reach, error = visits(task.mdp, task.guide)
    start = task.mdp.start_law()
    rolled = (1 - task.mdp.discount) * (start @ reach)
    return (1 - task.restart) * start + task.restart * rolled, (1 - task.mdp.discount) * error + float(
        rounding(1.0, 16)
    )


def bound(task: RolloutTask, regret: tuple[float, float], ratio: tuple[float, float], power: int) -> Side:
    """``epsilon`` times a ratio over ``(1 - gamma)^power``, both with errors."""
    (x, dx), (y, dy) = regret, ratio
    scale = (1 - task.mdp.discount) ** -power
    return Side(x * y * scale, scale * (dx * (y + dy) + x * dy) + float(rounding(x * y * scale, 8)))


def first_bound(task: RolloutTask) -> Side:
    """epsilon / (1 - gamma) times the largest d* / d_rho, by occupancies."""
    d, off = weights(task, task.learner, task.restarted)
    return bound(task, local_regret(task), largest_ratio(task, d, off, task.covered), 1)


def first_bound_by_visits(task: RolloutTask) -> Side:
    """epsilon / (1 - gamma) times the largest d* / d_rho, by values and visits from every state."""
    rho, first = restart_by_visits(task)
    reach, second = visits(task.mdp, task.learner)
    d = (1 - task.mdp.discount) * (rho @ reach)
    off = first + (1 - task.mdp.discount) * second + float(rounding(1.0, 16))
    return bound(task, local_regret_as_value(task), largest_ratio(task, d, off, task.covered), 1)


def second_bound(task: RolloutTask) -> Side:
    """epsilon / (1 - gamma)^2 times the largest d* / rho, by occupancies."""
    _, off = weights(task, task.guide, task.mdp.start_law())
    return bound(task, local_regret(task), largest_ratio(task, task.restarted, off, task.shown), 2)


def second_bound_by_visits(task: RolloutTask) -> Side:
    """epsilon / (1 - gamma)^2 times the largest d* / rho, by values and visits from every state."""
    rho, off = restart_by_visits(task)
    return bound(task, local_regret_as_value(task), largest_ratio(task, rho, off, task.shown), 2)
