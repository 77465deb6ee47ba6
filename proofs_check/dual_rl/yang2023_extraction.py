"""Policies extracted from corrupted values and rewards (Yang et al. 2023, RIQL).

Weights ``exp(Q / beta)`` turn a perturbation of the values into one of the policy: at most the hyperbolic tangent of its size
over twice the temperature.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import (
    Assumption,
    AtMost,
    Claim,
    Equal,
    Known,
    Method,
    Side,
)
from mdplab.claims.tolerances import rounding
from mdplab.divergences import total_variation
from mdplab.operators import log_tilt, pair_kernel
from proofs_check.dual_rl import exact_corruption as exact
from proofs_check.dual_rl.corruption_tasks import (
    ExtractionTask,
    RewardTask,
    extraction_task,
    loose_extraction_task,
    reward_task,
    sharp_task,
    two_action_task,
    two_state_reward_task,
)

# --- the routes -----------------------------------------------------------------------------------------------------


def logs(base: FloatArray) -> FloatArray:
    """Logarithms of probabilities."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(base))


def tilted(task: ExtractionTask, base: FloatArray | None = None) -> tuple[FloatArray, FloatArray]:
    """The policy, and that of perturbed values (extracted from another base, if one is given)."""
    first, second = (
        np.exp(log_tilt(values, temperature=task.temperature, log_reference=logs(reference)))
        for values, reference in (
            (task.values, task.base),
            (task.values + task.perturbation, task.base if base is None else base),
        )
    )
    return first, second


def exponent(task: ExtractionTask) -> float:
    """Largest exponent of a weight."""
    return float(np.abs(task.values).max() + np.abs(task.perturbation).max()) / task.temperature


def tilt_error(task: ExtractionTask) -> FloatArray:
    """Rounding of the total variation: of exponents and their sums."""
    charged = task.base[task.base > 0]
    return rounding(2 + 2 * exponent(task) - float(np.log(charged.min())), 4 * task.base.size + 24)


def tilt_resolution(task: ExtractionTask) -> float:
    """1e-12, in proportion to exponents beyond 25."""
    return 1e-12 * max(1.0, exponent(task) / 25, exponent(sharp_task(task)) / 25)


def moved_policy(task: ExtractionTask) -> Side:
    """Total variation of both policies, tilted in logs."""
    return Side(total_variation(*tilted(task)), tilt_error(task))


def moved_set(task: ExtractionTask) -> Side:
    """Largest change of the probability of a set of actions, over all sets; weights multiplied out."""
    changes = []
    for values in (task.values, task.values + task.perturbation):
        top = values[task.base > 0].max()
        weights = task.base * np.exp(np.minimum(values - top, 0.0) / task.temperature)
        changes.append(weights / weights.sum())
    sets = np.array(list(product((0.0, 1.0), repeat=task.base.size)))
    return Side((sets @ (changes[1] - changes[0])).max(), tilt_error(task))


def ceiling(task: ExtractionTask, times: float = 2.0) -> Side:
    """tanh(epsilon / (2 beta))."""
    value = np.tanh(task.radius / (times * task.temperature))
    return Side(value, rounding(1.0, 8))


def sharply_moved(task: ExtractionTask) -> Side:
    """Total variation in the worst case: base odds e^(epsilon / beta), one value up, the others down."""
    return moved_policy(sharp_task(task))


def values_by_state(task: RewardTask) -> tuple[FloatArray, FloatArray, float]:
    """Values of both extracted policies under the true reward, and their error; certified evaluations."""
    found, error = [], 0.0
    for reward in (task.mdp.reward, task.mdp.reward + task.perturbation):
        own = solvers.policy_evaluation(task.mdp.replace(reward=reward), task.behaviour)
        policy = np.exp(log_tilt(own.q, temperature=task.temperature, log_reference=np.log(task.behaviour)))
        after = solvers.policy_evaluation(task.mdp, policy)
        found.append(after.value)
        error += after.certificate.bound + extraction_error(task, own.certificate.bound)
    return found[0], found[1], error


def extraction_error(task: RewardTask, bound: float) -> float:
    """What an error of the action values costs an extracted policy: half its size over the temperature, of a policy."""
    span = float(np.ptp(task.mdp.reward)) / (1 - task.mdp.discount) ** 2
    size = (np.abs(task.mdp.reward).max() + task.radius) / (1 - task.mdp.discount) / task.temperature
    exponent = 4 + 2 * size - float(np.log(task.behaviour.min()))
    return span * (bound / task.temperature + float(rounding(exponent, 24 + 4 * task.mdp.n_actions)))


def lost(task: RewardTask) -> Side:
    """Largest difference of the values, by certified evaluation in states."""
    first, second, error = values_by_state(task)
    return Side(np.abs(first - second).max(), error)


def lost_in_pairs(task: RewardTask) -> Side:
    """Largest difference of the values, by linear systems in pairs and weights multiplied out."""
    mdp, found = task.mdp, []
    n_pairs = mdp.n_states * mdp.n_actions

    size = (np.abs(mdp.reward).max() + task.radius) / (1 - mdp.discount)

    def action_values(policy: FloatArray, reward: FloatArray) -> tuple[FloatArray, float]:
        system = np.eye(n_pairs) - mdp.discount * pair_kernel(mdp, policy).reshape(n_pairs, n_pairs)
        q = np.linalg.solve(system, reward.ravel())
        residual = float(np.abs(system @ q - reward.ravel()).max()) + float(rounding(2 * size, n_pairs + 8))
        return q.reshape(reward.shape), residual / (1 - mdp.discount)

    error = 0.0
    for reward in (mdp.reward, mdp.reward + task.perturbation):
        q, bound = action_values(task.behaviour, reward)
        weights = task.behaviour * np.exp((q - q.max(axis=1, keepdims=True)) / task.temperature)
        policy = weights / weights.sum(axis=1, keepdims=True)
        after, last = action_values(policy, mdp.reward)
        found.append((policy * after).sum(axis=1))
        error += last + extraction_error(task, bound) + float(rounding(size, mdp.n_actions + 2))
    return Side(np.abs(found[0] - found[1]).max(), error)


def loss_bound(task: RewardTask) -> Side:
    """(max R - min R) / (1 - gamma)^2 tanh(epsilon / (2 beta (1 - gamma)))."""
    left = 1 - task.mdp.discount
    value = np.ptp(task.mdp.reward) / left**2 * np.tanh(task.radius / (2 * task.temperature * left))
    return Side(value, rounding(np.abs(task.mdp.reward).max() / left**3, 16))


def loss_resolution(task: RewardTask) -> float:
    """Rounding of action values over the temperature, charged to the worst policy."""
    left = 1 - task.mdp.discount
    size = (float(np.abs(task.mdp.reward).max()) + task.radius) / left
    return 1e-12 * (1 + float(np.ptp(task.mdp.reward)) / left**2) * (1 + size / left / task.temperature)


# --- the claim ------------------------------------------------------------------------------------------------------

TWO, TWICE, M2 = two_action_task(), two_action_task(size=2.0), two_state_reward_task()

AWR = Claim(
    "awr-reward-corruption",
    title=r"An extracted policy moves by at most $\tanh$ of the corruption over twice the temperature",
    papers=("yang2023riql",),
    provenance="our formalisation",
    theorem="robustness of the supervised extraction step; the paper's bound has another form",
    statement=r"""
    Let $\pi \propto \pi_b e^{Q/\beta}$.

    (i) If $\pi' \propto \pi_b e^{(Q+e)/\beta}$ with $|e| \le \varepsilon$, then
    $\mathrm{TV}(\pi, \pi') \le \tanh\frac{\varepsilon}{2\beta}$. (i, sharp) Equality holds if one action has the
    probability $1/(1 + e^{\varepsilon/\beta})$ and its value moves up by $\varepsilon$, all others down by $\varepsilon$.

    (ii) Let $\pi$ be extracted from $Q = Q^{\pi_b}_R$ and $\pi'$ from $Q^{\pi_b}_{R+E}$ with
    $\|E\|_\infty \le \varepsilon$. Under the true reward $R$
    $$\|V_R^{\pi} - V_R^{\pi'}\|_\infty \le \frac{\max R - \min R}{(1-\gamma)^2}
      \tanh\frac{\varepsilon}{2\beta(1-\gamma)}.$$
    """,
    assumptions=(
        Assumption(
            "A1",
            r"the perturbation is at most $\varepsilon$",
            "a perturbation of twice the size",
            lambda task: bool(np.abs(task.perturbation).max() <= task.radius * (1 + 1e-15)),
            loose_extraction_task,
        ),
        Assumption("A2", r"both policies have the same $\pi_b$", "another base of the perturbed policy"),
    ),
    methods=(Method("Advantage-weighted regression", "tilt", "KL", "the policy against the behaviour"),),
    instance_family=extraction_task,
    witnesses=(TWO,),
    instances=200,
)  # fmt: skip
softmax = AWR.part(
    "(i)",
    r"$\mathrm{TV}(\pi, \pi') \le \tanh\frac\varepsilon{2\beta}$",
    AtMost(moved_policy, ceiling),
    resolution=tilt_resolution,
    reason="rounding of exponents: 1e-12, in proportion beyond 25",
    cross_left=moved_set,
    closed=("right",),
    specified_tightness="0.99999",
    exact=(exact.moved, exact.ceiling),
)
AWR.part(
    "(i, sharp)",
    r"equality for base odds $e^{\varepsilon/\beta}$ and $e = \pm\varepsilon$",
    Equal(sharply_moved, ceiling),
    resolution=tilt_resolution,
    reason="rounding of exponents: 1e-12, in proportion beyond 25",
    exact=(exact.sharply_moved, exact.ceiling),
)
AWR.part(
    "(ii)",
    r"$\|V_R^\pi - V_R^{\pi'}\|_\infty \le \frac{\max R - \min R}{(1-\gamma)^2}\tanh\frac\varepsilon{2\beta(1-\gamma)}$",
    AtMost(lost, loss_bound),
    resolution=loss_resolution,
    reason="rounding of action values over the temperature, charged to the worst policy",
    family=reward_task,
    witnesses=(M2,),
    instances=60,
    cross_left=lost_in_pairs,
    closed=("right",),
    specified_tightness="0.10",
    exact=(exact.loss, exact.loss_bound),
)


@AWR.known(TWO)
def _(task: ExtractionTask) -> Any:
    pair = np.array([moved_policy(task).value, ceiling(task).value], dtype=float)
    yield Known("total variation, and tanh 1/2", "0.4621171573 0.4621171573", pair, 1e-15)


@AWR.known(M2)
def _(task: RewardTask) -> Any:
    first, second, error = values_by_state(task)
    q = [
        solvers.policy_evaluation(task.mdp.replace(reward=task.mdp.reward + e), task.behaviour).q
        for e in (0.0, task.perturbation)
    ]
    rows = [np.exp(log_tilt(x, log_reference=np.log(task.behaviour)))[:, 1] for x in q]
    yield Known("action 1 of the policy", "0.3446530960 0.6284973392", rows[0], error)
    yield Known("action 1 of the policy of corrupted rewards", "0.2971261805 0.5781698208", rows[1], error)
    yield Known("value of the policy", "4.2749352806 5.2400729986", first, error)
    yield Known("value of the policy of corrupted rewards", "3.9317994140 4.8431080430", second, error)
    yield Known("bound", "46.2117", loss_bound(task).value)


softmax.control(
    r"$\tanh(\varepsilon / 4\beta)$",
    kind="constant",
    instance=TWO,
    right=lambda task: ceiling(task, 4.0),
    specified="0.2449186624 0.4621171573",
    measure=lambda o: [o.right, o.left],
)
softmax.control("a perturbation of twice the size", kind="assumption", drops="A1", instance=TWICE)
softmax.control(
    "another base of the perturbed policy",
    kind="assumption",
    drops="A2",
    instance=TWO,
    left=lambda task: Side(total_variation(*tilted(task, np.array([0.99, 0.01]))), tilt_error(task)),
)


@AWR.figure(
    r"Largest total variation over all perturbations of size $\varepsilon$, against $\varepsilon/\beta$, for a set of actions "
    r"whose probability is p, and the bound (dashed), their envelope: each p touches it at $\varepsilon/\beta = \log(1/p - 1)$."
)
def _(ax: Any) -> None:
    ratios = np.linspace(0.0, 6.0, 200)
    for k, p in enumerate((0.5, 0.2, 0.05, 0.01)):
        after = p / (p + (1 - p) * np.exp(-2 * ratios))
        ax.plot(ratios, after - p, color=f"C{k}", label=f"$p = {p:g}$")
    ax.plot(ratios, np.tanh(ratios / 2), "--", color="black", label=r"$\tanh(\varepsilon/2\beta)$")
    ax.set(xlabel=r"$\varepsilon/\beta$", ylabel="total variation")
    ax.legend(fontsize="small", loc="lower right")
