# The image of a step: this package with the extras it needs, and nothing to build with. `make images` builds them all; docs/images.md.
ARG BASE_IMAGE=python:3.11-slim

# What pip needs of the machine that builds (a configuration, the certificate of its own authority) is mounted as a secret
# for the commands that use it, and is in no layer.
FROM ${BASE_IMAGE} AS installer
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_CONSTRAINT=/build/constraints.txt
WORKDIR /build
COPY images/pip.sh /usr/local/bin/pip-into
COPY constraints.txt ./

FROM installer AS cyclonedx
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip --mount=type=secret,id=ca \
    pip-into /opt/cyclonedx cyclonedx-bom

# By itself, so that only what it prints, not all of pyproject.toml, makes the next stage install anew.
FROM installer AS requirements
ARG EXTRA
COPY images/requirements.py pyproject.toml ./
RUN python3 requirements.py "${EXTRA}" > requirements.txt

FROM installer AS build
COPY --from=requirements /build/requirements.txt ./
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip --mount=type=secret,id=ca \
    pip-into /opt/edgequant --requirement requirements.txt \
    # Packages bring along their own tests, and the sources of what is compiled already; LiteRT, what runs models on a GPU and
    # compiles them for phones' accelerators: steps run them on the CPU.
    && find /opt/edgequant -type d -name tests -prune -exec rm -r {} + \
    && find /opt/edgequant -type f -regex '.*\.\(a\|c\|cpp\|f90\|pxd\|pyx\)' -delete \
    && find /opt/edgequant -type f \( -name libLiteRtWebGpuAccelerator.so -o -name apply_plugin_main \) -delete
COPY pyproject.toml README.md LICENSE ./
COPY components components
COPY pipelines pipelines
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip --mount=type=secret,id=ca \
    pip-into /opt/edgequant --no-deps .

FROM build AS bill
COPY --from=cyclonedx /opt/cyclonedx /opt/cyclonedx
RUN /opt/cyclonedx/bin/cyclonedx-py environment --output-reproducible --output-format JSON \
    --output-file /build/sbom.cdx.json /opt/edgequant

FROM ${BASE_IMAGE}
# A cluster may choose another user by number: everything is readable to all, and the one place to write is /tmp, which is to be
# mounted where the root file system is read-only.
RUN useradd --uid 65532 --no-create-home --home-dir /tmp edgequant
COPY --from=build /opt/edgequant /opt/edgequant
COPY --from=bill /build/sbom.cdx.json /opt/edgequant/sbom.cdx.json
ENV PATH=/opt/edgequant/bin:${PATH} HOME=/tmp USER=edgequant PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /tmp
ARG BASE_IMAGE EXTRA VERSION=unknown REVISION=unknown
LABEL org.opencontainers.image.title="edgequant[${EXTRA}]" \
    org.opencontainers.image.description="Steps of edgequant on Kubeflow Pipelines" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.base.name="${BASE_IMAGE}"
USER 65532:65532
CMD ["edgequant", "--help"]
