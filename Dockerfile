# syntax=docker/dockerfile:1
# The station as one static program on an empty image: no shell, no libraries, nothing to update
# but itself. Built for the machine it is built on (amd64, arm64, arm/v7):
#   docker build -t signalbox .

FROM rust:1.95-slim-bookworm AS build
WORKDIR /source
COPY . .
# A static program needs its target named, because only then cargo leaves programs that run while
# building alone. glibc rather than musl: the same allocator as everywhere, whose speed is
# measured, and the tests make the same program without a container (docs/decisions/container.md).
# The cache mounts keep what was fetched and built, so a change builds only what it changed.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    target="$(rustc -vV | sed -n 's/^host: //p')" \
    && RUSTFLAGS="-C target-feature=+crt-static" \
        cargo build --locked --release --package signalbox --target "$target" \
    && mkdir -p /image/data /image/etc/ssl/certs \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
    && cp "target/$target/release/signalbox" /image/signalbox

FROM scratch
LABEL org.opencontainers.image.title="Signalbox" \
    org.opencontainers.image.description="Control station for MQTT sensor nodes" \
    org.opencontainers.image.licenses="MIT OR Apache-2.0"
# The authorities that brokers' and databases' certificates are checked against.
COPY --from=build /image/etc /etc
COPY --from=build /image/signalbox /signalbox
# A number, because there is no /etc/passwd. 65532 is what others call nonroot.
COPY --from=build --chown=65532:65532 /image/data /data
USER 65532:65532
# In a container loopback is the container's own, so both listen on all addresses; what of that
# the network sees is decided where ports are published.
ENV HOME=/data \
    SIGNALBOX_STORE__DATA_DIR=/data \
    SIGNALBOX_API__ADDRESS=0.0.0.0 \
    SIGNALBOX_MQTT__LISTEN=0.0.0.0:1883
VOLUME /data
EXPOSE 8080 1883
# Asks over the unix socket in /data.
HEALTHCHECK --interval=10s --timeout=12s --start-period=20s --retries=3 \
    CMD ["/signalbox", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/signalbox"]
CMD ["serve"]
