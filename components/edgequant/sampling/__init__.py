"""The step that draws a calibration set and a disjoint evaluation set from the examples."""

import logging

# Beam says so on import, of clients of Google that nothing here uses.
logging.getLogger().addFilter(lambda record: "apitools not found" not in record.getMessage())
