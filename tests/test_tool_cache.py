"""What the tests' install.sh share: a cache of what takes minutes to build, outside of the checkout."""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

Done = subprocess.CompletedProcess[str]

BASH = str(shutil.which("bash"))
SCRIPT = Path(__file__).parent / "tool_cache.sh"
# Builds a tool, in a second that another may use to build it too.
BUILD = """
set -euo pipefail
source {script}
build() {{ echo built >>{log}; sleep {pause}; mkdir "$1" && touch "$1/part" && {end}; }}
cached {link} tool {key} build
"""


def install(folder: Path, checkout: str, *, key: str = "1", end: str = "true", pause: float = 0.0) -> Done:
    """Runs the install.sh of a checkout that needs a tool."""
    text = BUILD.format(
        script=SCRIPT, log=folder / "log", link=folder / checkout / ".tools" / "tool", key=key, end=end, pause=pause
    )
    return bash("-c", text, XDG_CACHE_HOME=str(folder / "cache"), PATH=os.environ["PATH"])


def bash(*arguments: str, **environment: str) -> Done:
    """Runs bash to its end."""
    return subprocess.run([BASH, *arguments], env=environment, capture_output=True, text=True, check=False)


def built(folder: Path) -> int:
    """Returns how often the tool was built."""
    return (folder / "log").read_text().count("built")


def entries(folder: Path) -> list[str]:
    """Returns what the cache holds of the tool."""
    return sorted(path.name for path in (folder / "cache" / "edgequant" / "built" / "tool").iterdir())


def test_another_checkout_builds_nothing(tmp_path: Path) -> None:
    """What one checkout built, the next links; another key is built, and what it replaces stays for others."""
    for checkout in ("one", "other"):
        assert install(tmp_path, checkout).returncode == 0
        assert (tmp_path / checkout / ".tools" / "tool" / "part").is_file()
    assert built(tmp_path) == 1
    assert install(tmp_path, "one", key="2").returncode == 0
    assert built(tmp_path) == 2
    assert (tmp_path / "one" / ".tools" / "tool").resolve().name == "2"
    assert entries(tmp_path) == ["1", "2"]


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """The next try builds it from the start, and the failure is said."""
    done = install(tmp_path, "one", end="false")
    assert (done.returncode, done.stderr) == (1, "tool could not be built\n")
    assert entries(tmp_path) == []
    assert install(tmp_path, "one").returncode == 0
    assert built(tmp_path) == 2


def test_two_that_build_at_once(tmp_path: Path) -> None:
    """Both end with the whole of it, and no part is left over."""
    with ThreadPoolExecutor() as pool:
        both = list(pool.map(lambda checkout: install(tmp_path, checkout, pause=0.5), ("one", "other")))
    assert [done.returncode for done in both] == [0, 0]
    assert entries(tmp_path) == ["1"]
    for checkout in ("one", "other"):
        assert (tmp_path / checkout / ".tools" / "tool" / "part").is_file()


def test_what_an_earlier_version_built_in_the_checkout_gives_way(tmp_path: Path) -> None:
    """A folder where the link goes is replaced by it, not linked into."""
    (tmp_path / "one" / ".tools" / "tool").mkdir(parents=True)
    assert install(tmp_path, "one").returncode == 0
    assert (tmp_path / "one" / ".tools" / "tool").is_symlink()


@pytest.mark.parametrize("tier", ["kubernetes", "engines"])
def test_without_go_it_is_said(tier: str, tmp_path: Path) -> None:
    """A machine without Go does not pass these tests by leaving them out: installing ends with a sentence."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "dirname", "env"):
        (programs / name).symlink_to(Path("/usr/bin") / name)
    script = SCRIPT.parent / tier / "install.sh"
    done = bash(str(script), "python", PATH=str(programs), HOME=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith(f"make test-{tier}: Go is not installed")
    assert done.stderr.endswith("install Go 1.25 or later\n")
