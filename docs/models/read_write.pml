/* Muster: a read-write lock, its tally and its fence, with leases that lapse while their holders go on.
 *
 * P processes take one lock as reader or writer. One write of the tally is one atomic step, since compare-and-set makes it so. A process may
 * stand still at any step. Actions of the environment: a lease lapses at any time, a process crashes at any step.
 *
 * Readers that hold together have one token: the revision that began their epoch. A reader first makes it the stored one, in a statement of
 * its own, and then keeps the row `for share` to the end of its transaction. A writer raises the row, and keeps it locked.
 *
 * Mutations (-D...): NO_SHARE       the reader looks at the row, and does not keep it
 *                    OWN_TOKENS     each reader has a token of its own
 *                    EPOCH_KEPT     the epoch goes on when its last reader has ended
 *                    NO_FENCE       nobody asks the database
 */
#ifndef P
#define P 3
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef LP
#define LP 1        /* leases that lapse */
#endif
#ifndef CR
#define CR 1        /* crashes */
#endif
#define NONE 0
#define READER 1
#define WRITER 2

byte lease[P];                      /* the tally: who has a lease, and how */
byte epoch = 0;                     /* token of the readers; 0: none */
byte rev = 0;                       /* the last revision */
byte fence = 0, fenceBy = 0;        /* lock_fence, committed: token, and 1 for readers or 2 for a writer */
byte rowX = 0;                      /* who keeps the row locked, plus 1 */
byte rowS = 0;                      /* how many keep it for share */
byte writing = 0;                   /* token of the writer whose transaction is open; 0: none */
byte wrote = 0;                     /* newest token of a writer that has committed */
byte newest = 0;                    /* newest token that has committed */
bool live[P];                       /* whether the lease that the process believes in is still in the tally */
byte lapses = LP, crashes = CR;

inline drop(p) {
  lease[p] = NONE; live[p] = false;
#ifndef EPOCH_KEPT
  if :: lease[0] != READER && lease[1] != READER && lease[P - 1] != READER -> epoch = 0 :: else fi
#endif
}
#define CRASHPOINT if :: atomic { crashes > 0 -> crashes--; goto crashed } :: true fi

proctype task(byte me) {
  byte mode, token, rounds = ROUNDS;
  bool inShare, inX;
again:
  inShare = false; inX = false;
  if :: rounds == 0 -> goto over :: else -> rounds-- fi;
  if :: mode = READER :: mode = WRITER fi;
  /* --- take: one write of the tally --- */
  atomic {
    if
    :: mode == WRITER && lease[0] == NONE && lease[1] == NONE && lease[P - 1] == NONE ->
         rev++; lease[me] = WRITER; token = rev; live[me] = true
    :: mode == READER && lease[0] != WRITER && lease[1] != WRITER && lease[P - 1] != WRITER ->
         rev++; lease[me] = READER; live[me] = true;
#ifdef OWN_TOKENS
         token = rev
#else
         if :: epoch == 0 -> epoch = rev :: else fi;
         token = epoch
#endif
    :: else -> goto again
    fi
  }
  CRASHPOINT;
#ifndef NO_FENCE
  if
  :: mode == READER ->
       /* --- the reader's token becomes the stored one, in a statement of its own --- */
       atomic {
         (fence >= token || (rowX == 0 && rowS == 0)) ;
         if :: fence < token -> fence = token; fenceBy = 1 :: else fi
       }
       CRASHPOINT;
       /* --- the transaction begins: the row for share --- */
       atomic {
         rowX == 0;
         if
         :: fence == token && fenceBy == 1 ->
#ifndef NO_SHARE
              rowS++; inShare = true
#else
              skip
#endif
         :: else -> assert(!live[me]); goto end_round       /* only a stale reader is refused */
         fi
       }
  :: mode == WRITER ->
       atomic {
         rowX == 0 && rowS == 0;
         if
         :: fence < token -> rowX = me + 1; inX = true; writing = token
         :: else -> assert(!live[me]); goto end_round       /* only a stale writer is refused */
         fi
       }
  fi;
#endif
  CRASHPOINT;
  /* --- COMMIT: a reader after no newer writer, also one whose transaction is open; a writer after nobody who is newer --- */
  atomic {
    assert(mode == READER || token >= newest);
    assert(mode == WRITER || (token >= wrote && token >= writing));
    if :: token > newest -> newest = token :: else fi;
    if :: mode == WRITER && token > wrote -> wrote = token :: else fi;
    if :: inX -> rowX = 0; writing = 0; fence = token; fenceBy = 2; inX = false :: else fi;
    if :: inShare -> rowS--; inShare = false :: else fi
  }
  CRASHPOINT;
end_round:
  /* --- release --- */
  atomic { if :: live[me] -> rev++; drop(me) :: else fi; goto again };
crashed:
  /* The database rolls back. The lease stays until it lapses. */
  atomic { if :: inX -> rowX = 0; writing = 0 :: else fi; if :: inShare -> rowS-- :: else fi; if :: live[me] -> lapses++ :: else fi };
over:
  skip
}

proctype environment() {
end_env:
  do
  :: atomic { lapses > 0 && lease[0] != NONE -> lapses--; rev++; drop(0) }
  :: atomic { lapses > 0 && lease[1] != NONE -> lapses--; rev++; drop(1) }
  :: atomic { lapses > 0 && lease[P - 1] != NONE -> lapses--; rev++; drop(P - 1) }
  od
}

init {
  atomic {
    byte p = 0;
    do :: p < P -> run task(p); p++ :: else -> break od;
    run environment()
  }
}
