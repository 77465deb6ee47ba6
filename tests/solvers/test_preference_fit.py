"""Bradley-Terry and direct preference fits: printed values, error bounds, existence."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from mdplab.models import PairWeights, Policy
from mdplab.solution import Status
from mdplab.solvers import bradley_terry_fit, direct_preference_fit

COUNTS = np.array([[0, 7, 9, 3], [3, 0, 6, 2], [1, 4, 0, 5], [5, 6, 2, 0]])


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def population(reward: np.ndarray, flip: float = 0.0) -> np.ndarray:
    """Winning probabilities of a Bradley-Terry bandit after symmetric flips of the labels."""
    p = sigmoid(reward[:, None] - reward[None, :])
    return (1.0 - flip) * p + flip * (1.0 - p)


def test_printed_fit_of_counts() -> None:
    rewards = bradley_terry_fit(PairWeights(COUNTS))
    assert rewards.status is Status.CONVERGED
    np.testing.assert_allclose(
        rewards.reward, [0.5482303722, -0.3444913257, -0.4182116633, 0.2144726168], atol=6e-11
    )
    assert rewards.objective == pytest.approx(0.6422057307, abs=6e-11)
    direct = direct_preference_fit(COUNTS, [0.4, 0.3, 0.2, 0.1], temperature=0.5)
    assert direct.policy is not None
    np.testing.assert_allclose(
        direct.policy, [0.7539189804, 0.0948369822, 0.0545574163, 0.0966866210], atol=6e-11
    )
    assert direct.objective == pytest.approx(rewards.objective, abs=1e-14)
    np.testing.assert_allclose(direct.reward, rewards.reward, atol=1e-12)
    for fit in (rewards, direct):
        assert fit.certificate.bound < 1e-12


@pytest.mark.parametrize(
    ("loss", "policy", "suboptimality"),
    [
        ({}, [0.7094856266, 0.2065871852, 0.0839271882], 0.0790639410),
        ({"smoothing": 0.2}, [0.6254065152, 0.2491758911, 0.1254175937], 0.1835310175),
        ({"flip": 0.2}, [0.8571094821, 0.1147481856, 0.0281423323], 0.0),
    ],
)
def test_flipped_labels(loss: dict[str, float], policy: list[float], suboptimality: float) -> None:
    """The de-biased loss recovers the clean optimum, smoothing on noisy labels is worse than doing nothing."""
    reward, reference = np.array([1.5, 0.0, -1.0]), np.array([0.5, 0.3, 0.2])
    fit = direct_preference_fit(population(reward, 0.2), reference, temperature=1.0, **loss)
    assert fit.status is Status.CONVERGED
    assert fit.policy is not None
    np.testing.assert_allclose(fit.policy, policy, atol=6e-11)
    best = float(np.log((reference * np.exp(reward)).sum()))
    achieved = float(fit.policy @ (reward - np.log(fit.policy / reference)))
    assert best - achieved == pytest.approx(suboptimality, abs=6e-11)


@pytest.mark.parametrize(
    ("rho", "reward"),
    [
        ([1 / 3] * 3, [0.4982558483, 0.0571484091, -0.5554042574]),
        ([0.1, 0.45, 0.45], [0.6140750717, 0.7113331167, -1.3254081884]),
        ([0.45, 0.1, 0.45], [-0.0186798912, 0.0533626588, -0.0346827676]),
    ],
)
def test_cyclic_preferences_under_different_samplings(rho: list[float], reward: list[float]) -> None:
    p = np.array([[0.5, 0.95, 0.4], [0.05, 0.5, 0.99], [0.6, 0.01, 0.5]])
    fit = bradley_terry_fit(np.outer(rho, rho) * p)
    np.testing.assert_allclose(fit.reward, reward, atol=6e-11)


@pytest.mark.parametrize("flip", [0.0, 0.3])
def test_population_rewards_are_recovered_within_the_bound(flip: float) -> None:
    """With population labels the minimiser is known exactly, also for large rewards."""
    rng = np.random.default_rng(0)
    for scale in (0.1, 1.0, 4.0):
        reward = scale * rng.normal(size=5)
        fit = bradley_terry_fit(population(reward, flip), flip=flip)
        error = float(np.linalg.norm(fit.reward - (reward - reward.mean())))
        # the labels themselves are rounded: relative to the curvature this is the same size as the bound
        slack = 20.0 * np.finfo(float).eps / fit.curvature / (1.0 - 2.0 * flip)
        assert error <= fit.certificate.bound + slack


@pytest.mark.parametrize("flip", [0.0, 0.05, 0.225, 0.4])
def test_a_reference_far_from_the_labels_is_no_obstacle(flip: float) -> None:
    """The first Newton step goes where the curvature underflows; the minimiser is ref exp(r / beta) all the same."""
    for reward, reference, beta in (([-3.0, 2.0], [0.01, 0.99], 2.0), ([2.5, -1.0], [0.99, 0.01], 1.32)):
        logs = np.log(reference) + np.array(reward) / beta
        fit = direct_preference_fit(
            population(np.array(reward), flip), reference, temperature=beta, flip=flip
        )
        assert fit.status is Status.CONVERGED
        np.testing.assert_allclose(fit.policy, np.exp(logs) / np.exp(logs).sum(), rtol=0, atol=1e-12)


def test_a_minimiser_that_exists_is_never_called_not_attained() -> None:
    """Where everybody wins against somebody at least once, only steps are missing."""
    fit = direct_preference_fit(
        population(np.array([-3.0, 2.0])), [1e-9, 1.0 - 1e-9], temperature=2.0, max_steps=1
    )
    assert fit.status in (Status.UNCERTIFIED, Status.MAX_STEPS)


@pytest.mark.parametrize("max_steps", [1, 2, 3])
@pytest.mark.filterwarnings("ignore::mdplab.solution.ConvergenceWarning")
def test_the_bound_covers_an_unfinished_run(max_steps: int) -> None:
    rng = np.random.default_rng(max_steps)
    finite = 0
    for _ in range(40):
        weights = population(2.0 * rng.normal(size=4)) * rng.uniform(0.2, 1.0, (4, 4))
        exact = bradley_terry_fit(weights)
        rough = bradley_terry_fit(weights, max_steps=max_steps)
        assert exact.status is Status.CONVERGED
        error = float(np.linalg.norm(rough.parameters - exact.parameters))
        assert error <= rough.certificate.bound + exact.certificate.bound
        if np.isfinite(rough.certificate.bound):
            finite += 1
        else:
            assert rough.status is Status.UNCERTIFIED
    assert finite >= (0, 0, 5, 20)[max_steps]


def test_another_minimiser_agrees() -> None:
    """BFGS on the DPO loss of the logits, written out anew."""
    reference, temperature = np.array([0.4, 0.3, 0.2, 0.1]), 0.5

    def loss(logits: np.ndarray) -> float:
        ratio = temperature * (logits - np.log(np.exp(logits).sum()) - np.log(reference))
        return float((COUNTS * np.log1p(np.exp(-(ratio[:, None] - ratio[None, :])))).sum()) / COUNTS.sum()

    found = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-8})
    fit = direct_preference_fit(COUNTS, reference, temperature=temperature)
    policy = np.exp(found.x) / np.exp(found.x).sum()
    np.testing.assert_allclose(fit.policy, policy, atol=1e-6)
    assert fit.objective == pytest.approx(found.fun, abs=1e-12)


def test_log_linear_policy() -> None:
    """Population labels of a realisable log-linear policy give its coefficients back; the gauge shows as NOT_UNIQUE."""
    rng = np.random.default_rng(3)
    features, theta, temperature = rng.normal(size=(5, 2)), np.array([0.8, -0.5]), 0.5
    labels = population(temperature * features @ theta)
    reference = rng.dirichlet(np.ones(5))
    fit = direct_preference_fit(
        labels, log_reference=np.log(reference), temperature=temperature, features=features
    )
    assert fit.status is Status.CONVERGED
    np.testing.assert_allclose(fit.parameters, theta, atol=1e-12)
    policy = reference * np.exp(features @ theta)
    np.testing.assert_allclose(fit.policy, policy / policy.sum(), atol=1e-12)
    doubled = np.column_stack([features, features[:, 0]])
    flat = direct_preference_fit(labels, reference, temperature=temperature, features=doubled)
    assert flat.status is Status.NOT_UNIQUE
    np.testing.assert_allclose(flat.policy, fit.policy, atol=1e-12)


def test_uncompared_items() -> None:
    fit = bradley_terry_fit(np.array([[0.0, 3.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    assert fit.status is Status.NOT_UNIQUE
    assert fit.reward[0] - fit.reward[1] == pytest.approx(np.log(3.0), abs=1e-12)
    np.testing.assert_array_equal(fit.component, [0, 0, 1])


def test_not_strongly_connected() -> None:
    """Items 0 and 1 always beat item 2: the infimum is the loss of the first two alone, and nothing attains it."""
    fit = bradley_terry_fit(np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]))
    assert fit.status is Status.NOT_ATTAINED
    assert np.isnan(fit.parameters).all()
    assert fit.objective == pytest.approx(np.log(2.0) / 2.0, abs=1e-14)
    direct = direct_preference_fit(np.array([[0.0, 1.0], [0.0, 0.0]]), [0.5, 0.5], temperature=1.0)
    assert (direct.status, direct.objective) == (Status.NOT_ATTAINED, 0.0)
    linear = direct_preference_fit(
        np.array([[0.0, 1.0], [0.0, 0.0]]), [0.5, 0.5], temperature=1.0, features=[[1.0], [0.0]]
    )
    assert linear.status is Status.NOT_ATTAINED


def test_debiased_loss_may_be_unbounded() -> None:
    """One observed win and no loss is more than flips of 20 % explain: the de-biased loss falls for ever."""
    fit = bradley_terry_fit(np.array([[0.0, 1.0], [0.0, 0.0]]), flip=0.2)
    assert (fit.status, fit.objective) == (Status.UNBOUNDED, -np.inf)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": -np.ones((2, 2))}, r"weights: entry \(0, 0\)"),
        ({"weights": np.eye(2)}, "nothing is compared"),
        ({"weights": np.ones((2, 2)), "flip": 0.5}, "flip"),
        ({"weights": np.ones((2, 2)), "flip": 0.1, "smoothing": 0.1}, "choose one"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bradley_terry_fit(**arguments)  # type: ignore[arg-type]


def test_exactly_one_reference() -> None:
    with pytest.raises(ValueError, match="exactly one"):
        direct_preference_fit(np.ones((2, 2)), temperature=1.0)


def test_a_log_reference_may_be_a_policy_and_is_no_table_of_probabilities() -> None:
    law = np.array([[0.4, 0.3, 0.2, 0.1]])
    plain = direct_preference_fit(COUNTS, law[0], temperature=0.5)
    fit = direct_preference_fit(COUNTS, temperature=0.5, log_reference=Policy.from_probability(law))
    np.testing.assert_array_equal(fit.reward, plain.reward)
    with pytest.raises(ValueError, match=r"log_reference has rows .* these are probabilities"):
        direct_preference_fit(COUNTS, temperature=0.5, log_reference=law[0])
    with pytest.raises(ValueError, match="log_reference: expected 4 finite numbers"):
        direct_preference_fit(
            COUNTS, temperature=0.5, log_reference=Policy.from_probability(np.repeat(law, 2, axis=0))
        )
