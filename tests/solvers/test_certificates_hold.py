"""Certificates contain the truth, and are no looser than they must be, on 300 models of every kind and up to fifty states.

The truth is that of :mod:`tests.refined` (Newton with residuals in sixty digits), of exact rationals, or of a parametric
search whose every step is such a truth; no linear system, program or sweep of the package takes part in it.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from mdplab import solvers
from mdplab.instances import SeededDraw, random_linear_mdp
from mdplab.models import MDP, FiniteHorizonMDP, MultiObjectiveMDP, RewardProcess, TotalRewardMDP
from mdplab.solution import Solution, Status
from tests import refined
from tests.small_models import as_sparse, random_policy
from tests.solver_models import large

UNIT = 2.0**-53
BLOCKS, LENGTH = range(10), 30
TOL = 1e-9


def seeds(block: int) -> range:
    return range(LENGTH * block, LENGTH * block + LENGTH)


def often_small(seed: int, scale: int = 1) -> MDP:
    """Fifty states at most in one of ten models, eight in the others: where the truth takes long."""
    return large(scale * seed + scale // 2, 50 if seed % 10 == 0 else 8)


def contains(
    found: Any, value: Any, floor: float, *, tol: float = TOL, allowed: tuple[Status, ...] = ()
) -> None:
    """The truth is within the bound and the interval; the bound within 10 times the tolerance or a floor of rounding.

    ``floor`` is an a priori bound of the rounding at the solution, computed from the model alone.
    """
    bound = found.certificate.bound
    assert (
        refined.largest(getattr(found, "gain", None) if hasattr(found, "gain") else found.value, value)
        <= bound
    )
    low, high = Fraction(0), Fraction(0)
    for low, truth, high in zip(found.lower.tolist(), value, found.upper.tolist(), strict=True):
        assert Fraction(low) <= Fraction(truth) <= Fraction(high)
    if found.status in allowed:
        return
    assert found.status is (Status.CONVERGED if bound <= tol else Status.PRECISION_LIMIT)
    assert bound <= 10 * max(tol, min(floor, found.certificate.rounding))


def floor_of(mdp: Any, size: float = 0.0) -> float:
    """Rounding of a residual over ``1 - discount``: a few units for each of S terms of the size of the values."""
    scale = (np.abs(mdp.reward).max() + size) / (1 - mdp.discount)
    return float(8 * (mdp.n_states + 16) * UNIT * (1 + scale) / (1 - mdp.discount))


def random_logs(mdp: MDP, seed: int) -> np.ndarray:
    """Log-weights with zeros, at least one action left in each state."""
    rng = np.random.default_rng([seed, 29])
    logs = rng.normal(size=mdp.reward.shape) * 2
    keep = np.ones(mdp.n_states, int) * 0 if mdp.available is None else mdp.available.argmax(axis=1)
    drop = rng.random(logs.shape) < 0.15
    drop[np.arange(mdp.n_states), keep] = False
    return np.where(drop, -np.inf, logs)


def truth(mdp: MDP, seed: int, **options: Any) -> tuple[Any, Any]:
    dense = mdp.to_dense()
    return refined.optimum(
        dense.transition, dense.reward, dense.discount, dense.available, normalise=seed % 2 == 1, **options
    )


@pytest.mark.parametrize("block", BLOCKS)
def test_hard_control(block: int) -> None:
    for seed in seeds(block):
        mdp = large(seed)
        value, q = truth(mdp, seed)
        for found in (
            solvers.solve(mdp, TOL),
            solvers.policy_iteration(mdp, tol=TOL),
            solvers.policy_iteration(as_sparse(mdp.to_dense()), tol=TOL, evaluation="krylov"),
        ):
            contains(found, value, floor_of(mdp))
            assert refined.largest(found.q, q) <= found.q_error
            # The policy's own value, evaluated the same way, loses no more than it says.
            own, _ = truth(mdp, seed, policy=found.policy)
            loss = max(float(v - w) for v, w in zip(value, own, strict=True))
            assert loss <= found.suboptimality + 1e-25  # the truths have forty digits


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.filterwarnings("ignore::mdplab.solution.ConvergenceWarning")
def test_sweeps(block: int) -> None:
    for seed in seeds(block):
        mdp = large(seed)
        value, _ = truth(mdp, seed)
        for solver in (solvers.value_iteration, solvers.modified_policy_iteration):
            # Where a chain hardly mixes sweeps take 1/(1 - discount) steps: they are cut short with valid bounds.
            found = solver(mdp, tol=TOL, max_steps=10**5 if mdp.discount < 0.9999 else 300)
            contains(found, value, floor_of(mdp), allowed=(Status.MAX_STEPS,))
            assert found.status is not Status.MAX_STEPS or mdp.discount > 0.9999


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("kind", ["entropy", "kl", "residual"])
@pytest.mark.filterwarnings("ignore::mdplab.solution.ConvergenceWarning")
def test_soft_control(kind: str, block: int) -> None:
    for seed in seeds(block):
        mdp = often_small(seed)
        temperature = (0.05, 1.0, 20.0)[seed % 3]
        logs = None if kind == "entropy" else random_logs(mdp, seed)
        weight = 0.7 if kind == "residual" else temperature
        bonus = np.zeros(mdp.reward.shape) if logs is None else weight * logs
        value, q = truth(mdp, seed, bonus=bonus, temperature=temperature)
        results: list[Any] = []
        if kind == "residual":
            results.append(
                solvers.residual_q_learning(
                    mdp.replace(reward=np.zeros(mdp.reward.shape)),
                    mdp.reward,
                    logs,
                    prior_weight=weight,
                    temperature=temperature,
                    tol=TOL,
                    max_steps=10**5 if mdp.discount < 0.9999 else 300,
                )
            )
        else:
            options: dict[str, Any] = {"temperature": temperature, "log_reference": logs, "tol": TOL}
            results.append(solvers.soft_policy_iteration(mdp, **options))
            if mdp.discount < 0.9999:
                results.append(solvers.soft_value_iteration(mdp, **options))
        size = float(np.abs(bonus[bonus > -np.inf]).max()) + temperature * np.log(mdp.n_actions + 4)
        for found in results:
            contains(found, value, floor_of(mdp, size), allowed=(Status.MAX_STEPS,))
            assert found.status is not Status.MAX_STEPS or mdp.discount > 0.9999
            inside = found.bonus > -np.inf
            assert (
                max(
                    refined.largest(found.q[s, a], q[s][a])
                    for s, a in np.argwhere(inside & (found.q > -np.inf))
                )
                <= found.q_error
            )


@pytest.mark.parametrize("block", BLOCKS)
def test_evaluation(block: int) -> None:
    for seed in seeds(block):
        mdp = large(seed)
        policy = random_policy(mdp, seed)
        value, q = truth(mdp, seed, policy=policy)
        found = solvers.policy_evaluation(mdp, policy, tol=TOL)
        contains(found, value, floor_of(mdp))
        assert refined.largest(found.q, q) <= found.q_error


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("temperature", [0.0, 0.5])
def test_finite_horizon(temperature: float, block: int) -> None:
    for seed in seeds(block):
        base, rng = often_small(seed).to_dense(), np.random.default_rng([seed, 30])
        horizon = int(rng.integers(1, 6))
        terminal = rng.normal(size=base.n_states)
        model = FiniteHorizonMDP(base.transition, base.reward, horizon, 1.0 - 0.1 * (seed % 2), terminal)
        found = solvers.backward_induction(
            model, temperature=temperature, available=base.available, tol=1e-12
        )
        rows, gain = refined.rows_of(base.transition, base.available, False), refined.decimals(base.reward)
        zeros = refined.decimals(np.zeros(base.reward.shape))
        with refined.localcontext(prec=refined.DIGITS):
            values = [refined.decimals(terminal)]
            for _ in range(horizon):
                q = refined.lookahead(rows, gain, refined.Decimal(model.discount), values[0])
                values.insert(0, refined.aggregate(q, zeros, refined.Decimal(temperature))[0])
        for stage, exact in enumerate(values):
            assert refined.largest(found.value[stage], exact) <= found.value_errors[stage]
            for low, x, high in zip(
                found.lower[stage].tolist(), exact, found.upper[stage].tolist(), strict=True
            ):
                assert Fraction(low) <= Fraction(x) <= Fraction(high)
        size = float(np.abs(found.value).max()) + np.abs(base.reward).max()
        assert found.certificate.bound <= 10 * max(1e-12, 8 * horizon * (base.n_states + 24) * UNIT * size)
        assert found.status is (
            Status.CONVERGED if found.certificate.bound <= 1e-12 else Status.PRECISION_LIMIT
        )


@pytest.mark.parametrize("block", BLOCKS)
def test_total_reward(block: int) -> None:
    """Every action leaves with probability 0.02 to 1, or costs where it does not leave."""
    for seed in seeds(block):
        base, rng = large(seed).to_dense(), np.random.default_rng([seed, 31])
        n = base.n_states
        stay = np.ones((n, base.n_actions)) - rng.uniform(0.02, 1.0, (n, base.n_actions))
        kernel = np.zeros((n + 1, base.n_actions, n + 1))
        kernel[:n, :, :n] = base.transition * stay[..., None]
        kernel[:n, :, n] = 1 - kernel[:n, :, :n].sum(axis=-1)
        kernel[n, :, n] = 1.0
        reward = np.vstack([base.reward, np.zeros((1, base.n_actions))])
        mask = (
            None
            if base.available is None
            else np.vstack([base.available, np.ones((1, base.n_actions), bool)])
        )
        form: Any = kernel
        if seed % 2:
            form = as_sparse(MDP(kernel, reward, 0.5)).transition
        model = TotalRewardMDP(form, reward, np.arange(n + 1) == n, available=mask)
        inner = kernel[:n, :, :n]  # the terminal state pays and returns nothing
        value, _ = refined.optimum(inner, base.reward, 1.0, base.available)
        found = solvers.total_reward(model, tol=TOL)
        assert refined.largest(found.value[:n], value) <= found.certificate.bound
        for low, x, high in zip(found.lower[:n].tolist(), value, found.upper[:n].tolist(), strict=True):
            assert Fraction(low) <= Fraction(x) <= Fraction(high)
        assert found.status is Status.CONVERGED
        size = float(np.abs(found.value).max()) + np.abs(base.reward).max()
        assert found.certificate.bound <= 10 * max(TOL, 8 * (n + 16) * UNIT * size / 0.02)


def mixing(seed: int, states: int) -> MDP:
    """Unichain under every policy: state 0 is entered from everywhere."""
    rng = np.random.default_rng([seed, 32])
    actions = int(rng.integers(1, 5))
    kernel = np.zeros((states, actions, states))
    for s, a in np.ndindex(states, actions):
        successors = rng.choice(states, min(states, int(rng.integers(1, 6))), replace=False)
        kernel[s, a, successors] = 0.9 * rng.dirichlet(np.ones(successors.size))
    kernel[..., 0] += 1 - kernel.sum(axis=-1)
    reward = rng.normal(size=(states, actions)) * (1.0, 100.0)[seed % 2]
    available = None
    if seed % 3 == 0:
        available = rng.random((states, actions)) < 0.7
        available[:, 0] = True
    return MDP(kernel, reward, 0.5, available=available)


def gain_contains(found: Any, exact: Any, size: float, tol: float) -> None:
    for low, x, high in zip(found.lower.tolist(), exact, found.upper.tolist(), strict=True):
        assert Fraction(low) <= Fraction(x) <= Fraction(high)
    assert refined.largest(found.gain, exact) <= found.certificate.bound
    assert found.status is Status.CONVERGED
    assert found.certificate.bound <= 10 * max(tol, 64 * (found.gain.size + 16) * UNIT * size)


@pytest.mark.parametrize("block", BLOCKS)
def test_average_reward_unichain(block: int) -> None:
    for seed in seeds(block):
        mdp = mixing(seed, 1 + int(50 * ((seed * 0.618) % 1) ** 2))
        _, gain = refined.optimum(mdp.transition, mdp.reward, 1.0, mdp.available, average=True)
        exact = [gain] * mdp.n_states
        size = float(np.abs(mdp.reward).max()) * 20
        form = as_sparse(mdp) if seed % 2 else mdp
        gain_contains(solvers.average_reward(form, tol=TOL), exact, size, TOL)
        gain_contains(solvers.relative_value_iteration(form, tol=1e-8), exact, size, 1e-8)
        if seed % 5 == 0:
            program = solvers.average_reward_program(form)
            assert all(low <= gain <= high for low, high in zip(program.lower, program.upper, strict=True))


@pytest.mark.parametrize("block", BLOCKS)
def test_average_reward_multichain(block: int) -> None:
    """Closed mixing blocks and transient states that choose between them: gains are those of the blocks, weighed."""
    for seed in seeds(block):
        rng = np.random.default_rng([seed, 33])
        sizes, transient = rng.integers(1, 13, int(rng.integers(2, 4))).tolist(), int(rng.integers(1, 11))
        blocks = [mixing(1000 * seed + 2 * k, size) for k, size in enumerate(sizes)]
        n, actions = sum(sizes) + transient, max(b.n_actions for b in blocks)
        kernel, reward = np.zeros((n, actions, n)), rng.normal(size=(n, actions))
        available = np.ones((n, actions), bool)
        gains: list[Any] = []
        first = 0
        for b in blocks:
            part = slice(first, first + b.n_states)
            kernel[part, : b.n_actions, part], reward[part, : b.n_actions] = b.transition, b.reward
            available[part] = np.arange(actions) < b.n_actions
            if b.available is not None:
                available[part, : b.n_actions] &= b.available
            gain = refined.optimum(b.transition, b.reward, 1.0, b.available, average=True)[1]
            gains += [gain] * b.n_states
            first += b.n_states
        kernel[first:] = rng.dirichlet(np.full(n, 0.2), (transient, actions))
        kernel[first:, :, :first] += 0.1 / first
        kernel[first:] /= kernel[first:].sum(axis=-1, keepdims=True)
        # The gain of a transient state: total reward of ending in a block, its gain paid on the way in.
        with refined.localcontext(prec=refined.DIGITS):
            paid = [
                [
                    sum(refined.Decimal(float(p)) * g for p, g in zip(row[:first], gains, strict=True))
                    for row in rows
                ]
                for rows in kernel[first:]
            ]
        ends = np.array([[float(x) for x in row] for row in paid])
        left, _ = refined.optimum(kernel[first:, :, first:], ends, 1.0)
        model = MDP(kernel, reward, 0.9, available=available)
        found = solvers.average_reward(as_sparse(model) if seed % 2 else model, tol=TOL)
        # (the payments were rounded to doubles: 1e-13 of slack for the transient states)
        for s, exact in enumerate([*gains, *left]):
            slack = Fraction(0) if s < first else Fraction(1e-13) * (1 + abs(Fraction(exact)))
            assert Fraction(found.lower[s]) - slack <= Fraction(exact) <= Fraction(found.upper[s]) + slack
        assert found.status is Status.CONVERGED
        assert found.certificate.bound <= 10 * TOL
        assert not found.unichain


@pytest.mark.parametrize("block", BLOCKS)
def test_linear_models(block: int) -> None:
    for seed in seeds(block):
        draw = SeededDraw([seed, 34])
        most = (6, 50)[seed % 5 == 0]
        model = random_linear_mdp(
            draw,
            states=(1, most),
            actions=(1, 4),
            dimension=(1, 5),
            discount=(0.0, 0.999),
            signed=seed % 2 == 1,
        )
        with refined.localcontext(prec=refined.DIGITS):
            phi, mu = refined.decimals(model.features), refined.decimals(model.measures)
            theta = refined.decimals(model.theta)
            columns = list(zip(*mu, strict=True))
            exact = [
                [
                    [sum(f * m for f, m in zip(pair, column, strict=True)) for column in columns]
                    for pair in pairs
                ]
                for pairs in phi
            ]
            gain = [[sum(f * t for f, t in zip(pair, theta, strict=True)) for pair in pairs] for pairs in phi]
        found = solvers.linear_policy_iteration(model, tol=TOL)
        # The truth's residual at the solution, in sixty digits, bounds its distance: |V - V*| <= |TV - V| / (1 - gamma).
        with refined.localcontext(prec=refined.DIGITS):
            gamma, v = refined.Decimal(model.discount), refined.decimals(found.value)
            step = [
                max(
                    g + gamma * sum(p * x for p, x in zip(row, v, strict=True))
                    for row, g in zip(*pair, strict=True)
                )
                for pair in zip(exact, gain, strict=True)
            ]
            residual = [float(b - x) for b, x in zip(step, v, strict=True)]
        assert max(map(abs, residual)) <= found.backward_error
        table = model.to_mdp()
        value, _ = refined.optimum(table.transition, table.reward, table.discount)
        # (the table rounds each probability once)
        slack = 16 * UNIT * (model.dimension + 2) * (1 + np.abs(found.value).max()) / (1 - model.discount) * 4
        assert refined.largest(found.value, value) <= found.certificate.bound + slack
        assert found.certificate.bound <= 10 * max(TOL, 64 * slack)


def exact_game(payoff: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> Fraction:
    """Value of an integer game from the supports of its (unique) equilibrium, proven by both guarantees in rationals."""

    def equalise(matrix: np.ndarray) -> tuple[list[Fraction], Fraction]:
        k = matrix.shape[1]
        system = [[Fraction(int(x)) for x in row] + [Fraction(-1)] for row in matrix]
        system.append([Fraction(1)] * k + [Fraction(0)])
        right = [Fraction(0)] * matrix.shape[0] + [Fraction(1)]
        for i in range(k + 1):
            pivot = next(j for j in range(i, k + 1) if system[j][i] != 0)
            system[i], system[pivot] = system[pivot], system[i]
            right[i], right[pivot] = right[pivot], right[i]
            for j in range(k + 1):
                if j != i and system[j][i] != 0:
                    factor = system[j][i] / system[i][i]
                    system[j] = [x - factor * y for x, y in zip(system[j], system[i], strict=True)]
                    right[j] -= factor * right[i]
        solution = [right[i] / system[i][i] for i in range(k + 1)]
        return solution[:-1], solution[-1]

    inner = payoff[np.ix_(rows, columns)]
    x, value = equalise(inner.T)
    y, same = equalise(inner)
    assert value == same
    assert min(x) >= 0
    assert min(y) >= 0
    assert all(
        sum(p * int(payoff[i, j]) for p, i in zip(x, rows, strict=True)) >= value
        for j in range(payoff.shape[1])
    )
    assert all(
        sum(p * int(payoff[i, j]) for p, j in zip(y, columns, strict=True)) <= value
        for i in range(payoff.shape[0])
    )
    return value


@pytest.mark.parametrize("block", BLOCKS)
def test_matrix_games(block: int) -> None:
    for seed in seeds(block):
        rng = np.random.default_rng([seed, 35])
        shape = rng.integers(1, (6, 51)[seed % 10 == 0], 2)
        payoff = rng.integers(-1000, 1001, shape)
        found = solvers.matrix_game(payoff.astype(float))
        value = exact_game(payoff, np.flatnonzero(found.row > 1e-9), np.flatnonzero(found.column > 1e-9))
        assert Fraction(found.lower) <= value <= Fraction(found.upper)
        assert abs(Fraction(found.value) - value) <= Fraction(found.certificate.bound)
        assert found.status is Status.CONVERGED
        assert found.certificate.bound <= 10 * max(1e-9, 4 * (sum(payoff.shape) + 4) * UNIT * 1000)


def parametric_optimum(start: np.ndarray, threshold: float, best: Callable[[Any], tuple[Any, Any]]) -> Any:
    """Largest first return with the second at least ``threshold``: lines of the Lagrangian, crossed until none is better.

    ``best(multiplier)`` gives exact returns of an optimal policy for ``first + multiplier * second``.
    """
    with refined.localcontext(prec=refined.DIGITS):
        c = refined.Decimal(threshold)
        free, kept = best(refined.Decimal(0)), best(None)
        if free[1] >= c:
            return free[0]
        assert kept[1] > c
        while True:
            multiplier = (free[0] - kept[0]) / (kept[1] - free[1])
            between = best(multiplier)
            gain = between[0] + multiplier * between[1] - (free[0] + multiplier * free[1])
            if gain <= refined.Decimal(10) ** -30:
                share = (c - free[1]) / (kept[1] - free[1])
                return free[0] + share * (kept[0] - free[0])
            if between[1] >= c:
                kept = between
            else:
                free = between


@pytest.mark.parametrize("block", BLOCKS)
def test_constrained(block: int) -> None:
    for seed in seeds(block):
        base, rng = often_small(seed, 3).to_dense(), np.random.default_rng([seed, 36])
        discount = (0.0, 0.5, 0.9, 0.99)[seed % 4]
        rewards = rng.normal(size=(2, *base.reward.shape))
        law = rng.dirichlet(np.ones(base.n_states))
        law /= law.sum()
        model = MultiObjectiveMDP(base.transition, rewards, discount, law, available=base.available)
        start = refined.decimals(law)

        def best(
            multiplier: Any,
            base: Any = base,
            rewards: Any = rewards,
            discount: Any = discount,
            start: Any = start,
        ) -> Any:
            weights = (0.0, 1.0) if multiplier is None else (1.0, float(multiplier))
            gain = weights[0] * rewards[0] + weights[1] * rewards[1]
            _, q = refined.optimum(base.transition, gain, discount, base.available)
            policy = np.zeros(gain.shape)
            for s, row in enumerate(q):
                policy[s, max((a for a in range(len(row)) if row[a] is not None), key=row.__getitem__)] = 1.0
            found = []
            for reward in rewards:
                v, _ = refined.optimum(base.transition, reward, discount, base.available, policy=policy)
                with refined.localcontext(prec=refined.DIGITS):
                    found.append(sum(p * x for p, x in zip(start, v, strict=True)))
            return tuple(found)

        most, least = float(best(None)[1]), float(best(refined.Decimal(0))[1])
        share = rng.uniform(-0.2, 0.9)
        threshold = least + share * (most - least) if most - least > 1e-6 else least - 1.0
        found = solvers.constrained(model, [threshold])
        exact = parametric_optimum(law, threshold, best)
        # (multipliers of the search are rounded to doubles, which moves a vertex by nothing and a price by an ulp)
        slack = Fraction(1e-12) * (1 + abs(Fraction(exact)))
        assert Fraction(found.lower) - slack <= Fraction(exact) <= Fraction(found.upper) + slack
        assert abs(Fraction(found.objective) - Fraction(exact)) <= Fraction(found.certificate.bound) + slack
        assert found.status.ok
        assert found.certificate.bound <= 10 * 1e-8


@pytest.mark.parametrize("block", BLOCKS)
def test_laws(block: int) -> None:
    """Acyclic processes with integer rewards, by convolution in rationals: the distance is below the bound."""
    for seed in seeds(block):
        rng = np.random.default_rng([seed, 37])
        n = 2 + int(49 * ((seed * 0.618) % 1) ** 8)
        weights = np.triu(rng.integers(0, 3, (n, n)), 1) * (
            np.subtract.outer(np.arange(n), np.arange(n)) > -5
        )
        weights[np.arange(n - 1), np.arange(1, n)] += 1
        weights[-1, -1] = 1
        kernel = weights / weights.sum(axis=1, keepdims=True)
        reward = rng.integers(-2, 3, (n, n)) * (np.arange(n)[:, None] < n - 1)
        discount = 1.0 if seed % 2 or n > 5 else 0.5  # halves of halves: many atoms
        found = solvers.distributional_evaluation(RewardProcess(kernel, reward.astype(float), discount))
        laws: list[dict[Fraction, Fraction]] = [{Fraction(0): Fraction(1)}] * n
        for s in reversed(range(n - 1)):
            law: dict[Fraction, Fraction] = {}
            total = sum(Fraction(float(p)) for p in kernel[s])
            for t in np.flatnonzero(weights[s]):
                for x, p in laws[t].items():
                    atom = int(reward[s, t]) + Fraction(discount) * x
                    law[atom] = law.get(atom, Fraction(0)) + p * Fraction(float(kernel[s, t])) / total
            laws[s] = law
        assert max(map(distance, laws, found.laws)) <= found.certificate.bound
        assert found.status is Status.CONVERGED
        assert found.certificate.bound <= 10 * 1e-8


def distance(exact: dict[Fraction, Fraction], law: Any) -> float:
    """Wasserstein distance of order 1 to a law of doubles, masses normalised, in rationals."""
    total = sum(Fraction(float(m)) for m in law.masses)
    jumps: dict[Fraction, Fraction] = dict(exact)
    for x, m in zip(law.atoms, law.masses, strict=True):
        at = Fraction(float(x))
        jumps[at] = jumps.get(at, Fraction(0)) - Fraction(float(m)) / total
    result, height = Fraction(0), Fraction(0)
    places = sorted(jumps)
    for left, right in pairwise(places):
        height += jumps[left]
        result += abs(height) * (right - left)
    return float(result)


def test_the_models_are_of_every_kind() -> None:
    models = [large(seed) for seed in range(300)]
    assert {m.discount for m in models} == {0.0, 0.9, 0.999, 0.999999}
    assert sum(m.is_sparse for m in models) > 100
    assert sum(m.available is not None for m in models) > 40
    assert max(m.n_states for m in models) == 50
    assert sum(m.n_actions == 1 for m in models) > 20
    assert sum(m.n_states == 1 for m in models) > 2
    results: list[Solution] = [solvers.solve(m, TOL) for m in models]
    assert {r.status for r in results} == {Status.CONVERGED, Status.PRECISION_LIMIT}
