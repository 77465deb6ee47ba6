"""The parts of each statement, by name: no claim may lose one of them."""

from __future__ import annotations

import pytest

from mdplab.claims import Claim, records

SPECIFIED = {
    "anchored-reward-weighting": "(a) (b) (c) (d)",
    "awr-reward-corruption": "(i) (ii)",
    "best-of-n-kl": 4,
    "cmorl-constrained-recovers-front": "(i) (ii) (iii) (iv)",
    "conditional-training-is-tilting": "(i) (ii) (iii) (iv)",
    "cql-is-dual-q": "(i) (ii)",
    "ctmartingale-orthogonality-rate": 2,
    "debate-reward": "(i) (ii)",
    "demreg-bc-rate": "(middle) (bound) (enumeration) (rate) (constant) (consequence)",
    "demreg-bellman-gap": "(recursion) (gap) (path-integral) (deterministic)",
    "demreg-linear": "(linear) (weights) (policy) (gap) (span)",
    "demreg-suboptimality": "(identity) (bound)",
    "dist-bellman-wasserstein-contraction": 1,
    "dist-categorical-cramer": "(i) (ii) (iii) (iv)",
    "dist-control-not-contraction": 2,
    "dist-gamma-indifference": "(a) (b)",
    "dist-mixture-indifference-necessary": "(a) (b)",
    "dist-quantile-projection": "(i) (ii) (iii)",
    "dist-cvar-by-stock": "(value) (law)",
    "dist-dpi-monotone-rate": "(i) (ii) (iii)",
    "dist-dvi-lipschitz-rate": "(stock) (distance) (finite) (limit)",
    "dist-dvi-optimal-finite-horizon": 1,
    "doc-consistency-and-information-gap": "(a) (b) (c)",
    "doob-is-shaping": "(a) (b) (c) (d)",
    "dual-q-fixed-policy": 4,
    "dual-v-nonnegativity": 3,
    "dual-v-recovery": "(i) (ii)",
    "dual-v-strong-duality": 3,
    "entropy-npg-rate": "(Q) (log-policy) (monotone)",
    "expectile-max-limit": "(monotone) (inside) (rate)",
    "fdpp-kl-prevents-overfitting": "(bound) (equality) (peak)",
    "fdvl-implicit-maximiser": "(a) (b) (c) (d) (e)",
    "fisor-largest-feasible-region": "(i) (ii) (iii)",
    "fisor-weighted-bc": 4,
    "gorp-effective-horizon-bound": 1,
    "guided-chain-not-tilt": "(a) (b) (c) (d)",
    "gfn-balance": "(a) (b) (c) (d)",
    "gfn-outcome-conditioned": "(a) (b) (c)",
    "gfn-soft-rl": "(a) (b) (c)",
    "ggd-moments-and-shape": "(variance) (kurtosis) (falls) (above) (limit) (down) (up) (uniform) (positive) (negative)",
    "grape-trajectory-dpo": "(i) (ii) (iii)",
    "group-normalised-gradient": "(a) (b) (c)",
    "ibc-gradient-is-dual-q-tv": 2,
    "il-pseudo-reward-coverage": 4,
    "huber-bounded-influence": 3,
    "ig-telescoping": "(a) (b) (c) (d)",
    "information-gain-chi-square": "(a) (b) (c) (d)",
    "inverse-variance-weighting-optimal": "(weights) (least) (biased) (least-biased) (one) (sample)",
    "iqlearn-bijection": "(i) (ii) (iii) (iv) (v)",
    "irl-is-td-regularised-mle": "(MDP) (tree)",
    "irl-limit-selects-potential": "(optima) (least) (rate)",
    "kl-objective-balance": 3,
    "lipschitz-value-from-reward-and-dynamics": 3,
    "lipschitz-value-model-gap": 3,
    "lp-duality-mdp": 4,
    "mask-optimal-value": "(a) (b) (c) (d)",
    "mask-penalty-threshold": "(a) (b) (c)",
    "mask-policy-gradient": "(a) (b) (c)",
    "mdpo-jeffreys-improvement": "(identity) (monotone) (limit)",
    "mode-seeking-log-mean-threshold": 3,
    "nlhf-nash-md-recursion": "(a) (b) (c)",
    "npg-one-over-t": 2,
    "odice-fixed-points": "(i) (ii) (iii)",
    "odice-gradient-geometry": "(i) (ii) (iii) (iv)",
    "ope-exact-bias-variance": "(a) (b) (c) (d) (e) (f)",
    "ota-effective-horizon": "(i) (ii) (iii) (iv)",
    "parl-hypergradient": "(i) (ii) (iii)",
    "pmd-adaptive-gamma-rate": "(bound) (sum)",
    "pmd-linear-rate": "(bound)",
    "policy-guided-trajectories": "(a) (b) (c) (d) (e)",
    "policy-smoothing-adaptive-certificate": 2,
    "psv-opportunity": "(a) (b)",
    "qvi-solvability": "(i) (ii)",
    "random-exploration-fqi-error": 1,
    "rcsl-inconsistency": "(i) (ii)",
    "rdpo-unbiased-and-inflation": "(a) (b) (c) (d) (e)",
    "recoil-mixture-dual": "(i) (ii) (iii) (iv)",
    "regularised-lp-limit": "(i) (ii) (iii) (iv)",
    "residual-npg-iterates": 2,
    "residual-policy-gradient": 4,
    "reward-weighted-iteration": "(a) (b) (c) (d) (e)",
    "rlgf-guided-rollouts": "(i) (ii) (iii) (iv)",
    "rlif-zero-intervention": "(i) (ii) (iii) (iv) (v)",
    "rql-composition": 3,
    "rql-discount-mismatch": 2,
    "rql-finite-horizon": "(i) (ii)",
    "rql-fixed-point": "(i) (ii) (iii)",
    "rql-iteration-conjugacy": "(i) (ii) (iii)",
    "rql-prior-error": "(i) (ii) (iii)",
    "rql-retempering": "(i) (ii) (iii)",
    "rql-shaping-equivalence": 4,
    "rql-tradeoff-monotone": "(L) (K) (envelope) (hidden)",
    "sac-as-mdpo": "(i) (ii) (iii)",
    "sharpe-ratio-vs-accuracy": "(opposite) (transform) (affine)",
    "smore-mixture-dual": "(i) (ii)",
    "sirius-weighted-bc": 2,
    "soft-policy-gradient": 2,
    "subgoal-elbo": "(a) (b) (c) (d) (e)",
    "tilt-conditional-independence": "(a) (b) (c) (d)",
    "tilt-soft-optimal-chain": "(a) (b) (c) (d) (e)",
    "tilt-start-and-penalty": "(a) (b) (c)",
    "tilt-value-error": "(a) (b) (c)",
    "top-p-mask": "(a) (b) (c) (d) (e)",
    "trajectory-reweighting": "(i) (ii) (iii) (iv)",
    "trpo-lagrangian-path": "(solution) (multiplier) (increasing) (limit) (monotone) (converse)",
    "tscac-auxiliary-guarantee": "(TV) (Pinsker) (KL)",
    "tscac-closed-form": "(i) (ii) (iii)",
    "tscac-cmdp-lagrangian": "(i) (ii)",
    "w2-flow-bound": "(sharp) (Lipschitz) (factors) (attained)",
    "w2-regularised-reward-prox": "(a) (b) (c) (d)",
    "xql-gumbel-is-dual-v": "(i) (ii)",
}
"""Names of the parts, or their least number where the statement names none."""


def test_every_specified_claim_is_registered() -> None:
    assert {i for i, record in records().items() if isinstance(record, Claim)} >= SPECIFIED.keys()


@pytest.mark.parametrize("identifier", SPECIFIED)
def test_every_part_of_the_statement_is_there(identifier: str) -> None:
    claim = records()[identifier]
    assert isinstance(claim, Claim)
    wanted = SPECIFIED[identifier]
    if isinstance(wanted, int):
        assert len(claim.parts) >= wanted
    else:
        stems = {part.name.strip("()").split()[0].rstrip(",") for part in claim.parts}
        assert {name.strip("()") for name in wanted.split()} <= stems
