#!/usr/bin/env bash
# Puts into .engines what pip cannot: Prism, built with Go, and Beam's job server for Flink, fetched with Maven.
# Does nothing for what is there. The argument is the Python whose apache-beam gives Prism's version.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${1:?the path of a Python that has apache-beam}

if [ ! -x .engines/prism ]; then
    version=$("$python" -c 'from importlib.metadata import version; print(version("apache-beam"))')
    echo "building Prism $version"
    GOBIN=$PWD/.engines go install "github.com/apache/beam/sdks/v2/go/cmd/prism@v$version"
fi

if [ ! -d .engines/flink ]; then
    echo "fetching Beam's job server for Flink"
    rm -rf .engines/flink.part
    mvn --batch-mode --quiet --file tests/engines/flink/pom.xml dependency:copy-dependencies \
        -DoutputDirectory="$PWD/.engines/flink.part"
    mv .engines/flink.part .engines/flink
fi
