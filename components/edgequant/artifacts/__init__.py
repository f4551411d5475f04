"""The directories that pass between steps: plain files, each named with its SHA-256 in a ``manifest.json``.

They are written atomically, are readable without TensorFlow, KFP or this package, and are verified when loaded.
"""
