"""Limits, callbacks and Ctrl-C: every iterative solver ends with valid bounds, the best it had, and says why it ended."""

from __future__ import annotations

import inspect
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mdplab import interrupts, solvers
from mdplab.instances import one_hot_features
from mdplab.models import (
    MDP,
    FiniteHorizonMDP,
    LinearMDP,
    MultiObjectiveMDP,
    RewardProcess,
    TotalRewardMDP,
)
from mdplab.solution import ConvergenceWarning, Solution, Status

ROWS = np.random.default_rng(0).dirichlet(np.full(12, 0.3), (12, 3))
GAINS = np.random.default_rng(1).normal(size=(3, 12, 3))
START = np.full(12, 1 / 12)
PLAIN = MDP(ROWS, GAINS[0], 0.95, START)
# A line on which policy iteration moves the first rewarding step by step, and values spread one state a sweep.
LINE = MDP.from_successors(
    np.stack([np.maximum(np.arange(40) - 1, 0), np.minimum(np.arange(40) + 1, 39)], axis=1),
    np.where(np.arange(40)[:, None] == 39, 1.0, -0.01 * np.arange(2)),
    0.99,
    np.full(40, 1 / 40),
)
SEVERAL = MultiObjectiveMDP(ROWS, GAINS, 0.9, START)
STAGES = FiniteHorizonMDP(ROWS, GAINS[0], 5)
PROCESS = RewardProcess(
    ROWS[:3, 0, :3] / ROWS[:3, 0, :3].sum(1, keepdims=True), np.arange(9.0).reshape(3, 3), 0.6
)
LINEAR = LinearMDP(one_hot_features(40, 2), LINE.transition.reshape(80, 40), LINE.reward.ravel(), 0.99)
GAME = np.array([[0.5, 0.9, 0.2], [0.1, 0.5, 0.7], [0.8, 0.3, 0.5]])
LOGS = np.log(np.full((12, 3), 1 / 3))
UNEVEN = np.random.default_rng(3).dirichlet(np.full(36, 5.0)).reshape(12, 3)
PAIRS = np.random.default_rng(2).random((5, 5))


def walk(states: int, discount: float) -> MDP:
    """A random walk that hardly mixes."""
    rows = np.zeros((states, 2, states))
    for s in range(states):
        for a, right in enumerate((0.4, 0.6)):
            rows[s, a, min(s + 1, states - 1)] += right
            rows[s, a, max(s - 1, 0)] += 1 - right
    return MDP(rows, np.where(np.arange(states)[:, None] == 0, 1.0, np.zeros(2)), discount).to_sparse()


def leaving(states: int) -> TotalRewardMDP:
    """A walk that ends at the left; the way back to the reward at the right is found step by step."""
    rows, reward = np.zeros((states, 2, states)), np.full((states, 2), -0.1)
    for s in range(1, states - 1):
        rows[s, 0, [s - 1, s]] = 0.5
        rows[s, 1, [s - 1, s + 1]] = 0.1, 0.9
    rows[-1, :, 0] = 1.0
    reward[-2, 1] = 5.0
    return TotalRewardMDP(rows, reward, np.arange(states) == 0)


WALK, LEAVING = walk(100, 0.9999), leaving(12)

# name: (call, whether it takes max_steps, whether its callback sees bounds on the states)
CASES: dict[str, tuple[Callable[..., Any], bool, bool]] = {
    "solve": (lambda **k: solvers.solve(WALK, **k), True, True),
    "action_elimination": (lambda **k: solvers.action_elimination(LINE, **k), True, True),
    "value_iteration": (lambda **k: solvers.value_iteration(LINE, **k), True, True),
    "modified_policy_iteration": (lambda **k: solvers.modified_policy_iteration(WALK, **k), True, True),
    "policy_iteration": (
        lambda **k: solvers.policy_iteration(LINE, start=np.zeros(40, int), **k),
        True,
        True,
    ),
    "soft_value_iteration": (
        lambda **k: solvers.soft_value_iteration(LINE, temperature=0.1, **k),
        True,
        True,
    ),
    "soft_policy_iteration": (
        lambda **k: solvers.soft_policy_iteration(LINE, temperature=0.01, **k),
        True,
        True,
    ),
    "residual_q_learning": (
        lambda **k: solvers.residual_q_learning(
            PLAIN, GAINS[1], LOGS, prior_weight=0.5, temperature=0.1, **k
        ),
        True,
        True,
    ),
    "average_reward": (lambda **k: solvers.average_reward(LINE, **k), True, True),
    "relative_value_iteration": (lambda **k: solvers.relative_value_iteration(PLAIN, **k), True, True),
    "linear_policy_iteration": (lambda **k: solvers.linear_policy_iteration(LINEAR, **k), True, True),
    "total_reward": (lambda **k: solvers.total_reward(LEAVING, **k), True, False),
    "distributional_evaluation": (
        lambda **k: solvers.distributional_evaluation(PROCESS, tol=0.5, **k),
        False,
        False,
    ),
    "mirror_descent": (lambda **k: solvers.mirror_descent(PLAIN, step=1.0, steps=9, **k), False, False),
    "stage_mirror_descent": (
        lambda **k: solvers.stage_mirror_descent(STAGES, step=1.0, steps=9, **k),
        False,
        False,
    ),
    "policy_gradient_ascent": (lambda **k: solvers.policy_gradient_ascent(PLAIN, steps=9, **k), False, False),
    "multi_objective": (lambda **k: solvers.multi_objective(SEVERAL, **k), True, False),
    "dual_v": (
        lambda **k: solvers.dual_v(PLAIN, np.full((12, 3), 1 / 36), divergence="kl", strength=0.1, **k),
        True,
        False,
    ),
    "dual_q": (
        lambda **k: solvers.dual_q(
            PLAIN, np.exp(LOGS), np.full((12, 3), 1 / 36), divergence="kl", strength=0.1, **k
        ),
        True,
        False,
    ),
    "dice_fixed_point": (
        lambda **k: solvers.dice_fixed_point(PLAIN, np.full((12, 3), 1 / 36), strength=0.1, scale=1.0, **k),
        True,
        False,
    ),
    "inverse_soft_q": (
        lambda **k: solvers.inverse_soft_q(PLAIN, UNEVEN, weight=1.0, tol=1e-6, **k),
        True,
        False,
    ),
    "mixture_dual": (
        lambda **k: solvers.mixture_dual(
            PLAIN,
            np.exp(LOGS),
            np.eye(36)[0].reshape(12, 3),
            np.full((12, 3), 1 / 36),
            share=0.9,
            divergence="kl",
            **k,
        ),
        True,
        False,
    ),
    "regularised_nash": (
        lambda **k: solvers.regularised_nash(GAME, np.full(3, 1 / 3), temperature=0.05, **k),
        True,
        False,
    ),
    "bradley_terry_fit": (lambda **k: solvers.bradley_terry_fit(PAIRS, **k), True, False),
    "direct_preference_fit": (
        lambda **k: solvers.direct_preference_fit(PAIRS, np.full(5, 0.2), temperature=0.7, **k),
        True,
        False,
    ),
    "trajectory_preference_fit": (
        lambda **k: solvers.trajectory_preference_fit(
            PAIRS,
            np.zeros((5, 1), int),
            np.arange(5)[:, np.newaxis],
            np.full((1, 5), 0.2),
            temperature=0.7,
            **k,
        ),
        True,
        False,
    ),
}
# Runs of a prescribed length without bounds, and one call of compiled code.
OTHERS = {
    "nash_md",
    "least_squares_value_iteration",
    "reachable_nodes",  # the number of steps is the problem's
    "cvar_control",
    "stock_policy_evaluation",
    "stock_value_iteration",
    "homogeneous_stock_iteration",
    "stock_policy_iteration",  # returns every policy on the way
}


def interval(found: Any) -> tuple[Any, Any]:
    """Bounds on what the solver approximates."""
    if hasattr(found, "lower"):
        return found.lower, found.upper
    bound = found.certificate.bound
    centre = next(
        np.asarray(getattr(found, n)) for n in ("means", "parameters", "policy") if hasattr(found, n)
    )
    return centre - bound, centre + bound


def assert_meets(found: Any, truth: Any) -> None:
    """Both are proven, so the intervals meet; fronts and paths are judged by what they have in common."""
    if isinstance(found, solvers.FrontSolution):
        gain = (truth.corners @ truth.returns.T).max(axis=1) - (truth.corners @ found.returns.T).max(axis=1)
        assert gain.max() <= found.certificate.bound + 1e-9
    elif hasattr(found, "values"):
        n = len(found.values)
        np.testing.assert_allclose(found.values, truth.values[:n], atol=found.certificate.bound * 2 + 1e-12)
    else:
        (low, high), (least, most) = interval(found), interval(truth)
        assert np.all(low <= most)
        assert np.all(least <= high)


def test_every_iterative_solver_is_here() -> None:
    iterative = {
        name
        for name in solvers.__all__
        if callable(entry := getattr(solvers, name))
        and not inspect.isclass(entry)
        and {"max_steps", "callback", "steps"} & set(inspect.signature(entry).parameters)
    }
    assert iterative - OTHERS == set(CASES)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[1]])
def test_too_few_steps_warn(name: str) -> None:
    call = CASES[name][0]
    truth = call()
    assert truth.status is Status.CONVERGED
    with pytest.warns(ConvergenceWarning, match=rf"^{name}: \d+ steps? .*raise max_steps or tol"):
        found = call(max_steps=1)
    assert found.status is Status.MAX_STEPS
    assert found.steps >= 1
    assert_meets(found, truth)


@pytest.mark.parametrize(
    "name", [n for n, c in CASES.items() if "callback" in inspect.signature(getattr(solvers, n)).parameters]
)
def test_callbacks_end_a_run_with_the_best_bounds_so_far(name: str) -> None:
    call, _, bounded = CASES[name]
    truth = call()
    for last in (1, 2, 3):
        for stop in ("true", "interrupt"):
            seen: list[tuple[Any, ...]] = []

            def callback(*arguments: Any, seen: Any = seen, stop: str = stop, last: int = last) -> bool:
                seen.append(arguments)
                if len(seen) == last and stop == "interrupt":
                    raise KeyboardInterrupt
                return len(seen) == last

            found = call(callback=callback)
            assert found.status is Status.INTERRUPTED
            assert len(seen) == last
            assert_meets(found, truth)
            if bounded:
                for _, low, high in seen:
                    least, most = interval(truth)
                    assert np.all(low <= most)
                    assert np.all(least <= high)
                    # (a bound on the width is twice the radius, but for the rounding of the difference)
                    assert np.max(found.upper - found.lower) <= np.max(high - low) * (1 + 1e-9)


def pressing(monkeypatch: pytest.MonkeyPatch, times: dict[int, int]) -> list[int]:
    """Real signals at numbered steps of whatever runs: step -> how often Ctrl-C is pressed."""
    steps: list[int] = []
    genuine = interrupts.asked
    # (the module, not the function of the same name: its compiled calls are one sweep each)
    monkeypatch.setattr(sys.modules["mdplab.solvers.modified_policy_iteration"], "_BUDGET", 0.0)

    def asked(*arguments: Any) -> bool:
        steps.append(len(steps) + 1)
        for _ in range(times.get(len(steps), 0)):
            signal.raise_signal(signal.SIGINT)
        return genuine(*arguments)

    for module in list(sys.modules.values()):
        if module.__name__.startswith("mdplab.") and getattr(module, "asked", None) is genuine:
            monkeypatch.setattr(module, "asked", asked)
    return steps


@pytest.fixture(autouse=True)
def long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts._Noted, "time", -np.inf)
    monkeypatch.setattr(interrupts, "_TWICE", 1e9)


@pytest.mark.parametrize("name", CASES)
def test_ctrl_c_ends_a_run_with_its_bounds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call = CASES[name][0]
    truth = call()
    pressing(monkeypatch, {1: 1})
    found = call()
    assert found.status is Status.INTERRUPTED
    assert_meets(found, truth)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    # The next run is another one.
    assert call().status is Status.CONVERGED


@pytest.mark.parametrize("name", ["value_iteration", "policy_iteration", "dual_v"])
def test_the_second_ctrl_c_ends_the_program(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pressing(monkeypatch, {1: 2})
    with pytest.raises(KeyboardInterrupt):
        CASES[name][0]()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_loop_of_solves_is_ended_by_pressing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    pressing(monkeypatch, {3: 1, 50: 1})
    statuses: list[Status] = []

    def program() -> None:
        for _ in range(100):
            statuses.append(solvers.policy_iteration(PLAIN, start=np.zeros(12, int)).status)

    with pytest.raises(KeyboardInterrupt):
        program()
    assert 1 <= len(statuses) < 50


def test_a_composite_solver_passes_on_the_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    thresholds = SEVERAL.returns(np.full((12, 3), 1 / 3))[1:]
    truth = solvers.constrained(SEVERAL, thresholds)
    pressing(monkeypatch, {1: 1})
    found = solvers.constrained(SEVERAL, thresholds)
    assert found.status is Status.INTERRUPTED
    assert found.lower <= truth.upper
    assert truth.lower <= found.upper


def test_a_ctrl_c_after_the_last_step_is_not_lost() -> None:
    """A solver that asks no more raises; one that has asked says what happened in its solution."""

    @interrupts.interruptible
    def pressed(asks: bool) -> bool:
        signal.raise_signal(signal.SIGINT)
        return asks and interrupts.asked(None)

    assert pressed(asks=True)
    interrupts._Noted.time = -np.inf
    with pytest.raises(KeyboardInterrupt):
        pressed(asks=False)
    assert not interrupts.asked(None)


def test_other_errors_pass_and_handlers_of_the_program_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("from the callback")

    with pytest.raises(RuntimeError, match="from the callback"):
        solvers.value_iteration(LINE, callback=broken)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    pressed: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda *_: pressed.append(1))
    try:
        pressing(monkeypatch, {2: 1})
        assert solvers.value_iteration(LINE).status is Status.CONVERGED
    finally:
        signal.signal(signal.SIGINT, previous)
    assert pressed == [1]


def test_threads_solve_beside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs in two threads give what one gives, and Ctrl-C of the main thread's run leaves them alone."""
    alone = solvers.value_iteration(LINE)
    found: dict[int, Solution] = {}
    started = threading.Barrier(3)

    def work(number: int) -> None:
        started.wait()
        for _ in range(20):
            found[number] = solvers.value_iteration(LINE)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    started.wait()
    stopped = solvers.value_iteration(LINE, callback=lambda *_: signal.raise_signal(signal.SIGINT))
    for thread in threads:
        thread.join()
    assert stopped.status is Status.INTERRUPTED
    for solution in found.values():
        assert solution.status is Status.CONVERGED
        np.testing.assert_array_equal(solution.value, alone.value)  # type: ignore[attr-defined]
