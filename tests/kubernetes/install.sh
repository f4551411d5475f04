#!/usr/bin/env bash
# Puts into .kubernetes/ what the tests run beside Python's packages of .venv. Does nothing for what is there.
# The argument is a Python to make environments with.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${1:?the path of a Python}
mkdir -p .kubernetes

# What `kubectl kustomize` and `kubectl apply -k` have inside.
if [ ! -x .kubernetes/kustomize ]; then
    echo "building kustomize"
    GOBIN=$PWD/.kubernetes go install sigs.k8s.io/kustomize/kustomize/v5@v5.7.1
fi

# What turns pipelines into Argo Workflows in KFP's API server.
source=tests/kubernetes/kfp_compiler
if [ ! -x .kubernetes/kfp-compiler ] || [ -n "$(find "$source" -newer .kubernetes/kfp-compiler)" ]; then
    echo "building KFP's compiler: two minutes"
    (cd "$source" && go build -buildvcs=false -o ../../../.kubernetes/kfp-compiler .)
fi

# What KFP reads cron expressions with.
source=tests/kubernetes/cron_parser
if [ ! -x .kubernetes/cron-parser ] || [ -n "$(find "$source" -newer .kubernetes/cron-parser)" ]; then
    (cd "$source" && go build -buildvcs=false -o ../../../.kubernetes/cron-parser .)
fi

# An environment of its own: it pins much of what others need in other versions.
if [ ! -x .kubernetes/checkov/bin/checkov ]; then
    echo "installing checkov"
    rm -rf .kubernetes/checkov
    "$python" -m venv .kubernetes/checkov
    .kubernetes/checkov/bin/python -m pip install --quiet --disable-pip-version-check checkov==3.3.30
fi
