/* sketch.h - quantiles within 1 % of the value: a DDSketch whose buckets never merge.
 *
 * Masson, Rim, Lee: "DDSketch", VLDB 2019. g = 1.01/0.99; a positive x falls into bucket i = ceil(log_g x), whose value is
 * 2*g^i/(g+1); zero and negatives have buckets of their own. Counts are integers, so merging in any order gives the
 * same sketch. Sparse: a sorted vector of (bucket, count). { 0 } is empty.
 * Cost: add and merge O(buckets); quantile O(buckets). At most 80,001 * 2 + 1 buckets exist.
 */
#ifndef WEIR_SKETCH_H
#define WEIR_SKETCH_H

#include "core/base.h"

struct bucket {
	int32_t code; /* order-preserving: negative values below 0, zero 0, positive above */
	uint32_t n;
};

struct sketch {
	struct bucket *v;
	uint32_t len, cap;
};

/* Sketches added up for one question: counts by bucket in one flat array, of which only the range in use is touched.
 * { 0 } is empty. Cost: O(buckets) an addition, O(range) a quantile, which also empties it. */
struct sketch_sum {
	uint32_t *n;
	int32_t lo, hi; /* codes in use */
	uint64_t total;
};
void sketch_sum_add(struct sketch_sum *sum, const struct sketch *s);
double sketch_sum_quantile(struct sketch_sum *sum, double q);
void sketch_sum_free(struct sketch_sum *sum);

int32_t sketch_code(double x); /* x finite */
double sketch_bucket_value(int32_t code);
void sketch_add(struct sketch *s, int32_t code, uint32_t n);
void sketch_merge(struct sketch *s, const struct sketch *from);
/* The value of rank ceil(q * n), 0 < q <= 1. The sketch must not be empty. */
double sketch_quantile(const struct sketch *s, double q);
uint64_t sketch_count(const struct sketch *s);
void sketch_release(struct sketch *s);

#endif
