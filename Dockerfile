# syntax=docker/dockerfile:1

FROM rust:1.90-bookworm AS build
WORKDIR /src
COPY . .
# The caches keep compiled dependencies from one build to the next.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package chat-server \
    && install -D --mode=0755 --strip target/release/chat-server /out/chat-server

FROM debian:bookworm-slim
# Certificate authorities, for keys of token issuers, mails and databases over TLS. A new image shall have the newest list.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 chat \
    && useradd --system --uid 10001 --gid chat --home-dir /var/lib/chatcore --shell /usr/sbin/nologin chat \
    && install --directory --mode=0700 --owner=chat --group=chat /var/lib/chatcore
COPY --from=build /out/chat-server /usr/local/bin/chat-server
USER 10001:10001
WORKDIR /var/lib/chatcore
VOLUME /var/lib/chatcore
# The data folder is `data` here. A setting would be refused where the database and the secret are elsewhere.
ENV CHAT_LISTEN=0.0.0.0:8000
EXPOSE 8000
# SIGTERM drains: requests that run go on, and WebSockets are closed with 1001.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["chat-server", "health"]
ENTRYPOINT ["chat-server"]
CMD ["serve"]
