"""Off-policy estimates of SCOPE-RL from the same log.

Its estimators need NumPy, SciPy and scikit-learn; its packages import deep learning and environments with them.  So the
modules of the estimators are loaded without their packages, and `pip install --no-deps scope-rl` with scikit-learn is enough;
the extra `ope` brings all of it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mdplab import operators
from mdplab.instances import SeededDraw
from mdplab.models import FiniteHorizonMDP, LoggedDataset

scope_rl = pytest.importorskip("scope_rl", reason="SCOPE-RL is not installed: see the extra `ope`")
pytest.importorskip("sklearn", reason="SCOPE-RL checks its input by scikit-learn")

DISCOUNT, HORIZON, TRAJECTORIES = 0.95, 8, 10_000


@pytest.fixture(scope="module")
def theirs() -> Iterator[dict[str, Any]]:
    """The classes of the estimators, by name."""
    before = dict(sys.modules)
    for name in ("ope", "ope.discrete"):
        package = ModuleType(f"scope_rl.{name}")
        package.__path__ = [str(Path(scope_rl.__file__).parent.joinpath(*name.split(".")))]
        sys.modules[package.__name__] = package
    for name, used in (("gym", "Env"), ("d3rlpy", ""), ("d3rlpy.preprocessing", "ActionScaler")):
        unused = ModuleType(name)  # named in annotations only
        setattr(unused, used, object)
        sys.modules[name] = unused
    modules = [
        importlib.import_module(f"scope_rl.ope.discrete.{kind}_estimators") for kind in ("basic", "marginal")
    ]
    yield {name: value for module in modules for name, value in vars(module).items()}
    for name in sys.modules.keys() - before.keys():
        if name.split(".")[0] in ("scope_rl", "gym", "d3rlpy"):
            del sys.modules[name]


@pytest.fixture(scope="module")
def logged() -> dict[str, Any]:
    """A log, what made it, and what is estimated from it."""
    draw = SeededDraw(7)
    kernel, reward, start = draw.weights((5, 3, 5)), draw.normal((5, 3)), draw.weights(5)
    mdp = FiniteHorizonMDP(kernel, reward, HORIZON, DISCOUNT, initial=start)
    target, behaviour = draw.weights((5, 3)), 0.1 + 0.7 * draw.weights((5, 3))
    ratios = operators.density_ratio(
        *(operators.stage_occupancy(mdp, policy) for policy in (target, behaviour))
    )
    log = mdp.sample(behaviour, HORIZON, TRAJECTORIES, 0)
    return {
        "log": log,
        "target": target,
        "behaviour": behaviour,
        "ratios": ratios,
        "q": draw.normal((HORIZON, 5, 3)),
    }


def self_normalised(log: LoggedDataset, target: Any, behaviour: Any, *, discount: float) -> Any:
    ratios = operators.importance_ratios(log, target, behaviour)[:, -1]
    return operators.self_normalised(ratios, log.returns(discount))


ESTIMATORS: dict[str, tuple[Callable[..., Any], str, dict[str, Any]]] = {
    "DirectMethod": (operators.direct_method, "log target q", {}),
    "TrajectoryWiseImportanceSampling": (
        operators.importance_sampling,
        "log target behaviour",
        {"discount": DISCOUNT},
    ),
    "SelfNormalizedTIS": (self_normalised, "log target behaviour", {"discount": DISCOUNT}),
    "PerDecisionImportanceSampling": (
        operators.per_decision_importance_sampling,
        "log target behaviour",
        {"discount": DISCOUNT},
    ),
    "StateActionMarginalIS": (operators.marginal_importance_sampling, "log ratios", {"discount": DISCOUNT}),
    "DoublyRobust": (operators.doubly_robust, "log target behaviour q", {"discount": DISCOUNT}),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimates_from_ten_thousand_trajectories(
    name: str, theirs: dict[str, Any], logged: dict[str, Any]
) -> None:
    estimator, reads, options = ESTIMATORS[name]
    ours = np.mean(estimator(*(logged[key] for key in reads.split()), **options))
    log = logged["log"]
    stages, states = np.tile(np.arange(HORIZON), TRAJECTORIES), log.states[:, :-1].ravel()
    actions = log.actions.ravel()
    found = theirs[name]().estimate_policy_value(
        step_per_trajectory=HORIZON,
        n_step_pdis=0,
        action=actions,
        reward=log.rewards.ravel(),
        pscore=logged["behaviour"][states, actions],
        evaluation_policy_action_dist=logged["target"][states],
        state_action_value_prediction=logged["q"][stages, states],
        state_action_marginal_importance_weight=logged["ratios"][stages, states, actions],
        gamma=DISCOUNT,
    )
    # theirs adds 1e-10 to the mean ratio that it divides by
    assert ours == pytest.approx(found, rel=1e-9)
    assert abs(ours) > 1e-3
