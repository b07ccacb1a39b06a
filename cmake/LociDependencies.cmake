# SPDX-License-Identifier: Apache-2.0
# Third parties, each found once. Which folder may include which is held by test/lint/layers.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(jansson REQUIRED IMPORTED_TARGET jansson>=2.13)
pkg_check_modules(libcrypto REQUIRED IMPORTED_TARGET libcrypto>=3.0)
pkg_check_modules(libssl REQUIRED IMPORTED_TARGET libssl>=3.0)
pkg_check_modules(lmdb REQUIRED IMPORTED_TARGET lmdb)
pkg_check_modules(libcurl REQUIRED IMPORTED_TARGET libcurl>=7.85)
pkg_check_modules(zlib REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(libzstd REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(libisal IMPORTED_TARGET libisal)
# Archives of images for import and export; and the reference that unpack's own tar parser is held to.
pkg_check_modules(libarchive REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(yaml REQUIRED IMPORTED_TARGET yaml-0.1)
# h2o: the event-loop flavour only; without this definition h2o.h silently lays its structs out for libuv.
# (Its .pc file calls 2.2.5 "0.13.5": the version is checked where h2o.h is included.)
pkg_check_modules(h2o REQUIRED IMPORTED_TARGET libh2o-evloop)
target_compile_definitions(PkgConfig::h2o INTERFACE H2O_USE_LIBUV=0)
if(LOCI_TESTS)
	pkg_check_modules(cmocka REQUIRED IMPORTED_TARGET cmocka)
endif()
