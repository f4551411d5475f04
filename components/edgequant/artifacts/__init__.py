"""The directories that pass between steps: plain files, each named with its SHA-256 in a ``manifest.json``.

They are written whole or not at all, readable without TensorFlow, KFP or this package, and checked when loaded.
"""
