# SPDX-License-Identifier: Apache-2.0
# The registry as an image: docker build -t loci . && docker run -p 5000:5000 -v loci:/var/lib/loci loci
FROM debian:12-slim AS build
WORKDIR /src
COPY . .
RUN script/bootstrap build \
    && cmake --preset release -DLOCI_TESTS=OFF -DCMAKE_INSTALL_PREFIX=/usr \
    && cmake --build build/release \
    && DESTDIR=/out cmake --install build/release --strip

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libh2o-evloop0.13 liblmdb0 libjansson4 libyaml-0-2 libarchive13 \
       libcurl4 libisal2 libzstd1 libssl3 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/usr/bin/ociregistry /out/usr/bin/ocipull /usr/bin/
VOLUME /var/lib/loci
EXPOSE 5000
# In a container localhost is nobody's: listen on every address, and let the port mapping decide who gets in.
ENTRYPOINT ["ociregistry"]
CMD ["--listen", ":5000"]
STOPSIGNAL SIGTERM
