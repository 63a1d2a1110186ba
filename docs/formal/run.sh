#!/usr/bin/env bash
# run.sh mutants: every mutation must be caught. run.sh written: the page as written. run.sh repaired: the repaired rules, walks.
# run.sh search: exhaustive searches (15 min on two cores). Needs g++ and about 6 GB per search.
set -u
cd "$(dirname "$0")" || exit 2
bin=${BIN:-${TMPDIR:-/tmp}/replication-model}
[ -n "${BIN:-}" ] || g++ -O3 -march=native -std=c++17 -o "$bin" replication.cpp || exit 2
fix="fixTop=1 fixAnsEpoch=1 fixTruncSync=1 fixElrDead=1 fixMode=1 fixHold=1 fixDmgMode=1 fixStop=1 fixDmgRow=1 fixCutAll=1 fixShown=1 fixReach=1 fixReachDmg=1"
big="walk=1 depth=120 ep=6 rec=3 crash=3 power=2 fence=2 move=2 shrink=4 retry=1 secs=${SECS:-60}"
small="walk=1 rpc=1 ep=4 q=4 acks1=0 shrink=1 crash=2 power=1 fence=0 rec=1 secs=${SECS:-60}"
start="walk=1 rpc=1 depth=80 ep=6 q=4 rec=4 crash=1 power=0 fence=2 move=3 shrink=2 del=2 retry=0 acks1=0 secs=${SECS:-60}"
rot="walk=1 depth=100 ep=6 rec=3 crash=2 power=0 fence=2 move=2 shrink=3 rot=1 secs=${SECS:-60}"
moves="walk=1 rpc=1 depth=90 ep=7 q=4 rec=3 crash=2 power=1 fence=2 move=1 shrink=2 acks1=0 spare=1 reas=3 secs=${SECS:-60}"
caught=0 all=0
one() { local n=$1; shift; local r; r=$("$bin" "$@" | head -1); echo "$n: $r"; all=$((all + 1)); case $r in VIOLATION*) caught=$((caught + 1)) ;; esac; }
case ${1:-} in
mutants)
  for m in mTruncHw mExpandHw mHwDiverge mAppended mCommitted mAckEpoch mPendRemoval mWritten mNoGate mLastKeep; do one $m $big $fix $m=1; done
  for m in mBadRestart mBadRestartElr mAlterBe mStreamBe; do one $m $big $fix synced=0 timeout=0 $m=1; done
  for m in mElrKeep mDirect; do one $m $big $fix minch=1 $m=1; done
  for m in mLastLeader mLastIsrAny mDirId; do one $m $big $fix wipe=1 $m=1; done
  one mKeepEnds $big $fix crash=0 power=0 move=4 shrink=2 depth=100 mKeepEnds=1
  one mSticky $big $fix minisr=1 mSticky=1
  one mAnsAny $big $fix crash=0 power=0 move=0 ep=4 rec=2 shrink=3 depth=100 minisr=1 mAnsAny=1
  one mGen $big $fix async=1 mGen=1
  one mStart $start $fix mStart=1
  one mStartMem $start $fix crash=3 fence=0 move=4 rec=3 ep=7 depth=90 mStartMem=1
  for m in mDmgEpoch mDmgFirst mDmgElr; do one $m $rot $fix $m=1; done
  one mDmgPick $rot $fix fixDmgRow=0 mDmgPick=1
  one mReEpoch $moves $fix mReEpoch=1
  one mReSome $moves $fix power=0 move=0 wipe=1 mReSome=1
  one mReCancel $moves $fix depth=40 ep=5 rec=1 crash=0 power=0 move=0 shrink=0 reas=2 minisr=1 mReCancel=1
  echo "caught $caught of $all" ;;
written)
  one "9(3) answer of an earlier process life" $small depth=27 synced=0 timeout=0 fixTop=1 fixTruncSync=1 fixElrDead=1
  one "9(3) best answer not yet acceptable" $small depth=27 synced=0 timeout=0 fixAnsEpoch=1 fixTruncSync=1 fixElrDead=1
  one "9(3) 10 s in page-cache mode" $small depth=26 synced=0 timeout=1 fixTop=1 fixAnsEpoch=1 fixTruncSync=1 fixElrDead=1
  one "5.5 truncation not synced, log matching" $small $fix depth=40 rec=3 crash=0 fence=2 move=2 shrink=2 acks1=1 fixTruncSync=0
  one "5.5 truncation not synced, committed data" $small $fix depth=45 ep=5 rec=3 crash=0 fence=2 move=2 shrink=2 acks1=1 fixTruncSync=0 skip=7
  one "9(1) dead ELR member" $small depth=20 crash=3 heal=3 fixTop=1 fixAnsEpoch=1 fixTruncSync=1
  one "15.1(5) raised mode" $big $fix synced=0 raise=1 timeout=0 fixMode=0
  one "5.3 append before the log start is durable" $start $fix fixHold=0 skip=7
  one "5.3(6) a deleted record counts as cut" $start $fix fixStop=0
  one "15.7(3) known damage, chosen on an answer" $rot $fix fixDmgRow=0
  one "15.1(1) an unclean leader shows what it has not synced" $small $fix depth=60 ep=5 rec=2 crash=1 power=2 fence=2 shrink=3 acks1=1 unclean=1 minisr=1 fixShown=0
  one "9(3) ends below what another one has deleted" $small $fix depth=60 ep=5 rec=4 power=3 fence=2 shrink=2 del=2 synced=0 timeout=0 fixReach=0 ;;
repaired)
  for c in "wipe=1 minch=1 stop=1" "wipe=2 async=1" "minisr=1 minch=1 stop=1" "unclean=1 wipe=1" "synced=0 timeout=0 minch=1 stop=1" \
    "synced=0 timeout=0 wipe=1 unclean=1" "synced=0 timeout=0 minisr=1" "synced=0 raise=1 timeout=0" \
    "del=2 wipe=1" "del=2 rot=1 async=1" "rot=1 minch=1 stop=1" "synced=0 timeout=0 del=2" "del=2 unclean=1 rot=1 wipe=1" \
    "spare=1 reas=3" "spare=1 reas=3 minisr=1 stop=1" "reas=3 del=1" "spare=1 reas=3 wipe=1 rot=1" "spare=1 reas=3 unclean=1" "spare=1 reas=3 synced=0 timeout=0"; do one "$c" $big $fix heal=50 $c; done ;;
search)
  for c in "rpc=0 rec=1 acks1=0" "rpc=1 rec=2" "rpc=0 rec=1 acks1=0 synced=0 timeout=0" "rpc=1 rec=2 synced=0 timeout=0"; do
    c="$c ep=3 crash=1 power=1 fence=0 shrink=1 q=2"
    echo "$c"; "$bin" $c $fix heal=400 bits=27 secs=${SECS:-330} stats=0; done
  for c in "del=1" "rot=1"; do
    echo "$c"; "$bin" rpc=1 rec=1 ep=3 crash=1 power=0 fence=0 shrink=1 q=2 $c $fix heal=400 bits=25 secs=${SECS:-330} stats=0; done ;;
*) echo "run.sh mutants|written|repaired|search"; exit 2 ;;
esac
