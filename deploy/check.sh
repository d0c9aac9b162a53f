#!/usr/bin/env bash
# Checks the files of this folder with whatever checkers this machine has, and says loudly what it
# skipped. Starts nothing, needs no daemon, no network and no built binary.
set -uo pipefail
cd "$(dirname "$0")"

# Highest exposure that systemd-analyze may find in a unit: 10 is none of the protections, 0 all of them.
most_exposure=1.1
failed=0
skipped=()

fail() { echo "FAILED: $*"; failed=1; }
skip() { skipped+=("$*"); }
have() { command -v "$1" >/dev/null 2>&1; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if have systemd-analyze; then
  for unit in systemd/*.service; do
    name=$(basename "$unit")
    # The binary need not be installed here: any program that exists stands in for it.
    sed 's#^ExecStart=/usr/local/bin/almoner #ExecStart=/bin/true #' "$unit" >"$scratch/$name"
    said=$(systemd-analyze verify --man=no "$scratch/$name" 2>&1) || fail "systemd-analyze verify $unit"
    # Warnings, such as an unknown key, leave the exit code at 0.
    [ -z "$said" ] || fail "systemd-analyze verify $unit: $said"
    if report=$(systemd-analyze security --offline=true --no-pager "$scratch/$name" 2>&1); then
      exposure=$(sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\).*/\1/p' <<<"$report")
      echo "$unit: exposure ${exposure:-unknown} (at most $most_exposure)"
      awk -v found="$exposure" -v most="$most_exposure" 'BEGIN { exit !(found != "" && found <= most) }' ||
        fail "$unit is more exposed than $most_exposure"
    else
      skip "exposure of $unit: this systemd-analyze cannot read a unit offline"
    fi
  done
else
  skip "systemd units: no systemd-analyze here"
fi

if have docker && docker compose version >/dev/null 2>&1; then
  said=$(docker compose -f compose.yaml config --quiet 2>&1) || fail "docker compose config: $said"
  echo "compose.yaml: read by docker compose"
else
  skip "compose.yaml by docker compose: no docker with its compose plugin here"
fi

# Weaker than a compose implementation, but it finds a service that lost its protection.
if have python3 && python3 -c 'import yaml' 2>/dev/null; then
  python3 - <<'PYTHON' || fail "compose.yaml"
import sys, yaml
services = yaml.safe_load(open("compose.yaml"))["services"]
problems = [f"expected a coordinator and three nodes, found {sorted(services)}"] if len(services) != 4 else []
for name, service in services.items():
    wanted = {"read_only": True, "cap_drop": ["ALL"], "user": "10001:10001"}
    problems += [f"{name}: {key} is {service.get(key)!r}" for key, value in wanted.items() if service.get(key) != value]
    if "no-new-privileges:true" not in service.get("security_opt", []):
        problems.append(f"{name}: may gain privileges")
    writable = [v["target"] for v in service["volumes"] if not v.get("read_only")]
    if writable != ["/var/lib/almoner"]:
        problems.append(f"{name}: writable {writable}")
print(*problems, sep="\n", end="\n" if problems else "")
print(f"compose.yaml: {len(services)} services, well-formed YAML" if not problems else "")
sys.exit(bool(problems))
PYTHON
else
  skip "compose.yaml by its structure: no python3 with yaml here"
fi

if have hadolint; then
  hadolint Containerfile && echo "Containerfile: hadolint found nothing" || fail "hadolint Containerfile"
else
  skip "Containerfile by hadolint: not installed here"
fi

if have shellcheck; then
  shellcheck check.sh && echo "check.sh: shellcheck found nothing" || fail "shellcheck check.sh"
else
  bash -n check.sh || fail "bash -n check.sh"
  skip "check.sh by shellcheck: not installed here (bash -n found nothing)"
fi

for what in "${skipped[@]:-}"; do
  [ -z "$what" ] || echo "SKIPPED: $what"
done
[ "$failed" -eq 0 ] && echo "deploy: nothing found by the checkers that ran, ${#skipped[@]} skipped"
exit "$failed"
