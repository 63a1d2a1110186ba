#!/usr/bin/env bash
# Makes data.tar.gz anew: see README.md. LAUNCHER is the program that starts Apache Kafka and runs its tools.
set -euo pipefail
launcher=${TIDEMARK_TEST_KAFKA_TOOLS:?the launcher of Apache Kafka}
here=$(cd "$(dirname "$0")" && pwd)
port=${1:-19492}
"$launcher" start --port "$port" --heap 384M \
  --set offsets.topic.num.partitions=1 --set transaction.state.log.num.partitions=1 \
  --set log.cleaner.backoff.ms=100 --set log.cleaner.dedupe.buffer.size=2097152 --set log.initial.task.delay.ms=500
trap '"$launcher" stop' EXIT
data=$("$launcher" data)
java -cp "$("$launcher" classpath)" "$here/MakeData.java" "127.0.0.1:$port" 1
until grep -q '^compacted 0 [1-9]' "$data/cleaner-offset-checkpoint" 2>/dev/null; do sleep 0.2; done
"$launcher" stop
"$launcher" restart
java -cp "$("$launcher" classpath)" "$here/MakeData.java" "127.0.0.1:$port" 2
"$launcher" stop
trap - EXIT
# The lock file is empty and stands for nobody. Everything else is kept as it was left, to the byte.
tar -C "$data" --exclude=.lock --sort=name --owner=0 --group=0 --numeric-owner -czf "$here/data.tar.gz" .
