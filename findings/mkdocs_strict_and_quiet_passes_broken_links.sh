#!/usr/bin/env bash
# Library: mkdocs 1.6.1
# Behaviour: mkdocs build --strict of a page with a link to a file that is missing exits 1, and with --quiet added it exits 0: the
#   warnings that --quiet does not print are not counted either.
# A careful engineer would guess: --quiet leaves out what is printed and changes nothing of the exit code, as --quiet of pytest, git
#   or curl does. A continuous integration that builds with both passes broken links for good.
# Documented: --strict as "enable strict mode, this will cause MkDocs to abort the build on any warnings", --quiet as "silence
#   warnings"; that one disables the other was not found.
set -euo pipefail

requirements=(mkdocs==1.6.1)

work=$(mktemp -d "${TMPDIR:-/tmp}/finding.XXXXXX")
trap 'rm -rf "$work"' EXIT
venv=$work/venv
if [ -n "${FINDINGS_VENV_DIR:-}" ]; then
    venv=$FINDINGS_VENV_DIR/$(printf '%s\n' "${requirements[@]}" | sha256sum | cut -c1-16)
fi
if [ ! -e "$venv/.installed" ]; then
    "${PYTHON:-python3}" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${requirements[@]}"
    touch "$venv/.installed"
fi

cd "$work"
mkdir docs
printf 'site_name: finding\n' >mkdocs.yml
printf '# Page\n\nSee [the other page](missing.md).\n' >docs/index.md

strict=0 quiet=0
"$venv/bin/mkdocs" build --strict >strict.log 2>&1 || strict=$?
"$venv/bin/mkdocs" build --strict --quiet >quiet.log 2>&1 || quiet=$?
echo "--strict:         exit code $strict, $(grep -c missing.md strict.log || true) line(s) about the link"
echo "--strict --quiet: exit code $quiet, $(wc -l <quiet.log) line(s)"
[ "$strict" = 1 ] && [ "$quiet" = 0 ] && grep -q missing.md strict.log
