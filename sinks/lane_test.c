/* lane_test.c - what an answer means for the row and for the sink, with time as an argument. */
#include "sinks/lane.h"

#include "core/log.h"
#include "sinks/sink_test.h"

struct webhook_conf { /* as in sink_webhook.c */
	char *url, *secret;
	int format;
	struct strmap headers;
	bool insecure_http;
};

static struct webhook_conf conf = { .url = (char[]){ "https://example.org/hook" } };
static char name[] = "hook";
static struct sink_conf sink = { .name = name, .conf = &conf };
static struct config config = { .sink = &sink, .nsink = 1, .give_up = 3600 * NS_PER_S };
static const struct clock_now now = { T0, 5000 * NS_PER_S };
static struct lane lane;
static bool sent; /* did the whole request go out? */

static void
fresh(const struct sink_kind *kind)
{
	sink.kind = &kind->kind;
	lane_init(&lane, &config, 0, "host-1");
}

/* Answer a row made age ago and tried so many times. */
static struct job
answer(int attempts, nsec age, int status, nsec retry_after)
{
	struct outbox_row row = { .id = 1, .attempts = attempts, .created = now.wall - age };
	struct job j = { .row = &row, .n = 1, .state = JOB_SENT };
	struct reply r = { .status = status, .retry_after = retry_after, .trouble = "refused", .sent = sent };
	lane_answer(&lane, &j, &r, now);
	return j;
}

static nsec
held(void)
{
	return lane.held_until == NS_NONE ? 0 : lane.held_until - now.mono;
}

static void
webhook(void)
{
	fresh(&sink_webhook);
	struct job j = answer(0, 0, 200, NS_NONE);
	ok(j.state == JOB_ANSWERED && j.mark == OUTBOX_SENT && held() == 0, "200: sent");

	j = answer(0, 60 * NS_PER_S, 503, NS_NONE);
	ok(j.mark == OUTBOX_RETRY && j.due == now.wall - 60 * NS_PER_S, "503: again, and still first in the order of due");
	ok(held() >= BACKOFF_LEAST && held() <= NS_PER_S, "its sink waits");
	ok(!lane_idle(&lane, now), "which is no rest");

	fresh(&sink_webhook);
	j = answer(3, 60 * NS_PER_S, 503, NS_NONE);
	ok(j.mark == OUTBOX_RETRY && j.due > now.wall && j.due <= now.wall + 8 * NS_PER_S, "503 for the fourth time: the row waits alone");
	ok(held() <= NS_PER_S, "the sink no longer than for a first");

	fresh(&sink_webhook);
	j = answer(9, 60 * NS_PER_S, 0, NS_NONE);
	ok(j.mark == OUTBOX_RETRY && j.due == now.wall - 60 * NS_PER_S , "no connection: no other row would pass either");

	sent = true;
	j = answer(0, 0, 0, NS_NONE);
	ok(j.mark == OUTBOX_DOUBT, "sent and no answer: again, and nobody says it was not heard");
	sent = false;

	fresh(&sink_webhook);
	j = answer(0, 0, 429, 20 * NS_PER_S);
	ok(j.mark == OUTBOX_RETRY && held() >= 20 * NS_PER_S && held() <= 22 * NS_PER_S, "429: the sink waits as asked");
	ok(lane.stats.throttled == 1 && lane.stats.held_until == now.wall + held(), "and shows it");

	fresh(&sink_webhook);
	j = answer(0, 3599 * NS_PER_S, 500, NS_NONE);
	ok(j.mark == OUTBOX_RETRY, "just within give_up: again");
	j = answer(0, 3600 * NS_PER_S, 500, NS_NONE);
	ok(j.mark == OUTBOX_FAILED && strstr(j.answer, "given up after 3600 s"), "at give_up: %s", j.answer);

	fresh(&sink_webhook);
	static const nsec ladder[] = { NS_PER_S, 10 * NS_PER_S, 60 * NS_PER_S };
	for (size_t i = 0; i < 3; i++) {
		lane.held_until = NS_NONE;
		j = answer(0, 0, 404, NS_NONE);
		ok(j.mark == OUTBOX_FAILED && held() == ladder[i], "404, time %zu: its row fails, the sink waits %d s", i + 1,
			(int)(ladder[i] / NS_PER_S));
	}
	lane.held_until = NS_NONE;
	j = answer(0, 0, 404, NS_NONE);
	ok(held() >= 300 * NS_PER_S && held() <= 900 * NS_PER_S, "then 5 to 15 min");
	j = answer(0, 0, 200, NS_NONE);
	ok(lane.deads == 0 && lane.stats.last_error[0] == '\0', "until it accepts again");

	fresh(&sink_webhook);
	j = answer(0, 0, 501, NS_NONE);
	ok(j.mark == OUTBOX_RETRY && held() == NS_PER_S, "501: nothing will pass, but a 5xx is tried up to give_up");
	j = answer(0, 0, 400, NS_NONE);
	ok(j.mark == OUTBOX_FAILED && strstr(j.answer, "HTTP 400"), "400: fails with its answer");
	ok(lane.deads == 0, "and shows that the sink answers");
}

static void
sentry(void)
{
	fresh(&sink_sentry);
	struct outbox_row row = { .id = 1, .created = now.wall };
	struct job j = { .row = &row, .n = 1, .state = JOB_SENT };
	struct reply r = { .status = 200, .retry_after = NS_NONE, .rate_limits = STR("60:error:org") };
	lane_answer(&lane, &j, &r, now);
	ok(j.mark == OUTBOX_SENT && held() >= 60 * NS_PER_S, "accepted with a limit: sent, and the next waits");
}

static void
scrubbing(void)
{
	char key[] = "topsecretkey", url[] = "https://user:pass@example.org/services/T/B?q=1", *k[] = { name }, *v[] = { (char[]){ "Bearer abcdef" } };
	struct webhook_conf c = { .url = url, .secret = key, .headers = { k, v, 1 } };
	struct sink_conf s = { .name = name, .kind = &sink_webhook.kind, .conf = &c };
	char text[256] = "topsecretkey at /services/T/B?q=1 of user:pass by Bearer abcdef, topsecretkey";
	scrub(&s, text, sizeof text);
	isz(text, "[Filtered] at [Filtered] of [Filtered] by [Filtered], [Filtered]", "every part of a secret goes");
	char full[16] = "x topsecretkey.";
	scrub(&s, full, sizeof full);
	ok(strlen(full) < sizeof full && !strstr(full, "secret"), "in a full buffer too: %s", full);
	char shorter[] = "aaaa topsecretkey";
	scrub(&s, shorter, sizeof shorter);
	isz(shorter, "aaaa [Filtered]", "at the end");
}

int
main(void)
{
	log_set_level(LOG_ERROR + 1);
	webhook();
	sentry();
	scrubbing();
	return tap_done();
}
