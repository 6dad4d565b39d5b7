/* Muster: one group of children, from the parent's publishing to the callback's effect.
 *
 * A parent that publishes two children and seals, two workers that end children, and a worker of the callback. Each may stand still or die at
 * any step, CR times in all. A message of a process that died is delivered again. The broker may forget its de-duplication once, at any
 * time. No sweep is modelled: the group must close without one.
 *
 * Default: a child's end is an entry that is created once, before its ack. Who writes one, or seals, counts afterwards.
 * Mutations (-D...): ACK_FIRST     a worker acks a child before it writes the child's end
 *                    COUNT_FIRST   a worker counts before it writes, in place of after
 *                    NO_SEAL_COUNT the parent does not count when it has sealed
 *                    SEAL_FIRST    the parent seals and counts over the children that are published by then
 *                    COUNTER       ends are counted by adding one for each delivery, in place of entries
 *                    NO_LEDGER     the callback has no row: it may have its effect twice
 */
#define N 2
#ifndef CR
#define CR 2
#endif
byte crashes = CR;
byte published = 0;          /* children that were published at least once */
byte queue[N];               /* messages of child i that wait */
bool ended[N];               /* entry c.i */
bool spec = false, closed = false, called = false, then = false;
byte total = 0;              /* as spec has it */
byte counter = 0;
bool parentAcked = false;
byte callbacks = 0;          /* messages of the callback that wait */
bool seen = false;           /* its id is in the broker's window */
bool row = false;            /* its row in the ledger */
byte effects = 0;
byte window = 1;             /* times that the broker may forget its window */
byte seenEnds = 0;           /* what the callback saw at its effect */

#define CRASHPOINT if :: atomic { crashes > 0 -> crashes--; goto again } :: true fi

inline isFull(whole_) {
  atomic {
    whole_ = false;
#ifdef COUNTER
    whole_ = spec && counter >= total;
#else
    if
    :: spec -> whole_ = true; k = 0;
       do :: k < total -> if :: !ended[k] -> whole_ = false :: else fi; k++ :: else -> break od
    :: else
    fi;
#endif
    k = 0
  }
}

inline publishCallback() {
  atomic { if :: !seen && callbacks < 3 -> seen = true; callbacks++ :: else fi }
}

/* count and close: each arrow may be the last step of a process */
inline count() {
  isFull(whole);
  CRASHPOINT;
  if
  :: whole ->
     atomic { closed = true };
     CRASHPOINT;
     if
     :: !called && !then -> CRASHPOINT; publishCallback(); CRASHPOINT; called = true
     :: else
     fi
  :: else
  fi
}

active proctype parent() {
  byte i, k; bool whole;
again:
  atomic { i = 0; k = 0; whole = false };
#ifdef SEAL_FIRST
  atomic { if :: !spec -> spec = true; total = published :: else fi };
  CRASHPOINT;
#endif
  do
  :: i < N ->
     atomic {
       if :: published <= i -> published = i + 1; queue[i]++
          :: published > i && !ended[i] && queue[i] == 0 -> queue[i]++   /* again, after the window */
          :: else
       fi;
       i++
     };
     CRASHPOINT
  :: else -> break
  od;
#ifndef SEAL_FIRST
  atomic { spec = true; total = N };
#endif
  CRASHPOINT;
#ifndef NO_SEAL_COUNT
  count();
#endif
  parentAcked = true
}

proctype worker() {
  byte i, k; bool whole, mine;
again:
  /* a message in hand of a worker that died is in the queue still: it leaves it by the ack alone */
  atomic { i = 0; k = 0; whole = false; mine = false };
end_idle:
  atomic {
    if :: queue[0] > 0 -> i = 0 :: queue[N - 1] > 0 -> i = N - 1 fi
  };
  CRASHPOINT;
#ifdef ACK_FIRST
  atomic { if :: queue[i] > 0 -> queue[i]-- :: else fi };
  CRASHPOINT;
#endif
#ifdef COUNT_FIRST
  count();
#endif
  atomic { ended[i] = true; counter++ };
  CRASHPOINT;
#ifndef COUNT_FIRST
  count();
  CRASHPOINT;
#endif
#ifndef ACK_FIRST
  atomic { if :: queue[i] > 0 -> queue[i]-- :: else fi };
#endif
  goto again
}

proctype callback() {
again:
end_idle:
  callbacks > 0;
  CRASHPOINT;
#ifdef NO_LEDGER
  atomic { effects++; row = true };
#else
  atomic { if :: !row -> row = true; effects++; seenEnds = ended[0] + ended[N - 1] :: else fi };
#endif
  CRASHPOINT;
  then = true;
  CRASHPOINT;
  callbacks--;
  goto again
}

active proctype broker() {
  atomic { window > 0 && seen -> window--; seen = false }
}

init {
  atomic { run worker(); run worker(); run callback() };
  /* At rest: nothing waits, and nobody can go on. */
  timeout;
  assert(parentAcked);
  assert(effects == 1);                                     /* I21 */
#ifndef NO_LEDGER
  assert(seenEnds == 2)
#endif
}
