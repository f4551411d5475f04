"""Compares the tests of two commits: how long they take, and how many broken behaviours they notice.

The old commit and the working one run in turn on this machine, each time in a new clone in a temporary folder, with an environment of its
own; the other side begins in every other round. `test_ratio` is the wall time of `make test`, new over old; `make install` goes
before it, and is not counted. `ci_ratio` is that of `.ci/run`, its installation counted. Both are medians of the rounds' ratios.
`mutations_caught_old` and `mutations_caught_new` say for how many entries of `benchmarks/mutations/` the suite fails (`mutation_check.py`).

What tests keep in `~/.cache/edgequant` starts empty in each run, unless --keep-cache; other caches, such as pip's, are this machine's.
Uncommitted changes are not measured. `.ci/run` takes root, Debian and Go for all of its tiers, and installs Debian's packages where they
are missing: run it once before, so that neither side pays for that. Results are written after each step; a run with the same file goes on.

Usage: test_time.py [--against REV] [--rounds N] [--only tests|ci|mutations] [--folder DIRECTORY] [--keep-cache] [--json FILE]
       test_time.py --check [--against REV]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mutation_check import MutationRunner, load_mutations, read_checkout, read_commit
from test_time_results import SIDES, Results, Timing, read_results

ROOT = Path(__file__).resolve().parent.parent
# The last commit before the tests were made faster.
OLD = "dec4435"
PARTS = ("tests", "ci", "mutations")
_COMMANDS = {"tests": ["make", "test"], "ci": [".ci/run"]}
_TAIL_LINES = 40
_VARIABLES_OF_A_VENV = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "MAKEFLAGS", "MAKELEVEL")


def commit_of(revision: str) -> str:
    """Returns the full name of a commit.

    Raises:
        SystemExit: There is no such commit.
    """
    command = ["git", "-C", str(ROOT), "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"]
    parsed = subprocess.run(command, capture_output=True, text=True, check=False)
    if parsed.returncode:
        sys.exit(f"--against: {revision!r} is no commit of {ROOT}; a clone without its history has too few")
    return parsed.stdout.strip()


def environment(cache: Path | None) -> dict[str, str]:
    """Returns the environment of a command: this one's, without the variables of a virtual environment.

    Args:
        cache: A folder to use as `~/.cache`, in which edgequant's part is empty; None for the user's own.
    """
    values = {name: value for name, value in os.environ.items() if name not in _VARIABLES_OF_A_VENV}
    if cache is not None:
        own = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        cache.mkdir(parents=True, exist_ok=True)
        for entry in own.iterdir() if own.is_dir() else ():
            if entry.name != "edgequant" and not (cache / entry.name).is_symlink():
                (cache / entry.name).symlink_to(entry)
        values["XDG_CACHE_HOME"] = str(cache)
    return values


def clone(commit: str, target: Path) -> None:
    """Makes a clone at a commit; one that exists is kept, moved to the commit, and rid of what an interrupted run changed."""
    if target.exists():
        run(["git", "fetch", "--quiet", str(ROOT), commit], target, None)
    else:
        run(["git", "clone", "--quiet", "--no-checkout", str(ROOT), str(target)], ROOT, None)
    run(["git", "checkout", "--quiet", "--force", "--detach", commit], target, None)


def run(command: Sequence[str], folder: Path, log: Path | None, values: dict[str, str] | None = None) -> float:
    """Runs a command, and returns its wall time.

    Raises:
        SystemExit: It fails; the message has the end of its output.
    """
    start = time.perf_counter()
    with Path(log or os.devnull).open("a") as stream:
        code = subprocess.run(
            command,
            cwd=folder,
            env=values,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    seconds = time.perf_counter() - start
    if code:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]) if log else ""
        sys.exit(f"{' '.join(command)} in {folder} ended with {code}:\n{tail}")
    return seconds


def show(text: str) -> None:
    """Prints a line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The two commits, and where they run.

    Attributes:
        results: What was measured so far.
        path: The file of the results, or None.
        folder: Where clones are made.
        keep_cache: Whether runs use what earlier ones kept in `~/.cache/edgequant`.
    """

    results: Results
    path: Path | None
    folder: Path
    keep_cache: bool

    def commit(self, side: str) -> str:
        """Returns the commit of a side."""
        return self.results.old if side == "old" else self.results.new

    def time_round(self, part: str, number: int) -> None:
        """Times what a round lacks of both sides."""
        for side in SIDES if number % 2 else SIDES[::-1]:
            if side not in self.results.seconds(part, number):
                seconds = self._time(part, number, side)
                self.results.timings.append(Timing(part=part, round=number, side=side, seconds=seconds))
                self.results.write(self.path)
                show(f"{part}, round {number}, {side}: {seconds:.0f} s")

    def _time(self, part: str, number: int, side: str) -> float:
        """Returns the wall time of a part's command, in a new clone that is removed when it has passed."""
        log = self.folder / f"{part}-{number}-{side}.log"
        with tempfile.TemporaryDirectory(prefix=f"{part}-{number}-{side}-", dir=self.folder) as name:
            checkout = Path(name) / "edgequant"
            values = environment(None if self.keep_cache else Path(name) / "cache")
            clone(self.commit(side), checkout)
            if part == "tests":
                show(f"{part}, round {number}, {side}: make install, which is not counted")
                run(["make", "install"], checkout, log, values)
            show(f"{part}, round {number}, {side}: {' '.join(_COMMANDS[part])}; its output is in {log}")
            return run(_COMMANDS[part], checkout, log, values)

    def break_behaviours(self, names: Sequence[str]) -> None:
        """Runs each mutation on each side that has no outcome yet."""
        mutations = load_mutations()
        for side in SIDES:
            missing = [name for name in names or mutations if side not in self.results.mutations.get(name, {})]
            if not missing:
                continue
            checkout, log = self.folder / f"mutations-{side}", self.folder / f"mutations-{side}.log"
            show(f"mutations, {side}: make install in {checkout}")
            clone(self.commit(side), checkout)
            values = environment(self.folder / f"mutations-{side}-cache")
            run(["make", "install"], checkout, log, values)
            runner = MutationRunner(checkout, log, values)
            for position, name in enumerate(missing, 1):
                outcome, reason = runner.outcome(mutations[name].at(side))
                self.results.mutations.setdefault(name, {})[side] = outcome
                self.results.write(self.path)
                show(f"mutations, {side}, {position} of {len(missing)}: {name}: {outcome}{reason and f' ({reason})'}")


def check_mutations(commit: str) -> int:
    """Prints which mutations do not fit the old commit or the working files, and returns how many do not."""
    mutations, problems = load_mutations(), 0
    for side, read in (("old", read_commit(ROOT, commit)), ("new", read_checkout(ROOT))):
        for name, mutation in mutations.items():
            if problem := mutation.at(side).problem(read):
                print(f"{name}, {side}: {problem}")
                problems += 1
    print(f"{len(mutations)} mutations, {problems} problems")
    return problems


def main() -> None:
    """Measures what is missing, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", default=OLD, metavar="REV", help=f"the old commit ({OLD})")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of `make test` and of `.ci/run` (3)")
    parser.add_argument("--only", choices=PARTS, action="append", help="leave out the other parts; may be repeated")
    parser.add_argument(
        "--mutation", action="append", default=[], metavar="NAME", help="only this one; may be repeated"
    )
    parser.add_argument("--folder", type=Path, help="where clones and logs go; kept (a temporary folder, removed)")
    parser.add_argument("--keep-cache", action="store_true", help="use what earlier runs kept in ~/.cache/edgequant")
    parser.add_argument("--json", type=Path, help="write the results to this file, or go on with those in it")
    parser.add_argument("--check", action="store_true", help="only say whether each mutation fits both commits")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error(f"--rounds: {arguments.rounds} is not allowed; 1 or more are")
    if unknown := sorted(set(arguments.mutation) - load_mutations().keys()):
        parser.error(f"--mutation: there is no {unknown[0]!r} in benchmarks/mutations/")
    old, new = commit_of(arguments.against), commit_of("HEAD")
    if arguments.check:
        sys.exit(1 if check_mutations(old) else 0)
    results = read_results(arguments.json, old, new)
    with tempfile.TemporaryDirectory(prefix="edgequant-test-time-") as temporary:
        folder: Path = (arguments.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        comparison = Comparison(results=results, path=arguments.json, folder=folder, keep_cache=arguments.keep_cache)
        for part in arguments.only or PARTS:
            if part == "mutations":
                comparison.break_behaviours(arguments.mutation)
                continue
            for number in range(1, arguments.rounds + 1):
                comparison.time_round(part, number)
    for name, value in results.figures().items():
        of = f" of {len(results.mutations)}" if name.startswith("mutations") and value is not None else ""
        print(f"{name}: {'not measured' if value is None else f'{value:.3g}'}{of}")


if __name__ == "__main__":
    main()
