"""The step that fetches the champion, to compare with."""
