#!/usr/bin/env bash
# The GPU's day: everything that only a GPU can answer, in order of worth, in a few minutes, without network.
#
#   benchmarks/gpu_day.sh OUT [--wheels DIR] [--device cuda|cpu|pretend] [--minutes M] [--small] [--work DIR]
#   benchmarks/gpu_day.sh --carry DIR      beforehand, with network: the wheels that such a machine lacks
#
# OUT gets at most eight files and is brought up to date after every part. A part that its time box or the end cuts
# keeps what it measured; the same command again goes on. PYTHON names the interpreter (default python3).
# Two rehearsals without a GPU: cpu, and pretend (the tests' stand-in for CUDA, torch only; no number of it is a GPU's).
set -uo pipefail

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PYTHON=${PYTHON:-python3}
OUT='' WHEELS='' DEVICE=cuda MINUTES=8 SMALL='' WORK='' CARRY=''
# What a machine with torch, JAX and NumPyro still lacks; what it has already is left as it is.
MISSING=(pyro-ppl pyro-api funsor makefun mlxtend mpmath typer rich shellingham annotated-doc)

refuse() { echo "gpu_day: $1" >&2; exit 2; }

while [ $# -gt 0 ]; do
  case $1 in
    --wheels | --device | --minutes | --work | --carry)
      [ $# -ge 2 ] || refuse "$1 needs a value"
      case $1 in
        --wheels) WHEELS=$2 ;; --device) DEVICE=$2 ;; --minutes) MINUTES=$2 ;; --work) WORK=$2 ;; --carry) CARRY=$2 ;;
      esac
      shift 2 ;;
    --small) SMALL=1; shift ;;
    -*) refuse "no option $1; see the first lines of $0" ;;
    *) [ -z "$OUT" ] || refuse "one folder only, not $OUT and $1"; OUT=$1; shift ;;
  esac
done

if [ -n "$CARRY" ]; then
  mkdir -p "$CARRY" && "$PYTHON" -m pip wheel -q --no-deps -w "$CARRY" "$REPO" &&
    "$PYTHON" -m pip download -q --no-deps --only-binary=:all: -d "$CARRY" "${MISSING[@]}" || exit 1
  ls "$CARRY"
  exit
fi

case $PYTHON in */*) PYTHON=$(cd "$(dirname "$PYTHON")" && pwd)/$(basename "$PYTHON") ;; esac # this script changes folder
[ -n "$OUT" ] || refuse "name the folder for the results"
[[ $DEVICE == cuda || $DEVICE == cpu || $DEVICE == pretend ]] || refuse "--device is cuda, cpu or pretend, not $DEVICE"
[[ $MINUTES =~ ^[0-9]+$ && $MINUTES -ge 1 ]] || refuse "--minutes is a whole number, not $MINUTES"
[ -z "$WHEELS" ] || [ -d "$WHEELS" ] || refuse "--wheels $WHEELS is no folder"
LIMIT=$((MINUTES * 60)) PACKING=5 # seconds kept for the last packing
mkdir -p "$OUT" && OUT=$(cd "$OUT" && pwd) || exit 2
WORK=${WORK:-$REPO/results/gpu-day-$DEVICE}
mkdir -p "$WORK" && WORK=$(cd "$WORK" && pwd) || exit 2
REHEARSAL=''
if [ "$DEVICE" = pretend ]; then # every process of ours then finds a GPU by that name
  DEVICE=cuda REHEARSAL=$REPO/tests/device/rehearsal
  export PATH="$REHEARSAL:$PATH"
fi
exec 9>"$WORK/lock"
flock -n 9 || refuse "another call is at work in $WORK"

# A second call may find the folder of results alone: it goes on from the archives.
for part in claims bench; do
  [ -e "$WORK/$part" ] || [ ! -e "$OUT/$part.tar.gz" ] || tar xzf "$OUT/$part.tar.gz" -C "$WORK"
done

say() { printf '%4d s  %s\n' "$SECONDS" "$1" | tee -a "$OUT/day.log"; }
left() { echo $((LIMIT - SECONDS - PACKING)); }
smaller() { echo $(($1 < $2 ? $1 : $2)); }

# pack: what there is, as few files that are written whole or not at all.
pack() {
  local part
  for part in claims bench; do
    [ -d "$WORK/$part" ] || continue
    tar czf "$OUT/.$part" -C "$WORK" --exclude=lock "$part" && mv "$OUT/.$part" "$OUT/$part.tar.gz"
    [ ! -f "$WORK/$part/report/report.html" ] || cp "$WORK/$part/report/report.html" "$OUT/$part.html"
  done
}

# granted BOX: seconds for a part: its share of the whole time (twice that at the second try), at most what is left
# (then without what judging and the pages need).
TRY=1 PAGES=$((40 * LIMIT / 480))
granted() { smaller $(($1 * TRY * LIMIT / 480)) $(($(left) - (TRY - 1) * PAGES)); }

# Cut itself, it lets the part keep what it has, and packs.
RUNNING=''
cut_short() {
  trap '' TERM INT HUP
  [ -z "$RUNNING" ] || { kill -TERM "$RUNNING" && wait "$RUNNING"; } 2>/dev/null
  rm -f "$WORK/running"
  say "cut; the same command goes on"
  pack
  exit 143
}

# A call that was killed may have left its part at work in the same folders: it is asked to end, and is waited for.
end_what_was_left() {
  local old
  old=$(cat "$WORK/running" 2>/dev/null) || return 0
  grep -qs elbo_compare "/proc/$old/cmdline" && kill -TERM "$old" && say "the part of a killed call is ended first"
  for _ in {1..200}; do
    [ -d "/proc/$old" ] && grep -qs elbo_compare "/proc/$old/cmdline" && sleep 0.1 || break
  done
  rm -f "$WORK/running"
}

# part NAME SECONDS COMMAND...: whatever becomes of it, go on. What ended well is not asked again.
declare -A WHOLE=()
part() {
  local name=$1 box=$2 began=$SECONDS code
  shift 2
  [ -z "${WHOLE[$name]:-}" ] || return 0
  if [ "$box" -lt 3 ]; then
    say "$name: no time left"
    return
  fi
  timeout -s TERM -k 15 "$box" "$@" >"$WORK/part.log" 2>&1 9>&- &
  RUNNING=$!
  echo "$RUNNING" >"$WORK/running"
  wait "$RUNNING"
  code=$?
  RUNNING='' && rm -f "$WORK/running"
  case $code in
    0) WHOLE[$name]=1; say "$name: whole, after $((SECONDS - began)) s of $box" ;;
    3) say "$name: incomplete after $((SECONDS - began)) s of $box; what it measured is kept" ;;
    124 | 130 | 137) say "$name: cut after $((SECONDS - began)) s; what it measured is kept" ;;
    *) say "$name: exit code $code after $((SECONDS - began)) s: $(tail -n 1 "$WORK/part.log")" ;;
  esac
  printf '%s\t%s\t%s\t%s\n' "$name" "$box" "$((SECONDS - began))" "$code" >>"$OUT/parts.tsv"
  { echo "=== $name"; tail -c 60000 "$WORK/part.log"; } >>"$OUT/output.log"
  pack
}

wanted_wheels() {
  "$PYTHON" - "$WHEELS" <<'PYTHON'
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

for wheel in sorted(Path(sys.argv[1]).glob("*.whl")):
    name = wheel.name.split("-")[0].replace("_", "-")
    try:
        version(name)
    except PackageNotFoundError:
        print(wheel)
    else:
        if name == "elbo-compare":  # ours, whatever version is there
            print(wheel)
PYTHON
}

claims() { part claims "$(granted "$1")" "$PYTHON" -m elbo_compare run --profile gpu --device "$DEVICE" --resume \
  -o "$WORK/claims" ${CLAIMS[@]+"${CLAIMS[@]}"}; }

# bench NAME BOX UNITS ARGUMENTS...: so many units share the box. Before the first, frameworks are asked for devices, as
# `doctor` asks them: it says how long that takes here; after the last, tables are written.
STARTING=0 WRITING=6
bench() {
  local name=$1 box units=$3
  box=$(granted "$2")
  shift 3
  part "$name" "$box" "$PYTHON" -m elbo_compare bench -o "$WORK/bench" --device "$DEVICE" --resume --measure-only \
    --rounds "$ROUNDS" --starters "$STARTERS" --box "$(larger 1 $(((box - STARTING - WRITING) / units)))" "$@" \
    ${CHOSEN[@]+"${CHOSEN[@]}"}
}
# units COUNT EXPR: how many units a part has; in a small rehearsal one, by its name.
units() { if [ -n "$SMALL" ]; then UNITS=1 ONLY=(--only "$2"); else UNITS=$1 ONLY=(); fi; }
larger() { echo $(($1 > $2 ? $1 : $2)); }

# What a GPU alone can answer, most wanted first; the boxes, in seconds of eight minutes, leave about one unplanned.
everything() {
  claims 150
  bench ceilings 35 1 --part ceilings
  bench "steps, vae at batch 100" 80 1 --part steps --setting '100,'
  bench "steps, vae at batch 1,000" 50 1 --part steps --setting '1,000,'
  [ "$DEVICE" = cpu ] || bench "steps, hidden 4,096 at batch 4,096" 50 1 --part steps --setting hidden
  units 4 'torch-hand and vae-small'
  bench "32 replicas" 40 "$UNITS" --part replicas ${ONLY[@]+"${ONLY[@]}"}
  units 4 'pyro and gaussian-kl and not numpyro'
  bench draws 30 "$UNITS" --part draws ${ONLY[@]+"${ONLY[@]}"}
}

STARTERS=$(smaller $((($(nproc) + 1) / 2)) 8) ROUNDS=7 CHOSEN=() CLAIMS=()
[ "$DEVICE" = cpu ] || CLAIMS=(-j "$(smaller "$(nproc)" 6)")
if [ -n "$SMALL" ]; then
  ROUNDS=2 CHOSEN=(-k 'torch-hand and (joined or graph or TF32) and not compiled') CLAIMS+=(-k 'gaussian-kl@2-typical')
fi

# As a function, so that bash has read the whole script before a part begins.
day() {
  trap cut_short TERM INT HUP
  end_what_was_left
  say "device $DEVICE, at most $MINUTES minutes, $(nproc) cores"
  if [ -n "$WHEELS" ]; then
    wanted_wheels >"$WORK/wanted"
    [ ! -s "$WORK/wanted" ] || part "wheels" "$(left)" xargs -d '\n' -a "$WORK/wanted" "$PYTHON" -m pip install -q \
      --no-index --no-deps --no-compile --upgrade --target "$WORK/site"
  fi
  export PYTHONPATH="$WORK/site:${REHEARSAL:+$REHEARSAL:}$REPO${PYTHONPATH:+:$PYTHONPATH}"
  cd "$WORK" || exit 2
  STARTING=$SECONDS
  "$PYTHON" -m elbo_compare doctor >"$OUT/doctor.txt" 2>&1 || say "doctor: $(tail -n 1 "$OUT/doctor.txt")"
  STARTING=$((SECONDS - STARTING))
  say "doctor: $(grep -m 1 '^GPU' "$OUT/doctor.txt")"
  everything
  [ ! -d "$WORK/claims" ] || part judging "$(smaller 40 "$(left)")" "$PYTHON" -m elbo_compare judge "$WORK/claims"
  grep -hE '^(Cells|Verdicts):' "$WORK/part.log" | while read -r line; do say "$line"; done
  TRY=2
  [ "$(left)" -lt $((PAGES + 20)) ] || everything # what was cut gets what others left
  [ ! -d "$WORK/bench" ] || part "bench's page" "$(left)" "$PYTHON" -m elbo_compare bench --draw -o "$WORK/bench"
  [ ! -d "$WORK/claims" ] || part "claims' page" "$(left)" "$PYTHON" -m elbo_compare report "$WORK/claims" \
    --single-file
  pack
  say "ended; see docs/gpu.md for what to do with $(ls "$OUT" | wc -l) files of $(du -sk "$OUT" | cut -f 1) KiB"
}

day
exit
