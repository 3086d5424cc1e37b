#!/usr/bin/env bash
# The HTTP API with curl: over_http.sh [URL]. A deployed API also wants signed requests: see matinv/http_api/README.md.
set -euo pipefail
url=${1:-http://127.0.0.1:8080}
ask() { curl --silent --show-error --fail-with-body "$@"; }

# A small matrix: its inverse is the answer.
ask "$url/invert" --json '{"matrix": [[1, 2], [3, 4]]}'

# A job: send it, wait until its record says that it has ended, fetch its result.
ask "$url/jobs" --json '{"job_id": "by-curl", "matrix": [[1, 2], [3, 4]]}' >/dev/null
until ask "$url/jobs/by-curl" | grep -Eq '"status": ?"(SUCCEEDED|FAILED)"'; do sleep 0.5; done
ask "$url/jobs/by-curl/result" -H 'accept: application/x-npy' -o by-curl.npy
