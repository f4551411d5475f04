"""The step that looks up which models the URIs of a run stand for now."""
