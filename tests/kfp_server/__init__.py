"""A stand-in for the API server of Kubeflow Pipelines: KFP's own client talks to it over HTTP.

It keeps pipelines, experiments, runs and recurring runs in a file, parses uploads with KFP's protocol buffers, and refuses what
the real one refuses, in its words. It runs nothing: a test says how a run ends. Tests also tell it what goes wrong.
"""

from tests.kfp_server.faults import Fault
from tests.kfp_server.serving import KfpServer, served

__all__ = ["Fault", "KfpServer", "served"]
