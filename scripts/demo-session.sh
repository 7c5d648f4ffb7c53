#!/usr/bin/env bash
# A question is asked, the gateway killed, started again, the question answered, the tool run once. Needs curl and python3; no model: only sessions are used.
set -euo pipefail
root=$(cd -P "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
work=$(mktemp -d)
export CAPSULE_HOME=$work/home
gateway=
stop() {
  if [ -n "$gateway" ]; then
    kill -9 "$gateway" 2>/dev/null || true
    wait "$gateway" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap stop EXIT
token=demo-token-0123456789
(umask 077 && echo "$token: {org: acme, user: ann, permissions: [sessions]}" >"$work/tokens.yaml")
mkdir "$work/slots"
"$root/capsule" keys new --tenant acme >/dev/null

serve() {
  # The JVM takes the script's place, so that this is the gateway's own process.
  "$root/capsule" serve --upstream http://127.0.0.1:1 --slot-dir "$work/slots" --tokens "$work/tokens.yaml" --listen 127.0.0.1:0 >"$work/out" 2>"$work/err" &
  gateway=$!
  until grep -q listening "$work/out"; do
    kill -0 "$gateway" || { cat "$work/err" >&2; exit 1; }
    sleep 0.1
  done
  url=http://$(sed 's/listening on //' "$work/out")/capsule/v1/sessions
}
post() { curl -sS -H "Authorization: Bearer $token" -d "$2" "$url$1"; }
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)'"$1"')'; }

serve
post '' '{"session_id": "demo"}' >/dev/null
post /demo/messages '{"messages": [{"role": "user", "content": "Clean up."},
  {"role": "assistant", "content": "", "tool_calls": [{"id": "call-1", "name": "delete_file", "arguments": "{\"path\": \"old.log\"}"}]}]}' >/dev/null
question=$(post /demo/question '{"tool_call_id": "call-1", "permission_ask": true, "tool_name": "delete_file", "tool_args": {"path": "old.log"}}' | field '["question_id"]')
echo "asked: $question"
kill -9 "$gateway"
wait "$gateway" 2>/dev/null || true
echo "gateway killed"

serve
echo "gateway started; a new message is refused: $(post /demo/messages '{"messages": [{"role": "user", "content": "And now?"}]}' | field '["error"]["code"]')"
"$root/capsule" sessions show demo --as org=acme,user=ann
"$root/capsule" sessions answer demo allow --as org=acme,user=ann

# The agent: it asks what became of its question, begins, runs the tool with the run's key, and brings the result. It is told to do so twice.
for round in 1 2; do
  answer=$(post /demo/answer "{\"question_id\": \"$question\", \"values\": [\"allow\"]}")
  if [ "$(field '["state"]' <<<"$answer")" = allowed ]; then
    begun=$(post /demo/begin "{\"question_id\": \"$question\", \"attempts\": $(field '["attempts"]' <<<"$answer")}")
    echo "tool runs: $(field '["idempotency_key"]' <<<"$begun")" | tee -a "$work/tool"
    post /demo/result "{\"question_id\": \"$question\", \"content\": \"deleted\"}" >/dev/null
  else
    echo "round $round: nothing to do"
  fi
done
echo "the tool ran $(wc -l <"$work/tool") time(s)"
"$root/capsule" sessions show demo --as org=acme,user=ann
[ "$(wc -l <"$work/tool")" = 1 ]
