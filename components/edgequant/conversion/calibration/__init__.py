"""Comparison of the calibration set with the evaluation set, before anything is calibrated."""
