#!/usr/bin/env bash
# Links into .kubernetes/ what the tests run beside Python's packages of .venv, and builds what the cache does not hold.
# The argument is a Python to make environments with.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${1:?the path of a Python}
source tests/tool_cache.sh
need_go "make test-kubernetes" "Kubernetes' API server, kubectl, kustomize and KFP's compiler"

# Prints the folder of a module that a Go program is built with.
module_folder() {
    (cd "$1" && go mod download "$2" && go list -m -f '{{.Dir}}' "$2")
}

# The definitions of Argo's resources, as the module that KFP's compiler is built with carries them.
copy_argo_definitions() {
    local argo
    argo=$(module_folder tests/kubernetes/kfp_compiler github.com/argoproj/argo-workflows/v3) || return 1
    mkdir "$1" && cp "$argo"/manifests/base/crds/full/argoproj.io_*.yaml "$1" && chmod -R u+w "$1"
}

# An environment of its own: it pins much of what others need in other versions. It is moved when it is complete, so its scripts name
# a folder that is no more, and it is run as `bin/python -m checkov.main`.
install_checkov() {
    "$python" -m venv "$2" && "$2/bin/python" -m pip install --quiet --disable-pip-version-check "checkov==$1"
}

go_version=$(go version)
# What `kubectl kustomize` and `kubectl apply -k` have inside.
kustomize=sigs.k8s.io/kustomize/kustomize/v5@v5.7.1
cached .kubernetes/kustomize kustomize "$(digest "$kustomize" "$go_version" </dev/null)" install_go "$kustomize"
# What KFP reads cron expressions with, and what turns pipelines into Argo Workflows in its API server.
for name in cron-parser kfp-compiler; do
    source=$PWD/tests/kubernetes/${name/-/_}
    cached ".kubernetes/$name" "$name" "$(digest_of_go_source "$source")" build_go "$source" ""
done
compiler=$(digest_of_go_source tests/kubernetes/kfp_compiler)
cached .kubernetes/argo argo-definitions "$compiler" copy_argo_definitions
# etcd, Kubernetes' API server and kubectl: ten minutes on two cores. Releases are told their version by the linker, too.
source=$PWD/tests/kubernetes/kubernetes_api
version=$(sed -n 's#^\tk8s.io/kubernetes \(v[0-9.]*\)$#\1#p' "$source/go.mod")
flags="-X k8s.io/component-base/version.gitVersion=$version"
cached .kubernetes/kubernetes-api kubernetes-api "$(digest_of_go_source "$source")" build_go "$source" "$flags"

checkov=3.3.30
cached .kubernetes/checkov checkov "$(digest "$checkov" "$("$python" --version)" </dev/null)" install_checkov "$checkov"
