FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends xfsprogs \
 && rm -rf /var/lib/apt/lists/*
COPY loopvolumes /usr/local/bin/loopvolumes
ENTRYPOINT ["/usr/local/bin/loopvolumes"]
