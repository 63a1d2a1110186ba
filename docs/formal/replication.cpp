// Explicit-state model of one partition's replication. See README.md. One file, C++17, no dependencies.
// Rule numbers in comments are those of semantics.md.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>
#include <chrono>
typedef uint8_t u8; typedef uint64_t u64; typedef uint32_t u32;
constexpr int N = 3, L = 4, Q = 5, NONE = 3;

// ---------------------------------------------------------------- configuration
struct Cfg {
  int synced = 1, minisr = 2;                                    // durability mode, min ISR at the start
  int rec = 2, ep = 4, crash = 1, power = 1, wipe = 0, fence = 1, move = 0, unclean = 0, minch = 0, stop = 0, rpc = 0, raise = 0, async = 0, shrink = 2, q = 3;
  int retry = 0, acks1 = 1, timeout = 1, disk = 1, del = 0, rot = 0, spare = 0, reas = 0, tmin = 2;
    // repairs that were proposed (0 = the page as written)
  int fixElrDead = 0, fixAnsEpoch = 0, fixEpochCut = 0, fixTimeoutSynced = 0, fixTop = 0, fixTruncSync = 0, fixMode = 0, fixHold = 0, fixDmgMode = 0, fixStop = 0, fixDmgRow = 0, fixCutAll = 0, fixShown = 0, fixReach = 0, fixReachDmg = 0;
  // mutations: one known rule broken each
  int mTruncHw = 0, mExpandHw = 0, mHwDiverge = 0, mAppended = 0, mElrKeep = 0, mLastLeader = 0, mCommitted = 0, mBadRestart = 0,
      mBadRestartElr = 0, mAckEpoch = 0, mAlterBe = 0, mDirect = 0, mPendRemoval = 0, mWritten = 0, mKeepEnds = 0, mNoGate = 0,
      mLastIsrAny = 0, mDirId = 0, mSticky = 0, mGen = 0, mStreamBe = 0, mLastKeep = 0, mAnsAny = 0, mStart = 0, mStartMem = 0,
      mDmgEpoch = 0, mDmgFirst = 0, mDmgElr = 0, mDmgPick = 0, mReEpoch = 0, mReSome = 0, mReCancel = 0, mReLast = 0, mReDrop = 0;
  int maxStates = 0, secs = 840, heal = 0, bits = 28, walk = 0, depth = 150, seed = 1, stats = 1, strict = 0, skip = 0;
} C;
std::map<std::string, int *> keys;
bool healing = false;                                            // then a leader knows who is fenced (7(5)); else any knowledge, old or new
#define K(x) keys[#x] = &C.x
void initKeys() {
  K(synced);K(minisr);K(rec);K(ep);K(crash);K(power);K(wipe);K(fence);K(move);K(unclean);K(minch);K(stop);K(rpc);K(raise);K(async);K(shrink);K(q);K(retry);K(acks1);
  K(timeout);K(disk);K(fixElrDead);K(fixAnsEpoch);K(fixEpochCut);K(fixTimeoutSynced);K(fixTop);K(fixTruncSync);K(fixMode);
  K(mTruncHw);K(mExpandHw);K(mHwDiverge);K(mAppended);K(mElrKeep);K(mLastLeader);K(mCommitted);K(mBadRestart);K(mBadRestartElr);
  K(mAckEpoch);K(mAlterBe);K(mDirect);K(mPendRemoval);K(mWritten);K(mKeepEnds);K(mNoGate);K(mLastIsrAny);K(mDirId);K(mSticky);K(mGen);
  K(mStreamBe);K(mLastKeep);K(mAnsAny);K(del);K(rot);K(fixHold);K(fixStop);K(fixDmgRow);K(fixCutAll);K(fixDmgMode);K(mStart);K(mStartMem);K(mDmgEpoch);K(mDmgFirst);K(mDmgElr);K(mDmgPick);K(spare);K(reas);K(tmin);K(fixShown);K(fixReach);K(fixReachDmg);K(mReEpoch);K(mReSome);K(mReCancel);K(mReLast);K(mReDrop);
  K(maxStates);K(secs);K(heal);K(bits);K(walk);K(depth);K(seed);K(stats);K(strict);K(skip);
}

// ---------------------------------------------------------------- state: bytes below 16 only, so that it packs into nibbles
struct Img { u8 leader, lep, pe, isr, mn, uep, mode, elr, dmg, reps, recov, be[N]; };          // what a broker learns from one metadata record
struct Br {
  u8 up, marker, dir, leo, log[L], syn, hw, tailE, stop, dleo, sy, dlog[L];  // dlog: image on stable storage
  u8 base, ls, dls, need;                                        // first record that is there, log start, durable one; need: 5.3(9), 1 + log start to wait for
  u8 rot, found, rep;                                            // 15.7: 1 + offset of bad bytes, known here, cut and not in sync again
  Img img; u8 pos;                                               // applied metadata: own image, position in the queue
  u8 be, gen, wait, eStart, pend, pendPe, sticky, tries;              // wait: records whose acks=all answer is parked here
  u8 fEnd[N], fBe[N], fGen[N], fMax[N], fLs[N];                          // the leader's view of each follower; 0 unknown, else 1 + offset
};
struct Req { u8 kind, dst, lep, gen, be, rf, le, app, mode, ls; };         // 1 fetch, 2 report of appendedTo alone
struct Resp { u8 kind, src, lep, gen, at, val, hw, dE, dEnd, ls; };  // 1 no data, 3 data, 2 diverging, 4 out of range
struct Ap { u8 on, lep, pe, be, isr, bes[N]; };
struct An { u8 on, lep, pe, need, isr; };
struct Ctl {
  u8 leader, lep, pe, isr, mn, uep, mode, reps, adding, removing, recov, be[N], fenced, elr, last, dmg, ldir[N], dir[N], ans, ansD, ansE[N], ansL[N], ansBe[N], ansS[N], prevIsr, lastLeader;
};
struct S {
  Br b[N]; Req rq[N]; Resp rs[N]; Ap ap[N][2]; An an[N]; Ctl c; u8 qn; Img q[Q];
  u8 nv, vOff[8], vEp[8], seenEp[8], acked, lost, dur;  // dur: first seen while its leader counted synced ends
                 // seenEp: leader epoch in which the record first was below a leader's HW
  u8 gone[8], bad, everUnclean, crash, power, wipe, fence, move, unclean, minch, stop, shrink, del, delTo, rot, reas;  // delTo: greatest log start that was ever ordered
};
static_assert(sizeof(S) == sizeof(u8) * sizeof(S), "bytes");
int pc(int m) { return __builtin_popcount(m); }
const char *BAD[] = {"", "RE1 two records at one (offset, epoch)", "RE13 acknowledged record not in the log", "5.3(6) stopped without loss",
  "RE6/I1/I5 leader lacks a committed record", "RE3/I3 committed prefixes differ", "I4 high watermark above an ISR member's end",
  "RE4 log matching", "RE6 no copy left in ISR, ELR, lastIsr", "RE15 no leader though a replica is acceptable", "RE15 does not settle",
  "RE15 healed, but not all in sync", "ST10 synced end not backed by synced bytes"};

// ---------------------------------------------------------------- helpers
int effMin(const Ctl &c) { return std::min<int>(c.mn, pc(c.reps & ~c.adding)); }   // of the replicas before a reassignment; brokers learn the effective one
int endOf(const S &s, int b) { return (s.b[b].up ? s.b[b].img.mode : s.c.mode) && !C.mWritten ? s.b[b].syn : s.b[b].leo; }
int epv(const S &s, int v) { return s.vEp[v]; }
int latestE(const S &s, int b) { const Br &x = s.b[b]; return x.tailE ? x.tailE : x.leo > x.dls ? epv(s, x.log[x.leo - 1]) : 0; }
// 5.1(3). e = -1: undefined. The cache is the batches plus at most one entry without a batch, at LEO (5.1(2), (4)).
void endOffsetFor(const S &s, int b, int E, int &e, int &end) {
  const Br &x = s.b[b]; int es[L + 1], st[L + 1], n = 0;
  for (int o = x.dls; o < x.leo; o++) { int v = epv(s, x.log[o]); if (!n || v > es[n - 1]) { es[n] = v; st[n++] = o; } }
  if (x.tailE && (!n || x.tailE > es[n - 1])) { es[n] = x.tailE; st[n++] = x.leo; }
  e = -1; end = 0; if (!n) return;
  if (es[n - 1] == E) { e = E; end = x.leo; return; }
  int i = 0; while (i < n && es[i] <= E) i++;
  if (i == n) return;
  if (i == 0) { e = E; end = st[0]; return; }
  e = es[i - 1]; end = st[i];
}
bool isLeader(const S &s, int b) { return s.b[b].up && s.b[b].img.leader == b && !s.b[b].stop; }

void seen(S &s, int b) {                                         // records below a leader's HW may have been read
  Br &x = s.b[b];
  for (int o = x.ls; o < x.hw; o++) { int v = x.log[o]; if (!s.seenEp[v]) { s.seenEp[v] = x.img.lep; if (x.img.mode) s.dur |= 1 << v; if (x.img.lep < s.everUnclean) s.lost |= 1 << v; } }   // who has not heard of an unclean choice goes on for nobody
  for (int v = 0; v < s.nv; v++) if ((x.wait >> v & 1) && s.vOff[v] < x.hw) {
    if (s.vOff[v] >= x.ls && x.log[s.vOff[v]] != v) s.bad = 2;
    s.acked |= 1 << v; x.wait &= ~(1 << v);
  }
}
void hwm(S &s, int b) {                                          // section 6
  if (!isLeader(s, b)) return;
  Br &x = s.b[b];
  if (!C.mNoGate && pc(x.img.isr) < x.img.mn) { seen(s, b); return; }
  int h = endOf(s, b), m = C.mPendRemoval && x.pend ? x.pend : (x.img.isr | x.pend | x.sticky);
  for (int f = 0; f < N; f++) if (f != b && (m >> f & 1)) { if (!x.fEnd[f]) { h = 0; break; } h = std::min(h, x.fEnd[f] - 1); }
  if (h > x.hw) x.hw = h;
  seen(s, b);
}
bool push(S &s) {                                                // one metadata record
  if (s.qn >= C.q || s.qn >= Q) return false;
  Img &g = s.q[s.qn++]; g.leader = s.c.leader; g.lep = s.c.lep; g.pe = s.c.pe; g.isr = s.c.isr; g.mn = effMin(s.c); g.uep = s.c.uep; g.mode = s.c.mode; g.dmg = s.c.dmg; g.reps = s.c.reps; g.recov = s.c.recov; if (C.rot) g.elr = s.c.elr;
  memcpy(g.be, s.c.be, N); return true;
}
void setIsr(S &s, int isr, int unclean) {                        // 9(5)
  Ctl &c = s.c; int old = c.isr; c.isr = isr; c.dmg &= ~(isr & ~old);
  if (pc(isr) < effMin(c)) {
    c.elr = (c.elr | old) & (C.mReLast ? 7 : c.reps) & ~isr & ~unclean;
    if (C.mLastIsrAny && isr) { c.last = isr; for (int i = 0; i < N; i++) c.ldir[i] = c.last >> i & 1 ? c.dir[i] : 0; }
    else for (int i = 0; i < N; i++) if (isr >> i & 1) { c.last |= 1 << i; c.ldir[i] = c.dir[i]; }
  } else {
    c.elr = 0;
    if (!C.mLastKeep) { c.last = isr; for (int i = 0; i < N; i++) c.ldir[i] = c.last >> i & 1 ? c.dir[i] : 0; }
  }
}
void clearAns(S &s) { s.c.ans = s.c.ansD = 0; memset(s.c.ansE, 0, 4 * N); }
void newLeader(S &s, int x) { if (x != s.c.leader) { s.c.leader = x; s.c.lep++; clearAns(s); } if (x != NONE) s.c.lastLeader = x; }
bool acc(const S &s, int b) { return !(s.c.fenced >> b & 1); }
// 9(1) without lastIsr. Returns one result per lawful choice: a superset of "first in assignment order".
void elect(const S &s, const std::function<void(S)> &k) {
  const Ctl &c = s.c;
  if (c.leader != NONE && (c.isr >> c.leader & 1) && acc(s, c.leader)) { k(s); return; }
  int cand = 0;
  for (int i = 0; i < N; i++) if ((c.isr >> i & 1) && acc(s, i)) cand |= 1 << i;
  if (cand) { for (int i = 0; i < N; i++) if (cand >> i & 1) { S t = s; newLeader(t, i); k(t); } return; }
  if (!c.isr) for (int i = 0; i < N; i++) if ((c.elr >> i & 1) && acc(s, i)) cand |= 1 << i;
  if (cand) { for (int i = 0; i < N; i++) if (cand >> i & 1) { S t = s; newLeader(t, i); setIsr(t, 1 << i, 0); k(t); } return; }
  S t = s; newLeader(t, NONE); k(t);
}
// 13(6), decision 0029. The reassignment ends inside the command that brings the last target into the ISR; a new leader epoch where a replica goes, 7(8)
void place(S s, int reps, int adding, int removing, const std::function<void(S)> &k) {
  Ctl &c = s.c; int l0 = c.lep; bool shrunk = c.reps & ~reps; int isr = c.isr & reps;
  c.reps = reps; c.adding = adding; c.removing = removing;
  if (!C.mReLast) { c.elr &= reps; c.last &= reps; for (int i = 0; i < N; i++) if (!(c.last >> i & 1)) c.ldir[i] = 0; }
  setIsr(s, isr, 0); c.elr &= C.mReLast ? 7 : reps;
  elect(s, [&](S t) { if (shrunk && t.c.lep == l0 && !C.mReEpoch) { t.c.lep++; clearAns(t); } k(t); });
}
void finish(const S &s, int l0, const std::function<void(S)> &k) {   // l0: leader epoch before the command, in which it rises once
  int target = s.c.reps & ~s.c.removing; bool on = s.c.adding | s.c.removing;
  bool there = C.mReSome ? (target & s.c.isr & ~(s.c.leader == NONE ? 0 : 1 << s.c.leader)) != 0 : !(target & ~s.c.isr);
  if (!on || s.c.recov || !there) { k(s); return; }
  place(s, target, 0, 0, [&](S t) { if (t.c.lep > l0 + 1) t.c.lep = l0 + 1; k(t); });
}
bool dirOk(const S &s, int i) { return C.mDirId || s.c.ldir[i] == s.c.dir[i]; }
bool has(const S &s, int i, int v) { const Br &x = s.b[i]; int o = s.vOff[v]; return o >= x.base && o < x.leo && x.log[o] == v && (x.rot != o + 1 || o < s.delTo); }
// What was ordered to be deleted is in good hands where it durably is.
bool keeps(const S &s, int i, int v) { return has(s, i, v) || (s.vOff[v] < s.delTo && s.vOff[v] < s.b[i].dls); }
int holders(const S &s, int v) { int m = 0; for (int i = 0; i < N; i++) if (keeps(s, i, v)) m |= 1 << i; return m; }
int pool(const S &s) { int m = s.c.isr | s.c.elr; for (int i = 0; i < N; i++) if ((s.c.last >> i & 1) && s.c.ldir[i] == s.b[i].dir) m |= 1 << i; return m; }
// A fault that destroys the last copy on any member of ISR, ELR or lastIsr (old directory) is an allowed loss (testing.md 3.2).
// strict=0: ... or so is one for which as many counted copies were destroyed as min ISR promises (9(5)).
void markLost(const S &old, S &s, int b, bool wipe) {
  for (int v = 0; v < s.nv; v++) {
    bool had = holders(old, v) >> b & 1, has = holders(s, v) >> b & 1;
    if (!had || has) continue;
    if (!wipe && (C.synced || (s.dur >> v & 1))) continue;       // in a synced mode no power failure is an excuse
    if (!(holders(s, v) & pool(s))) s.lost |= 1 << v;
    if (!C.strict && (!wipe || !C.synced || s.vOff[v] < old.b[b].syn)) { if (s.gone[v] < 3) s.gone[v]++; if (s.gone[v] >= (C.minch ? 1 : C.reas ? std::min(C.minisr, C.tmin) : C.minisr)) s.lost |= 1 << v; }
  }
}
void restart(S &s, int b, int x) {                               // 5.3(5), 5.3(8): all goes, durably
  Br &r = s.b[b]; memset(r.log, 0, L); memset(r.dlog, 0, L); r.leo = r.syn = r.dleo = r.hw = r.base = r.ls = r.dls = x; r.tailE = r.sy = r.rot = r.found = r.need = 0; r.gen++;
}
void raise(S &s, int b) {                                        // the log start is durable; only then the epoch cache is cut, 5.1(4)
  Br &r = s.b[b]; if (r.dls >= r.ls) return;
  r.dls = r.ls; if (r.dls == r.leo && !r.tailE) r.tailE = epv(s, r.log[r.leo - 1]);
  if (r.rot && r.rot <= r.dls) r.rot = r.found = 0;
}
void cut(S &s, int b, int x) {                                   // 5.5
  if (x < s.b[b].ls + C.fixCutAll) { restart(s, b, x); return; }  // at the log start too: below may lie what was deleted, of later epochs
  Br &r = s.b[b]; r.need = 0; if (r.rot > x) r.rot = r.found = 0;
  for (int o = x; o < r.leo; o++) r.log[o] = 0;
  r.leo = x; r.tailE = 0; r.hw = std::min<int>(r.hw, x); r.syn = std::min<int>(r.syn, x); if (!C.mGen) { r.gen++; r.sy = 0; } else if (r.sy) r.sy |= 8;   // a sync begun before counts for nothing
  if (C.fixTruncSync && r.dleo > x) { for (int o = x; o < L; o++) r.dlog[o] = 0; r.dleo = x; }
}
void truncateTo(S &s, int b, int x, bool parts = false) {        // 5.3(6)
  Br &r = s.b[b];
  bool unclean = r.img.uep > latestE(s, b);
  if (C.fixStop && parts && x < r.ls && r.hw <= r.ls && !unclean) { restart(s, b, r.ls); return; }   // nothing that may be read goes
  if (x < r.hw && !unclean) { r.stop = 1; if (!s.lost && !s.everUnclean) s.bad = 3; return; }
  cut(s, b, x);
}
void dead(S &s, int b) {                                         // volatile state goes
  Br &x = s.b[b]; x.up = 0; x.stop = 0; x.sy = 0; memset(&x.img, 0, sizeof x.img); x.pos = 0; x.ls = x.dls; x.need = x.found = 0; x.gen = x.wait = x.eStart = x.pend = x.pendPe = x.sticky = x.tries = 0;
  memset(x.fEnd, 0, 5 * N); memset(&s.rs[b], 0, sizeof(Resp)); memset(&s.an[b], 0, sizeof(An));
}

// ---------------------------------------------------------------- actions
enum { INIT, APPEND, SYNC, FETCH, REPORT, REQ, RESP, APPLY, PROPOSE, RETRY, CTLAP, ANS, CRASH, POWER, STOP, WIPE, START, FENCE, UNFENCE, MOVE,
       SETMIN, LASTASK, LASTCHOOSE, UNCLEAN, DELETE, RAISE, ROT, FIND, DMG, REPAIR, REASSIGN, CANCEL, NACT };
const char *NAME[] = {"init", "append", "sync", "fetch", "report", "leader-handles", "follower-handles", "apply-metadata", "propose", "retry",
  "controller-AlterPartition", "leader-handles-refusal", "crash", "power-failure", "clean-stop", "wipe", "start+register", "fence", "unfence",
  "move-leader", "set-min", "lastIsr-answer", "lastIsr-choose", "unclean-choose", "delete-records",
  "log-start-durable", "bit-rot", "damage-found", "controller-damage", "cut-at-damage", "reassign", "cancel"};
struct Act { u8 t, a, b, x; };
typedef std::function<void(const S &, Act)> Emit;

void norm(S &s) {
  for (int i = 0; i < N; i++) {                                  // messages nobody can use any more
    Req &r = s.rq[i];
    if (r.kind && (!s.b[r.dst].up || s.b[r.dst].img.lep > r.lep)) memset(&r, 0, sizeof r);
    Resp &p = s.rs[i];
    if (p.kind && (p.lep != s.b[i].img.lep || p.gen != s.b[i].gen || p.at != s.b[i].leo)) memset(&p, 0, sizeof p);
    for (int k = 0; k < 2; k++) { Ap &a = s.ap[i][k]; if (a.on && (a.lep != s.c.lep || a.pe != s.c.pe) && !C.mAlterBe) memset(&a, 0, sizeof a); }
    if (!s.ap[i][0].on && s.ap[i][1].on) std::swap(s.ap[i][0], s.ap[i][1]);
    An &n = s.an[i]; if (n.on && (n.lep != s.b[i].img.lep || n.pe < s.b[i].img.pe || (s.b[i].pend && n.isr != s.b[i].pend && !C.mAnsAny) || (!s.b[i].pend && !C.mAnsAny))) memset(&n, 0, sizeof n);
  }
  int m = s.qn; for (int i = 0; i < N; i++) if (s.b[i].up) m = std::min<int>(m, s.b[i].pos);
  if (m) {
    for (int i = 0; i + m < s.qn; i++) s.q[i] = s.q[i + m];
    for (int i = s.qn - m; i < s.qn; i++) memset(&s.q[i], 0, sizeof(Img));
    s.qn -= m; for (int i = 0; i < N; i++) { if (s.b[i].up) s.b[i].pos -= m; if (s.an[i].on) s.an[i].need -= std::min<int>(m, s.an[i].need); }
  }
  if (!C.mCommitted) s.c.prevIsr = 0; else { bool lag = false; for (int i = 0; i < N; i++) if (s.b[i].up && s.b[i].pos < s.qn) lag = true; if (!lag) s.c.prevIsr = 0; }
  if (!C.mLastLeader) s.c.lastLeader = 0;
  int d = 12 - s.c.pe;                                           // partition epochs only as differences
  if (d) {
    auto f = [&](u8 &x) { if (x) { int y = x + d; x = y < 1 ? 1 : y; } };
    f(s.c.pe); for (int i = 0; i < s.qn; i++) f(s.q[i].pe);
    for (int i = 0; i < N; i++) { if (s.b[i].up) f(s.b[i].img.pe); f(s.b[i].pendPe); for (int k = 0; k < 2; k++) f(s.ap[i][k].pe); f(s.an[i].pe); }
  }
}
void invariants(S &s) {
  if (s.bad) return;
  for (int b = 0; b < N; b++) {
    const Br &x = s.b[b];
    if (x.up && x.img.leader == b) for (int v = 0; v < s.nv; v++)
      if (s.seenEp[v] && s.seenEp[v] <= x.img.lep && !(s.lost >> v & 1) && !has(s, b, v) && !(s.vOff[v] < s.delTo && s.vOff[v] < x.ls) && !(x.rot == s.vOff[v] + 1 && x.log[s.vOff[v]] == v)) { s.bad = 4; return; }
    if (C.synced || C.raise) for (int o = x.base; o < x.syn; o++) if (o >= x.dleo || x.log[o] != x.dlog[o]) { s.bad = 12; return; }
    for (int d = b + 1; d < N; d++) {
      const Br &y = s.b[d]; int h = std::min(x.hw, y.hw), n = std::min(x.leo, y.leo);
      for (int o = std::max(x.ls, y.ls); o < h; o++) if (x.log[o] != y.log[o] && !(s.lost >> x.log[o] & 1) && !(s.lost >> y.log[o] & 1)) { s.bad = 5; return; }
      for (int o = n - 1; o > std::max(x.dls, y.dls); o--) if (x.log[o] == y.log[o] && x.log[o - 1] != y.log[o - 1]) { if (C.skip == 7) continue; s.bad = 7; return; }
    }
  }
  int l = s.c.leader;
  if (l != NONE && s.b[l].up && s.b[l].img.leader == l && s.b[l].img.lep == s.c.lep) for (int f = 0; f < N; f++)
    if (f != l && (s.c.isr >> f & 1) && s.b[f].up && s.b[f].be == s.c.be[f]) {
      int h = s.b[l].hw, from = std::max(s.b[l].ls, s.b[f].dls); bool ok = (C.raise ? s.b[f].leo : endOf(s, f)) >= h;
      if (C.raise) for (int o = from; o < h && ok; o++) if ((s.dur >> s.b[l].log[o] & 1) && o >= s.b[f].syn) ok = false;
      for (int o = from; o < h && ok; o++) if (s.b[f].log[o] != s.b[l].log[o]) ok = false;
      if (!ok) { bool ex = false; for (int o = from; o < h; o++) if (s.lost >> s.b[l].log[o] & 1) ex = true; if (!ex) { s.bad = 6; return; } }
    }
  int p = pool(s);
  int must = 0; for (int v = 0; v < s.nv; v++) if (s.seenEp[v] && !(s.lost >> v & 1)) must |= 1 << v;
  if (C.reas && must && !p) s.bad = 8;                           // a reassignment leaves nobody to count on
  if (must && p) { bool any = false; for (int i = 0; i < N; i++) if (p >> i & 1) { bool all = true; for (int v = 0; v < s.nv; v++) if ((must >> v & 1) && !(holders(s, v) >> i & 1)) all = false; any |= all; }
    // page-cache: a tail lost on one and bytes gone bad on another may leave nobody with everything
    bool ill = false; int together = 0; for (int i = 0; i < N; i++) if (p >> i & 1) ill |= s.b[i].rot || s.b[i].rep;
    for (int v = 0; v < s.nv; v++) if (holders(s, v) & p) together |= 1 << v;
    if (!any && !(ill && !s.c.mode && !(must & ~together))) s.bad = 8; }
}

void handleReq(S &t, int b) {                                    // 5.2, 5.4: the leader reads b's request
  Req r = t.rq[b]; int ld = r.dst; if (C.fixMode && t.b[ld].img.mode && !r.mode) r.app = 0; memset(&t.rq[b], 0, sizeof(Req)); Br &y = t.b[ld]; const Br &x = t.b[b];
  bool ok = isLeader(t, ld) && (y.img.reps >> b & 1) && r.be >= y.img.be[b] && r.be >= y.fBe[b];
  bool fresh = r.be > y.fBe[b] || r.gen > y.fGen[b] || !y.fMax[b];
  if (ok && r.be == y.fBe[b] && r.gen < y.fGen[b]) ok = false;
  if (ok && r.kind == 1) {
    if (C.mAppended) { y.fEnd[b] = 1 + std::min<int>(r.app, y.leo); hwm(t, ld); }
    int e = 0, end = 0; bool div = false, range = r.rf < y.ls; int hw0 = y.hw;
    if (r.le && !range) { endOffsetFor(t, ld, r.le, e, end); if (e < 0) range = true; else div = e < r.le || end < r.rf; }
    if (!div && r.rf > y.leo) range = true;
    Resp &p = t.rs[b];
    if (range || (div && C.mTruncHw != 2)) {
      if (fresh) { y.fGen[b] = r.gen; y.fMax[b] = 0; if (!C.mAppended && r.be > y.fBe[b]) y.fBe[b] = 0; }
      if (range) p = {4, (u8)ld, r.lep, r.gen, r.rf, 0, 0, 0, y.leo, y.ls}; else p = {2, (u8)ld, r.lep, r.gen, r.rf, 0, (u8)hw0, (u8)e, (u8)end, 0};
    } else {
      if (fresh) { y.fMax[b] = 1 + r.rf; y.fGen[b] = r.gen; y.fBe[b] = r.be; }
      u8 val = 0, has = r.rf < y.leo && y.rot != r.rf + 1; if (has) val = y.log[r.rf];   // 5.3(7): bad bytes are not taken
      y.fMax[b] = std::max<int>(y.fMax[b], 1 + r.rf + has);
      y.fEnd[b] = 1 + std::min<int>(r.app, y.fMax[b] - 1);
      y.fLs[b] = 1 + r.ls;
      p = {(u8)(has ? 3 : 1), (u8)ld, r.lep, r.gen, r.rf, val, (u8)hw0, 0, 0, y.ls};
      hwm(t, ld);
    }
  } else if (ok && r.kind == 2) {
    if (C.mAppended) y.fEnd[b] = 1 + std::min<int>(r.app, y.leo);
    else if (r.be == y.fBe[b] && r.gen == y.fGen[b] && y.fMax[b]) y.fLs[b] = 1 + r.ls, y.fEnd[b] = 1 + std::min<int>(r.app, y.fMax[b] - 1);
    hwm(t, ld);
  }
  if (!x.up || x.be != r.be) memset(&t.rs[b], 0, sizeof(Resp)); // an answer dies with the connection it belongs to
}
void handleResp(S &t, int b) {                                   // 5.3: b takes the answer; it is for this epoch, generation and position
  Resp p = t.rs[b]; Br &y = t.b[b]; memset(&t.rs[b], 0, sizeof(Resp));
  if (p.kind == 4) {                                             // 5.3(5)
    if (p.dEnd < y.leo) truncateTo(t, b, p.dEnd); else if (p.ls > y.leo) restart(t, b, p.ls);
  } else if (p.kind != 2) {
    if (C.fixHold && !y.need) y.need = 1 + p.ls;                 // 5.3(9): of the first answer of a generation
    if (p.kind == 3 && y.leo < L && (!C.fixHold || y.dls + 1 >= y.need)) { y.log[y.leo++] = p.val; y.tailE = 0; }
    y.hw = std::max(y.ls, std::min(p.hw, y.leo));                // 3.2
    y.ls = std::max(y.ls, std::min(p.ls, y.hw));
  } else {
    if (C.mHwDiverge) y.hw = std::min(p.hw, y.leo);
    int e, end; endOffsetFor(t, b, p.dE, e, end);
    int to = e < 0 ? std::min<int>(p.dEnd, y.leo) : e == p.dE ? std::min<int>(std::min<int>(end, p.dEnd), y.leo) : std::min<int>(end, y.leo);
    truncateTo(t, b, to, true);
  }
}

void gen(const S &s, const Emit &out0) {
  Emit out = [&](const S &t0, Act a) { S t = t0; if (t.c.lep > C.ep) return; norm(t); invariants(t); out0(t, a); };
  const Ctl &c = s.c;
  for (int b = 0; b < N; b++) {
    const Br &x = s.b[b];
    if (isLeader(s, b)) {
      bool enough = pc(x.img.isr) >= x.img.mn;
      if (s.nv < C.rec && x.leo < L && (enough || C.acks1)) {    // 3.1; below min ISR only acks 1
        S t = s; Br &y = t.b[b]; int v = t.nv++; t.vOff[v] = y.leo; t.vEp[v] = y.img.lep;
        for (int w = 0; w < v; w++) if (t.vOff[w] == t.vOff[v] && t.vEp[w] == t.vEp[v]) t.bad = 1;
        y.log[y.leo++] = v; y.tailE = 0; if (enough) y.wait |= 1 << v;
        hwm(t, b); out(t, {APPEND, (u8)b, (u8)v, 0});
      }
      if (s.del < C.del) for (int to = x.ls + 1; to <= x.hw; to++) {   // 13(4); retention comes to the same
        S t = s; t.del++; t.b[b].ls = to; t.delTo = std::max<int>(t.delTo, to); out(t, {DELETE, (u8)b, (u8)to, 0});
      }
      // 7(4), 7(5), 7(6)
      if (!x.pend && !s.ap[b][1].on && (C.retry || !s.ap[b][0].on)) {
        auto prop = [&](int isr, int add, bool shr) {
          S t = s; Br &y = t.b[b]; y.pend = isr; y.pendPe = y.img.pe; y.tries = 1; if (shr) t.shrink++;
          Ap &a = t.ap[b][t.ap[b][0].on ? 1 : 0]; a.on = 1; a.lep = y.img.lep; a.pe = y.img.pe; a.be = y.be; a.isr = isr;
          for (int f = 0; f < N; f++) if (isr >> f & 1) a.bes[f] = f == b ? y.be : f == add && !C.mStreamBe ? y.fBe[f] : y.img.be[f];
          hwm(t, b); out(t, {PROPOSE, (u8)b, (u8)isr, 0});
        };
        if (s.shrink < C.shrink) for (int m = 0; m < 8; m++) if ((m & x.img.isr) == m && (m >> b & 1) && m != x.img.isr) prop(m, -1, true);
        for (int f = 0; f < N; f++) if ((x.img.reps >> f & 1) && !(x.img.isr >> f & 1) && x.fEnd[f] && x.fEnd[f] - 1 >= x.hw && (!healing || acc(s, f)) &&
            (C.mExpandHw || x.fEnd[f] - 1 >= x.eStart) && (C.mStreamBe || x.fBe[f] == x.img.be[f]) &&
            (C.mStart || (x.fLs[f] && x.fLs[f] - 1 >= x.ls))) prop(x.img.isr | 1 << f, f, false);
        if (x.sticky || x.img.recov) prop(x.img.isr, -1, false);
      }
      if (C.retry && x.pend && x.tries == 1 && s.ap[b][0].on && !s.ap[b][1].on && s.ap[b][0].pe == x.pendPe && s.ap[b][0].isr == x.pend) {
        S t = s; t.ap[b][1] = t.ap[b][0]; t.b[b].tries = 2; out(t, {RETRY, (u8)b, 0, 0});
      }
      if ((C.retry || healing) && x.pend && !s.ap[b][0].on && !s.an[b].on && s.c.lep == x.img.lep && s.c.pe == x.pendPe) {   // no answer came: again, unchanged
        S t = s; Br &y = t.b[b]; if (y.tries < 3) y.tries++; Ap &a = t.ap[b][0]; a.on = 1; a.lep = y.img.lep; a.pe = y.pendPe; a.be = y.be; a.isr = y.pend;
        for (int f = 0; f < N; f++) if (a.isr >> f & 1) a.bes[f] = f == b ? y.be : !(y.img.isr >> f & 1) ? y.fBe[f] : y.img.be[f];
        out(t, {RETRY, (u8)b, 1, 0});
      }
      if (s.an[b].on && x.pend && s.an[b].pe == x.pendPe && (s.an[b].isr == x.pend || C.mAnsAny) && x.pos >= s.an[b].need) {   // 7(7)
        S t = s; Br &y = t.b[b]; if (y.tries > 1 && !C.mSticky) y.sticky |= y.pend;   // another attempt is unanswered
        y.tries = 0;
        y.pend = y.pendPe = 0; memset(&t.an[b], 0, sizeof(An)); hwm(t, b); out(t, {ANS, (u8)b, 0, 0});
      }
    }
    if (x.up && (C.synced || C.raise) && !C.async && x.syn < x.leo) {
      S t = s; Br &y = t.b[b]; y.syn = y.dleo = y.leo; memcpy(y.dlog, y.log, L); hwm(t, b); out(t, {SYNC, (u8)b, 0, 0});
    }
    if (x.up && (C.synced || C.raise) && C.async && !x.sy && x.syn < x.leo) { S t = s; t.b[b].sy = x.leo; out(t, {SYNC, (u8)b, 1, 0}); }
    if (x.up && C.async && x.sy) {                                // it covers what was written before it began (15.1(3)), of this generation (5.5(2))
      S t = s; Br &y = t.b[b]; int e = std::min(y.sy & 7, (int)y.leo); bool stale = y.sy & 8; y.sy = 0; y.syn = std::max<int>(y.syn, e);
      if (!stale) { for (int o = 0; o < e; o++) y.dlog[o] = y.log[o]; y.dleo = std::max<int>(y.dleo, e); }
      hwm(t, b); out(t, {SYNC, (u8)b, 2, 0});
    }
    if (x.up && x.dls < x.ls) { S t = s; raise(t, b); out(t, {RAISE, (u8)b, 0, 0}); }
    // replication stream, 5.2 to 5.4
    int l = x.img.leader;
    if (x.up && !x.stop && l != NONE && l != b && (x.img.reps >> b & 1) && s.b[l].up && !((x.img.dmg >> b & 1) && x.rot) && (!s.rq[b].kind || s.rq[b].lep < x.img.lep)) {
      const Br &y = s.b[l]; bool same = (y.leo == x.leo || (x.leo < y.leo && y.rot == x.leo + 1)) && latestE(s, b) <= y.img.lep && x.leo >= y.ls && x.ls >= std::min(y.ls, x.hw) && (!C.fixHold || x.need);
      for (int o = std::max(x.dls, y.dls); o < x.leo; o++) if (x.log[o] != y.log[o]) same = false;
      int ls = C.mStartMem ? x.ls : x.dls;
      int ap = endOf(s, b);
      bool known = y.img.lep == x.img.lep && y.fBe[b] == x.be && y.fGen[b] == x.gen && y.fMax[b] && y.fEnd[b] == 1 + ap && y.fLs[b] == 1 + ls;
      if (!s.rs[b].kind && !(same && known && std::min(y.hw, x.leo) == x.hw)) {
        S t = s; t.rq[b] = {1, (u8)l, x.img.lep, x.gen, x.be, x.leo, (u8)latestE(s, b), (u8)ap, x.img.mode, (u8)ls};
        if (!C.rpc) out(t, {FETCH, (u8)b, 0, 0});
        else if (y.img.lep == x.img.lep) { handleReq(t, b); if (t.rs[b].kind) handleResp(t, b); out(t, {FETCH, (u8)b, 1, 0}); }
      }
      if (((x.img.mode && ap) || x.dls) && !known && !s.rq[b].kind && !C.rpc) {
        S t = s; t.rq[b] = {2, (u8)l, x.img.lep, x.gen, x.be, 0, 0, (u8)ap, x.img.mode, (u8)ls}; out(t, {REPORT, (u8)b, 0, 0});
      }
    }
    const Req &r = s.rq[b];
    if (r.kind && s.b[r.dst].up && s.b[r.dst].img.lep == r.lep) {
      S t = s; handleReq(t, b);
      out(t, {REQ, r.dst, (u8)b, r.kind});
    }
    const Resp &p = s.rs[b];
    if (p.kind && x.up && !x.stop) {                              // norm() dropped what is not for this epoch, generation, position
      S t = s; handleResp(t, b);
      out(t, {RESP, (u8)b, p.kind, 0});
    }
    // metadata, in order
    if (x.up && x.pos < s.qn) {
      S t = s; Br &y = t.b[b]; Img g = s.q[y.pos++], o = y.img; y.img = g;
      if (g.lep != o.lep) {
        if (!(g.leader == b && o.leader == b) && !C.mAckEpoch) y.wait = 0;
        if (!C.mKeepEnds) memset(y.fEnd, 0, 5 * N); else { memset(y.fBe, 0, 4 * N); }
        y.need = 0;
        y.pend = y.pendPe = y.sticky = y.tries = 0; y.gen = 0;
        if (g.leader == b) {
          y.eStart = y.leo; y.tailE = g.lep;
          if (C.fixShown && y.img.mode) y.hw = std::max(y.ls, std::min(y.hw, y.syn));   // 15.1(1): nothing is shown that is not synced here
          if (!y.stop) hwm(t, b);
        }
        else { y.eStart = 0; if (C.mTruncHw && g.leader != NONE) cut(t, b, y.hw); y.gen = 0; }
      } else if (g.pe > o.pe || g.mode != o.mode) { if (g.mode != o.mode && C.fixMode == 1) memset(y.fEnd, 0, N); if (g.pe > o.pe) y.pend = y.pendPe = y.sticky = y.tries = 0; hwm(t, b); }
      if (g.isr >> b & 1) y.rep = 0;
      bool here = g.reps >> b & 1; for (int i = y.pos; i < s.qn; i++) here |= s.q[i].reps >> b & 1;   // or placed here once more before it was deleted
      if (here) out(t, {APPLY, (u8)b, g.lep, g.leader});
      if (!(g.reps >> b & 1)) { y.stop = y.rep = 0; restart(t, b, 0); out(t, {APPLY, (u8)b, g.lep, 9}); }
    }
    // controller: AlterPartition on the working state
    for (int k = 0; k < 2; k++) if (s.ap[b][k].on) {
      if (k && !memcmp(&s.ap[b][0], &s.ap[b][1], sizeof(Ap))) continue;
      S t = s; Ap a = s.ap[b][k]; memset(&t.ap[b][k], 0, sizeof(Ap)); bool ok = true, stale = false;
      if (!C.mAlterBe && a.be != c.be[b]) stale = true;
      if (a.lep != c.lep || a.pe != c.pe || c.leader != b || (a.isr & ~c.reps)) stale = true;
      for (int f = 0; f < N; f++) if (a.isr >> f & 1) { if (!acc(s, f)) ok = false; if (!C.mAlterBe && a.bes[f] != c.be[f]) ok = false; }
      if (stale) { out(t, {CTLAP, (u8)b, a.isr, 0}); continue; }
      if (ok) {
        t.c.prevIsr = c.isr; t.c.pe++; t.c.recov = 0; setIsr(t, a.isr, 0);
        if (C.reas) { finish(t, c.lep, [&](S u) { if (push(u)) out(u, {CTLAP, (u8)b, a.isr, ok}); }); continue; }
        if (C.mDirect && t.b[b].up && t.b[b].img.lep == a.lep) {  // the answer taken for metadata
          Br &y = t.b[b]; y.img.isr = a.isr; y.img.pe = t.c.pe; y.pend = y.pendPe = y.sticky = y.tries = 0;
        }
        if (!push(t)) continue;
        if (C.mDirect) hwm(t, b);
      } else if (s.b[b].up && s.b[b].img.lep == a.lep) t.an[b] = {1, a.lep, a.pe, s.qn, a.isr};
      out(t, {CTLAP, (u8)b, a.isr, ok});
    }
    // faults
    if (x.up && s.crash < C.crash) { S t = s; t.crash++; t.b[b].marker = 0; dead(t, b); out(t, {CRASH, (u8)b, 0, 0}); }
    if (x.up && s.stop < C.stop) {
      S t = s; t.stop++; Br &y = t.b[b]; raise(t, b); y.syn = y.dleo = y.leo; memcpy(y.dlog, y.log, L); bool st = y.stop; dead(t, b); t.b[b].marker = !st;
      out(t, {STOP, (u8)b, 0, 0});
    }
    if (s.power < C.power && (x.up || x.syn < x.leo || x.dleo > x.leo || C.mGen)) {
      // every unsynced page is old or new, the size too (C.disk); else a prefix that has the synced part
      std::vector<std::vector<u8>> res;
      auto add = [&](std::vector<u8> v) { if (std::find(res.begin(), res.end(), v) == res.end()) res.push_back(v); };
      int sure = x.syn; if (C.mGen) { sure = 0; while (sure < x.leo && sure < x.dleo && x.log[sure] == x.dlog[sure]) sure++; }
      for (int n = sure; n <= x.leo; n++) add(std::vector<u8>(x.log, x.log + n));
      if (C.disk && x.dleo > sure) for (int sz = 0; sz < 2; sz++) { int n = sz ? x.leo : x.dleo;
        for (int m = 0; m < (1 << n); m++) { std::vector<u8> v; bool okk = true;
          for (int o = 0; o < n; o++) {
            if (o < sure) { v.push_back(x.log[o]); continue; }
            if (m >> o & 1) { if (o < x.leo) v.push_back(x.log[o]); else okk = false; } else { if (o < x.dleo) v.push_back(x.dlog[o]); else okk = false; }
            if (!okk) break;
            if (C.fixEpochCut && v.size() > 1 && epv(s, v.back()) < epv(s, v[v.size() - 2])) { v.pop_back(); break; }
          }
          add(v); } }
      for (auto &v : res) {
        S t = s; t.power++; Br &y = t.b[b]; y.marker = 0; y.tailE = 0; int h = y.hw; bool wasUp = y.up;
        memset(y.log, 0, L); for (size_t i = 0; i < v.size(); i++) y.log[i] = v[i];
        y.leo = v.size(); y.syn = y.dleo = c.mode ? y.leo : std::min<int>(y.syn, y.leo); memcpy(y.dlog, y.log, L); for (int o = y.dleo; o < L; o++) y.dlog[o] = 0;
        (void)wasUp; y.hw = std::min<int>(h, y.leo); if (y.rot > y.leo) y.rot = 0;
        if (y.leo < y.dls) restart(t, b, y.dls);                    // 4.2(7)
        dead(t, b); markLost(s, t, b, false); out(t, {POWER, (u8)b, y.leo, 0});
      }
    }
    if (!x.up && s.wipe < C.wipe) {
      S t = s; t.wipe++; Br &y = t.b[b]; int d = y.dir, be = y.be; memset(&y, 0, sizeof(Br)); y.dir = d + 1; y.be = be; markLost(s, t, b, true); out(t, {WIPE, (u8)b, 0, 0});
    }
    if (!x.up && (x.dir == c.dir[b] || !acc(s, b))) {             // 4.2, 9(4), 10.4(1): recover, register, all in one command
      // k: damage is found by this start. j: an emptied log still shows its last epoch
      for (int h = x.marker ? x.hw : x.dls; h <= x.hw; h++) for (int k = 0; k <= (x.rot && 1); k++) for (int j = 0; j <= (!x.marker && x.base < x.leo && x.dls == x.leo); j++) {
        S t = s; int known = 0; Br &y = t.b[b]; bool clean = y.marker && !C.mBadRestartElr, isClean = y.marker; y.marker = 0; y.up = 1; y.hw = h;
        if (!isClean) y.tailE = j ? epv(s, x.log[x.leo - 1]) : 0;
        if (k) y.found = 1;
        if (c.mode && !isClean) { y.syn = y.dleo = y.leo; memcpy(y.dlog, y.log, L); }
        Ctl &d = t.c; if (d.dir[b] != y.dir) d.dmg &= ~(1 << b);
        if (k) d.dmg |= 1 << b;
        known = d.dmg >> b & 1; d.be[b]++; y.be = d.be[b]; d.dir[b] = y.dir;
        if (C.fixAnsEpoch && (d.ans >> b & 1)) { d.ans &= ~(1 << b); d.ansE[b] = d.ansL[b] = d.ansBe[b] = d.ansS[b] = 0; d.ansD &= ~(1 << b); }
        if (C.mBadRestart) {
          d.pe++; if (!push(t)) continue;
          y.img = t.q[t.qn - 1]; y.pos = t.qn; if (y.img.leader == b) { y.eStart = y.leo; hwm(t, b); }
          out(t, {START, (u8)b, (u8)isClean, (u8)h}); continue;
        }
        if (C.mBadRestartElr) clean = true;
        d.fenced |= 1 << b;
        u8 i0 = d.isr, e0 = d.elr, l0 = d.leader;
        if (known) clean = false;
        setIsr(t, d.isr & ~(1 << b), clean ? 0 : 1 << b); if (!clean) t.c.elr &= ~(1 << b);
        // the partition epoch rises only if the partition's registration changes; the broker epoch reaches the others in any case
        elect(t, [&](S w) { finish(w, c.lep, [&](S u) { if (u.c.isr != i0 || u.c.elr != e0 || u.c.leader != l0 || u.c.reps != c.reps) u.c.pe++; if (!push(u)) return; Br &z = u.b[b]; z.img = u.q[u.qn - 1]; z.pos = u.qn;
          if (!(u.c.reps >> b & 1)) { z.rep = 0; restart(u, b, 0); }
          out(u, {START, (u8)b, (u8)isClean, (u8)h}); }); });
      }
    }
    if (acc(s, b) && (x.up ? s.fence < C.fence : true)) {         // 10.4(4): session loss
      S t = s; if (x.up) t.fence++; t.c.fenced |= 1 << b; bool part = (c.isr >> b & 1) || c.leader == b;
      t.c.prevIsr = c.isr; setIsr(t, c.isr & ~(1 << b), 0);
      elect(t, [&](S w) { finish(w, c.lep, [&](S u) { if (part || u.c.leader != c.leader || u.c.reps != c.reps) { u.c.pe++; if (!push(u)) return; } out(u, {FENCE, (u8)b, 0, 0}); }); });
    }
    if (!acc(s, b) && x.up && x.be == c.be[b] && !x.stop) {       // 10.4(3)
      S t = s; t.c.fenced &= ~(1 << b); u8 l0 = c.leader;
      elect(t, [&](S w) { finish(w, c.lep, [&](S u) { if (u.c.leader != l0 || u.c.isr != c.isr || u.c.reps != c.reps) { u.c.pe++; if (!push(u)) return; } out(u, {UNFENCE, (u8)b, 0, 0}); }); });
    }
    if (s.move < C.move && c.leader != NONE && b != c.leader && (c.isr >> b & 1 || (C.mCommitted && (c.prevIsr >> b & 1))) && acc(s, b)) {
      S t = s; t.move++; newLeader(t, b); t.c.pe++; if (push(t)) out(t, {MOVE, (u8)b, 0, 0});
    }
    // 9(3)
    int cand = c.isr | c.elr; bool blocked = true;
    for (int i = 0; i < N; i++) if ((cand >> i & 1) && acc(s, i)) blocked = false;
    int ill = c.ansD | (C.fixDmgRow ? c.dmg : 0);                // 15.7(3): the answer says so, or the controller knows
    bool open = c.leader == NONE && (cand == 0 || (C.fixElrDead && blocked && !c.isr && (C.synced || C.fixElrDead == 2)));
    if (open && !C.mLastLeader && (c.last >> b & 1) && dirOk(s, b) && x.up && x.be == c.be[b] && !x.stop && x.dir == c.dir[b] && !(c.ans >> b & 1)) {
      S t = s; t.c.ans |= 1 << b; t.c.ansE[b] = latestE(s, b); t.c.ansL[b] = x.leo; t.c.ansBe[b] = x.be; t.c.ansS[b] = x.ls; if ((x.found || x.rep) && !C.mDmgPick) t.c.ansD |= 1 << b; out(t, {LASTASK, (u8)b, 0, 0});
    }
    if (open && C.mLastLeader && b == c.lastLeader && acc(s, b)) {
      S t = s; newLeader(t, b); setIsr(t, 1 << b, 0); t.c.elr = 0; t.c.uep = t.c.lep; t.c.pe++; if (push(t)) out(t, {LASTCHOOSE, (u8)b, 0, 0});
    }
    if (open && !C.mLastLeader && (c.ans >> b & 1) && !(ill >> b & 1) && acc(s, b) && dirOk(s, b)) {
      bool all = true; for (int i = 0; i < N; i++) if ((c.last >> i & 1) && !(c.ans >> i & 1) && dirOk(s, i)) all = false;
      // decision 0037: who ends below a log start of another one, a damaged one too, has lost its tail. Among all, and once the 10 s are over among those that may lead
      int to1 = 0, to2 = 0; for (int i = 0; i < N; i++) if (C.fixReach && (c.ans >> i & 1) && (C.fixReachDmg || !(ill >> i & 1)) && dirOk(s, i)) { to1 = std::max<int>(to1, c.ansS[i]); if (acc(s, i)) to2 = std::max<int>(to2, c.ansS[i]); }
      bool best = c.ansL[b] >= to2, top = c.ansL[b] >= to1; for (int i = 0; i < N; i++) if (i != b && (c.ans >> i & 1) && !(ill >> i & 1) && dirOk(s, i) &&
        (c.ansE[i] > c.ansE[b] || (c.ansE[i] == c.ansE[b] && c.ansL[i] > c.ansL[b]))) { if (c.ansL[i] >= to1) top = false; if (acc(s, i) && c.ansL[i] >= to2) best = false; }
      bool to = C.timeout && !(C.fixTimeoutSynced && !C.synced);
      if ((all && (top || !C.fixTop) && (top || best)) || (to && best)) {
        S t = s; newLeader(t, b); setIsr(t, 1 << b, 0); t.c.elr = 0; t.c.uep = t.c.lep; t.c.recov = C.reas > 0; t.c.pe++;
        // page-cache: what no member of lastIsr still holds that is able to lead
        if (!c.mode) for (int v = 0; v < t.nv; v++) if (!keeps(t, b, v) && (holders(t, v) & ill & c.last)) t.lost |= 1 << v;
        if (push(t)) out(t, {LASTCHOOSE, (u8)b, 0, 0});
      }
    }
    if (c.leader == NONE && s.unclean < C.unclean && (c.reps >> b & 1) && x.up && x.be == c.be[b] && acc(s, b) && !x.stop) {
      bool best = true; for (int i = 0; i < N; i++) if (i != b && (c.reps >> i & 1) && s.b[i].up && s.b[i].be == c.be[i] && acc(s, i) &&
        (latestE(s, i) > latestE(s, b) || (latestE(s, i) == latestE(s, b) && s.b[i].leo > x.leo))) best = false;
      if (best) {
        S t = s; t.unclean++; newLeader(t, b); t.everUnclean = t.c.lep; setIsr(t, 1 << b, 0); t.c.elr = 0; t.c.last = 1 << b;
        for (int i = 0; i < N; i++) t.c.ldir[i] = i == b ? t.c.dir[i] : 0;
        t.c.uep = t.c.lep; t.c.recov = C.reas > 0; t.c.pe++;
        for (int v = 0; v < t.nv; v++) {
          if (!(holders(t, v) >> b & 1)) t.lost |= 1 << v;
          else if (c.mode && t.vOff[v] >= std::max(x.syn, x.dls) && has(t, b, v)) { t.seenEp[v] = 0; t.acked &= ~(1 << v); }   // until it is shown anew it may go with a power failure
        }
        if (push(t)) out(t, {UNCLEAN, (u8)b, 0, 0});
      }
    }
  }
  for (int b = 0; b < N; b++) {                                  // 15.7
    const Br &x = s.b[b];
    if (s.rot < C.rot) for (int o = std::max<int>(x.ls, s.delTo); o < (c.mode ? x.syn : x.leo); o++) {
      bool other = false; for (int i = 0; i < N; i++) other |= s.b[i].rot != 0; if (other) break;
      S t = s; t.rot++; t.b[b].rot = o + 1; markLost(s, t, b, true); out(t, {ROT, (u8)b, (u8)o, 0});
    }
    if (x.up && x.rot && !x.found) { S t = s; t.b[b].found = 1; out(t, {FIND, (u8)b, 0, 0}); }
    if (x.up && x.found && x.be == c.be[b] && (c.reps >> b & 1) && !(c.dmg >> b & 1)) {   // 15.7(2), reportDamage
      int copies = c.isr | c.elr; for (int i = 0; i < N; i++) if ((c.last >> i & 1) && dirOk(s, i) && !(c.dmg >> i & 1) && (C.synced || !C.fixDmgMode)) copies |= 1 << i;
      if (copies & ~(1 << b)) {
        S t = s; t.c.dmg |= 1 << b;
        if ((c.isr | c.elr) >> b & 1) {
          if (c.leader == b) t.c.leader = NONE;
          setIsr(t, c.isr & ~(1 << b), C.mDmgElr ? 0 : 1 << b); if (!C.mDmgElr) t.c.elr &= ~(1 << b);
        }
        elect(t, [&](S u) { if (u.c.lep == c.lep && (!C.mDmgEpoch || u.c.leader != c.leader)) { u.c.lep++; clearAns(u); } u.c.pe++; if (push(u)) out(u, {DMG, (u8)b, 0, 0}); });
      }
    }
    bool out0 = (x.img.dmg >> b & 1) && x.img.leader != NONE && x.img.leader != b && !((x.img.isr | (C.mDmgElr ? 0 : x.img.elr)) >> b & 1);
    if (x.up && x.found && !x.stop && (out0 || (C.mDmgFirst && x.img.leader != b))) {
      S t = s; int to = x.rot - 1; t.b[b].rep = 1; cut(t, b, to); out(t, {REPAIR, (u8)b, (u8)to, 0});
    }
  }
  if (s.reas < C.reas) {
    int origin = c.reps & ~c.adding, counts = c.isr | c.elr | c.last;
    for (int m = 1; m < 8; m++) if (pc(m) >= C.tmin) {
      bool ok = true; for (int i = 0; i < N; i++) if ((m & ~c.reps) >> i & 1) ok &= acc(s, i);
      int removing = c.reps & ~m & (C.mReDrop ? origin : origin | counts), all = m | removing, adding = all & ~origin;
      if (!ok || (all == c.reps && adding == c.adding && removing == c.removing)) continue;
      S t = s; t.reas++; place(t, all, adding, removing, [&](S w) { finish(w, c.lep, [&](S u) { u.c.pe++; if (push(u)) out(u, {REASSIGN, 9, (u8)m, 0}); }); });
    }
    bool may = C.mReCancel || !(c.reps & ~origin & counts) || pc(origin & c.isr) >= std::min<int>(c.mn, pc(origin));
    if ((c.adding | c.removing) && may) { S t = s; t.reas++; place(t, origin, 0, 0, [&](S u) { u.c.pe++; if (push(u)) out(u, {CANCEL, 9, 0, 0}); }); }
  }
  if (C.raise && !c.mode) {                                      // 15.1(5): the mode of a live topic is raised
    S t = s; t.c.mode = 1; if (push(t)) out(t, {SETMIN, 9, 0, 0});
  }
  if (s.minch < C.minch) for (int m = 1; m <= 2; m++) if (m != c.mn) {    // min ISR changed by a command, 9(5)
    S t = s; t.minch++; t.c.mn = m; t.c.prevIsr = c.isr;
    if (!C.mElrKeep) setIsr(t, c.isr, 0);
    t.c.pe++; if (push(t)) out(t, {SETMIN, (u8)m, 0, 0});
  }
}

// ---------------------------------------------------------------- symmetry, hashing, packing
int perms[6][3] = {{0,1,2},{0,2,1},{1,0,2},{1,2,0},{2,0,1},{2,1,0}}; u8 pm[6][8];
u8 pid(int k, u8 b) { return b == NONE ? NONE : perms[k][b]; }
void pImg(int k, const Img &a, Img &o, bool live) { o = a; if (!live) return; o.leader = pid(k, a.leader); o.isr = pm[k][a.isr]; o.reps = pm[k][a.reps]; o.elr = pm[k][a.elr]; o.dmg = pm[k][a.dmg]; for (int i = 0; i < N; i++) o.be[perms[k][i]] = a.be[i]; }
void permute(const S &s, S &t, int k) {
  t = s; const int *p = perms[k];
  for (int i = 0; i < N; i++) {
    Br &y = t.b[p[i]]; const Br &x = s.b[i]; y = x; if (x.up) pImg(k, x.img, y.img, true);
    y.pend = pm[k][x.pend]; y.sticky = pm[k][x.sticky];
    for (int f = 0; f < N; f++) { y.fEnd[p[f]] = x.fEnd[f]; y.fBe[p[f]] = x.fBe[f]; y.fGen[p[f]] = x.fGen[f]; y.fMax[p[f]] = x.fMax[f]; y.fLs[p[f]] = x.fLs[f]; }
    Req r = s.rq[i]; if (r.kind) r.dst = p[r.dst]; t.rq[p[i]] = r;
    Resp q = s.rs[i]; if (q.kind) q.src = p[q.src]; t.rs[p[i]] = q;
    for (int a = 0; a < 2; a++) { Ap m = s.ap[i][a]; if (m.on) { m.isr = pm[k][m.isr]; for (int f = 0; f < N; f++) m.bes[p[f]] = s.ap[i][a].bes[f]; } t.ap[p[i]][a] = m; }
    t.an[p[i]] = s.an[i]; if (s.an[i].on) t.an[p[i]].isr = pm[k][s.an[i].isr];
    t.c.be[p[i]] = s.c.be[i]; t.c.ldir[p[i]] = s.c.ldir[i]; t.c.dir[p[i]] = s.c.dir[i];
    t.c.ansE[p[i]] = s.c.ansE[i]; t.c.ansL[p[i]] = s.c.ansL[i]; t.c.ansBe[p[i]] = s.c.ansBe[i]; t.c.ansS[p[i]] = s.c.ansS[i];
  }
  t.c.leader = pid(k, s.c.leader); t.c.reps = pm[k][s.c.reps]; t.c.adding = pm[k][s.c.adding]; t.c.removing = pm[k][s.c.removing]; t.c.isr = pm[k][s.c.isr]; t.c.fenced = pm[k][s.c.fenced]; t.c.elr = pm[k][s.c.elr]; t.c.last = pm[k][s.c.last];
  t.c.ans = pm[k][s.c.ans]; t.c.ansD = pm[k][s.c.ansD]; t.c.dmg = pm[k][s.c.dmg]; t.c.prevIsr = pm[k][s.c.prevIsr]; if (C.mLastLeader) t.c.lastLeader = pid(k, s.c.lastLeader);
  for (int i = 0; i < s.qn; i++) pImg(k, s.q[i], t.q[i], true);
}
u64 hashB(const u8 *p, size_t n) {
  u64 h = 0x9E3779B97F4A7C15ull ^ n, w; size_t i = 0;
  for (; i + 8 <= n; i += 8) { memcpy(&w, p + i, 8); h = (h ^ w) * 0xff51afd7ed558ccdull; h ^= h >> 32; }
  w = 0; memcpy(&w, p + i, n - i); h = (h ^ w) * 0xc4ceb9fe1a85ec53ull; h ^= h >> 29; h *= 0xff51afd7ed558ccdull; h ^= h >> 32; return h ? h : 1;
}
// Brokers are interchangeable. They are ordered by a signature that no renaming changes; only ties need several permutations.
u64 fp(const S &s) {
  u64 sig[N], m = ~0ull; S t;
  for (int i = 0; i < N; i++) {
    const Br &x = s.b[i]; u8 w[64]; size_t n = offsetof(Br, img); memcpy(w, &x, n);
    u8 e[] = {x.img.lep, x.img.pe, x.pos, x.be, x.gen, x.wait, x.tries, s.rq[i].kind, s.rs[i].kind, s.ap[i][0].on, s.an[i].on,
      (u8)((s.c.reps >> i & 1) | (s.c.adding >> i & 1) << 1 | (s.c.removing >> i & 1) << 2), (u8)((s.c.isr >> i & 1) | (s.c.elr >> i & 1) << 1 | (s.c.last >> i & 1) << 2 | (s.c.fenced >> i & 1) << 3 | (s.c.leader == i) << 4 | (x.up && x.img.leader == i) << 5)};
    memcpy(w + n, e, sizeof e); sig[i] = hashB(w, n + sizeof e);
  }
  for (int k = 0; k < 6; k++) {
    u64 o[N]; for (int i = 0; i < N; i++) o[perms[k][i]] = sig[i];
    if (o[0] > o[1] || o[1] > o[2]) continue;
    permute(s, t, k); m = std::min(m, hashB((const u8 *)&t, sizeof t));
  }
  return m ? m : 1;
}
constexpr size_t PK = (sizeof(S) + 1) / 2;
void pack(const S &s, u8 *o) { const u8 *p = (const u8 *)&s; for (size_t i = 0; i < PK; i++) { u8 lo = p[2 * i], hi = 2 * i + 1 < sizeof(S) ? p[2 * i + 1] : 0;
  o[i] = (lo & 15) | hi << 4; if (lo > 15 || hi > 15) { fprintf(stderr, "byte over 15 at %zu\n", 2 * i); abort(); } } }
void unpack(const u8 *o, S &s) { u8 *p = (u8 *)&s; for (size_t i = 0; i < PK; i++) { p[2 * i] = o[i] & 15; if (2 * i + 1 < sizeof(S)) p[2 * i + 1] = o[i] >> 4; } }

// masks over values are wider than a nibble: at most four records keep them below 16
S initial() {
  S s; memset(&s, 0, sizeof s);
  Ctl &c = s.c; c.leader = 0; c.lep = 1; c.pe = 12; c.isr = c.last = c.reps = C.spare ? 3 : 7; c.mn = C.minisr; c.mode = C.synced; for (int i = 0; i < N; i++) c.be[i] = 1;
  for (int b = 0; b < N; b++) { Br &x = s.b[b]; x.up = 1; x.be = 1; x.img.leader = 0; x.img.lep = 1; x.img.pe = 12; x.img.isr = x.img.reps = c.reps; x.img.mn = effMin(c); x.img.mode = C.synced; memcpy(x.img.be, c.be, N); }
  s.b[0].tailE = 1; norm(s); return s;
}
std::string bits(int m) { std::string r = "{"; for (int i = 0; i < N; i++) if (m >> i & 1) { r += char('A' + i); } return r + "}"; }
std::string who(int b) { return b == NONE ? "-" : std::string(1, 'A' + b); }
void show(const S &s, Act a) {
  printf("%-26s %s %d %d | ctl e%d L%s isr%s elr%s last%s fen%s dmg%s reps%s+%s-%s min%d u%d", NAME[a.t], a.t == SETMIN || a.t == REASSIGN || a.t == CANCEL ? "" : who(a.a).c_str(), a.b, a.x, s.c.lep, who(s.c.leader).c_str(), bits(s.c.isr).c_str(),
    bits(s.c.elr).c_str(), bits(s.c.last).c_str(), bits(s.c.fenced).c_str(), bits(s.c.dmg).c_str(), bits(s.c.reps).c_str(), bits(s.c.adding).c_str(), bits(s.c.removing).c_str(), s.c.mn, s.c.uep);
  for (int b = 0; b < N; b++) { const Br &x = s.b[b]; printf(" | %c%s%s ", 'A' + b, x.up ? "" : x.marker ? " clean" : " down", x.stop ? " STOP" : "");
    if (x.dls) printf("[%d|%d]", x.ls, x.dls); else if (x.ls) printf("[%d]", x.ls);
    if (x.rot) printf("{rot %d%s}", x.rot - 1, x.found ? "!" : "");
    for (int o = x.base; o < x.leo; o++) printf("%c%d%s", 'p' + x.log[o], s.vEp[x.log[o]], o + 1 == x.syn ? "'" : ""); printf(" hw%d", x.hw);
    if (x.up) { printf(" e%d L%s isr%s", x.img.lep, who(x.img.leader).c_str(), bits(x.img.isr).c_str()); if (x.pend) printf(" pend%s", bits(x.pend).c_str()); if (x.sticky) printf(" sticky%s", bits(x.sticky).c_str()); } }
  printf(" | acked "); for (int v = 0; v < s.nv; v++) printf("%s%c", s.acked >> v & 1 ? "" : s.seenEp[v] ? "~" : "?", 'p' + v); printf(" lost%d\n", s.lost);
}

// ---------------------------------------------------------------- liveness: heal and look whether it settles
// core = 0: every broker comes back; else only that one member of the pool does.
int healCheck(const S &s0, int core, u32 seed, bool print) {
  S s = s0; std::mt19937 rng(seed); Cfg save = C; int res = 0;
  C.crash = C.power = C.wipe = C.fence = C.move = C.unclean = C.minch = C.stop = C.shrink = C.del = C.rot = 0; int reas = C.reas; C.rec = 0; C.retry = 0; if (core) { C.timeout = 1; C.fixTimeoutSynced = 0; } C.ep = 15; C.q = Q; C.acks1 = 0;
  s.crash = s.power = s.wipe = s.fence = s.move = s.unclean = s.minch = s.stop = s.shrink = s.del = s.rot = 0; s.reas = reas;
  if (core) for (int b = 0; b < N; b++) if (!(core >> b & 1) && s.b[b].up) { s.b[b].marker = 0; dead(s, b); }
  if (core) for (int b = 0; b < N; b++) if ((core >> b & 1) && (s.b[b].rot || s.b[b].rep || (s.c.dmg >> b & 1))) { C = save; return 0; }   // RE15: an undamaged one
  norm(s); if (s.c.lep > 8) { C = save; return 0; }
  for (int b = 0; b < N; b++) if (s.b[b].be > 9) { C = save; return 0; }
  int n = 0; std::vector<std::pair<S, Act>> v; healing = true;
  for (; n < 400; n++) {
    v.clear();
    gen(s, [&](const S &t, Act a) { if (a.t == START && core && !(core >> a.a & 1)) return; v.push_back({t, a}); v.back().first.bad = 0; });
    if (v.empty()) break;
    auto &p = v[rng() % v.size()]; s = p.first; if (print) show(s, p.second);
  }
  bool stopped = false; for (int b = 0; b < N; b++) stopped |= s.b[b].stop;
  bool ill = false; for (int b = 0; b < N; b++) ill |= s.b[b].rot || (s.c.dmg >> b & 1);   // 15.7(4): waits for an operator
  if (n == 400) res = 10;
  else if (!stopped && !ill) {
    bool possible = pool(s) != 0;
    if (core) possible = (pool(s) & core) != 0;
    if (!C.synced && s.c.elr && !((s.c.isr | s.c.elr) & core) && core) possible = false;   // page-cache: waits for the ELR member, lawfully
    if (s.c.leader == NONE) { if (possible) res = 9; }
    else if (!core) { int l = s.c.leader; if (s.c.isr != s.c.reps || s.c.adding || s.c.removing) res = 11; for (int b = 0; b < N; b++) if (s.c.reps >> b & 1) { if (s.b[b].leo != s.b[l].leo) res = 11; for (int o = std::max(s.b[b].ls, s.b[l].ls); o < s.b[l].leo; o++) if (s.b[b].log[o] != s.b[l].log[o]) res = 11; } if (s.b[l].hw != s.b[l].leo) res = 11; }
  }
  C = save; healing = false; return res;
}

// ---------------------------------------------------------------- breadth-first search
std::vector<u64> table; u64 mask; u64 count = 0;
std::vector<u32> parent; std::vector<u8> ord;
bool insert(u64 f) { u64 i = (f * 0x9E3779B97F4A7C15ull) >> 20 & mask; while (table[i]) { if (table[i] == f) return false; i = (i + 1) & mask; } table[i] = f; count++; return true; }
void trace(u32 idx, int lastOrd, bool withLast) {
  std::vector<u8> path; if (withLast) path.push_back(lastOrd);
  for (u32 i = idx; i; i = parent[i]) path.push_back(ord[i]);
  std::reverse(path.begin(), path.end());
  S s = initial(); show(s, {INIT, 0, 0, 0});
  for (int o : path) { int k = 0; S nx; Act na{}; gen(s, [&](const S &t, Act a) { if (k++ == o) { nx = t; na = a; } }); s = nx; show(s, na); }
}
double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
int main(int n, char **v) {
  initKeys();
  for (int i = 1; i < n; i++) { char *e = strchr(v[i], '='); if (!e) { fprintf(stderr, "key=value, not %s\n", v[i]); return 2; } std::string k(v[i], e - v[i]); if (!keys.count(k)) { fprintf(stderr, "unknown %s\n", k.c_str()); return 2; } *keys[k] = atoi(e + 1); }
  for (int k = 0; k < 6; k++) for (int m = 0; m < 8; m++) { int r = 0; for (int i = 0; i < N; i++) if (m >> i & 1) r |= 1 << perms[k][i]; pm[k][m] = r; }
  double t0 = now(); S s0 = initial();
  if (C.walk) {                                                  // random walks, deeper than the search reaches
    u64 steps = 0; std::mt19937_64 rng(C.seed); u64 w = 0; int deep = 0; u64 acts[NACT] = {0};
    for (; now() - t0 < C.secs; w++) {
      S s = s0; std::vector<int> path; std::vector<std::pair<S, Act>> nx;
      for (int d = 0; d < C.depth; d++) {
        nx.clear(); gen(s, [&](const S &t, Act a) { nx.push_back({t, a}); }); if (nx.empty()) break;
        // a kind of action first, then one of that kind: rare faults are not drowned
        u64 kinds = 0; for (auto &p : nx) kinds |= 1ull << p.second.t; int pick = rng() % __builtin_popcountll(kinds), kd = 0; for (;; kd++) if (kinds >> kd & 1) { if (!pick--) break; }
        bool fault = kd == CRASH || kd == POWER || kd == STOP || kd == WIPE || kd == FENCE || kd == UNCLEAN || kd == ROT || kd == REASSIGN || kd == CANCEL; if (fault && rng() % 3) { d--; if (__builtin_popcountll(kinds) > 1) continue; }
        std::vector<int> ix; for (size_t i = 0; i < nx.size(); i++) if (nx[i].second.t == kd) ix.push_back(i);
        int i = ix[rng() % ix.size()]; path.push_back(i); s = nx[i].first; acts[kd]++; steps++; deep = std::max(deep, d);
        int hb = 0, core = 0; u32 hs = rng();
        if (!s.bad && C.heal && rng() % C.heal == 0) { if (hs & 1) { int p = s.c.isr ? s.c.isr : s.c.elr ? s.c.elr : pool(s); std::vector<int> m; for (int q = 0; q < N; q++) if ((p >> q & 1) && s.b[q].dir == s.c.dir[q]) m.push_back(q); if (!m.empty()) core = 1 << m[(hs >> 3) % m.size()]; } hb = healCheck(s, core, hs, false); }
        if (s.bad || hb) {
          printf("VIOLATION %s after %d steps, walk %llu, %.1f s core %s\n", BAD[s.bad ? s.bad : hb], d + 1, (unsigned long long)w, now() - t0, bits(core).c_str());
          S t = s0; show(t, {INIT, 0, 0, 0}); for (int o : path) { int k = 0; S nn; Act na{}; gen(t, [&](const S &u, Act a) { if (k++ == o) { nn = u; na = a; } }); t = nn; show(t, na); }
          if (hb) { printf("-- heal\n"); healCheck(t, core, hs, true); }
          return 1;
        }
      }
    }
    printf("OK walks %llu steps %llu\n", (unsigned long long)w, (unsigned long long)steps); return 0;
  }
  table.assign(1ull << C.bits, 0); mask = (1ull << C.bits) - 1;
  std::vector<u8> cur, nxt; std::vector<u32> curIx, nxtIx; cur.resize(PK); pack(s0, cur.data()); curIx.push_back(0); parent.push_back(0); ord.push_back(0); insert(fp(s0));
  u64 gens = 0, healed = 0; u64 acts[NACT] = {0}; int depth = 0; bool stopAll = false; const char *why = "complete"; u64 fullDepth = 0;
  while (!curIx.empty() && !stopAll) {
    nxt.clear(); nxtIx.clear();
    for (size_t i = 0; i < curIx.size() && !stopAll; i++) {
      S s; unpack(&cur[i * PK], s); int o = 0; u32 me = curIx[i];
      if (C.heal && (hashB((u8 *)&me, 4) % C.heal) == 0) {
        for (int c = 0; c < 8 && !stopAll; c++) {
          if (c) { int p = s.c.isr ? s.c.isr : s.c.elr ? s.c.elr : pool(s); if (pc(c) != 1 || !(p & c) || (s.b[__builtin_ctz(c)].dir != s.c.dir[__builtin_ctz(c)])) continue; }
          healed++; int h = healCheck(s, c, me, false);
          if (h) { printf("VIOLATION %s, core %s, depth %d\n", BAD[h], bits(c).c_str(), depth); trace(me, 0, false); printf("-- heal\n"); healCheck(s, c, me, true); stopAll = true; why = "violation"; }
        }
      }
      gen(s, [&](const S &t, Act a) {
        gens++; acts[a.t]++; int my = o++; if (stopAll) return;
        if (!insert(fp(t))) return;
        if (t.bad) { printf("VIOLATION %s, depth %d\n", BAD[t.bad], depth + 1); trace(me, my, true); stopAll = true; why = "violation"; return; }
        parent.push_back(me); ord.push_back(my); size_t at = nxt.size(); nxt.resize(at + PK); pack(t, &nxt[at]); nxtIx.push_back(parent.size() - 1);
      });
      if ((i & 1023) == 0 && (now() - t0 > C.secs || count > (mask + 1) * 7 / 10 || (C.maxStates && count > (u64)C.maxStates * 1000000))) { stopAll = true; why = now() - t0 > C.secs ? "time" : "table"; }
    }
    if (!stopAll) fullDepth = depth + 1;
    depth++; std::swap(cur, nxt); std::swap(curIx, nxtIx);
    if (C.stats > 1) { printf("depth %d states %llu frontier %zu %.0f s\n", depth, (unsigned long long)count, curIx.size(), now() - t0); fflush(stdout); }
  }
  printf("END %s: states %llu, successors %llu, depth %d (complete to %llu), healed %llu, %.0f s, frontier left %zu\n", why, (unsigned long long)count, (unsigned long long)gens, depth, (unsigned long long)fullDepth, (unsigned long long)healed, now() - t0, curIx.size());
  if (C.stats) { for (int i = 0; i < NACT; i++) if (acts[i]) printf("%s %llu; ", NAME[i], (unsigned long long)acts[i]); printf("\n"); }
  return 0;
}
