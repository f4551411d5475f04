"""The step that draws a calibration set and a disjoint evaluation set from the examples."""
