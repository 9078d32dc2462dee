#!/bin/sh
# Flower shows tasks and can revoke them: without a login it listens on this machine only.
if [ -z "${FLOWER_ADDRESS:-}" ] && [ -z "${FLOWER_BASIC_AUTH:-}${FLOWER_AUTH:-}" ]; then
    echo "flower: neither FLOWER_BASIC_AUTH nor FLOWER_AUTH is set: listening on 127.0.0.1 only" >&2
    export FLOWER_ADDRESS=127.0.0.1
fi
exec celery -A tasks flower
