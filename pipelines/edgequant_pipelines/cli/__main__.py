"""Lets `python -m edgequant_pipelines.cli` be the program."""

from edgequant_pipelines.cli import main

main()
