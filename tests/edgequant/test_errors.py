"""The error tree."""

import inspect

import pytest

from edgequant import errors


def test_every_error_is_in_the_tree_that_the_module_draws() -> None:
    """Each error class descends from EdgequantError and is named in the drawing."""
    kinds = [item for _, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, Exception)]
    assert len(kinds) == 9
    for kind in kinds:
        assert issubclass(kind, errors.EdgequantError)
        assert kind.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("word", "hint"), [("float23", "; did you mean 'float32'?"), ("flot32", "; did you mean 'float32'?"), ("xyz", "")]
)
def test_the_nearest_word_is_offered_only_when_one_is_near(word: str, hint: str) -> None:
    """A typo gets a suggestion; a word like nothing known gets none."""
    assert errors.did_you_mean(word, ["float32", "full_int8"]) == hint
