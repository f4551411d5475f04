"""Names as the server's database has them: MariaDB with its own collation, where they are compared without case, accents and blanks at the end."""

import unicodedata

# Of the columns. KFP's upload endpoints take one character less of a pipeline's.
PIPELINE, VERSION, EXPERIMENT, RUN = 128, 127, 128, 255
UPLOADED = 127
# The connection's character set has three bytes for a character.
_LAST_CHARACTER = 0xFFFF


def compared(name: str) -> str:
    """Returns what the database compares of a name."""
    letters = unicodedata.normalize("NFD", name)
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).casefold().rstrip(" ")


def same(one: str, other: str) -> bool:
    """Whether the database takes two names for the same."""
    return compared(one) == compared(other)


def storable(name: str) -> bool:
    """Whether the database can hold the characters of a name."""
    return all(ord(letter) <= _LAST_CHARACTER for letter in name)
