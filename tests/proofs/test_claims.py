"""Every registered claim passes the suite: complete, each part can fail, routes are independent."""

from __future__ import annotations

import pytest

from mdplab.claims import Claim, as_expected, check, records
from mdplab.claims.part import Reading
from mdplab.testing import check_claim

CLAIMS = [record for record in records().values() if isinstance(record, Claim)]
READINGS = [record for record in records().values() if isinstance(record, Reading)]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_the_claim_keeps_what_the_suite_asks(claim: Claim) -> None:
    check_claim(claim)


@pytest.mark.parametrize("reading", READINGS, ids=lambda reading: reading.id)
def test_a_false_reading_is_refuted_inside_its_assumptions(reading: Reading) -> None:
    result = check(reading)
    assert as_expected(result), result["message"]
