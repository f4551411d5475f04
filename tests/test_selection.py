"""Which tests `make test-fast` leaves out, and what starts first."""

from pathlib import Path

from tests.selection import HEAVY_FILES, is_heavy, read_seconds, write_seconds


def test_heavy_files_are_there() -> None:
    """A file that was renamed or removed is no longer named."""
    assert {path.name for path in Path(__file__).parent.rglob("test_*.py")} >= HEAVY_FILES


def test_models_and_servers_are_heavy() -> None:
    """A test that only passes a model's directory on is heavy as the one that makes it is; one of arrays is not."""
    assert is_heavy("test_step.py", ["tmp_path", "digits_sets", "digits"])
    assert is_heavy("test_worst_case.py", [])
    assert not is_heavy("test_step.py", ["tmp_path"])


def test_seconds_are_kept_from_run_to_run(tmp_path: Path) -> None:
    """A run of a few files replaces what is known of these alone; what cannot be read is nothing."""
    path = tmp_path / "cache" / "seconds.json"
    assert read_seconds(path) == {}
    write_seconds(path, {"test_a.py": 1.234, "test_b.py": 2.0})
    write_seconds(path, {"test_b.py": 3.0})
    assert read_seconds(path) == {"test_a.py": 1.23, "test_b.py": 3.0}
    path.write_text("{")
    assert read_seconds(path) == {}
