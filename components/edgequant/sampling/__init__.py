"""The step that draws a calibration set and a disjoint evaluation set from the examples."""

import logging

# Beam warns on import about Google clients that nothing here uses.
logging.getLogger().addFilter(lambda record: "apitools not found" not in record.getMessage())
