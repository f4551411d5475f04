"""The comparison of two commits' tests: benchmarks/test_time.py and the behaviours that it breaks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import test_time
from mutation_check import CAUGHT, FAILED, SURVIVED, Change, MutationRunner, load_mutations, read_checkout
from test_time_results import Results, Timing, read_results

ROOT = Path(__file__).resolve().parent.parent
MUTATIONS = load_mutations()
TEST = "tests/test_sum.py"


@pytest.mark.parametrize("name", MUTATIONS)
def test_each_mutation_fits_the_code(name: str) -> None:
    """Its text occurs once, its tests exist, and what it leaves is Python."""
    assert MUTATIONS[name].new.problem(read_checkout(ROOT)) == ""


def test_thirty_behaviours_or_more_are_broken() -> None:
    """No behaviour stands for two."""
    assert len({mutation.behaviour for mutation in MUTATIONS.values()}) == len(MUTATIONS) >= 30


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A program with one behaviour, its test, and this environment."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "total.py").write_text("def total(x, y):\n    # The sum.\n    return x + y\n")
    (tmp_path / TEST).write_text(
        "import sys\nsys.path.insert(0, '.')\nfrom total import total\n\ndef test_sum():\n    assert total(2, 3) == 5\n"
    )
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(sys.executable)
    return tmp_path


def change(find: str, replace: str) -> Change:
    """Returns a change of the program."""
    return Change(file="total.py", find=find, replace=replace, tests=(TEST,))


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("find", "replace", "outcome"),
    [("x + y", "x - y", CAUGHT), ("The sum", "A sum", SURVIVED), ("return", "retrun", FAILED)],
)
def test_outcomes(checkout: Path, find: str, replace: str, outcome: str) -> None:
    """A change is caught by a failing test; one that no test could run with tells nothing. The file is restored."""
    before = (checkout / "total.py").read_text()
    assert MutationRunner(checkout, checkout / "log").outcome(change(find, replace))[0] == outcome
    assert (checkout / "total.py").read_text() == before


@pytest.mark.heavy
def test_tests_that_fail_unchanged(checkout: Path) -> None:
    """Where the tests fail without the change, that they fail with it tells nothing."""
    (checkout / TEST).write_text("def test_sum():\n    raise AssertionError\n")
    outcome, reason = MutationRunner(checkout, checkout / "log").outcome(change("x + y", "x - y"))
    assert outcome == FAILED
    assert reason.startswith("without the change, pytest ends with 1")


@pytest.mark.parametrize(
    ("one", "problem"),
    [
        (change("x + y", "y + x"), ""),
        (change("x", "z"), "total.py has the text 2 times, once is needed: 'x'"),
        (change("x * y", "z"), "total.py has the text 0 times, once is needed: 'x * y'"),
        (change("x + y", "x +"), "total.py is no Python after the change (invalid syntax (<unknown>, line 3))"),
        (Change(file="sum.py", find="x", replace="y", tests=(TEST,)), "sum.py does not exist"),
        (Change(file="total.py", find="x + y", replace="1", tests=("tests/a.py::b",)), "tests/a.py::b does not exist"),
    ],
)
def test_changes_that_do_not_fit(checkout: Path, one: Change, problem: str) -> None:
    """What is wrong with a change is said before anything runs."""
    assert one.problem(read_checkout(checkout)) == problem


def test_ratios_are_medians_over_complete_rounds(tmp_path: Path) -> None:
    """The ratio of a round is new over old; a round that lacks a side is left out. A file's results are gone on with."""
    results = Results(old="a", new="b")
    assert set(results.figures().values()) == {None}
    for number, (old, new) in enumerate([(100.0, 30.0), (200.0, 100.0), (100.0, 40.0)], 1):
        results.timings += [
            Timing(part="tests", round=number, side=side, seconds=seconds)
            for side, seconds in (("old", old), ("new", new))
        ]
    results.timings.append(Timing(part="tests", round=4, side="old", seconds=1.0))
    results.mutations = {"one": {"old": CAUGHT, "new": SURVIVED}, "two": {"old": CAUGHT}}
    assert results.figures() == {
        "test_ratio": 0.4,
        "ci_ratio": None,
        "mutations_caught_old": 2,
        "mutations_caught_new": 0,
    }
    results.write(tmp_path / "results.json")
    assert read_results(tmp_path / "results.json", "a", "b") == results
    with pytest.raises(SystemExit, match="holds results of a and b; give another file"):
        read_results(tmp_path / "results.json", "a", "c")


_GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
_MAKEFILE = "install:\n\techo installed\ntest:\n\t{}\n"


@pytest.fixture
def commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two commits of a repository: the tests of the first take longer."""
    repository = tmp_path / "repository"
    repository.mkdir()
    monkeypatch.setattr(test_time, "ROOT", repository)
    subprocess.run([*_GIT, "init", "--quiet"], cwd=repository, check=True)
    names = []
    for test in ("sleep 2", "test -f Makefile"):
        (repository / "Makefile").write_text(_MAKEFILE.format(test))
        subprocess.run([*_GIT, "add", "Makefile"], cwd=repository, check=True)
        subprocess.run([*_GIT, "commit", "--quiet", "-m", test], cwd=repository, check=True)
        names.append(test_time.commit_of("HEAD"))
    return names


@pytest.mark.heavy
def test_two_commits_are_timed_in_turn(commits: list[str], tmp_path: Path) -> None:
    """Each in a new clone, and what a round lacks is added to the file."""
    path = tmp_path / "results.json"
    for _ in range(2):
        comparison = test_time.Comparison(
            results=read_results(path, *commits), path=path, folder=tmp_path, keep_cache=False
        )
        comparison.time_round("tests", 1)
    values = json.loads(path.read_text())
    assert [timing["side"] for timing in values["timings"]] == ["old", "new"]
    assert values["timings"][0]["seconds"] > 2
    assert values["test_ratio"] < 1


@pytest.mark.heavy
def test_a_suite_that_fails_ends_the_comparison(commits: list[str], tmp_path: Path) -> None:
    """Its time says nothing; the end of its output is shown, and what was measured before is kept."""
    (test_time.ROOT / "Makefile").write_text(_MAKEFILE.format("echo broken; false"))
    subprocess.run([*_GIT, "commit", "--quiet", "-am", "broken"], cwd=test_time.ROOT, check=True)
    path = tmp_path / "results.json"
    results = Results(old=commits[0], new=test_time.commit_of("HEAD"))
    comparison = test_time.Comparison(results=results, path=path, folder=tmp_path, keep_cache=True)
    with pytest.raises(SystemExit, match=r"make test in .* ended with 2:\n(?s:.*)broken"):
        comparison.time_round("tests", 1)
    assert [timing["side"] for timing in json.loads(path.read_text())["timings"]] == ["old"]
