# SPDX-License-Identifier: Apache-2.0
# For bash tests; source it:
#
#     registry_start "$store" [OPTION…]     # sets REGISTRY_ADDRESS (127.0.0.1:PORT) and REGISTRY_PID
#     registry_stop                         # SIGTERM; its exit status
#
# The program is $OCIREGISTRY, or else the first one in PATH; its log goes to $REGISTRY_LOG (default: the store's
# path with ".log" behind). The caller removes the store, and calls registry_stop in its own trap.

registry_sanitizer=$(realpath "${BASH_SOURCE[0]%/*}/../../data/sanitizer")

registry_start()
{
	local store=$1 deadline=$((SECONDS + 60))
	# What libh2o keeps at a thread's end, and nothing else.
	local lsan=print_suppressions=0:suppressions=$registry_sanitizer/lsan.supp
	local tsan=print_suppressions=0:suppressions=$registry_sanitizer/tsan.supp
	shift
	REGISTRY_LOG=${REGISTRY_LOG:-$store.log}
	: >"$REGISTRY_LOG"
	LSAN_OPTIONS=${LSAN_OPTIONS:-$lsan} TSAN_OPTIONS=${TSAN_OPTIONS:-$tsan} \
		"${OCIREGISTRY:-ociregistry}" --store "$store" --listen 127.0.0.1:0 "$@" 2>>"$REGISTRY_LOG" &
	REGISTRY_PID=$!
	while ! REGISTRY_ADDRESS=$(grep -om1 'listening on 127.0.0.1:[0-9]*' "$REGISTRY_LOG"); do
		if ! kill -0 "$REGISTRY_PID" 2>/dev/null || ((SECONDS > deadline)); then
			echo "ociregistry did not come up:" >&2
			cat "$REGISTRY_LOG" >&2
			return 1
		fi
		sleep 0.02
	done
	REGISTRY_ADDRESS=${REGISTRY_ADDRESS#listening on }
}

registry_stop()
{
	local pid=${REGISTRY_PID:-}
	[ -n "$pid" ] || return 0
	REGISTRY_PID=
	kill -TERM "$pid" 2>/dev/null
	wait "$pid"
}
