# The two images of Flacship:
#
#     docker build --target operator  --tag REGISTRY/operator:TAG  .
#     docker build --target converter --tag REGISTRY/converter:TAG .
#
# Each is one static program on an empty root. What is in them comes from `make binaries`, the same target that builds
# them outside of Docker; how they start is in the two last stages. `make images` reads those (tests/src/images.rs) and
# makes the same images without a Docker engine, so they keep to the few instructions that it knows.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    make binaries DIST=/out

FROM scratch AS operator
LABEL org.opencontainers.image.title="flacship operator" \
      org.opencontainers.image.description="Runs AudioConverters and ConversionJobs on Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/operator/ /
USER 65532:65532
# health and metrics
EXPOSE 8081
ENTRYPOINT ["/operator"]

FROM scratch AS converter
LABEL org.opencontainers.image.title="flacship converter" \
      org.opencontainers.image.description="Converts WAV to FLAC: upload page, HTTP, WebSocket, files" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/converter/ /
USER 65532:65532
# the page and the API; health and metrics
EXPOSE 8080 9090
ENTRYPOINT ["/converter"]
