"""What the terminal shows at the end of a run."""

from pathlib import Path

import pytest

from edgequant_pipelines.console import Screen


def test_notes_are_told_below_the_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """Who reads no report sees that four of five classes were never tried."""
    result = {
        "name": "my digits",
        "outcome": "blessed",
        "why": "Ship small.",
        "best": "small",
        "main_metric": "accuracy",
        "variants": {},
        "notes": ["4 of 5 classes have no evaluation example: [a]"],
        "tracking": {"uri": "http://mlflow", "links": {}},
    }
    Screen().end(result, Path("work"))
    lines = capsys.readouterr().out.splitlines()
    assert lines.index("blessed: Ship small.") + 1 == lines.index(
        "note:    4 of 5 classes have no evaluation example: [a]"
    )
    assert any(line.endswith("edgequant compare 'my digits' --tracking-uri http://mlflow") for line in lines)
