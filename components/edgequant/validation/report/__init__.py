"""The report: one page that needs no network, its charts as files, and what Kubeflow shows of it."""
