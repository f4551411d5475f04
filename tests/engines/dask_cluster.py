"""A Dask cluster of two processes on this machine, until it is told to end: `python dask_cluster.py PORT FOLDER`."""

import signal
import sys

from dask.distributed import LocalCluster


def main(port: int, folder: str) -> None:
    """Serves a scheduler on a port; the workers keep their files in a folder."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        scheduler_port=port,
        dashboard_address=None,
        local_directory=folder,
    ):
        signal.pause()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
