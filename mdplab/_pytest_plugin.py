"""Claims as test items, and fixtures with seeded draws, for the pytest of this and of other packages.

``pytest --claims`` adds every claim and false reading that an installed package declares (entry-point group
``mdplab.claims``) to the tests of the session; ``--claims=FILTER`` those whose id or family matches the pattern.  Each item
has the marker ``mdplab_claim``: ``pytest --claims -m mdplab_claim`` runs nothing else.

Pytest loads this module in every environment where mdplab is installed; mdplab is imported inside the hooks.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mdplab.claims import Record
    from mdplab.instances import SeededDraw
    from mdplab.models import MDP

__all__ = ["ClaimItem", "Claims", "mdplab_draw", "mdplab_mdp"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--claims``."""
    parser.getgroup("mdplab").addoption(
        "--claims",
        nargs="?",
        const="*",
        metavar="FILTER",
        help="check the claims whose id or family matches this pattern (default: all) beside the tests",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "mdplab_claim: a claim, run by pytest --claims")


@pytest.hookimpl(tryfirst=True)  # before items are chosen by -m and -k
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add the claims that were asked for."""
    pattern = config.getoption("--claims")
    if pattern is not None:
        items += Claims.from_parent(session, name="claims", nodeid="claims", pattern=pattern).collect()


class Claims(pytest.Collector):
    """The claims whose id or family matches a pattern.

    Parameters
    ----------
    pattern : str
        With the wildcards of file names.
    **options
        Those of a collector.
    """

    def __init__(self, *, pattern: str, **options: Any) -> None:
        super().__init__(**options)
        self.pattern = pattern

    def collect(self) -> Iterator[ClaimItem]:
        """Make an item of each record.

        Yields
        ------
        ClaimItem

        Raises
        ------
        pytest.UsageError
            If nothing matches, or claims cannot be imported.
        """
        from mdplab.claims import records
        from mdplab.claims.registry import BrokenClaims

        try:
            known = records()
        except BrokenClaims as problem:
            raise pytest.UsageError(f"--claims: {problem}") from problem
        found = [
            record
            for record in known.values()
            if fnmatchcase(record.id, self.pattern) or fnmatchcase(record.family, self.pattern)
        ]
        if not found:
            hint = "; a path belongs before --claims" if Path(self.pattern.split("::")[0]).exists() else ""
            raise pytest.UsageError(
                f"--claims={self.pattern}: none of {len(known)} records has such an id or family{hint}"
            )
        for record in found:
            item = ClaimItem.from_parent(self, name=record.id, record=record)
            item.add_marker("mdplab_claim")
            yield item


class NotAsExpected(Exception):
    """A record did not come out as expected; holds what the check found."""


class ClaimItem(pytest.Item):
    """One record: passes if verdict, known values and controls come out as expected.

    Parameters
    ----------
    record : Claim or Reading
        What is checked.
    **options
        Those of an item.
    """

    def __init__(self, *, record: Record, **options: Any) -> None:
        super().__init__(**options)
        self.record = record

    def runtest(self) -> None:
        """Check the record.

        Raises
        ------
        NotAsExpected
            If something did not come out as expected.
        """
        from mdplab.claims import as_expected, check

        result = check(self.record)
        if not as_expected(result):
            raise NotAsExpected(result)

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """Say what was not as expected, and how to run it again."""
        if not isinstance(excinfo.value, NotAsExpected):
            return super().repr_failure(excinfo, style)
        (result,) = excinfo.value.args
        lines = [
            f"{result['id']}: expected {result['expect']}, came out as {result['verdict']}",
            result["message"],
        ]
        lines += [
            f"known value {row['name']}: printed {row['printed']}, computed {row['computed']}"
            for row in result["known_values"]
            if not row["passed"]
        ]
        lines += [
            f"control {control['name']!r}: {control['message']}"
            for control in result["controls"]
            if not control["as_expected"]
        ]
        if result["verdict"] != result["expect"] and result["worst_instance"] is not None:
            worst = result["worst_instance"]
            lines.append(f"worst is {worst['instance']} of part {worst['part']}: {worst['data']}")
        return "\n".join([*filter(None, lines), f"again: proofs-check run {result['id']}"])

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where the item stands in reports.

        Returns
        -------
        tuple
        """
        return self.path, None, f"claim {self.name}"


@pytest.fixture
def mdplab_draw(request: pytest.FixtureRequest) -> SeededDraw:
    """A draw seeded by the id of the test, so that each test and parameter has instances of its own, always the same.

    Parameters
    ----------
    request : FixtureRequest
        The test.

    Returns
    -------
    SeededDraw
    """
    from mdplab.instances import SeededDraw

    return SeededDraw(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture
def mdplab_mdp(mdplab_draw: SeededDraw) -> MDP:
    """A random MDP with two to six states and two to four actions.

    Parameters
    ----------
    mdplab_draw : SeededDraw
        The engine.

    Returns
    -------
    MDP
    """
    from mdplab.instances import dirichlet_mdp

    return dirichlet_mdp(mdplab_draw)
