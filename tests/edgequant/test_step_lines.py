"""The lines that a step prints and a local run parses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgequant.step_lines import ConfigErrorLine, ErrorLine, ProgressLine, StepLine, parse

_STEPS = st.from_regex(r"[a-z]+", fullmatch=True)
_TEXTS = st.text(st.characters(exclude_characters="\n"))
_PROGRESS = st.builds(
    ProgressLine, _STEPS, _TEXTS.filter(lambda text: not text.startswith(("error: ", "wrong config: ")))
)
# Also texts that look like another part of the line.
_NESTED = st.sampled_from(["error: x", "wrong config: x", "edgequant: sample: x", "a: b", ""])
_ERRORS = st.builds(ErrorLine, _STEPS, _TEXTS | _NESTED)
_CONFIG_ERRORS = st.builds(ConfigErrorLine, _STEPS, _TEXTS | _NESTED)


@given(line=_PROGRESS | _ERRORS | _CONFIG_ERRORS)
def test_what_is_formatted_is_parsed(line: StepLine) -> None:
    """A line of each kind is read as what was printed, on one line of the output."""
    assert parse(line.format()) == line
    assert "\n" not in line.format()


@given(line=_PROGRESS | _ERRORS | _CONFIG_ERRORS, before=_TEXTS.filter(lambda text: "edgequant: " not in text))
def test_output_without_a_line_break_hides_no_line(line: StepLine, before: str) -> None:
    """What a library prints without a line break precedes the step's line, which is read all the same."""
    assert parse(f"{before} {line.format()}") == line


@given(text=st.text().filter(lambda text: "edgequant: " not in text))
def test_other_output_is_no_line_of_a_step(text: str) -> None:
    """Output without the mark of a step's line is for the log alone."""
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("edgequant: sample: started", ProgressLine("sample", "started")),
        ("edgequant: convert: full_int8: failed: no memory", ProgressLine("convert", "full_int8: failed: no memory")),
        ("edgequant: sample: error: No space left", ErrorLine("sample", "No space left")),
        ("edgequant: describe: wrong config: task: unknown", ConfigErrorLine("describe", "task: unknown")),
        ("edgequant: sample:  error: indented", ProgressLine("sample", " error: indented")),
        ("edgequant: sample", None),
        ("edgequant: sample:", None),
        ("edgequant: : started", None),
        ("edgequant: Two Words: started", None),
        ("edgequant: sample: two\nlines", None),
        ("edgequant:sample: started", None),
        ("started", None),
        ("", None),
    ],
)
def test_the_form_of_a_line(text: str, line: StepLine | None) -> None:
    """The mark, the step, its text; any other form is not a step's line."""
    assert parse(text) == line


@pytest.mark.parametrize(
    ("step", "text", "message"),
    [
        ("Sample", "started", "step: 'Sample' is not"),
        ("", "started", "step: '' is not"),
        ("sample", "two\nlines", "has several lines"),
        ("sample", "error: x", "use ErrorLine"),
        ("sample", "wrong config: x", "use ErrorLine or ConfigErrorLine"),
    ],
)
def test_a_line_that_would_be_read_as_another_is_refused(step: str, text: str, message: str) -> None:
    """Progress is never taken for a failure, and a step's name ends where the text begins."""
    with pytest.raises(ValueError, match=message):
        ProgressLine(step, text)
