/*
 * The protocol of a submission, and what a close carries over. README.md maps it to the functions of the code.
 *
 * A batch needs an upload, the ledger, and a report needs the batch. The world is small: two versions of the file and
 * of the batch's parameter, two starts of the close, two runs. Within that everything may happen at any moment: a worker dies, or counts as dead because it is slow; a
 * request or an answer is lost; Temporal does not confirm a heartbeat; a workflow is terminated; a deadline passes; the
 * file is replaced; the definition is changed.
 *
 * The operator is honest: asked about an unknown outcome, they wait until a request on its way has arrived, and look at
 * the service's screens.
 */

/* The sizes of the world; a scope of model_test.go may set others. */
#ifndef CLOSES
#define CLOSES 2       /* starts of the close */
#endif
#ifndef ALONE
#define ALONE 1        /* starts of the batch alone */
#endif
#ifndef STARTS
#define STARTS 3       /* of the batch's workflow, by the close or alone */
#endif
#ifndef SUBMISSIONS
#define SUBMISSIONS 3  /* afterwards an operator gives up */
#endif
#ifndef ATTEMPTS
#define ATTEMPTS 2     /* of an activity */
#endif
#ifndef TERMINATIONS
#define TERMINATIONS 1 /* of the workflows of the batch and the close, together */
#endif
#define RUNS 2
#define MIXED 9        /* a run that was restarted after the file was replaced */

mtype:phase = { nothing, sending, not_sent, answered };
mtype:result = { pending, accepted, unknown, refused, unsent, timed_out };
mtype:state = { none, running, succeeded, failed, terminated };
mtype:kind = { trigger, restart };

/* ---- The service ---- */

typedef Run {
	mtype:state state = none;
	byte file;       /* the bytes that it worked on */
	byte param;
	bool followed    /* a workflow knows it */
}
Run the_run[RUNS + 1];   /* run 0 stands for none */
byte runs;
byte held;           /* the bytes of the ledger at the service */

/* ---- Temporal ---- */

byte now = 1;        /* a clock: what has the same time began after what was there at it */

/* The activity that submits: one at a time, because one workflow id stands for one submission. */
byte submissions, attempt;
bool offered;        /* the attempt waits for a worker */
mtype:phase heartbeat = nothing;
byte heartbeat_run;
mtype:result outcome = refused;
byte outcome_run;
mtype:kind submitted = trigger;
byte submitted_target;

typedef Start {      /* of RunBatch, as a later start finds it */
	mtype:state state = none;
	byte run_id;        /* the search attribute PbsmRunId, */
	bool mark;    /* and its "?" */
	byte param;      /* the basis: the definition, */
	byte ledger;     /* the bytes of the ledger, 0 where no needs are named, */
	byte began       /* TriggeredAt; 0: not known */
}
Start start[STARTS + 1];
byte starts;
bool batch_wanted, batch_runs;
/* The input of the start that runs; wanted_again is when the command again was given, or 0. */
byte wanted_at, wanted_param, wanted_ledger, wanted_ledger_at, wanted_again;

byte file = 1, definition = 1; /* the bytes in the store, and the batch's parameter in the pipeline */
byte terminations = TERMINATIONS, alone = ALONE;

/* ---- What the properties need to know ---- */

byte in_transit;     /* requests on their way, or about to be sent */
bit live;            /* the latest run goes on, or has succeeded */
byte words;          /* what operators said that allows a submission on top of those */
bool kept[STARTS + 1]; /* an operator, who was told the bases, said that the run stands for this start */

#define ON_TOP (in_transit + live > 0)
#define ALL_KNOWN (in_transit == 0 && (runs < 1 || the_run[1].followed) && (runs < 2 || the_run[2].followed))

/* ---- The worker, and the service at the other end of its request ---- */

#define CURRENT (outcome == pending && mine == submissions && nth == attempt)

/* Temporal takes the result of the attempt that it waits for, and repeats one that certainly sent nothing. */
inline respond(what, id) {
	if
	:: CURRENT && what != unsent ->
		outcome = what;
		outcome_run = id
	:: CURRENT && what == unsent && attempt < ATTEMPTS ->
		attempt++;
		offered = true
	:: CURRENT && what == unsent && attempt == ATTEMPTS -> outcome = timed_out
	:: else
	fi
}

inline carry_out() {
	spent = false;
	live = 1;
	the_run[r].state = running;
	the_run[r].file = (kind == trigger || the_run[r].file == held -> held : MIXED);
	the_run[r].followed = false;
	said = accepted
}

bool busy;           /* the first worker; only then the second one is needed */

active [2] proctype Worker() {
	byte mine, nth, param, target, r;
	bool alive;
	bit spent;       /* the request needed a word */
	mtype:kind kind = trigger;
	mtype:result said = pending;
end_idle:
	/* The attempt begins, reads the heartbeat of an earlier one, and sends its own. */
	atomic {
		offered && (_pid == 0 || busy);
		offered = false;
		mine = submissions;
		nth = attempt;
		if
		:: heartbeat == answered -> respond(accepted, heartbeat_run); goto over
#ifndef RETRY_UNKNOWN
		:: heartbeat == sending -> respond(unknown, 0); goto over
#endif
		:: heartbeat == nothing || heartbeat == not_sent
#ifdef RETRY_UNKNOWN
		:: heartbeat == sending
#endif
#ifndef RELIABLE
		:: goto over /* the worker dies */
#endif
		fi;
#ifndef NO_HEARTBEAT
		if
		:: heartbeat = sending
#ifndef RELIABLE
		:: heartbeat = sending; goto over /* it dies before the request is sent */
		:: heartbeat = not_sent; respond(unsent, 0); goto over /* the worker does not learn that it was recorded */
		:: heartbeat = sending; respond(unsent, 0); goto over  /* ... and not_sent is lost */
#ifdef UNCONFIRMED
		:: true
#else
		:: respond(unsent, 0); goto over
#endif
#endif
		fi;
#endif
		assert(!ON_TOP || words > 0); /* never twice without an operator's word */
		spent = ON_TOP;
		words = words - spent;
		in_transit++;
		alive = true;
		busy = (_pid == 0 -> true : busy);
		kind = submitted;
		param = wanted_param;
		target = submitted_target
	}
	/* The request is on its way: it arrives, or the connection breaks, or nobody waits for it any longer. */
	do
	:: atomic {
		in_transit--;
		if
		:: kind == trigger && runs < RUNS ->
			runs++;
			r = runs;
			the_run[r].param = param;
			carry_out()
		:: kind == restart && the_run[target].state == failed ->
			r = target;
			carry_out()
#ifdef RELIABLE
		:: else -> said = refused
#else
		:: said = refused
		:: said = unsent  /* 401 or 429: not processed, and worth another attempt */
		:: said = unknown /* it never arrives */
#endif
		fi;
		words = words + spent; /* it was not carried out */
		spent = false;
		break
	   }
#ifndef RELIABLE
	:: atomic { alive -> respond(unknown, 0); alive = false; mine = 0; nth = 0 } /* no answer in time */
	:: atomic { alive -> alive = false; mine = 0; nth = 0 }                      /* the worker dies */
#endif
	od;
	/* The answer is on its way. The heartbeat, the result, or both may be lost. */
	atomic {
		if
		:: alive ->
			if
			:: CURRENT && said == accepted -> heartbeat = answered; heartbeat_run = r
			:: CURRENT && (said == refused || said == unsent) -> heartbeat = not_sent
#ifndef RELIABLE
			:: true
			:: said = unknown /* the answer itself is lost */
#else
			:: !CURRENT
#endif
			fi;
			if
			:: true -> respond(said, r)
#ifndef RELIABLE
			:: true
#endif
			fi
		:: else
		fi
	}
over:
	atomic {
		busy = (_pid == 0 -> false : busy);
		mine = 0;
		nth = 0;
		param = 0;
		target = 0;
		r = 0;
		alive = false;
		kind = trigger;
		said = pending;
		goto end_idle
	}
}

/* A run takes its time, and ends well or not. Which of these matters only when a workflow looks. */
inline look(id) {
	if
	:: the_run[id].state == running
	:: the_run[id].state == running -> the_run[id].state = succeeded
	:: the_run[id].state == running -> the_run[id].state = failed; live = (id == runs -> 0 : live)
	:: else
	fi
}

/* The definition may be changed before a start. */
inline redefine() {
	if
	:: definition == 1 && starts > 0 -> definition = 2
	:: true
	fi
}

/* ---- The workflow RunBatch ---- */

#define TERMINATED atomic { terminations > 0 -> terminations--; goto terminate }

/* A result that the earlier work did not name is a change if it came after that work began. */
#define CHANGED(param, ledger, ledger_at, was_param, was_ledger, was_began) \
	(was_param != param || was_ledger != 0 && ledger != 0 && was_ledger != ledger \
	|| was_ledger == 0 && ledger != 0 && (was_began == 0 || ledger_at > was_began))

inline own_basis() {
	start[me].param = wanted_param;
	start[me].ledger = wanted_ledger
}

/* The activity has ended: Temporal takes nothing from an attempt that is left. */
inline forget() {
	outcome = refused;
	outcome_run = 0;
	offered = false;
	heartbeat = nothing;
	heartbeat_run = 0;
	attempt = 0;
	submitted = trigger;
	submitted_target = 0
}

/* What the start leaves on record must say so as long as nobody knows what became of a submission. */
inline leave(how) {
	e = me;
	do
	:: e > 0 && start[e].run_id == 0 && !start[e].mark -> e--
	:: else -> break
	od;
	assert(ALL_KNOWN || start[e].mark && how != succeeded);
	start[me].state = how;
	forget();
	batch_runs = false;
	wanted_at = 0;
	wanted_param = 0;
	wanted_ledger = 0;
	wanted_ledger_at = 0;
	wanted_again = 0;
	next = trigger;
	e = 0;
	r = 0;
	me = 0;
	ended = false
}

active proctype RunBatch() {
	byte me, e, r;
	bool ended;
	mtype:kind next = trigger;
end_unwanted:
	atomic {
		batch_wanted;
		batch_wanted = false;
		starts++;
		me = starts;
		start[me].state = running;
		own_basis();
		/* earlierSubmission: the latest start that submitted anything */
		e = me - 1;
		do
		:: e > 0 && start[e].run_id == 0 && !start[e].mark -> e--
		:: else -> break
		od
	}
	if
	:: atomic {
		look(start[e].run_id);
		if
		:: e == 0 -> next = trigger; goto submit
		:: e > 0 && start[e].mark && the_run[start[e].run_id].state != running -> /* isOngoing */
			next = trigger;
			start[me].run_id = start[e].run_id;
			start[me].mark = true;
			start[me].began = start[e].began;
			kept[me] = kept[e];
#ifndef ADOPT_SILENTLY
			start[me].param = start[e].param;
			start[me].ledger = start[e].ledger;
#endif
			goto unknown_outcome
		:: else
		fi
	   }
	:: TERMINATED
	fi;

	/* continueEarlier */
	if
	:: atomic {
		r = start[e].run_id;
		look(r);
		ended = (start[e].state == succeeded || the_run[r].state == succeeded);
		if
		:: !ended && the_run[r].state == failed -> the_run[r].followed = true; next = trigger; goto submit
#ifdef AGAIN_TWICE
		:: ended && wanted_again > 0 -> the_run[r].followed = true; next = trigger; goto submit
#else
		:: ended && wanted_again > start[e].began && start[e].began > 0 -> the_run[r].followed = true; next = trigger; goto submit
#endif
		:: else
		fi;
		if
#ifndef IGNORE_BASIS
		:: CHANGED(wanted_param, wanted_ledger, wanted_ledger_at, start[e].param, start[e].ledger, start[e].began)
#endif
		:: else -> kept[me] = kept[e]; goto keep
		fi
	   }
	:: TERMINATED
	fi;

	/* askAboutStale */
	if
	:: atomic { ended -> words++; the_run[r].followed = true; next = trigger; goto submit } /* decide again */
	:: kept[me] = true /* decide keep */
	:: goto give_up
	:: TERMINATED
	fi;
keep:
	atomic {
		start[me].run_id = r;
		start[me].began = start[e].began;
		the_run[r].followed = true;
		if
		:: start[e].state == succeeded -> leave(succeeded); goto end_unwanted
		:: else
		fi;
#ifdef ADOPTED_BEGINS_NOW
		start[me].began = now;
#endif
		start[me].mark = false;
		goto watch
	}

submit:
	atomic {
		if
		:: submissions == SUBMISSIONS -> goto give_up
		:: else
		fi;
		own_basis();
#ifndef NO_MARK
		start[me].mark = true;
#endif
		start[me].began = (next == trigger && start[me].began == 0 -> now : start[me].began);
		submitted = next;
		submitted_target = start[me].run_id;
		submissions++;
		attempt = 1;
		heartbeat = nothing;
		heartbeat_run = 0;
		outcome = pending;
		outcome_run = 0;
		offered = true
	}
	do
	:: atomic { outcome != pending -> break }
#ifndef RELIABLE
	:: atomic { outcome == pending && !offered && attempt < ATTEMPTS -> attempt++; offered = true } /* not heard of */
	:: atomic { outcome == pending -> outcome = timed_out; offered = false } /* the deadline */
#endif
	:: TERMINATED
	od;
	atomic {
		if
		:: outcome == accepted -> r = outcome_run; forget(); goto taken
#ifndef FORGET_ANSWER
		:: outcome == timed_out && heartbeat == answered -> r = heartbeat_run; forget(); goto taken
#endif
#ifndef UNKNOWN_ENDS
		:: outcome == unknown || outcome == timed_out && heartbeat == sending -> forget(); goto unknown_outcome
#endif
		:: else ->
			forget();
			start[me].mark = false;
			if
			:: next == trigger -> goto give_up
			:: else -> goto watch /* and the operator is asked about the run */
			fi
		fi
	}

unknown_outcome: /* resolveOutcome */
	if
	:: atomic {
		start[me].mark = true;
		if
		:: next == restart -> look(start[me].run_id)
		:: else
		fi;
		if
		:: next == restart && the_run[start[me].run_id].state != failed -> r = start[me].run_id; goto taken /* tookEffect */
		:: else
		fi
	   }
	:: TERMINATED
	fi;
	if
	:: atomic { ALL_KNOWN -> goto submit }                                              /* decide nothing_started */
	:: atomic { in_transit == 0 && runs >= 1 && !the_run[1].followed -> r = 1; goto adopt } /* decide adopt */
	:: atomic { in_transit == 0 && runs >= 2 && !the_run[2].followed -> r = 2; goto adopt }
	:: goto give_up
	:: TERMINATED
	fi;
adopt: /* the question has said what the submission was based on */
	atomic {
		kept[me] = (kept[me] || CHANGED(wanted_param, wanted_ledger, wanted_ledger_at, start[me].param, start[me].ledger, start[me].began));
taken:
		own_basis();
		start[me].run_id = r;
		start[me].mark = false;
		the_run[r].followed = true
	}
watch:
	atomic { look(start[me].run_id) }
	if
	:: atomic { the_run[start[me].run_id].state == succeeded -> leave(succeeded); goto end_unwanted }
	:: atomic { the_run[start[me].run_id].state == failed -> next = restart; goto submit } /* automatically, or commanded */
	:: goto give_up /* or the deadline */
	:: TERMINATED
	fi;
give_up:
	atomic { leave(failed); goto end_unwanted }
terminate:
	atomic { leave(terminated); goto end_unwanted }
}

/* ---- The workflows of the upload and the report ---- */

/* The file may be replaced at any moment, which matters only when it is read. */
inline replace() {
	if
	:: file == 1 && held > 0 -> file = 2
	:: true
	fi
}

bool upload_runs, report_runs;
byte upload_sent, upload_at; /* the result: which bytes, and when they were there */
byte report_on;              /* the result: the latest run when it was generated */

active proctype UploadFile() {
	byte bytes;
end_unwanted:
	do
	:: atomic { upload_runs -> replace(); bytes = file }
	   atomic {
		now++;
		held = bytes;
		upload_sent = bytes;
		upload_at = now;
		upload_runs = false;
		bytes = 0
	   }
	od
}

/* ---- The workflow NightlyClose ---- */

typedef CloseResult { /* as a later start finds it */
	mtype:state state = none;
	mtype:state upload = none, batch = none, report = none;
	byte sent, sent_at;
	byte run_id, param, ledger;    /* the batch's result, and its basis */
	bool kept;
	byte report_run, report_on  /* the report's basis, and what it really was generated from */
}
CloseResult close[CLOSES + 1];

#ifdef CLOSE_IGNORES_BASIS
#define SAME_BASIS true
#else
#define SAME_BASIS (BEFORE.param == CLOSE.param && BEFORE.ledger == CLOSE.sent)
#endif

/* joinable, of a batch that was started elsewhere */
#ifdef JOIN_ANY
#define DIFFERS(was_param, was_ledger, was_began) false
#else
#define DIFFERS(was_param, was_ledger, was_began) CHANGED(CLOSE.param, CLOSE.sent, CLOSE.sent_at, was_param, was_ledger, was_began)
#endif

#define BEFORE close[me - 1]
#define CLOSE close[me]

active proctype NightlyClose() {
	byte me, child, again_at;
	bool again_upload, again_batch, again_report, only, joined;
end_start:
	atomic {
		me < CLOSES;
		me++;
		CLOSE.state = running;
		redefine();
		CLOSE.param = definition;
		again_upload = false;
		again_batch = false;
		again_report = false;
		only = false;
		if
		:: true
		:: me > 1 -> again_upload = true; again_batch = true; again_report = true /* --from ledger */
		:: me > 1 -> again_batch = true; again_report = true                      /* --from batch */
		:: me > 1 -> again_batch = true; only = true                              /* --only batch */
		fi;
		again_at = 0;
		if
		:: again_batch -> now++; again_at = now; words++
		:: else
		fi
	}

	/* The upload. */
	atomic { replace() }
	if
	:: atomic { me > 1 && BEFORE.upload == succeeded && !again_upload && (only || BEFORE.sent == file) ->
		CLOSE.sent = BEFORE.sent;
		CLOSE.sent_at = BEFORE.sent_at
	   }
	:: else ->
send:
		atomic { joined = upload_runs; upload_runs = true; CLOSE.upload = running }
		if
		:: !upload_runs
		:: TERMINATED
		fi;
		atomic {
#ifndef TAKE_ANY
			if
			:: joined && upload_sent != file -> goto send
			:: else
			fi;
#endif
			CLOSE.sent = upload_sent;
			CLOSE.sent_at = upload_at
		}
	fi;
	CLOSE.upload = succeeded;

	/* The batch. */
	if
	:: atomic { me > 1 && BEFORE.batch == succeeded && !again_batch && SAME_BASIS ->
		CLOSE.run_id = BEFORE.run_id;
		CLOSE.kept = BEFORE.kept
	   }
	:: else ->
		atomic { CLOSE.batch = running; CLOSE.ledger = CLOSE.sent }
retry:
		if
		:: atomic { !batch_runs && starts < STARTS ->
			joined = false;
			child = starts + 1;
			wanted_at = now;
			wanted_param = CLOSE.param;
			wanted_ledger = CLOSE.sent;
			wanted_ledger_at = CLOSE.sent_at;
			wanted_again = again_at;
			batch_runs = true;
			batch_wanted = true
		   }
		:: atomic { batch_runs && !batch_wanted && !DIFFERS(wanted_param, wanted_ledger, wanted_at) -> joined = true; child = starts }
		:: goto give_up
		:: TERMINATED
		fi;
		if
		:: atomic { !batch_runs ->
			if
			:: start[child].state != succeeded -> goto retry
			:: start[child].state == succeeded && joined && DIFFERS(start[child].param, start[child].ledger, start[child].began) -> goto retry
			:: else
			fi;
			CLOSE.run_id = start[child].run_id;
			CLOSE.kept = kept[child]
		   }
		:: TERMINATED
		fi
	fi;
	atomic { CLOSE.batch = succeeded; CLOSE.ledger = CLOSE.sent; child = 0; joined = false }

	/* The report. */
	if
	:: atomic { me > 1 && BEFORE.report == succeeded && !again_report && (only || BEFORE.report_run == CLOSE.run_id) ->
		CLOSE.report_on = BEFORE.report_on;
		CLOSE.report_run = BEFORE.report_run
	   }
	:: else ->
generate:
		atomic {
			joined = report_runs;
			report_on = (joined -> report_on : runs);
			report_runs = true;
			CLOSE.report = running;
			CLOSE.report_run = CLOSE.run_id
		}
		if
		:: report_runs = false /* it has ended */
		:: TERMINATED
		fi;
		atomic {
#ifndef TAKE_ANY
			if
			:: joined && BEFORE.report_run != CLOSE.run_id -> goto generate
			:: else
			fi;
#endif
			CLOSE.report_on = report_on
		}
	fi;
	atomic {
		CLOSE.report = succeeded;
		CLOSE.state = succeeded;
		assert(the_run[CLOSE.run_id].state == succeeded && the_run[CLOSE.run_id].followed);
		assert(CLOSE.kept || the_run[CLOSE.run_id].file == CLOSE.sent && the_run[CLOSE.run_id].param == CLOSE.param);
		assert(only || CLOSE.report_on >= CLOSE.run_id);
		goto end_start
	}
give_up:
	atomic { CLOSE.state = failed; goto end_start }
terminate:
	atomic { CLOSE.state = terminated; goto end_start }
}

/* ---- An operator ---- */

active proctype Operator() {
end_idle:
	do
	:: atomic { alone > 0 && !batch_runs && starts < STARTS ->
		alone--;
		wanted_at = now;
		redefine();
		wanted_param = definition;
		if
		:: true
		:: live > 0 -> now++; wanted_again = now; words++
		fi;
		batch_runs = true;
		batch_wanted = true
	   }
	od
}
