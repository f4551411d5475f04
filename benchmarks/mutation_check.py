"""Breaks named behaviours one at a time, and runs the tests that must notice.

Each file in `benchmarks/mutations/` is one mutation: a behaviour in a sentence and, for the old and the new commit, the file, the text
that is replaced, its replacement, and the tests to run. The tests are a part of the suite: where they fail, the suite fails.
"""

import ast
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import TypeAdapter

FOLDER = Path(__file__).resolve().parent / "mutations"
CAUGHT, SURVIVED, FAILED = "caught", "survived", "failed"
# pytest's exit codes: all passed, and some failed. Any other says that the tests did not run.
_PASSED, _TESTS_FAILED = 0, 1
_MOST_SECONDS = 1200


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A mutation at one commit.

    Attributes:
        file: The path of the file, relative to the checkout.
        find: The text that is replaced; it occurs once in the file.
        replace: Its replacement.
        tests: What pytest is to run: paths of test files, or of tests in them.
    """

    file: str
    find: str
    replace: str
    tests: tuple[str, ...]

    def problem(self, read: Callable[[str], str | None]) -> str:
        """Returns why the change does not fit a commit; "" when it does.

        Args:
            read: Returns the text of a file of the commit by its path; None where there is no such file.
        """
        text = read(self.file)
        if text is None:
            return f"{self.file} does not exist"
        if (count := text.count(self.find)) != 1:
            return f"{self.file} has the text {count} times, once is needed: {self.find!r}"
        try:
            ast.parse(text.replace(self.find, self.replace))
        except SyntaxError as error:
            return f"{self.file} is no Python after the change ({error})"
        missing = next((test for test in self.tests if read(test.partition("::")[0]) is None), "")
        return f"{missing} does not exist" if missing else ""

    @contextmanager
    def applied(self, checkout: Path) -> Iterator[None]:
        """Changes the file in a checkout, and restores it."""
        path = checkout / self.file
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(self.find, self.replace), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(text, encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """A named behaviour, and how it is broken.

    Attributes:
        behaviour: What the product does, in a sentence.
        old: The change at the old commit.
        new: The change at the new commit.
    """

    behaviour: str
    old: Change
    new: Change

    def at(self, side: str) -> Change:
        """Returns the change at the commit of a side, ``old`` or ``new``."""
        return self.old if side == "old" else self.new


def load_mutations(folder: Path = FOLDER) -> dict[str, Mutation]:
    """Returns the mutations of a folder by name, the file's.

    Raises:
        pydantic.ValidationError: A file does not describe a mutation.
    """
    adapter = TypeAdapter(Mutation)
    return {
        path.stem: adapter.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
        for path in sorted(folder.glob("*.yaml"))
    }


def read_checkout(root: Path) -> Callable[[str], str | None]:
    """Returns a function that reads a checkout's files."""

    def read(name: str) -> str | None:
        path = root / name
        return path.read_text(encoding="utf-8") if path.is_file() else None

    return read


def read_commit(repository: Path, commit: str) -> Callable[[str], str | None]:
    """Returns a function that reads the files of a commit."""

    def read(name: str) -> str | None:
        command = ["git", "-C", str(repository), "show", f"{commit}:{name}"]
        shown = subprocess.run(command, capture_output=True, text=True, check=False)
        return shown.stdout if shown.returncode == 0 else None

    return read


class MutationRunner:
    """Runs tests in one checkout, with and without a change.

    Args:
        checkout: The checkout, with its environment in `.venv`.
        log: The file that takes what pytest prints.
        environment: The environment of pytest; None for this process's.
    """

    def __init__(self, checkout: Path, log: Path, environment: dict[str, str] | None = None) -> None:
        self._checkout = checkout
        self._log = log
        # A module that was compiled while it was changed must not be used later.
        self._environment = {**(environment or os.environ), "PYTHONDONTWRITEBYTECODE": "1"}
        self._unchanged: dict[tuple[str, ...], int] = {}

    def outcome(self, change: Change) -> tuple[str, str]:
        """Returns whether the tests notice a change: ``caught``, ``survived``, or ``failed`` when that is not known; and why.

        The tests run without the change first, once for each set of tests, and must pass.
        """
        if change.tests not in self._unchanged:
            self._unchanged[change.tests] = self._run(change.tests)
        if (code := self._unchanged[change.tests]) != _PASSED:
            return FAILED, f"without the change, pytest ends with {code}; see {self._log}"
        with change.applied(self._checkout):
            code = self._run(change.tests)
        if code in (_PASSED, _TESTS_FAILED):
            return (SURVIVED if code == _PASSED else CAUGHT), ""
        return FAILED, f"with the change, pytest ends with {code}; see {self._log}"

    def _run(self, tests: Sequence[str]) -> int:
        """Returns pytest's exit code; -1 when it took too long."""
        command = [str(self._checkout / ".venv/bin/python"), "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
        with self._log.open("a") as log:
            log.write(f"\n$ {' '.join([*command, *tests])}\n")
            log.flush()
            try:
                return subprocess.run(
                    [*command, *tests],
                    cwd=self._checkout,
                    env=self._environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    timeout=_MOST_SECONDS,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                return -1
