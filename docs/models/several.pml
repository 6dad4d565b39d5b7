/* Muster: several read-write locks of one task, kept while it waits for the next.
 *
 * P processes take some of L locks, each as reader or writer, in the one order. A process that is refused gives all back, or keeps what it
 * has and waits: it may do either at any refusal. So the time from which a waiter keeps its locks is any time. A process may stand still at
 * any step. Actions of the environment: a lease lapses at any time, a process crashes at any step and what it had lapses later.
 *
 * The search finds a deadlock as an invalid end state. With STARVE two readers of each of two locks come for ever, and a writer wants both:
 * search for that with `cc -DNFAIR=3` and `pan -a -f`. With LIMIT as well the second is a concurrency limit of one. Two tasks use it by
 * turns without a pause, so that it is never free when the writer comes to it with the lock. A task in line for it is there until it has it.
 *
 * Mutations (-D...): ANY_ORDER      a task takes its locks in an order of its own
 *                    LATER_KEPT     a lock that was lost is taken again while later ones are kept
 *                    LOSS_UNSEEN    nobody looks at what was kept
 *                    GIVES_BACK     with STARVE: the writer gives all back at each refusal
 *                    NO_PLACE       with STARVE and LIMIT: the writer has no place in the limit's line by its age
 */
#ifndef P
#define P 3
#endif
#ifndef L
#define L 2
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef LP
#define LP 1        /* leases that lapse */
#endif
#ifndef CR
#define CR 1        /* crashes */
#endif

#ifndef STARVE

byte readers[L], writer[L];         /* the tallies: how many read, and whether one writes */
byte has[P * L];                    /* what the tally says of each process: 0 nothing, 1 reader, 2 writer */
byte lapses = LP, crashes = CR;

#define HAS(p, l) has[(p) * L + (l)]

inline drop(p, l) {
  if
  :: HAS(p, l) == 1 -> readers[l]--
  :: HAS(p, l) == 2 -> writer[l] = 0
  :: else
  fi;
  HAS(p, l) = 0
}

inline drop_from(p, from) {
  i = from;
  do :: i < L -> drop(p, i); mine[i] = 0; i++ :: else -> break od
}

#define FREE(l, m) (writer[l] == 0 && (m == 1 || readers[l] == 0))

proctype task(byte me) {
  byte wants[L], mine[L], i, n, at, rounds = ROUNDS;
  bool down;
again:
  if :: rounds == 0 -> goto over :: else -> rounds-- fi;
  i = 0;
  do
  :: i < L -> if :: wants[i] = 0 :: wants[i] = 1 :: wants[i] = 2 fi; i++
  :: else -> break
  od;
#ifdef ANY_ORDER
  if :: down = false :: down = true fi;
#endif
  n = 0;
next:
  /* --- one try of the next lock --- */
  if :: atomic { crashes > 0 -> crashes--; goto crashed } :: true fi;
  atomic {
#ifndef LOSS_UNSEEN
    /* What was lost is given back with all behind it, and taken anew. */
    i = 0;
    do
    :: i < L && !(mine[i] != 0 && HAS(me, i) == 0) -> i++
    :: i < L && mine[i] != 0 && HAS(me, i) == 0 ->
#ifdef LATER_KEPT
         mine[i] = 0;
#else
         drop_from(me, i);
#endif
         i = L; n = 0
    :: i >= L -> break
    od;
#endif
    at = n;
    if :: down -> at = L - 1 - n :: else fi;
    if
    :: n < L && (wants[at] == 0 || mine[at] != 0) -> n++; goto next
    :: n < L && wants[at] != 0 && mine[at] == 0 && FREE(at, wants[at]) ->
         if :: wants[at] == 1 -> readers[at]++ :: else -> writer[at] = 1 fi;
         HAS(me, at) = wants[at]; mine[at] = wants[at]; n++; goto next
    :: n < L && wants[at] != 0 && mine[at] == 0 && !FREE(at, wants[at]) -> skip
    :: n == L ->
         /* It has all that it wants, alone. A lease that lapses from here on is the fence's matter. */
         i = 0;
         do
         :: i < L ->
              assert(wants[i] == 0 || HAS(me, i) == wants[i]);
              assert(writer[i] == 0 || readers[i] == 0);
              i++
         :: else -> break
         od;
         goto begin
    fi
  };
  /* --- refused: gives all back, or keeps it; then sleeps until its turn --- */
  if
  :: atomic { drop_from(me, 0); n = 0 }
  :: true
  fi;
  FREE(at, wants[at]);
  goto next;
begin:
  atomic { drop_from(me, 0); goto again };
crashed:
  /* What it had lapses at some later time. */
  atomic { drop_from(me, 0) };
over:
  skip
}

proctype environment() {
  byte p, l;
end_env:
  do
  :: atomic {
       lapses > 0;
       p = 0; do :: p < P - 1 -> p++ :: break od;
       l = 0; do :: l < L - 1 -> l++ :: break od;
       if :: HAS(p, l) != 0 -> lapses--; drop(p, l) :: else fi
     }
  od
}

init {
  atomic {
    byte p = 0;
    do :: p < P -> run task(p); p++ :: else -> break od;
    run environment()
  }
}

#else

byte readers[2];
bool placed[2], has[2];             /* the writer's place in line, and what it holds */
bool wrote = false;
#ifdef LIMIT
byte turn = 0;                      /* which of two tasks uses the limit */
#endif

/* Of two readers of one lock the next begins before the last has ended, so that the lock is never free by itself. */
proctype reader(byte l) {
  do
  :: atomic { !has[l] && !placed[l] -> readers[l]++ };
     readers[l]--
  od
}

#ifdef LIMIT
/* Tasks that use the limit hand it to one another at once. One in line of before goes first. */
proctype user(byte me) {
  do
  :: atomic {
       turn == me && readers[1] == 1 ->
       if
#ifndef NO_PLACE
       :: placed[1] -> readers[1] = 0
       :: !placed[1] -> turn = 1 - me
#else
       :: turn = 1 - me
#endif
       fi
     }
  :: atomic { readers[1] == 0 && !has[1] && !placed[1] -> readers[1] = 1; turn = me }
  od
}
#endif

proctype writes() {
  byte l = 0, furthest = 0;
  bool keeps = true;
#ifdef LIMIT
  keeps = false;
#endif
#ifdef GIVES_BACK
#define KEEPS false
#else
#define KEEPS keeps
#endif
next:
  if
  :: l == 2 -> wrote = true
  :: else ->
       if
       :: atomic { has[l] || readers[l] == 0 -> has[l] = true; placed[l] = false; l++ }
       :: atomic {
            !has[l] && readers[l] > 0 -> placed[l] = true; placed[1 - l] = false;
            /* It was overtaken: it was refused at an earlier lock than before. */
            if :: l < furthest -> keeps = true :: else -> furthest = l fi;
            if :: KEEPS -> skip :: else -> has[0] = false; has[1] = false fi
          };
          readers[l] == 0;
          if :: KEEPS -> skip :: else -> l = 0 fi
       fi;
       goto next
  fi
}

init {
  atomic {
    run reader(0); run reader(0);
#ifdef LIMIT
    readers[1] = 1;
    run user(0); run user(1);
#else
    run reader(1); run reader(1);
#endif
    run writes()
  }
}

ltl written { <> wrote }

#endif
