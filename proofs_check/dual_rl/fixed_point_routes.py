"""Routes to the fixed points of the gradients of distribution correction: roots, duals, and linear flows."""

from __future__ import annotations

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import Side, Undecided
from mdplab.claims.tolerances import rounding
from mdplab.divergences import f_divergence
from mdplab.numerics import bisect_rows
from mdplab.operators import dice_gradient, flow_matrix, policy_of_occupancy, state_occupancy
from proofs_check.dual_rl.dice_tasks import FixedPointTask

__all__ = [
    "below_the_discount",
    "below_the_total",
    "data_marginal",
    "discount_error",
    "discounted_masses",
    "orthogonal_masses",
    "projected_discount",
    "rooted_value",
    "semi_marginal",
    "soft_optimum",
    "soft_value",
    "start_flow",
    "total_discount",
    "true_flow",
    "true_forward",
    "true_minimum",
    "true_occupancy",
]

# --- semi-gradient ---------------------------------------------------------------------------------------------------


def soft_optimum(task: FixedPointTask) -> solvers.ControlSolution:
    """Soft value iteration relative to the behaviour policy."""
    return solvers.soft_value_iteration(
        task.mdp, temperature=task.strength, log_reference=np.log(task.behaviour), tol=1e-12
    )


def size_of(task: FixedPointTask) -> float:
    """Size of values: rewards over 1 - gamma, at least 1, and logarithms of the data."""
    logs = task.strength * float(np.abs(np.log(task.data)).max())
    return (max(1.0, float(np.abs(task.mdp.reward).max())) + logs) / (1 - task.mdp.discount)


def mass_error(task: FixedPointTask, value_error: float) -> float:
    """Error of masses of total one, from that of the value and from rounding of the exponents."""
    exponent = 2 * (value_error + float(rounding(size_of(task), 2 * task.data.size + 24))) / task.strength
    return float(np.expm1(2 * exponent))


def soft_value(task: FixedPointTask) -> Side:
    """Soft value iteration relative to the behaviour policy: V."""
    found = soft_optimum(task)
    return Side(found.value, found.certificate.bound + rounding(size_of(task), 8) / (1 - task.mdp.discount))


def rooted_value(task: FixedPointTask, divergence: str = "kl") -> Side:
    """Value iteration whose sweep solves D(s) = q(s) state by state, by bisection."""
    row, gamma = f_divergence(divergence), task.mdp.discount
    value = np.zeros(task.mdp.n_states)

    def sweep(v: FloatArray) -> FloatArray:
        ahead = task.mdp.reward + gamma * task.mdp.expectation(v)

        def excess(x: FloatArray) -> FloatArray:
            return np.asarray(
                (task.data * row.weight((ahead - x[:, np.newaxis]) / task.strength)).sum(axis=1)
                - task.marginal
            )

        # weights are all at least one below the least lookahead, and all at most one above the largest
        low, high = bisect_rows(excess, ahead.min(axis=1) - 1e-9, ahead.max(axis=1) + 1e-9)
        return 0.5 * (low + high)

    for _ in range(2000):
        before, value = value, sweep(value)
        if np.abs(value - before).max() <= 1e-13 * (1 + np.abs(value).max()):
            break
    else:
        raise Undecided("the sweeps do not settle")
    # a root is off by the rounding of the weights, in units of the strength
    off = task.strength * mass_error(task, 0.0) + float(np.abs(value - before).max())
    return Side(value, off / (1 - gamma))


def semi_marginal(task: FixedPointTask) -> Side:
    """Masses d_O exp((R - BV) / alpha) of the states at the soft optimum V."""
    found = soft_value(task)
    residual = task.mdp.reward.ravel() - flow_matrix(task.mdp) @ np.asarray(found.value)
    mass = task.data * np.exp(residual.reshape(task.data.shape) / task.strength)
    return Side(mass.sum(axis=1), mass_error(task, float(np.max(found.error))))


def data_marginal(task: FixedPointTask) -> Side:
    """State marginal q of the data."""
    return Side(task.marginal, rounding(1.0, task.mdp.n_actions))


# --- true gradient --------------------------------------------------------------------------------------------------


def true_minimum(task: FixedPointTask) -> tuple[solvers.DualSolution, float]:
    """Dual-V with the start law q, and a bound on the 1-norm error of its mass (1 - gamma) D."""
    again = task.restarted
    found = solvers.dual_v(again.mdp, task.data, divergence="kl", strength=task.strength)
    error = found.occupancy_error + float(np.abs(found.feasible_occupancy - found.occupancy).sum())
    return found, error + float(rounding(1.0, task.data.size + 12)) / (1 - task.mdp.discount)


def true_flow(task: FixedPointTask) -> Side:
    """Flow B'd of d = (1 - gamma) D at the minimum of the true loss, by Newton's method."""
    found, error = true_minimum(task)
    flow = flow_matrix(task.mdp).T @ found.occupancy.ravel()
    return Side(flow, (1 + task.mdp.discount) * error + rounding(2.0, task.data.size + 4))


def start_flow(task: FixedPointTask) -> Side:
    """(1 - gamma) q."""
    return Side((1 - task.mdp.discount) * task.marginal, rounding(1.0, 4))


def true_value(task: FixedPointTask) -> tuple[FloatArray, float]:
    """V of the stationarity condition q + g_f + g_b = 0: that of dual-V moved by a constant, and its error."""
    found, _ = true_minimum(task)
    constant = task.strength * np.log1p(-task.mdp.discount) / (1 - task.mdp.discount)
    return np.asarray(found.value + constant), found.value_error + float(rounding(size_of(task), 8))


def true_forward(task: FixedPointTask) -> Side:
    """Masses -g_f of the states at that V, times 1 - gamma."""
    value, error = true_value(task)
    found = dice_gradient(task.mdp, task.data, value, divergence="kl", strength=task.strength)
    return Side(-(1 - task.mdp.discount) * found.forward, mass_error(task, error))


def true_occupancy(task: FixedPointTask) -> Side:
    """Occupancy, started from q, of the policy of the mass: a linear solve."""
    found, error = true_minimum(task)
    policy = policy_of_occupancy(found.occupancy)
    # the occupancy of the policy of a mass is off by at most the flow residual over 1 - gamma
    off = (1 + task.mdp.discount) * error / (1 - task.mdp.discount)
    return Side(state_occupancy(task.restarted.mdp, policy), off)


# --- orthogonal gradient --------------------------------------------------------------------------------------------


def orthogonal_masses(task: FixedPointTask) -> Side:
    """Masses D(s) where orthogonal-gradient updates rest (rows: scales)."""
    found = task.fixed_points
    errors = [f.certificate.bound for f in found]
    return Side([f.mass.sum(axis=1) for f in found], np.array(errors)[:, np.newaxis])


def discounted_masses(task: FixedPointTask) -> Side:
    """Flow from q / (1 + eta |c|) with the discount eta gamma / (1 + eta |c|) under the same policy: a linear solve."""
    rows, errors = [], []
    for found in task.fixed_points:
        price = 1 - found.scale * found.coefficient
        flow = state_occupancy(
            task.mdp.replace(discount=found.scale * task.mdp.discount / price),
            found.policy,
            initial=task.restarted.mdp.initial,
            normalised=False,
        )
        rows.append(flow / price)
        errors.append(found.certificate.bound + float(rounding(flow.sum(), 8 * flow.size + 24)))
    return Side(rows, np.array(errors)[:, np.newaxis])


def discount_error(task: FixedPointTask) -> list[float]:
    """What the stationarity residual parts the two forms by: its sum e enters as ``gamma_eff e / (1 + eta gamma |D|)``."""
    return [f.stationarity + float(rounding(1.0, 2 * task.data.size + 32)) for f in task.fixed_points]


def projected_discount(task: FixedPointTask) -> Side:
    """eta gamma / (1 + eta |c|) from the coefficient c of the projection."""
    return Side([f.effective_discount for f in task.fixed_points], discount_error(task))


def total_discount(task: FixedPointTask) -> Side:
    """gamma / (gamma + 1 / (eta |D|_1)) from the total of the masses."""
    gamma = task.mdp.discount
    values = [gamma / (gamma + 1 / (f.scale * f.mass.sum())) for f in task.fixed_points]
    return Side(values, discount_error(task))


def below_the_discount(task: FixedPointTask) -> Side:
    """Whether the effective discount is below gamma (1 or 0; rows: scales)."""
    found = np.asarray(projected_discount(task).value)
    if (np.abs(found - task.mdp.discount) <= np.array(discount_error(task))).any():
        raise Undecided("the effective discount is within its error of the discount")
    return Side((found < task.mdp.discount).astype(float))


def below_the_total(task: FixedPointTask) -> Side:
    """Whether eta |D|_1 < 1 / (1 - gamma) (1 or 0; rows: scales)."""
    totals = np.array([f.scale * f.mass.sum() for f in task.fixed_points])
    return Side((totals < 1 / (1 - task.mdp.discount)).astype(float))
