r"""Robust DPO (Ray Chowdhury et al. 2024): a loss that is unbiased under label flips, and what that costs.

Flips with a known probability ``eps`` are undone by a loss with a negative weight on the opposite label.  Its curvature
is the clean one; the variance of its score is inflated by a term of order ``1/(1 - 2 eps)^2``, and so is the limiting
mean of ``n`` times the suboptimality of the fitted policy.  Label smoothing has positive weights and removes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Equal, Known, Separates, Side, both_sides
from mdplab.instances import three_response_cycle
from proofs_check.preferences import exact_labels as exact
from proofs_check.preferences.label_noise import (
    FlippedLabel,
    LogLinearTask,
    NoisyBandit,
    any_preferences,
    flipped_label,
    log_linear_task,
    misjudged_label,
    noisy_bandit,
    uneven_label,
)
from proofs_check.preferences.robust_loss import (
    clean_curvature,
    clean_loss,
    enumerated_score,
    expected_robust_loss,
    influence_limit,
    lower_scaled,
    lower_scaled_influence,
    matrix_limit,
    optimal_policy,
    plain_policy,
    robust_curvature,
    robust_loss,
    robust_policy,
    score_formula,
    smoothed_policy,
    suboptimality,
    upper_scaled,
    upper_scaled_influence,
)

# --- the claim ------------------------------------------------------------------------------------------------------

LABEL = FlippedLabel(np.array([0.7]), 0.6, (0.2, 0.2), 0.2)
BANDIT = NoisyBandit(np.array([1.5, 0.0, -1.0]), np.array([0.5, 0.3, 0.2]), 1.0, 0.2)
FEATURES = np.array(
    [
        [1.1665449252, -0.4661064033],
        [-0.6703577038, -2.7298318093],
        [0.2923659378, -0.8189630504],
        [0.2023105154, -0.0673088047],
        [-0.9626235744, -0.8156168371],
    ]
)
LINEAR = LogLinearTask(
    FEATURES, np.array([0.8, -0.5]), np.full(5, 0.2), 0.5, np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.49])
)


RDPO = Claim(
    "rdpo-unbiased-and-inflation",
    title="The de-biased preference loss is unbiased under label flips, keeps the clean curvature and pays an exact "
    "variance factor; label smoothing does not remove the bias",
    papers=("chowdhury2024rdpo",),
    provenance="as in the paper",
    theorem="unbiasedness and the scale 1/(1 - 2 eps) as in the paper; exact variance and limit are our formalisation",
    statement=r"""
    Let $\ell(h) = \log(1 + e^{-h})$, let labels be flipped with probability $0 \le \varepsilon < 1/2$, and let
    $$\hat\ell_\varepsilon(h) = \frac{(1-\varepsilon)\ell(h) - \varepsilon\ell(-h)}{1-2\varepsilon}$$
    be evaluated in the direction of the observed label. Let $p$ be the clean winning probability of the first response of
    a pair and $q = (1-\varepsilon)p + \varepsilon(1-p)$. For (d) and (e) let finitely many responses have rewards $r^*$
    and a reference policy $\pi_{\mathrm{ref}} > 0$, let $\beta > 0$, $J(\pi) = E_\pi r^* -
    \beta\,\mathrm{KL}(\pi\|\pi_{\mathrm{ref}})$, with the maximiser $\pi^* \propto \pi_{\mathrm{ref}} e^{r^*/\beta}$; pairs
    $i \ne j$ are drawn uniformly, $p = \sigma(r^*_i - r^*_j)$, and a policy has the margin $h = \beta
    \log\frac{\pi(i)}{\pi_{\mathrm{ref}}(i)} - \beta \log\frac{\pi(j)}{\pi_{\mathrm{ref}}(j)}$.

    (a) $(1-\varepsilon)\hat\ell_\varepsilon(h) + \varepsilon\hat\ell_\varepsilon(-h) = \ell(h)$.

    (b) $\hat\ell_\varepsilon'' = \ell'' = \sigma(h)\sigma(-h)$ for every $\varepsilon$ and either label.

    (c) The score is $\sigma(h) - \tilde z$ with $\tilde z = \frac{1\{\mathrm{win}\} - \varepsilon}{1-2\varepsilon}$,
    $E\tilde z = p$ and $\mathrm{Var}\,\tilde z = \frac{q(1-q)}{(1-2\varepsilon)^2} = p(1-p) +
    \frac{\varepsilon(1-\varepsilon)}{(1-2\varepsilon)^2}$.

    (d) The population minimiser of $\hat\ell_\varepsilon$ on noisy labels is $\pi^*$; for $\varepsilon > 0$ and $r^*$ not
    constant, those of the plain loss and of the smoothed loss $(1-\varepsilon)\ell(h) + \varepsilon\ell(-h)$ are not.

    (e) Let $\pi_\theta \propto \pi_{\mathrm{ref}} e^{X\theta}$ with features $X_i \in \mathbb{R}^d$ and $r^* =
    \beta X\theta^*$. On $n$ labelled pairs the loss has a minimiser $\hat\pi$ in this class with a probability that tends to
    1 (where $\varepsilon > 0$ the loss of one pair is not bounded below), and as $n \to \infty$ the law of
    $n\,(J(\pi^*) - J(\hat\pi))$ tends to that of a quadratic form of a Gaussian vector, with the mean
    $$L(\varepsilon) = \frac\beta2\,\mathrm{tr}(F H^{-1} G_\varepsilon H^{-1}),$$
    $F$ the Fisher information of $\pi_{\theta^*}$, $H = E[p(1-p)xx^\top]$, $G_\varepsilon = E[\mathrm{Var}(\tilde z)
    xx^\top]$, $x = \beta(X_i - X_j)$. Checked is this mean, by the matrices and by the derivatives of the fit and of $J$
    (delta method), not the limit in $n$. $(1-2\varepsilon)^2 L(\varepsilon)$ lies between $L(0)$ and
    $\frac\beta8\,\mathrm{tr}(F H^{-1} E[xx^\top] H^{-1})$: the gap scales as $\frac{1}{(1-2\varepsilon)^2}\cdot\frac1n$,
    while $\frac{1}{1-2\varepsilon}\sqrt{d/n}$ is the scale of the error of the parameters.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"$\varepsilon$ is known",
            "the loss with .1, the flips with .2",
            lambda x: bool(abs(x.assumed_flip - np.mean(x.flips)) < 1e-15),
            misjudged_label,
        ),
        Assumption(
            "A2",
            "wins and losses are flipped with the same probability",
            "wins flipped with .3, losses with .1",
            lambda x: bool(x.flips[0] == x.flips[1]),
            uneven_label,
        ),
        Assumption(
            "A3",
            r"in (d): clean labels follow the Bradley-Terry model of $r^*$ (in (e) they do by construction)",
            "a preference cycle in the place of Bradley-Terry labels",
            lambda x: x.follows_the_reward,
            any_preferences,
        ),
        Assumption(
            "A4",
            r"in (e): $H$ is invertible",
            DEFINITIONAL,
            lambda x: bool(np.linalg.matrix_rank(x.pairs) == x.parameters.size),
        ),
    ),
    instance_family=flipped_label,
    witnesses=(LABEL,),
    instances=200,
)

unbiased_part = RDPO.part(
    "(a)",
    r"$(1-\varepsilon)\hat\ell_\varepsilon(h) + \varepsilon\hat\ell_\varepsilon(-h) = \ell(h)$",
    Equal(expected_robust_loss, clean_loss),
    resolution=1e-11,
    reason="rounding of closed forms",
    exact=(exact.expected_robust_loss, exact.clean_loss),
    assumes=("A1", "A2"),
)
curvature_part = RDPO.part(
    "(b)",
    r"$\hat\ell_\varepsilon'' = \sigma(h)\sigma(-h)$ for either label",
    Equal(robust_curvature, clean_curvature),
    resolution=1e-7,
    reason="truncation step^2/48 and rounding of differences of derivatives with step 1e-5; ceiling 1e-7",
    exact=(exact.robust_curvature, exact.clean_curvature),
    assumes=("A1", "A2"),
)
score_part = RDPO.part(
    "(c)",
    r"score $\sigma(h) - \tilde z$, $E\tilde z = p$ and both forms of $\mathrm{Var}\,\tilde z$",
    Equal(enumerated_score, score_formula),
    resolution=1e-11,
    reason="rounding of closed forms",
    exact=(exact.enumerated_score, exact.score_formula),
    assumes=("A1", "A2"),
)
recovery_part = RDPO.part(
    "(d)",
    r"the robust loss on noisy labels recovers $\pi^* \propto \pi_{\mathrm{ref}} e^{r^*/\beta}$",
    Equal(robust_policy, optimal_policy),
    resolution=1e-9,
    reason="certified error of the fit, and rounding of the labels' law over the curvature of the loss",
    exact=(exact.robust_policy, exact.optimal_policy),
    family=noisy_bandit,
    witnesses=(BANDIT,),
    instances=100,
    assumes=("A3",),
)
for name, loss, route in (("plain", "plain", plain_policy), ("smoothing", "smoothed", smoothed_policy)):
    RDPO.part(
        f"(d, {name})",
        rf"the {loss} loss on noisy labels does not recover $\pi^*$ (checked on one bandit)",
        Separates(route, optimal_policy, margin=0.1),
        resolution=1e-9,
        reason="certified error of the fit",
        quantifier="exists",
        witnesses=(BANDIT,),
        exact="a separation by .1 on one named bandit has no exact routes; its error bounds are below 1e-9",
        assumes=("A3",),
    )
limit_part = RDPO.part(
    "(e)",
    r"by the delta method the mean is $L(\varepsilon) = \frac\beta2\,\mathrm{tr}(F H^{-1} G_\varepsilon H^{-1})$",
    Equal(matrix_limit, influence_limit),
    resolution=lambda task: 1e-9 * (1 + np.asarray(matrix_limit(task).value)),
    reason="solves with H: relative 1e-9",
    exact=(exact.matrix_limit, exact.influence_limit),
    family=log_linear_task,
    witnesses=(LINEAR,),
    assumes=("A4",),
)
square_part = RDPO.part(
    "(e, square)",
    r"$(1-2\varepsilon)^2 L(\varepsilon)$ lies between $L(0)$ and the formula with label variance $1/4$",
    AtMost(lower_scaled, upper_scaled),
    resolution=lambda task: 1e-9 * (1 + np.asarray(upper_scaled(task).value)),
    reason="solves with H: relative 1e-9",
    cross_left=lower_scaled_influence,
    cross_right=upper_scaled_influence,
    exact=(exact.lower_scaled, exact.upper_scaled),
    family=log_linear_task,
    witnesses=(LINEAR,),
    assumes=("A4",),
)


@RDPO.known(LABEL)
def _(label: FlippedLabel) -> Iterator[Known]:
    h = label.margins
    yield Known("loss of the observed label at .7", "0.1698527156", robust_loss(h, 0.2))
    yield Known("loss of the opposite label at .7", "1.3365193822", robust_loss(-h, 0.2))
    yield Known("their mean", "0.4031860489", np.asarray(expected_robust_loss(label).value)[0])


@RDPO.known(BANDIT)
def _(bandit: NoisyBandit) -> Iterator[Known]:
    plain, smoothed, robust = plain_policy(bandit), smoothed_policy(bandit), robust_policy(bandit)
    printed = "0.8571094821 0.1147481856 0.0281423323"
    yield Known("optimal policy", printed, optimal_policy(bandit).value)
    yield Known("plain loss", "0.7094856266 0.2065871852 0.0839271882", plain.value)
    yield Known("suboptimality of the plain loss", "0.0790639410", suboptimality(bandit, plain))
    yield Known("smoothed loss", "0.6254065152 0.2491758911 0.1254175937", smoothed.value)
    yield Known("suboptimality of the smoothed loss", "0.1835310175", suboptimality(bandit, smoothed))
    yield Known("suboptimality of the robust loss", "0.0000000000", suboptimality(bandit, robust))


@RDPO.known(LINEAR)
def _(task: LogLinearTask) -> Iterator[Known]:
    limit, printed = matrix_limit(task), "3.2023218212 5.0959949675 9.1872641108 20.8766045201 83.9990427304"
    yield Known("limits", f"{printed} 8416.160886", limit.value, float(np.max(limit.error)))
    scaled = np.asarray(lower_scaled(task).value)[task.flips.size :]
    yield Known("limits times (1 - 2 eps)^2", "3.2023 3.2614 3.3074 3.3403 3.3600 3.3665", scaled)


# --- what must fail -------------------------------------------------------------------------------------------------

LINEAR_FACTOR = "3.2023 4.0768 5.5124 8.3506 16.7998 168.3232"


unbiased_part.control(
    "the loss with .1, the flips with .2",
    kind="assumption",
    drops="A1",
    instance=replace(LABEL, assumed_flip=0.1),
    specified="0.4906860489 0.4031860489",
    measure=both_sides,
)
unbiased_part.control(
    "wins flipped with .3, losses with .1",
    kind="assumption",
    drops="A2",
    instance=replace(LABEL, flips=(0.3, 0.1)),
)
curvature_part.control(
    "a curvature inflated by 1/(1 - 2 eps) as the score is",
    kind="mutation",
    instance=LABEL,
    right=partial(clean_curvature, inflated=True),
)
score_part.control(
    "the variance with 1/(1 - 2 eps) in the place of its square",
    kind="constant",
    instance=LABEL,
    right=partial(score_formula, power=1),
)
recovery_part.control(
    "label smoothing in the place of the de-biased loss",
    kind="mutation",
    instance=BANDIT,
    left=smoothed_policy,
    specified="0.6254065152 0.2491758911 0.1254175937",
    measure=lambda outcome: outcome.left,
)
recovery_part.control(
    "a preference cycle in the place of Bradley-Terry labels",
    kind="assumption",
    drops="A3",
    instance=replace(BANDIT, preference=three_response_cycle().probability),
)
limit_part.control(
    "1/(1 - 2 eps) in the place of its square",
    kind="constant",
    instance=LINEAR,
    left=partial(matrix_limit, power=1),
    specified=LINEAR_FACTOR,
    measure=lambda outcome: outcome.left,
)


def linearly_scaled(task: LogLinearTask) -> Side:
    """Limits times (1 - 2 eps): refits and policy gradient."""
    found = influence_limit(task)
    gaps = 1 - 2 * task.flips
    return Side(gaps * np.asarray(found.value), gaps * np.asarray(found.error))


def quarter_variance(task: LogLinearTask) -> Side:
    """The formula with label variance 1/4, beta/8 tr(F H^-1 E[xx'] H^-1)."""
    side = upper_scaled(task)
    return Side(np.asarray(side.value)[task.flips.size :], np.asarray(side.error)[task.flips.size :])


RDPO.reading(
    "linear-inflation",
    title="The suboptimality at n labels grows as 1/(1 - 2 eps)",
    statement=r"""
    The gap scales as $\frac{1}{1-2\varepsilon}$: the mean $L(\varepsilon)$ of (e) times $(1-2\varepsilon)$ stays below
    $\frac\beta8\,\mathrm{tr}(F H^{-1} E[xx^\top] H^{-1})$ for every $\varepsilon < 1/2$. (It takes the square:
    $\frac{1}{1-2\varepsilon}$ is the scale of the error of the parameters, and the gap is quadratic in it.)
    """,
    relation=AtMost(linearly_scaled, quarter_variance),
    counterexamples=(LINEAR,),
    repair=square_part,
    assumes=("A4",),
    resolution=1e-9,
    reason="solves with H: relative 1e-9",
    specified=LINEAR_FACTOR,
    measure=lambda outcome: outcome.left,
)
RDPO.reading(
    "smoothing-removes-bias",
    title="Label smoothing with the flip probability removes the bias of flipped labels",
    statement=r"""
    The population minimiser of the smoothed loss $(1-\varepsilon)\ell(h) + \varepsilon\ell(-h)$ on labels flipped with
    probability $\varepsilon$ is $\pi^*$. (It is farther from $\pi^*$ than that of the plain loss on the counterexample:
    smoothing flips the noisy labels once more.)
    """,
    relation=Equal(smoothed_policy, optimal_policy),
    counterexamples=(BANDIT,),
    repair=recovery_part,
    assumes=("A3",),
    resolution=1e-9,
    reason="certified error of the fit",
    specified="0.6254065152 0.2491758911 0.1254175937",
    measure=lambda outcome: outcome.left,
)


# --- the figure -----------------------------------------------------------------------------------------------------


@RDPO.figure(
    "Left: mean of the limit law of n times the suboptimality of robust DPO against the flip probability, with its clean "
    "value times powers of 1/(1 - 2 eps): it follows the square. Right: policies fitted to the population of noisy labels of a "
    "bandit with flip probability .2; the robust loss recovers the optimum, label smoothing is farther off than the "
    "plain loss.",
    panels=2,
)
def _(axes: Any) -> None:
    flips = np.linspace(0.0, 0.49, 99)
    limit = np.asarray(matrix_limit(replace(LINEAR, flips=flips)).value)
    left, right = axes
    left.semilogy(flips, limit, color="C0", label=r"$L(\varepsilon)$")
    for power, dashes in ((2, "dashed"), (1, "dotted")):
        label = rf"$L(0)\,(1 - 2\varepsilon)^{{-{power}}}$"
        left.semilogy(flips, limit[0] / (1 - 2 * flips) ** power, color="C1", linestyle=dashes, label=label)
    left.set(xlabel=r"flip probability $\varepsilon$", ylabel=r"limiting mean of $n \times$ suboptimality")
    left.legend(loc="upper left")
    routes = (
        ("optimal", optimal_policy),
        ("robust", robust_policy),
        ("plain", plain_policy),
        ("smoothed", smoothed_policy),
    )
    for number, (name, route) in enumerate(routes):
        places = np.arange(3) + 0.2 * (number - 1.5)
        right.bar(places, np.asarray(route(BANDIT).value), width=0.18, color=f"C{number}", label=name)
    right.set(xticks=range(3), xticklabels=["1.5", "0", "-1"], xlabel="reward of the response")
    right.set_ylabel("probability")
    right.legend()
