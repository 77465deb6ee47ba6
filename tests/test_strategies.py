"""Strategies: what they reach, what they shrink to, what they refuse, and ``st.from_type`` in both orders of import."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument, Unsatisfiable

from mdplab import laws, models, strategies
from mdplab._hypothesis_plugin import KINDS
from mdplab.instances import Draw, absorbing_states
from mdplab.models import MDP, Policy
from mdplab.operators import action_values, maximisers
from mdplab.strategies import from_family, mdps, policies

SEARCH = settings(max_examples=2000, database=None, derandomize=True, phases=[Phase.generate, Phase.shrink])
QUICK = settings(max_examples=20, deadline=None)


def ties(mdp: MDP) -> bool:
    """Whether some state has two best actions, though not all rewards are equal."""
    return bool((maximisers(mdp, action_values(mdp, np.zeros(mdp.n_states))).sum(axis=1) > 1).any())


def disconnected(mdp: MDP) -> bool:
    """Whether the first two states are closed sets of their own."""
    return mdp.n_states > 1 and bool(
        (mdp.transition[0, :, 0] == 1).all() and (mdp.transition[1, :, 1] == 1).all()
    )


@pytest.mark.parametrize(
    "wanted",
    [
        lambda m: m.is_deterministic and m.n_states == 4,
        lambda m: not m.is_deterministic and m.transition.min() > 0 and m.n_states > 2,
        lambda m: absorbing_states(m).any() and (m.reward != 0).any(),
        disconnected,
        lambda m: ties(m) and np.ptp(m.reward) > 0,
        lambda m: m.discount > 0.9 and m.reward.min() < 0 < m.reward.max(),
        lambda m: m.initial is not None and (m.initial == 0).any() and (m.initial != 1).all(),
    ],
    ids=["deterministic", "full", "absorbing", "disconnected", "ties", "two signs", "start on a face"],
)
def test_hard_cases_are_reached(wanted: Callable[[MDP], bool]) -> None:
    assert wanted(find(mdps(), wanted, settings=SEARCH))


def test_shrinks_to_one_state_one_action_and_nothing_else() -> None:
    least = find(mdps(), lambda mdp: True, settings=SEARCH)
    assert least.reward.tolist() == [[0.0]]
    assert least.discount == 0.0


def test_shrinks_to_what_the_failure_needs() -> None:
    least = find(mdps(), lambda mdp: mdp.n_states >= 2 and mdp.reward.max() > 0.4, settings=SEARCH)
    assert (least.n_states, least.n_actions) == (2, 1)
    assert sorted(least.reward.ravel()) in ([0.0, 0.5], [0.0, 1.0])
    assert least.is_deterministic


def test_sizes_and_flags_are_kept() -> None:
    @QUICK
    @given(
        mdps(
            min_states=2,
            max_states=3,
            min_actions=2,
            max_actions=2,
            deterministic=True,
            absorbing=True,
            masked=True,
        )
    )
    def check(mdp: MDP) -> None:
        assert mdp.n_states in (2, 3)
        assert mdp.n_actions == 2
        assert mdp.is_deterministic
        assert absorbing_states(mdp)[-1]
        assert mdp.available is not None

    check()


def test_flags_may_be_left_to_the_draw() -> None:
    def flags(mdp: MDP) -> tuple[bool, bool]:
        return mdp.is_sparse, mdp.available is not None

    for wanted in [(False, False), (False, True), (True, False), (True, True)]:
        strategy = mdps(sparse=None, masked=None)
        assert flags(find(strategy, lambda m, w=wanted: flags(m) == w, settings=SEARCH)) == wanted


@QUICK
@given(mdps(rewards=st.integers(-2, 2), discounts=st.just(0.5), absorbing=True, sparse=True))
def test_entries_may_have_strategies(mdp: MDP) -> None:
    assert set(mdp.reward.ravel()) <= {-2.0, -1.0, 0.0, 1.0, 2.0}
    assert (mdp.reward[-1] == 0).all()
    assert mdp.discount == 0.5
    assert mdp.is_sparse


@QUICK
@given(st.data())
def test_policies_fit_their_model(data: st.DataObject) -> None:
    mdp = data.draw(mdps(masked=None))
    policy = data.draw(policies(mdp))
    assert policy.probability.shape == mdp.reward.shape
    assert mdp.available is None or not policy.probability[~mdp.available].any()
    stages = data.draw(strategies.finite_horizon_mdps())
    assert data.draw(policies(stages)).horizon == stages.horizon
    assert data.draw(policies((2, 3), deterministic=True)).is_deterministic


@QUICK
@given(strategies.distributions(max_size=3), strategies.distributions(min_size=2, positive=True))
def test_distributions(any_law: Any, positive: Any) -> None:
    assert any_law.size <= 3
    assert any_law.sum() == pytest.approx(1.0)
    assert positive.min() > 0


ALL = [
    getattr(strategies, name) for name in strategies.__all__ if name not in ("HypothesisDraw", "from_family")
]


@pytest.mark.parametrize("strategy", ALL, ids=lambda f: f.__name__)
def test_every_strategy_generates_and_shrinks(strategy: Callable[..., Any]) -> None:
    first = find(strategy(), lambda instance: True, settings=SEARCH)
    for name in ("reward", "payoff", "rewards"):
        if hasattr(first, name) and not callable(getattr(first, name)):
            assert not np.any(getattr(first, name))

    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(strategy())
    def generates(instance: Any) -> None:
        assert type(instance) is type(first)

    generates()


def test_the_repr_is_the_call() -> None:
    assert repr(mdps(max_states=2, masked=None)) == "mdps(max_states=2, masked=None)"


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (lambda: mdps(min_states=3, max_states=2), "Cannot have max_states=2 < min_states=3"),
        (lambda: mdps(min_actions=0), "min_actions=0 must be at least 1"),
        (lambda: mdps(max_states=2.5), r"Expected int but got max_states=2\.5 \(type=float\)"),
        (lambda: mdps(rewards=3), r"Expected a strategy or the name of a law but got rewards=3"),
        (lambda: mdps(discounts=0.9), r"Expected a strategy or a range but got discounts=0\.9"),
        (lambda: strategies.preference_matrices(min_responses=1), "min_responses=1 must be at least 2"),
    ],
)
def test_what_is_refused_is_shown(strategy: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        find(strategy(), lambda instance: True, settings=SEARCH)


def pair(draw: Draw, *, high: int) -> tuple[int, int]:
    """Two different numbers."""
    a, b = draw.integer(0, high), draw.integer(0, high)
    if a == b:
        draw.reject("equal")
    return a, b


def test_any_family_is_a_strategy() -> None:
    assert sorted(find(from_family(pair, high=5), lambda x: True, settings=SEARCH)) == [0, 1]
    with pytest.raises(Unsatisfiable):
        find(from_family(pair, high=0), lambda x: True, settings=SEARCH)


@QUICK
@given(st.data())
def test_a_family_may_draw_from_data(data: st.DataObject) -> None:
    draw = strategies.HypothesisDraw(data.draw)
    a, b = draw.integer(2, 4), draw.weights((2, 3))
    assert 2 <= a <= 4
    assert b.sum(axis=1) == pytest.approx(np.ones(2))
    assert [entry.kind for entry in draw.tape] == ["integers", "weights"]


TYPES = [getattr(sys.modules[package], name) for package, kinds in KINDS.items() for name in kinds]


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_every_model_has_a_strategy_of_its_type(kind: type) -> None:
    @settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.from_type(kind))
    def check(instance: Any) -> None:
        assert type(instance) is kind

    check()


def test_no_model_is_forgotten() -> None:
    own = {
        name
        for name in models.__all__
        if isinstance(cls := getattr(models, name), type) and issubclass(cls, models._base.Model)
    }
    assert own == set(KINDS["mdplab.models"])
    assert hasattr(laws, *KINDS["mdplab.laws"])


FROM_TYPE = """
import warnings
warnings.simplefilter("ignore")  # of examples outside a test
assert type(st.from_type(MDP).example()) is MDP
assert type(st.builds(lambda m, p: (m, p), st.from_type(MDP), st.from_type(Policy)).example()[1]) is Policy
"""
ORDERS = {
    "Hypothesis first": "from hypothesis import strategies as st\nfrom mdplab import MDP, Policy",
    "mdplab first": "from mdplab import MDP, Policy\nfrom hypothesis import strategies as st",
    "a module of the models first": "from mdplab.models.tabular import MDP\nfrom hypothesis import strategies as st\nfrom mdplab.models import Policy",
}


@pytest.mark.parametrize("order", ORDERS)
def test_from_type_in_every_order_of_import(order: str) -> None:
    subprocess.run([sys.executable, "-c", ORDERS[order] + FROM_TYPE], check=True)


@given(...)
@QUICK
def test_annotations_suffice(mdp: MDP, policy: Policy) -> None:
    assert isinstance(mdp, MDP)
    assert isinstance(policy, Policy)
