#!/usr/bin/env python3
"""Measures the gateway in front of a llama-server: docs/resume.md has its figures.

    measure-resume.py SERVER GATEWAY TOKEN_FILE TEXT [--tokens 4096] [--resumes 5] [--pairs 100]

Evaluates TOKENS tokens of TEXT through the gateway, checkpoints the session with ./capsule, in chunks and a tail and as another session whole,
erases the slot, resumes each in turn, and asks again; then compares the time to the first byte of a stream at the server and through the gateway,
in alternating pairs. Wants one slot with room for the tokens, and CAPSULE_HOME for the sessions. Prints one JSON object.
"""
import argparse
import http.client
import json
import os
import statistics
import subprocess
import time
import urllib.parse
import urllib.request

# Requests until the gateway's code is compiled.
WARM_UP = 300


def post(url, path, body, token=None):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = "Bearer " + token
    request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def first_byte(address, body, token=None):
    """Seconds from connecting until the first byte of a stream: llama-server ends a connection after some requests, so each has its own."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = "Bearer " + token
    connection = http.client.HTTPConnection(address)
    start = time.perf_counter()
    connection.request("POST", "/completion", body, headers)
    answer = connection.getresponse()
    answer.read(1)
    seconds = time.perf_counter() - start
    answer.read()
    connection.close()
    return seconds


def capsule(*arguments):
    """One run of the command: its JSON, and the seconds it took in all."""
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir)
    start = time.perf_counter()
    run = subprocess.run([os.path.join(root, "capsule"), *arguments, "--json"], check=True, capture_output=True, text=True)
    return json.loads(run.stdout), time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser()
    for name in ("server", "gateway", "token_file", "text"):
        parser.add_argument(name)
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--resumes", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=100)
    given = parser.parse_args()
    token = open(given.token_file).read().split()[0]
    text = open(given.text).read()
    prompt = post(given.server, "/tokenize", {"content": text, "add_special": True})["tokens"][: given.tokens]
    assert len(prompt) == given.tokens, f"the text has {len(prompt)} tokens only"

    start = time.perf_counter()
    evaluated = post(given.gateway, "/completion", {"prompt": prompt, "n_predict": 0, "id_slot": 0}, token)["timings"]
    prefill = time.perf_counter() - start
    assert evaluated["cache_n"] == 0, "the slot held the prompt already"
    where = ("--gateway", given.gateway, "--token-file", given.token_file)
    made = {"parts": capsule("checkpoint", "--session", "measure", *where), "whole": capsule("checkpoint", "--session", "measure-whole", "--full", *where)}
    resumes = {"parts": [], "whole": []}
    for _ in range(given.resumes):
        for kind, session in (("parts", "measure"), ("whole", "measure-whole")):
            post(given.server, "/slots/0?action=erase", {})
            resumes[kind].append(capsule("resume", session))
            assert resumes[kind][-1][0]["tokens_reused"] == given.tokens, resumes[kind][-1][0]
    asked = post(given.gateway, "/completion", {"prompt": prompt + prompt[1:9], "n_predict": 1, "id_slot": 0}, token)["timings"]

    body = json.dumps({"prompt": prompt[:16], "n_predict": 2, "stream": True, "id_slot": 0})
    places = {"server": (given.server, None), "gateway": (given.gateway, token)}
    seconds = {name: [] for name in places}
    for number in range(given.pairs + WARM_UP):
        for name, (url, bearer) in places.items():
            took = first_byte(urllib.parse.urlparse(url).netloc, body, bearer)
            # The first ones warm up.
            if number >= WARM_UP:
                seconds[name].append(took)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(json.dumps({
        "tokens": given.tokens, "prefill_seconds": round(prefill, 2), "raw_bytes": made["whole"][0]["raw_bytes"],
        **{kind: {
            "capsule_bytes": made[kind][0]["capsule_bytes"], "checkpoint_wall_seconds": round(made[kind][1], 2),
            "resume_seconds": [round(resume["seconds"], 2) for resume, _ in resumes[kind]],
            "faster": [round(prefill / resume["seconds"], 1) for resume, _ in resumes[kind]],
            "resume_wall_seconds": [round(wall, 2) for _, wall in resumes[kind]]} for kind in made},
        "tokens_evaluated_when_asked": asked["prompt_n"], "first_byte_server_ms": round(1000 * medians["server"], 2),
        "first_byte_gateway_ms": round(1000 * medians["gateway"], 2), "overhead_ms": round(1000 * (medians["gateway"] - medians["server"]), 2),
        "first_byte_worst_ms": {name: round(1000 * max(values), 1) for name, values in seconds.items()}}))


if __name__ == "__main__":
    main()
