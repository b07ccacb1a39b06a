# SPDX-License-Identifier: Apache-2.0
# The registry as an image: docker build -t loci . && docker run -p 5000:5000 -v registry:/var/lib/registry loci
# It takes the place of registry:2 in a compose file: same port, same volume, same command, same variables
# (docs/coming-from-registry2.md).
FROM debian:12-slim AS build
WORKDIR /src
COPY . .
RUN script/bootstrap build \
    && cmake --preset release -DLOCI_TESTS=OFF -DCMAKE_INSTALL_PREFIX=/usr \
    && cmake --build build/release \
    && DESTDIR=/out cmake --install build/release --strip

FROM debian:12-slim
# No program is linked with the last two: imports and exports of archives load libarchive, webhooks and ocipull libcurl.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libh2o-evloop0.13 liblmdb0 libjansson4 libyaml-0-2 libisal2 \
       libzstd1 libssl3 libarchive13 libcurl4 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/usr/bin/ociregistry /out/usr/bin/ocipull /usr/bin/
# By the name that it has in scripts: docker exec … registry garbage-collect FILE
RUN ln -s ociregistry /usr/bin/registry
# In a container localhost is nobody's: it listens on every address, and the port mapping decides who gets in.
COPY cli/registry2.yml /etc/docker/registry/config.yml
COPY cli/registry2.yml /etc/distribution/config.yml
# For commands beside the server (docker exec … ociregistry gc): what the server reads, they read.
RUN mkdir /etc/loci && ln -s /etc/docker/registry/config.yml /etc/loci/ociregistry.yaml
VOLUME /var/lib/registry
EXPOSE 5000
ENTRYPOINT ["ociregistry"]
CMD ["/etc/docker/registry/config.yml"]
STOPSIGNAL SIGTERM
