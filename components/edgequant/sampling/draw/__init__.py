"""The draw on Beam: the records of lowest rank, on any runner."""
