"""One fault at a time inside the functions that soft control and tilted laws stand on: which claims see it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from injection import Row
from mdplab.models import FlowNetwork, MarkovChain
from mdplab.solvers.stages import StageArrays


def weight_dropped(bonus: Callable[..., Any]) -> Callable[..., Any]:
    """The logarithm of the prior enters with weight 1: ``omega * alpha`` forgotten."""

    def wrong(first: Any, second: Any, third: Any, *others: Any) -> Any:
        if isinstance(second, float | int):  # (logs, weight, ...) of stages
            return bonus(first, 1.0, third, *others)
        return bonus(first, second, 1.0, *others)  # (arrays, logs, weight, ...)

    return wrong


def reference_dropped(bonus: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(first: Any, second: Any, *others: Any) -> Any:
        if isinstance(second, float | int):
            return bonus(None, second, *others)
        return bonus(first, None, *others)

    return wrong


def bootstrap_without_entropy(sweeps: Callable[..., Any]) -> Callable[..., Any]:
    """Bootstraps with the expected action value of the softmax policy, not with the log-sum-exp."""

    def wrong(
        matrix: Any, reward: Any, bonus: Any, discount: float, temperature: float, target: float, *arrays: Any
    ) -> int:
        w, q, backup, spans = arrays
        for n in range(spans.shape[0]):
            spans[n, 2] = 0.5 * (backup.min() + backup.max())
            w[:] = backup - spans[n, 2]
            q[:] = reward + discount * (matrix @ w).reshape(q.shape)
            policy = np.exp((q + bonus - (q + bonus).max(axis=1, keepdims=True)) / temperature)
            policy /= policy.sum(axis=1, keepdims=True)
            backup[:] = (policy * q).sum(axis=1)
            spans[n, :2] = (backup - w).min(), (backup - w).max()
            if spans[n, 1] - spans[n, 0] <= 2 * target:
                return n + 1
        return int(spans.shape[0])

    return wrong


def last_step_dropped(function: Callable[..., Any]) -> Callable[..., Any]:
    """The reward of the last stage is not seen."""

    def wrong(self: StageArrays, h: int, value: Any) -> Any:
        stage, error = function(self, h, value)
        return (np.zeros_like(stage), error) if h == self.mdp.horizon - 1 else (stage, error)

    return wrong


def last_kernel_dropped(function: Callable[..., Any]) -> Callable[..., Any]:
    """The last transition of a chain leaves everything where it is."""

    def wrong(chain: MarkovChain, *args: Any) -> Any:
        kernels = np.array(chain.kernels)
        kernels[-1] = np.eye(kernels.shape[1])
        return function(MarkovChain(chain.initial, kernels), *args)

    return wrong


def start_untilted(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(chain: MarkovChain, values: Any) -> Any:
        return MarkovChain(chain.initial, function(chain, values).kernels)

    return wrong


def start_forgotten(function: Callable[..., Any]) -> Callable[..., Any]:
    """Leaves out the divergence of the start laws."""

    def wrong(q: MarkovChain, p: MarkovChain) -> Any:
        return function(q, MarkovChain(q.initial, p.kernels))

    return wrong


def one_action_too_few(function: Callable[..., Any]) -> Callable[..., Any]:
    """A nucleus of several actions lacks its least likely one."""

    def wrong(policy: Any, level: float, **options: Any) -> Any:
        mask = np.array(function(policy, level, **options))
        row = np.flatnonzero(mask.sum(axis=1) > 1)
        mask[row, np.where(mask, policy, np.inf)[row].argmin(axis=1)] = False
        return mask

    return wrong


def backward_forgotten(function: Callable[..., Any]) -> Callable[..., Any]:
    """All parents of a node share its flow equally."""

    def wrong(network: FlowNetwork) -> Any:
        return function(FlowNetwork(network.edges, network.reward))

    return wrong


def first_parent_dropped(function: Callable[..., Any]) -> Callable[..., Any]:
    """The step into the last node from its first parent is not seen."""

    def wrong(network: FlowNetwork, log_policy: Any) -> Any:
        table = np.array(log_policy)
        table[np.flatnonzero(network.edges[:, -1])[0], network.n_nodes - 1] -= 1e-6
        return function(network, table)

    return wrong


def state_flow_forgotten(function: Callable[..., Any]) -> Callable[..., Any]:
    """The mixture weighs with the reward alone."""

    def wrong(log_flow: Any, *args: Any) -> Any:
        return function(np.where(np.isfinite(log_flow), 0.0, -np.inf), *args)

    return wrong


def counts_forgotten(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(network: FlowNetwork) -> Any:
        return FlowNetwork(network.edges, network.reward)

    return wrong


def stops_forgotten(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*args: Any) -> Any:
        table = np.array(function(*args))
        table[:, -1] = 0.0
        return table

    return wrong


def dynamics_left_alone(function: Callable[..., Any]) -> Callable[..., Any]:
    """The tilt of whole trajectories bends the policy only."""

    def wrong(mdp: Any, reference: Any, **options: Any) -> Any:
        with np.errstate(divide="ignore"):
            logs = np.log(np.array([mdp.stage_kernel(h) for h in range(mdp.horizon)]))
        return dataclasses.replace(function(mdp, reference, **options), log_transition=logs)

    return wrong


def temperature_ignored(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(mdp: Any, reference: Any, *, temperature: float = 1.0, **options: Any) -> Any:
        return function(mdp, reference, temperature=1.0, **options)

    return wrong


def discount_of_the_potential_dropped(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(mdp: Any, potential: Any, **options: Any) -> Any:
        return function(mdp, potential, factor=1.0)

    return wrong


def half_of_the_charge(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(reward: Any, positions: Any, *, strength: float) -> Any:
        return function(reward, positions, strength=0.5 * strength)

    return wrong


def deviation_forgotten(function: Callable[..., Any]) -> Callable[..., Any]:
    """The two flows start from a point mass."""

    def wrong(start: Any, *fields: Any) -> Any:
        return function(dataclasses.replace(start, deviation=1e-9 * start.deviation), *fields)

    return wrong


def magnet_dropped(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(policy: Any, gradient: Any, *, step: Any, kappa: Any = 0.0, log_magnet: Any = None) -> Any:
        return function(policy, gradient, step=step, kappa=kappa)

    return wrong


def laws_exchanged(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda p, q: function(q, p)


def too_much_smoothing(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*args: Any, smoothing: float = 1.0, **options: Any) -> Any:
        return function(*args, smoothing=1.01 * smoothing, **options)

    return wrong


def last_stage_dropped(function: Callable[..., Any]) -> Callable[..., Any]:
    """The last stage of two policies is not compared."""

    def wrong(mdp: Any, log_policy: Any, log_reference: Any, **options: Any) -> Any:
        reference = np.array(log_reference)
        reference[-1] = log_policy[-1]
        return function(mdp, log_policy, reference, **options)

    return wrong


def margin_doubled(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*args: Any, margin: float = 0.0, **options: Any) -> Any:
        return function(*args, margin=2 * margin, **options)

    return wrong


def other_player_first(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda payoff, *args: -function(-np.asarray(payoff), *args)


def one_step_shorter(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(positions: int, goal: int, longest: int, **options: Any) -> Any:
        return function(positions, goal, max(longest - 1, 1), **options)

    return wrong


def leaking(function: Callable[..., Any]) -> Callable[..., Any]:
    """The inverse soft backup forgets a hundredth of the horizon's end."""

    def wrong(mdp: Any, q: Any, **options: Any) -> Any:
        leak = 0.01 * (1 - mdp.discount) * np.asarray(q) if np.ndim(q) == 2 else 1e-6
        return function(mdp, q, **options) - leak

    return wrong


def discounted_twice(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(mdp: Any, *args: Any, **options: Any) -> Any:
        found = function(mdp, *args, **options)
        return dataclasses.replace(found, backward=mdp.discount * found.backward)

    return wrong


def threshold_doubled(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(values: Any, threshold: float, **options: Any) -> Any:
        return function(values, 2 * threshold, **options)

    return wrong


def weights_flattened(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(counts: Any, weights: Any, **options: Any) -> Any:
        return function(counts, np.sqrt(weights), **options)

    return wrong


def classes_counted_alike(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(counts: Any, shares: Any) -> Any:
        return function(np.ones_like(np.asarray(shares)), shares)

    return wrong


def risk_sought(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(advantage: Any, feasibility: Any, **options: Any) -> Any:
        return function(advantage, -np.asarray(feasibility), **options)

    return wrong


def one_point_forgotten(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda points, reference: function(points[1:], reference)


FAULTS: list[Row] = [
    (
        "mdplab.solvers.residual_q_learning",
        "log_bonus",
        weight_dropped,
        ("rql-fixed-point", "rql-iteration-conjugacy"),
    ),
    (
        "mdplab.solvers.residual_q_learning",
        "log_bonus",
        reference_dropped,
        ("rql-fixed-point", "rql-iteration-conjugacy"),
    ),
    (
        "mdplab.solvers.residual_backward_induction",
        "stage_bonus",
        weight_dropped,
        ("rql-finite-horizon",),
    ),
    (
        "mdplab.solvers.residual_backward_induction",
        "stage_bonus",
        reference_dropped,
        ("rql-finite-horizon",),
    ),
    ("mdplab.solvers.stages", "StageArrays.lookahead", last_step_dropped, ("rql-finite-horizon",)),
    ("mdplab._kernels.backups", "residual_sweeps_dense", bootstrap_without_entropy, ("rql-fixed-point",)),
    ("mdplab._kernels.backups", "soft_sweeps_dense", bootstrap_without_entropy, ("kl-objective-balance",)),
    ("mdplab.solvers.soft_policy_iteration", "log_bonus", reference_dropped, ("kl-objective-balance",)),
    ("mdplab.operators.chain", "log_value_recursion", last_kernel_dropped, ("tilt-soft-optimal-chain",)),
    ("mdplab.operators.chain", "marginals", last_kernel_dropped, ("tilt-start-and-penalty",)),
    ("mdplab.operators.chain", "tilted_chain", start_untilted, ("tilt-soft-optimal-chain",)),
    ("mdplab.operators.chain", "chain_kl", start_forgotten, ("tilt-start-and-penalty",)),
    (
        "mdplab.operators.flow_network",
        "log_flows",
        backward_forgotten,
        ("gfn-balance", "gfn-outcome-conditioned"),
    ),
    ("mdplab.operators.flow_network", "log_visits", first_parent_dropped, ("gfn-soft-rl", "gfn-balance")),
    (
        "mdplab.operators.flow_network",
        "converted_policy_log",
        state_flow_forgotten,
        ("gfn-outcome-conditioned",),
    ),
    ("mdplab.operators.flow_network", "path_count_backward", counts_forgotten, ("gfn-soft-rl",)),
    ("mdplab.operators.flow_network", "detailed_balance_residuals", stops_forgotten, ("gfn-balance",)),
    (
        "mdplab.operators.trajectory_tilt",
        "tilted_trajectories",
        dynamics_left_alone,
        ("policy-guided-trajectories",),
    ),
    ("mdplab.operators.trajectory_tilt", "segment_log_weights", temperature_ignored, ("subgoal-elbo",)),
    ("mdplab.operators.shaping", "shaping_rewards", discount_of_the_potential_dropped, ("ig-telescoping",)),
    (
        "mdplab.operators.transport",
        "transport_prox",
        half_of_the_charge,
        ("w2-regularised-reward-prox",),
    ),
    ("mdplab.laws.gaussian", "gaussian_kl", laws_exchanged, ("w2-regularised-reward-prox",)),
    ("mdplab.laws.gaussian_flow", "flow_discrepancy", deviation_forgotten, ("w2-flow-bound",)),
    ("mdplab.operators.mirror", "mirror_step", magnet_dropped, ("anchored-reward-weighting",)),
    (
        "mdplab.operators.path_divergence",
        "path_kl",
        last_stage_dropped,
        ("demreg-bellman-gap", "demreg-suboptimality", "demreg-linear"),
    ),
    ("mdplab.laws.smoothing", "expected_smoothed_kl", too_much_smoothing, ("demreg-bc-rate",)),
    ("mdplab.operators.guidance", "interventions", margin_doubled, ("rlif-zero-intervention",)),
    ("mdplab.operators.alternating", "alternating_value", other_player_first, ("debate-reward",)),
    ("mdplab.instances.corridors", "option_chain", one_step_shorter, ("ota-effective-horizon",)),
    (
        "mdplab.operators.inverse_soft",
        "inverse_soft_backup",
        leaking,
        ("iqlearn-bijection", "irl-is-td-regularised-mle"),
    ),
    ("mdplab.operators.dice_gradient", "dice_gradient", discounted_twice, ("odice-gradient-geometry",)),
    ("mdplab.numerics.huber", "huber_location", threshold_doubled, ("huber-bounded-influence",)),
    ("mdplab.operators.cloning", "cloned_policy", weights_flattened, ("sirius-weighted-bc",)),
    ("mdplab.operators.cloning", "class_weights", classes_counted_alike, ("sirius-weighted-bc",)),
    ("mdplab.operators.feasible_tilt", "feasible_tilt_log", risk_sought, ("fisor-weighted-bc",)),
    (
        "mdplab.numerics.hypervolume",
        "hypervolume",
        one_point_forgotten,
        ("cmorl-constrained-recovers-front",),
    ),
    ("mdplab.operators.nucleus", "nucleus", one_action_too_few, ("top-p-mask",)),
]

ONLY_BY_A_NUMBER = (start_forgotten,)
"""Chains that the parts compare start alike: a printed path divergence alone tells."""
