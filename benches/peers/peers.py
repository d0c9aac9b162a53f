#!/usr/bin/env python3
"""peers.py FOLDER: the node's own release beside what one would use instead, on one register, in one run.

FOLDER holds `all.parquet` (person_id, county 0..199, sex, income; some people have several rows) and `truth.json` with
what one row of each person gives. Unit: person; at most one row each; epsilon 1, delta 1e-9 a question; counties known.

    Q1 persons by county             Q2 total income, clamped to 0..100000, by county
    Q3 mean income by county, sex    Q4 headcount below 4000, and poverty gap, by county
    Q5 median income by county

diffprivlib, PyDP    pandas bounds, once, while loading: the library takes it on trust, as it does the groups
                     (diffprivlib their sizes, too, so that most counts of Q1 are exact)
OpenDP               its Polars context bounds in each query; whole incomes
SmartNoise           bounds in each query, in PostgreSQL; noise in Python; no median
Qrlew                in PostgreSQL: keeps all rows and bounds what they sum to, so that its totals are of something else;
                     looks for the counties with half of epsilon; no median
PipelineDP, Tumult   bound in each query; minutes long, so only with --slow
the node             bounds once, while loading; then plan, cells and the noise of three agencies. Headcount and gap are
                     shares of the persons. The bench `register` runs it, before the peers and after them
with estimates       the same until the planner's table, with a standard error and an interval for each value, which no
                     peer here gives: for a median 400 replicates of the noise for every county

Every system runs alone, in a process of its own, with its own environment, because their pins exclude each other:

    for e in main smartnoise qrlew tumult; do
      python3 -m venv ENV/$e && ENV/$e/bin/pip install -r benches/peers/requirements/$e.txt
    done
    PEERS_POSTGRES=postgresql://USER@HOST/DB benches/peers/peers.py FOLDER --environments ENV

Table `register` of that database is replaced. Without PEERS_POSTGRES the two that need it are left out. Seconds are
medians of five runs, or of as many as began within 20 seconds; `*` marks fewer than three. Memory is the peak of the
system's own processes, without the database's.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import systems

RUNS, LONGEST_S = 5, 20
TIMEOUT_S = 3 * 3600
QUESTIONS = ["q1", "q2", "q3", "q4", "q5"]
NODE = "cargo bench --locked -p almoner -p almoner-engine --bench register --".split()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--environments", type=Path, help="one virtual environment a name of requirements/")
    parser.add_argument("--slow", action="store_true", help="PipelineDP and Tumult, too")
    parser.add_argument("--only", nargs="*", help="these peers")
    parser.add_argument("--node", help="the bench `register`, built, instead of cargo")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    file = str(options.folder / "all.parquet")
    if options.worker:
        return print(json.dumps(measured({**systems.FAST, **systems.SLOW}[options.worker], file)))
    peers = {**systems.FAST, **(systems.SLOW if options.slow else {})}
    if "PEERS_POSTGRES" not in os.environ:
        peers = {name: peer for name, peer in peers.items() if not issubclass(peer, systems.Postgres)}
    if options.only is not None:
        peers = {name: peer for name, peer in peers.items() if name in options.only}
    command = [options.node] if options.node else NODE
    before, found = node(command, options.folder), {}
    for name, peer in peers.items():
        python = options.environments / peer.environment / "bin" / "python" if options.environments else sys.executable
        print(f"{name} ...", file=sys.stderr)
        found[name] = run([str(python), "-W", "ignore", __file__, str(options.folder), "--worker", name])[-1]
    after = node(command, options.folder)
    for question, result in after["questions"].items():
        for part in ("seconds", "estimating"):
            before["questions"][question][part] += result[part]
    truth = json.loads((options.folder / "truth.json").read_text())
    report(options.folder, {"the node": before, "with estimates": estimated(before), **found}, truth)


def measured(peer, file):
    """What one peer gives, in this process."""
    from importlib.metadata import version

    began = time.perf_counter()
    system = peer(file)
    load = time.perf_counter() - began
    questions = {}
    for question in QUESTIONS:
        if not hasattr(system, question):
            continue
        seconds = []
        while len(seconds) < RUNS and sum(seconds) < LONGEST_S:
            began = time.perf_counter()
            answer = getattr(system, question)()
            seconds.append(time.perf_counter() - began)
        questions[question] = {"seconds": seconds, "answer": [float(value) for value in answer]}
    versions = " ".join(f"{name} {version(name)}" for name in peer.packages)
    return {"load_s": load, "questions": questions, "peak_kib": peak_kib(), "versions": versions}


def peak_kib(process="self"):
    """Of a process and its children, each at its own peak."""
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    own = sum(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    children = (task.read_text().split() for task in Path(f"/proc/{process}/task").glob("*/children"))
    return own + sum(peak_kib(child) for some in children for child in some)


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=TIMEOUT_S, check=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def node(command, folder):
    print("the node ...", file=sys.stderr)
    lines = run([*command, "--json", str(folder.resolve())])
    questions = {
        line["question"][:2].lower(): {part: line[part] for part in ("seconds", "estimating", "answer")}
        for line in lines
    }
    for question, found in questions.items():
        keys = 2 if question == "q3" else 1
        rows = [(tuple(row[:keys]) if keys == 2 else row[0], *row[keys:]) for row in found["answer"]]
        counties = [str(county) for county in systems.COUNTIES]
        order = [(county, sex) for sex in "FM" for county in counties] if keys == 2 else counties
        found["answer"] = systems.in_order(rows, order)
    last = lines[-1]
    return {
        "load_s": last["load_s"],
        "questions": questions,
        "peak_kib": last["peak_kib"],
        "versions": f"almoner {last['version']}",
    }


def estimated(node):
    """The node's times with what the planner's side takes after them."""
    whole = {
        question: {**found, "seconds": [a + b for a, b in zip(found["seconds"], found["estimating"], strict=True)]}
        for question, found in node["questions"].items()
    }
    return {**node, "questions": whole}


def report(folder, found, truth):
    ours = found["the node"]
    print(f"\n{folder}: {truth['rows']} rows of {truth['persons']} persons; Python {platform.python_version()},", end=" ")
    print(f"{os.cpu_count()} processors, load average {os.getloadavg()[0]:.1f}")
    heading = [name.upper() for name in QUESTIONS]

    def table(what, rows):
        print(f"\n{what}")
        for row in rows:
            print(f"{row[0]:15}" + "".join(f"{cell:>10}" for cell in row[1:]))

    def seconds(result, question):
        runs = result["questions"].get(question, {}).get("seconds")
        return statistics.median(runs) if runs else None

    def times(result, question, load):
        own = seconds(result, question)
        if own is None:
            return "-"
        theirs, base = (result["load_s"], ours["load_s"]) if load else (0, 0)
        return f"{(theirs + own) / (base + seconds(ours, question)):.2f}x"

    def shown(result, question):
        own = seconds(result, question)
        if own is None:
            return "-"
        mark = "*" if len(result["questions"][question]["seconds"]) < 3 else ""
        return f"{own:.4f}{mark}" if own < 10 else f"{own:.1f}{mark}"

    def error(result, question):
        answer = result["questions"].get(question, {}).get("answer")
        shares = result["versions"] == ours["versions"]
        return f"{100 * deviation(answer, wanted(truth, question, shares)):.3f}" if answer else "-"

    table(
        "seconds of a question; of loading, with bounding where that is done once; peak of memory",
        [["", "load", *heading, "MiB"]]
        + [
            [name, f"{r['load_s']:.2f}", *(shown(r, q) for q in QUESTIONS), f"{r['peak_kib'] / 1024:.0f}"]
            for name, r in found.items()
        ],
    )
    for load, what in [(False, "the question alone"), (True, "loading and one question")]:
        table(
            f"times as long as the node: {what}",
            [["", *heading]] + [[name, *(times(r, q, load) for q in QUESTIONS)] for name, r in found.items()],
        )
    table(
        "median relative error over the groups, %, from the first row of each person",
        [["", *heading]] + [[name, *(error(r, q) for q in QUESTIONS)] for name, r in found.items()],
    )
    print("\n" + "\n".join(f"{name:15}{r['versions']}" for name, r in found.items()))


def wanted(truth, question, shares):
    if question == "q3":
        return truth["Q3_one"]["F"] + truth["Q3_one"]["M"]
    if question != "q4":
        return truth[f"{question.upper()}_one"]
    both = truth["Q4n_one"] + truth["Q4g_one"]
    return [value / persons for value, persons in zip(both, truth["Q1_one"] * 2)] if shares else both


def deviation(answer, truth):
    return statistics.median(abs(a - t) / t for a, t in zip(answer, truth, strict=True) if t)


if __name__ == "__main__":
    main()
