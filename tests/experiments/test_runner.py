"""A run keeps what it finished: over interruption, failing tasks, dying workers; equal inputs give equal bytes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import toy_study
from experiments.sweeps.runner import run
from experiments.sweeps.table import read_provenance, read_table
from toy_study import NUMBERS, STUDY, configuration

ROOT = Path(__file__).resolve().parents[2]


def marks(folder: Path) -> dict[int, int]:
    """How often each task was run."""
    return {int(path.name): len(path.read_text()) for path in folder.iterdir()}


@pytest.mark.parametrize("jobs", [1, 2])
def test_all_rows_in_the_order_of_the_tasks(jobs: int, tmp_path: Path) -> None:
    path = tmp_path / "toy.parquet"
    done = run(STUDY, configuration(), path, jobs=jobs)
    table = read_table(path)
    assert table.n.tolist() == list(range(NUMBERS))
    assert table.value.tolist() == [2.0 * n for n in range(NUMBERS)]
    assert table.note.isna().all()
    assert (done.tasks, done.kept, done.failed) == (NUMBERS, 0, {})
    assert [file.name for file in tmp_path.iterdir()] == ["toy.parquet"]


def test_the_same_bytes_for_every_number_of_workers(tmp_path: Path) -> None:
    for jobs in (1, 2):
        run(STUDY, configuration(), tmp_path / str(jobs) / "toy.parquet", jobs=jobs)
    assert (tmp_path / "1" / "toy.parquet").read_bytes() == (tmp_path / "2" / "toy.parquet").read_bytes()


def test_provenance_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "toy.parquet"
    run(STUDY, configuration(), path, options="--fast")
    facts = read_provenance(path)
    assert facts is not None
    assert facts["seed"] == 0
    assert facts["configuration"]["numbers"] == list(range(NUMBERS))
    assert facts["command"] == "python -m experiments.sweeps toy_study --fast"
    assert facts["versions"].keys() >= {"python", "mdplab", "numpy"}
    assert facts["failed"] == {}


def test_a_finished_run_is_not_computed_again(tmp_path: Path) -> None:
    folder, path = tmp_path / "marks", tmp_path / "toy.parquet"
    folder.mkdir()
    asked = configuration(marks=str(folder))
    run(STUDY, asked, path)
    before = path.read_bytes()
    assert run(STUDY, asked, path).kept == NUMBERS
    assert path.read_bytes() == before
    assert marks(folder) == dict.fromkeys(range(NUMBERS), 1)


@pytest.mark.parametrize(
    "fault", ["none", "raises"]
)  # after a finished run, after one that left something to do
def test_another_configuration_starts_anew(fault: str, tmp_path: Path) -> None:
    path = tmp_path / "toy.parquet"
    discarded: list[float] = []

    def again(scale: float) -> int:
        asked = configuration(fault, scale=scale)
        return run(STUDY, asked, path, on_discard=lambda: discarded.append(scale)).kept

    assert again(2.0) == 0
    assert again(2.0) == NUMBERS - (fault == "raises")
    assert discarded == []
    assert again(3.0) == 0
    assert discarded == [3.0]
    assert read_table(path).value.max() == 3.0 * (NUMBERS - 1)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    ("fault", "message"),
    [("raises", "RuntimeError: three is a crowd"), ("not finite", "ValueError: value is nan")],
)
def test_a_bad_task_is_reported_and_tried_again(fault: str, message: str, jobs: int, tmp_path: Path) -> None:
    folder, path = tmp_path / "marks", tmp_path / "toy.parquet"
    folder.mkdir()
    asked = configuration(fault, marks=str(folder))
    done = run(STUDY, asked, path, jobs=jobs)
    assert list(done.failed) == ["n=3"]
    assert done.failed["n=3"].startswith(message)
    assert sorted(read_table(path).n) == [0, 1, 2, 4, 5, 6, 7]
    facts = read_provenance(path)
    assert facts is not None
    assert facts["failed"] == done.failed
    again = run(STUDY, asked, path, jobs=jobs)
    assert again.kept == NUMBERS - 1
    assert marks(folder) == {**dict.fromkeys(range(NUMBERS), 1), 3: 2}


def test_a_dying_worker_takes_no_other_task_with_it(tmp_path: Path) -> None:
    path = tmp_path / "toy.parquet"
    done = run(STUDY, configuration("dies"), path, jobs=2)
    assert done.failed == {"n=3": "the worker process died"}
    assert sorted(read_table(path).n) == [0, 1, 2, 4, 5, 6, 7]


def test_a_broken_partial_file_costs_its_last_line_only(tmp_path: Path) -> None:
    path = tmp_path / "toy.parquet"
    run(STUDY, configuration("raises"), path)
    partial = tmp_path / "toy.parquet.partial"
    partial.write_text(partial.read_text()[:-20])
    assert run(STUDY, configuration("raises"), path).kept == NUMBERS - 2


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupted_run_is_resumed(jobs: str, tmp_path: Path) -> None:
    folder, path = tmp_path / "marks", tmp_path / "toy.parquet"
    folder.mkdir()
    script = (
        "import sys; from pathlib import Path; from toy_study import STUDY, configuration\n"
        "from experiments.sweeps.runner import run\n"
        "path, marks, jobs = sys.argv[1:]\n"
        "if __name__ == '__main__':\n"
        "    run(STUDY, configuration('slow', marks), Path(path), jobs=int(jobs))\n"
    )
    program = tmp_path / "program.py"
    program.write_text(script)
    process = subprocess.Popen(
        [sys.executable, str(program), str(path), str(folder), jobs],
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PATH": ""},
    )
    started = time.monotonic()
    while not (folder / "3").exists():
        assert process.poll() is None
        assert time.monotonic() - started < 120
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)  # the task would sleep for a minute
    assert process.returncode != 0
    assert not path.exists()
    kept = path.with_name("toy.parquet.partial").read_text().splitlines()[1:]
    assert {json.loads(line)["id"] for line in kept} >= {"n=0"}
    assert 0 < len(kept) < NUMBERS


def test_two_equal_tasks_are_refused(tmp_path: Path) -> None:
    asked = toy_study.Configuration(seed=0, numbers=(1, 1), scale=1.0, fault="none", marks="")
    with pytest.raises(ValueError, match="same parameters"):
        run(STUDY, asked, tmp_path / "toy.parquet")
