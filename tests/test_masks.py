"""A mask is the removal of actions: every solver and operator of a model, against the problem without them.

Each state of a small model gets more actions, at places of its own, that are unavailable and hold nonsense (rewards a
million times larger, rows that are other laws or zero).  Whatever is computed must agree with the model before, and
policies and occupancies must be zero at what was added.  A function that takes an MDP and is in no list here fails.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from mdplab import convex, enumeration, instances, models, operators, solvers
from mdplab.instances.environment import absorbing_states
from mdplab.models import MDP, FiniteHorizonMDP, LinearMDP, MultiObjectiveMDP, TotalRewardMDP
from mdplab.operators import log_tilt
from mdplab.solution import Solution
from mdplab.solvers import verify

S, A, MORE = 5, 3, 7  # 7 * 5 pairs: no axis of a result has that length by accident
NONSENSE = 1e9


def small(seed: int, *, ragged: bool) -> MDP:
    rng = np.random.default_rng([seed, 51])
    kernel = rng.dirichlet(np.full(S, 0.7), (S, A))
    mask = None
    if ragged:
        mask = rng.random((S, A)) < 0.6
        mask[np.arange(S), rng.integers(0, A, S)] = True
    return MDP(kernel, rng.normal(size=(S, A)), 0.8, rng.dirichlet(np.ones(S)), available=mask)


class Embedding:
    """The same problem with more actions, which are unavailable; ``place[s]`` is where the old ones went, in order."""

    def __init__(self, mdp: MDP, seed: int) -> None:
        rng = np.random.default_rng([seed, 52])
        self.rng = rng
        self.place = np.sort(np.array([rng.permutation(MORE)[:A] for _ in range(S)]), axis=1)
        kernel = rng.dirichlet(np.full(S, 0.3), (S, MORE)) * (rng.random((S, MORE)) < 0.5)[..., None]
        reward = NONSENSE * rng.normal(size=(S, MORE))
        kernel[np.arange(S)[:, None], self.place] = mdp.transition
        reward[np.arange(S)[:, None], self.place] = mdp.reward
        own = np.ones((S, A), dtype=bool) if mdp.available is None else mdp.available
        self.mask = self.lift(own, False)
        # what the small model masks is nonsense here too
        reward[~self.mask] = NONSENSE
        self.mdp = MDP(kernel, reward, mdp.discount, mdp.initial, available=self.mask)

    def lift(self, table: Any, fill: Any = 0.0) -> np.ndarray:
        """A table ``(..., S, A)`` in the larger layout."""
        array = np.asarray(table)
        result = np.full((*array.shape[:-1], MORE), fill, dtype=np.result_type(array, type(fill)))
        result[..., np.arange(S)[:, None], self.place] = array
        return result


def read(x: Any, n_actions: int, pairs: np.ndarray) -> np.ndarray:
    """A result at the available pairs alone: axes ``(S, A)``, or of all pairs, become one axis of ``pairs``."""
    array = x.toarray() if sparse.issparse(x) else np.asarray(x)
    axis = 0
    while axis < array.ndim:
        if array.shape[axis : axis + 2] == (S, n_actions):
            array = array.reshape(*array.shape[:axis], -1, *array.shape[axis + 2 :])
        if array.shape[axis] == S * n_actions:
            array = array.take(pairs, axis=axis)
        axis += 1
    return array


Lift = Callable[..., Any]
Case = Callable[[MDP, Lift], Any]


def logits(mdp: MDP, lift: Lift, seed: int = 0) -> np.ndarray:
    """Log-probabilities: lifted, and ``-inf`` where nothing is available in the small model."""
    raw = lift(np.random.default_rng(seed).normal(size=(S, A)), -np.inf)
    return log_tilt(raw if mdp.available is None else np.where(mdp.available, raw, -np.inf))


def policy(mdp: MDP, lift: Lift, seed: int = 0) -> np.ndarray:
    return np.exp(logits(mdp, lift, seed))


def table(lift: Lift, seed: int = 0, fill: float = 0.0) -> np.ndarray:
    return lift(np.random.default_rng([seed, 1]).normal(size=(S, A)), fill)


def values(seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, 2]).normal(size=S)


def data(mdp: MDP, lift: Lift, seed: int = 0) -> np.ndarray:
    """An occupancy."""
    return operators.occupancy(mdp, policy(mdp, lift, seed))


def several(mdp: MDP, lift: Lift) -> MultiObjectiveMDP:
    second = np.where(lift(np.ones((S, A)), 0.0) > 0, table(lift), NONSENSE)
    return MultiObjectiveMDP(
        mdp.transition, [mdp.reward, second], mdp.discount, mdp.initial, available=mdp.available
    )


def terminating(mdp: MDP) -> TotalRewardMDP:
    return TotalRewardMDP.from_mdp(mdp, np.arange(S) == S - 1)


def stages(mdp: MDP) -> FiniteHorizonMDP:
    return FiniteHorizonMDP.from_mdp(mdp, 3)


def undiscounted(mdp: MDP) -> FiniteHorizonMDP:
    return dataclasses.replace(stages(mdp), discount=1.0)


SOFT: dict[str, Any] = {"temperature": 0.4}
SOLVERS: dict[str, Case] = {
    "action_elimination": lambda m, lift: solvers.action_elimination(m, tol=1e-10),
    "average_reward": lambda m, lift: solvers.average_reward(m),
    "average_reward_program": lambda m, lift: solvers.average_reward_program(m),
    "constrained": lambda m, lift: solvers.constrained(several(m, lift), [-0.5]),
    "multi_objective": lambda m, lift: solvers.multi_objective(several(m, lift)),
    "dual_v": lambda m, lift: solvers.dual_v(m, data(m, lift), divergence="chi-square", strength=0.5),
    "dual_q": lambda m, lift: solvers.dual_q(
        m, policy(m, lift), data(m, lift, 1), divergence="chi-square", strength=0.5
    ),
    "dice_fixed_point": lambda m, lift: solvers.dice_fixed_point(m, data(m, lift), strength=0.5, scale=1.0),
    "goal_conditioned": lambda m, lift: (
        solvers.policy_iteration(solvers.goal_conditioned(m, [0.5, 0.0, 0.0, 0.2, 0.3])).value
    ),
    "inverse_soft_q": lambda m, lift: solvers.inverse_soft_q(m, data(m, lift), weight=0.1),
    "mixture_dual": lambda m, lift: solvers.mixture_dual(
        m, policy(m, lift), data(m, lift, 1), data(m, lift, 2), share=0.8, divergence="chi-square"
    ),
    "penalised_reward": lambda m, lift: solvers.penalised_reward(
        m, policy(m, lift), data(m, lift, 1), divergence="kl", strength=0.5
    ),
    "soft_constrained": lambda m, lift: solvers.soft_constrained(several(m, lift), -0.5, temperature=0.4),
    "mirror_descent": lambda m, lift: solvers.mirror_descent(m, step=0.7, steps=3, temperature=0.2),
    "modified_policy_iteration": lambda m, lift: solvers.modified_policy_iteration(m),
    "occupancy_program": lambda m, lift: solvers.occupancy_program(m),
    "value_program": lambda m, lift: solvers.value_program(m),
    "policy_evaluation": lambda m, lift: solvers.policy_evaluation(m, policy(m, lift), temperature=0.3),
    "policy_gradient_ascent": lambda m, lift: solvers.policy_gradient_ascent(m, steps=2, temperature=0.1),
    "policy_iteration": lambda m, lift: solvers.policy_iteration(m),
    "projected_fixed_point": lambda m, lift: solvers.projected_fixed_point(
        m, policy(m, lift), np.random.default_rng(3).normal(size=(S, 2))
    ),
    "relative_value_iteration": lambda m, lift: solvers.relative_value_iteration(m, tol=1e-9),
    "residual_q_learning": lambda m, lift: solvers.residual_q_learning(
        m, table(lift, fill=np.nan), logits(m, lift), prior_weight=0.5, temperature=0.3, tol=1e-10
    ),
    "smoothness_constant": lambda m, lift: solvers.smoothness_constant(m, temperature=0.3),
    "soft_policy_iteration": lambda m, lift: solvers.soft_policy_iteration(m, **SOFT),
    "soft_value_iteration": lambda m, lift: solvers.soft_value_iteration(
        m, **SOFT, log_reference=table(lift, fill=np.nan), tol=1e-10
    ),
    "solve": lambda m, lift: solvers.solve(m, tol=1e-10),
    "solve_batch": lambda m, lift: solvers.solve_batch(
        m.to_dense().transition[None], m.reward[None], m.discount, available=m.available, tol=1e-10
    ),
    "value_iteration": lambda m, lift: solvers.value_iteration(m, tol=1e-10),
    "total_reward": lambda m, lift: solvers.total_reward(terminating(m)),
    "total_reward_evaluation": lambda m, lift: solvers.total_reward_evaluation(
        terminating(m), policy(m, lift)
    ),
    "backward_induction": lambda m, lift: solvers.backward_induction(stages(m), **SOFT),
    "residual_backward_induction": lambda m, lift: solvers.residual_backward_induction(
        stages(m), table(lift, fill=np.nan), logits(m, lift), prior_weight=0.5, temperature=0.3
    ),
    "stage_evaluation": lambda m, lift: solvers.stage_evaluation(stages(m), policy(m, lift), **SOFT),
    "stage_mirror_descent": lambda m, lift: solvers.stage_mirror_descent(stages(m), step=0.5, steps=2),
}
OPERATORS: dict[str, Case] = {
    "action_values": lambda m, lift: operators.action_values(m, values()),
    "dice_gradient": lambda m, lift: operators.dice_gradient(
        m, data(m, lift), values(), divergence="chi-square", strength=0.5
    ),
    "flow_matrix": lambda m, lift: operators.flow_matrix(m),
    "greedy_policy": lambda m, lift: operators.greedy_policy(m, table(lift, fill=np.nan)),
    "induced": lambda m, lift: operators.induced(m, policy(m, lift)),
    "inverse_soft_backup": lambda m, lift: operators.inverse_soft_backup(m, table(lift, fill=np.nan), **SOFT),
    "largest_invariant_set": lambda m, lift: operators.largest_invariant_set(m, np.arange(S) < 4),
    "maximisers": lambda m, lift: operators.maximisers(m, table(lift, fill=np.nan), 0.5),
    "occupancy": lambda m, lift: operators.occupancy(m, policy(m, lift)),
    "occupancy_residual": lambda m, lift: operators.occupancy_residual(
        m, table(lift) * (policy(m, lift) > 0)
    ),
    "optimality_backup": lambda m, lift: operators.optimality_backup(m, values()),
    "pair_flow_matrix": lambda m, lift: operators.pair_flow_matrix(m, policy(m, lift)),
    "pair_kernel": lambda m, lift: operators.pair_kernel(m, policy(m, lift)),
    "path_kl": lambda m, lift: operators.path_kl(
        stages(m), operators.log_tilt(logits(m, lift)), logits(m, lift) * 0.5
    ),
    "policy_backup": lambda m, lift: operators.policy_backup(m, policy(m, lift), values()),
    "policy_hessian": lambda m, lift: operators.policy_hessian(m, policy(m, lift), temperature=0.3),
    "policy_hessian_product": lambda m, lift: operators.policy_hessian_product(
        m, policy(m, lift), table(lift, fill=9.0)
    ),
    "reachability_backup": lambda m, lift: operators.reachability_backup(m, values(), values(1)),
    "residual_backup": lambda m, lift: operators.residual_backup(
        m,
        table(lift, fill=np.nan),
        log_prior=logits(m, lift),
        prior_weight=0.5,
        residual_reward=table(lift, fill=9.0),
        **SOFT,
    ),
    "restart_law": lambda m, lift: operators.restart_law(m, policy(m, lift)),
    "segment_log_weights": lambda m, lift: operators.segment_log_weights(
        undiscounted(m), policy(m, lift), **SOFT
    ),
    "lookahead_backup": lambda m, lift: operators.lookahead_backup(
        stages(m), np.stack([table(lift, fill=np.nan)] * 3)
    ),
    "lookahead_values": lambda m, lift: operators.lookahead_values(stages(m), 3),
    "worst_greedy_value": lambda m, lift: operators.worst_greedy_value(
        stages(m), np.stack([table(lift, fill=np.nan)] * 3), 0.5
    ),
    "shaping_rewards": lambda m, lift: operators.shaping_rewards(stages(m), np.stack([values()] * 4)),
    "soft_backup": lambda m, lift: operators.soft_backup(m, table(lift, fill=np.nan), **SOFT),
    "soft_policy_backup": lambda m, lift: operators.soft_policy_backup(m, logits(m, lift), values(), **SOFT),
    "state_occupancy": lambda m, lift: operators.state_occupancy(m, policy(m, lift)),
    "staying_actions": lambda m, lift: operators.staying_actions(m, np.arange(S) < 3),
    "survival_time": lambda m, lift: operators.survival_time(m, np.arange(S) < 3),
    "stage_laws": lambda m, lift: operators.stage_laws(stages(m), policy(m, lift)),
    "stage_occupancy": lambda m, lift: operators.stage_occupancy(stages(m), policy(m, lift)),
    "stage_policy_gradient": lambda m, lift: operators.stage_policy_gradient(stages(m), policy(m, lift)),
    "stage_policy_hessian": lambda m, lift: operators.stage_policy_hessian(
        stages(m), policy(m, lift), temperature=0.3
    ).reshape(3, S, m.n_actions, 3, S, m.n_actions),
    "stage_policy_hessian_product": lambda m, lift: operators.stage_policy_hessian_product(
        stages(m), policy(m, lift), np.stack([table(lift, fill=9.0)] * 3)
    ),
    "tilted_trajectories": lambda m, lift: operators.tilted_trajectories(
        undiscounted(m), policy(m, lift), **SOFT
    ),
    "absorbing_states": lambda m, lift: absorbing_states(m),
    "conic_constrained_program": lambda m, lift: convex.conic_constrained_program(
        several(m, lift), -0.5, temperature=0.4
    ),
    "conic_occupancy_program": lambda m, lift: convex.conic_occupancy_program(
        m, data(m, lift), divergence="kl", strength=0.5
    ),
    "conic_entropy_occupancy_program": lambda m, lift: convex.conic_entropy_occupancy_program(
        m, prior_log=logits(m, lift), kl_weight=0.3
    ),
    "enumerate_trajectories": lambda m, lift: enumeration.enumerate_trajectories(
        FiniteHorizonMDP.from_mdp(m, 2), policy(m, lift)
    ).return_law(),
}
REFUSED: dict[str, Case] = {
    "linear_fit": lambda m, lift: models.linear_fit(m, np.ones((S, m.n_actions, 1))),
    "occupancy_residual": lambda m, lift: operators.occupancy_residual(m, np.ones((S, m.n_actions))),
    "dual_v": lambda m, lift: solvers.dual_v(
        m, np.full((S, m.n_actions), 1 / (S * m.n_actions)), divergence="kl", strength=1.0
    ),
    "policy_evaluation": lambda m, lift: solvers.policy_evaluation(m, np.full((S, MORE), 1 / MORE)),
    "LinearMDP.from_mdp": lambda m, lift: LinearMDP.from_mdp(m, np.ones((S, m.n_actions, 1))),
    "greedy_rollout_choice": lambda m, lift: enumeration.greedy_rollout_choice(undiscounted(m), 0, 0, 1, 2),
    "greedy_rollout_success": lambda m, lift: enumeration.greedy_rollout_success(undiscounted(m), 1, 2),
}
ELSEWHERE = {
    "as_gymnasium",  # tests/instances/test_gymnasium.py
    "save",  # tests/models/test_storage.py
    "verify",  # below, for each solution
    "linear_policy_evaluation",  # linear models have no mask
    "linear_policy_iteration",
    "linear_backward_induction",
    "greedy_distributional_backup",  # outcome models have no mask
    "enumerate_outcome_trajectories",
    "reachable_nodes",
    "return_laws",
    "markov_return_laws",
    "cvar_control",
    "stock_value_iteration",
    "homogeneous_stock_iteration",
    "stock_policy_evaluation",
    "stock_policy_iteration",
    "doubly_robust_variance",
}
LOOSE = {
    "conic_constrained_program": 1e-5,
    "conic_occupancy_program": 1e-5,
    "conic_entropy_occupancy_program": 1e-5,
    "dual_v": 1e-6,
}
VERIFIED = {
    "action_elimination",
    "mirror_descent",
    "modified_policy_iteration",
    "policy_evaluation",
    "policy_gradient_ascent",
    "policy_iteration",
    "relative_value_iteration",
    "residual_q_learning",
    "soft_policy_iteration",
    "soft_value_iteration",
    "solve",
    "value_iteration",
}


def parts(result: Any) -> dict[str, Any]:
    """The numbers of a result by name, those of how it was found left out."""
    if dataclasses.is_dataclass(result):
        skipped = {"certificate", "status", "steps", "residuals", "names", "method", "problem"}
        found = {f.name: getattr(result, f.name) for f in dataclasses.fields(result) if f.name not in skipped}
    elif isinstance(result, tuple):
        found = {str(i): x for i, x in enumerate(result)}
    else:
        found = {"result": result}
    return {
        k: x
        for k, x in found.items()
        if sparse.issparse(x) or (np.ndim(x) >= 0 and np.asarray(x).dtype.kind in "biufc")
    }


def is_error(name: str) -> bool:
    return any(word in name for word in ("error", "bound", "suboptimality", "infeasibility", "missing"))


def compare(before: Any, after: Any, base: MDP, embedding: Embedding, tolerance: float) -> None:
    own, other = parts(before), parts(after)
    assert own
    assert set(own) == set(other)
    if isinstance(before, Solution):
        assert after.status is before.status
        assert after.certificate.bound <= 20 * before.certificate.bound + 1e-11
    mask = np.ones((S, A), dtype=bool) if base.available is None else base.available
    s, a = np.nonzero(mask)
    for key in own:
        x, y = read(own[key], A, s * A + a), read(other[key], MORE, s * MORE + embedding.place[s, a])
        assert y.shape == x.shape, key
        if any(word in key for word in ("error", "bound", "suboptimality", "infeasibility")):
            np.testing.assert_array_less(y, 20 * np.abs(x) + 1e-11, err_msg=key)
        else:
            np.testing.assert_allclose(y, x, rtol=tolerance, atol=tolerance, err_msg=key)
        found = np.asarray(other[key]) if not sparse.issparse(other[key]) else np.empty(0)
        if key in ("policy", "policies", "occupancy", "feasible_occupancy", "primal") and found.ndim > 1:
            assert (found[..., ~embedding.mask] == 0).all(), key


def identity(x: Any, fill: Any = 0.0) -> np.ndarray:
    return np.asarray(x)


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("name", [*SOLVERS, *OPERATORS])
def test_masked_is_removed(name: str, ragged: bool, csr: bool) -> None:
    case = (SOLVERS | OPERATORS)[name]
    base = small(1, ragged=ragged)
    embedding = Embedding(base, 1)
    masked = embedding.mdp.to_sparse() if csr else embedding.mdp
    before, after = case(base, identity), case(masked, embedding.lift)
    compare(before, after, base, embedding, LOOSE.get(name, 1e-8))
    if name in VERIFIED:
        report = verify(masked, after)
        assert report.passed, report.failures


@pytest.mark.parametrize("name", ["policy_iteration", "solve", "policy_evaluation", "stage_evaluation"])
def test_nonsense_makes_no_room_for_errors(name: str) -> None:
    embedding = Embedding(small(1, ragged=True), 1)
    mdp = embedding.mdp
    found = SOLVERS[name](mdp, embedding.lift)
    off = dataclasses.replace(found, value=found.value + 5 * found.certificate.bound)
    model = stages(mdp) if name == "stage_evaluation" else mdp
    assert verify(model, found).passed
    assert not verify(model, off).passed


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"unavailable|not available"):
        REFUSED[name](Embedding(small(1, ragged=False), 1).mdp, identity)


def takers() -> set[str]:
    """Names of the public functions that take a model."""
    found = set()
    for module in (solvers, operators, convex, enumeration, models, instances):
        for name in module.__all__:
            thing = getattr(module, name)
            candidates = {name: thing}
            if inspect.isclass(thing):
                candidates = {
                    f"{name}.{k}": getattr(thing, k) for k in ("of", "from_mdp") if hasattr(thing, k)
                }
            for label, function in candidates.items():
                if callable(function) and not inspect.isclass(function):
                    kinds = [
                        str(p.annotation)
                        for p in inspect.signature(function).parameters.values()
                        if p.name in ("mdp", "model")
                    ]
                    if any("Callable" not in kind for kind in kinds):
                        found.add(label)
    return found


def test_every_function_that_takes_a_model_is_here() -> None:
    here = set(SOLVERS) | set(OPERATORS) | set(REFUSED) | ELSEWHERE
    here |= {"FlowPolytope.of", "TotalRewardMDP.from_mdp", "FiniteHorizonMDP.from_mdp"}  # used by the cases
    assert takers() <= here, takers() - here
