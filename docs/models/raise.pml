/* Muster: is the bucket of locks behind the database? Two readings of two stores, while locks are taken and committed.
 *
 * Takers get a revision from the bucket and commit it as a fencing token. The bucket may lose its newest revisions once. A checker
 * reads both stores, one after the other, and raises an alarm where the database is ahead.
 *
 * Asserted: no alarm while the bucket has not fallen; and a bucket that is read below a token which was stored when the check began is
 * seen. What falls after it was read is the next check's.
 * Mutation (-D...): BUCKET_FIRST (the bucket is read first)
 */
#ifndef TAKERS
#define TAKERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 3    /* locks that each taker takes */
#endif
#define CHECKS 2
#define MAX_LOSS 4

byte last = 5, fence = 5;              /* the bucket's last revision; the highest token in the database */
bool fell = false;

proctype taker() {
  byte token, n = 0;
  do
  :: n < ROUNDS ->
       atomic { last++; token = last };                   /* the lock is taken; others go on before it commits */
       atomic { if :: token > fence -> fence = token :: else fi };
       n++
  :: else -> break
  od
}

proctype checker() {
  byte seenLast, seenFence, n = 0;
  byte stored;
  do
  :: n < CHECKS ->
       stored = fence;
#ifdef BUCKET_FIRST
       seenLast = last;
       seenFence = fence;
#else
       seenFence = fence;
       seenLast = last;
#endif
       atomic {
         if
         :: seenFence > seenLast -> assert(fell); last = fence + 10
         :: else -> assert(stored <= seenLast)
         fi
       };
       n++
  :: else -> break
  od
}

/* the newest revisions are lost, as with the power or by a backup */
proctype loss() {
  byte lost;
  select (lost : 1 .. MAX_LOSS);
  if
  :: atomic { last > lost -> last = last - lost; fell = true }
  :: true
  fi
}

init {
  atomic {
    byte i;
    for (i : 1 .. TAKERS) { run taker() }
    run checker();
    run loss()
  }
}
