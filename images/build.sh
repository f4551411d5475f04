#!/usr/bin/env bash
# Builds images and writes what each installs beside them: images/build.sh PREFIX TAG BASE_IMAGE [IMAGE…]. All of them by default.
# In the environment: DOCKER, the client (docker); BUILD_OPTIONS, more options for `docker build`.
set -euo pipefail
cd "$(dirname "$0")/.."

prefix=${1:?the prefix of the images, such as edgequant or registry.example.com/team/edgequant}
tag=${2:?the tag of the images}
base=${3:?the image to build on, which has Python 3.11 and pip}
docker=${DOCKER:-docker}
read -ra options <<<"${BUILD_OPTIONS:-}"

# An image's extras: the step's, and those for the object stores that the step itself speaks to.
declare -A extras=(
    [sampling]=sampling,gcs,s3
    [conversion]=conversion
    [evaluation]=evaluation
    [tracking]=tracking,gcs,s3
    [watch]=watch
)
images=("${@:4}")
if [ ${#images[@]} = 0 ]; then images=(sampling conversion evaluation tracking watch); fi
for image in "${images[@]}"; do
    if [ -z "${extras[$image]:-}" ]; then
        echo "images: unknown image '$image'; choose from ${!extras[*]}" >&2
        exit 2
    fi
done

revision=$(git rev-parse --verify --quiet HEAD || echo unknown)
mkdir -p dist/images
for image in "${images[@]}"; do
    name=$prefix/$image:$tag
    echo "building $name"
    DOCKER_BUILDKIT=1 "$docker" build --quiet --tag "$name" \
        --build-arg "BASE_IMAGE=$base" --build-arg "EXTRA=${extras[$image]}" \
        --build-arg "VERSION=$tag" --build-arg "REVISION=$revision" ${options[@]+"${options[@]}"} .
    container=$("$docker" create "$name")
    "$docker" cp "$container:/opt/edgequant/sbom.cdx.json" "dist/images/$image-$tag.cdx.json"
    "$docker" rm "$container" >/dev/null
done

printf '\n%-50s %10s   %s\n' image MB 'bill of materials'
for image in "${images[@]}"; do
    bytes=$("$docker" image inspect --format '{{.Size}}' "$prefix/$image:$tag")
    printf '%-50s %10d   %s\n' "$prefix/$image:$tag" $((bytes / 1000000)) "dist/images/$image-$tag.cdx.json"
done
