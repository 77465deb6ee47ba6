"""``pytest --claims`` on a foreign package, its fixtures, and what it loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = "pytester"

# One claim that holds, one that does not, and one whose control does not fail, in a package of their own.
CLAIMS = '''
from dataclasses import dataclass
from mdplab.claims import DEFINITIONAL, Assumption, Claim, Equal, Known, Side

@dataclass(frozen=True)
class Pair:
    a: float
    b: float

def left(pair):
    """Product."""
    return Side(pair.a * pair.b, 1e-15)

def right(pair):
    """The other order."""
    return Side(pair.b * pair.a, 1e-15)

def beyond(pair):
    """One more."""
    return Side(pair.b * pair.a + 1, 1e-15)

def declare(id, route, control):
    claim = Claim(id, title="Products commute", papers=(), statement="ab = ba", provenance="our formalisation",
        assumptions=(Assumption("A1", "numbers", DEFINITIONAL),), witnesses=(Pair(1.0, 2.0),), instances=3,
        instance_family=lambda draw: Pair(draw.number(1, 2), draw.number(1, 2)), family=id.split("-")[0])
    part = claim.part("(i)", "it commutes", Equal(left, route), resolution=1e-12, reason="rounding")
    part.control("one more", kind="mutation", instance=Pair(1.0, 1.0), right=control)

declare("good-claim", right, beyond)
declare("bad-claim", beyond, beyond)
declare("bad-control", right, right)
'''
OWN_GROUP = """
import mdplab.claims.registry
mdplab.claims.registry.ENTRY_POINT = "mine.claims"
"""


@pytest.fixture
def foreign(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with an installed package of claims, one test beside it, and strict settings."""
    pytester.makepyfile(mine=CLAIMS, test_other="def test_other():\n    pass")
    pytester.makeconftest(OWN_GROUP)
    pytester.makeini("[pytest]\naddopts = --strict-markers --strict-config\nfilterwarnings = error")
    metadata = pytester.mkdir("mine-1.0.dist-info")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[mine.claims]\nmine = mine\n")
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))
    return pytester


def test_without_the_option_nothing_is_added(foreign: pytest.Pytester) -> None:
    foreign.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_claims_are_items_beside_the_tests(foreign: pytest.Pytester) -> None:
    result = foreign.runpytest_subprocess("-v", "-p", "no:cacheprovider", "--claims")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*claims::bad-claim FAILED*",
            "*claims::good-claim PASSED*",
            "*bad-claim: expected holds, came out as violated*",
            "*part (i)*",
            "*worst is *",
            "*again: proofs-check run bad-claim*",
            "*bad-control: expected holds, came out as holds*",
            "*control 'one more': not violated*",
        ]
    )


@pytest.mark.parametrize(
    ("options", "passed", "failed", "deselected"),
    [
        (("--claims", "-m", "mdplab_claim"), 1, 2, 1),
        (("--claims=g?od", "-m", "not mdplab_claim"), 1, 0, 1),
        (("--claims=bad-*", "-k", "control"), 0, 1, 2),
    ],
)
def test_claims_are_chosen_by_pattern_and_marker(
    foreign: pytest.Pytester, options: tuple[str, ...], passed: int, failed: int, deselected: int
) -> None:
    result = foreign.runpytest_subprocess("-p", "no:cacheprovider", *options)
    result.assert_outcomes(passed=passed, failed=failed, deselected=deselected)


@pytest.mark.slow
def test_workers_share_the_claims(foreign: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    foreign.runpytest_subprocess("-n", "2", "-p", "no:cacheprovider", "--claims").assert_outcomes(
        passed=2, failed=2
    )


def test_what_matches_nothing_is_a_usage_error(foreign: pytest.Pytester) -> None:
    result = foreign.runpytest_subprocess("-p", "no:cacheprovider", "--claims", "test_other.py")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*--claims=test_other.py: none of 3 records has such an id or family; a path*"]
    )


def test_broken_claims_are_a_usage_error(foreign: pytest.Pytester) -> None:
    foreign.makepyfile(mine="import nothing_of_this_name")
    result = foreign.runpytest_subprocess("-p", "no:cacheprovider", "--claims")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--claims: the claims of 'mine' cannot be loaded*"])


def test_fixtures_are_seeded_by_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        seen = []

        @pytest.mark.parametrize("k", range(2))
        def test_different(mdplab_mdp, mdplab_draw, k):
            assert mdplab_draw.tape
            seen.append(mdplab_mdp.discount)

        def test_all():
            print("seen", *seen)
            assert len(set(seen)) == 2
        """
    )
    runs = [pytester.runpytest_subprocess("-s", "-p", "no:cacheprovider") for _ in range(2)]
    first, second = ([line for line in run.outlines if "seen" in line] for run in runs)
    assert first == second
    runs[0].assert_outcomes(passed=3)


def test_the_plugin_loads_nothing_of_mdplab(tmp_path: Path) -> None:
    script = "import pytest, sys; pytest.main(['--markers']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "@pytest.mark.mdplab_claim: " in done.stdout
    loaded = {name for name in done.stderr.split() if name.partition(".")[0] in ("mdplab", "numpy")}
    assert loaded == {"mdplab", "mdplab._pytest_plugin"}
