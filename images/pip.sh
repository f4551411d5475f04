#!/bin/sh
# Installs into a virtual environment: pip-into DIRECTORY ARGUMENTS of `pip install`. The environment has no pip of its own.
set -eu
environment=$1
shift
if [ -f /run/secrets/pip ]; then export PIP_CONFIG_FILE=/run/secrets/pip; fi
if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi
if [ ! -d "$environment" ]; then python3 -m venv --without-pip "$environment"; fi
exec python3 -m pip --quiet --python "$environment/bin/python" install "$@"
