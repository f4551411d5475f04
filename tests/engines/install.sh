#!/usr/bin/env bash
# Links into .engines what pip cannot install: Prism, built with Go, and Beam's job server for Flink, fetched with Maven. What the cache
# does not hold is built. The argument is the Python whose apache-beam gives Prism's version.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${1:?the path of a Python that has apache-beam}
source tests/tool_cache.sh
need_go "make test-engines" "Prism"

fetch_flink() {
    mvn --batch-mode --quiet --file tests/engines/flink/pom.xml dependency:copy-dependencies -DoutputDirectory="$1"
}

version=$("$python" -c 'from importlib.metadata import version; print(version("apache-beam"))')
prism=github.com/apache/beam/sdks/v2/go/cmd/prism@v$version
cached .engines/prism prism "$(digest "$prism" "$(go version)" </dev/null)" install_go "$prism"
cached .engines/flink flink-job-server "$(digest <tests/engines/flink/pom.xml)" fetch_flink
