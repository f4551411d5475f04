"""What starts the runs that rules select: Kubeflow, or processes of this machine."""
