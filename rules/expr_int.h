/* expr_int.h - what the files of the expression language share; nobody else includes it.
 *
 * Way of an expression: text -> expr_lex.c (tokens) -> expr_parse.c (grammar, scope, aggregates) -> expr_compile.c
 * (nodes made once, constants folded, each node lowered to an instruction) -> expr_vm.c (runs it).
 * A node says what was meant (expr_text.c prints it); the instruction of the same number says how it is computed.
 */
#ifndef WEIR_EXPR_INT_H
#define WEIR_EXPR_INT_H

#include "rules/expr.h"

#include "core/json.h"
#include "core/num.h"

#define EXPR_TEXT_MAX 65536   /* bytes of one expression */
#define EXPR_NEST_MAX 64      /* parentheses, signs and calls inside each other */
#define EXPR_DEPTH_MAX 256    /* longest way from an expression to a leaf: a chain of + is one long way */
#define EXPR_NODES_MAX (1 << 22) /* nodes of a whole rule set */
#define EXPR_ARGS_MAX 3

enum node_kind {
	N_CONST, N_SLOT, N_PREV, N_META, N_AGG, N_GUARD, N_NOT, N_AND, N_OR,
	N_EQ, N_NE, N_LT, N_LE, N_GT, N_GE, N_IN, N_MATCH,
	N_ADD, N_SUB, N_MUL, N_DIV, N_NEG, N_LOWER, N_LEN, N_NUMBER, N_STARTS, N_CONTAINS,
	N_ONLY, /* b where a is true, else null: a metric selector */
	N_SET, N_REGEX /* operands only: right sides of in and =~ */
};

enum meta { META_TIME, META_SOURCE, META_FILE, META_OFFSET, META_RAW, META_LEVEL, METAS };
extern const char *const meta_name[METAS]; /* without the @ */
extern const char *const agg_name[AGG_FNS];

/* What a node can be besides null. */
enum static_type { ST_ANY, ST_BOOL, ST_NUM, ST_STR };

enum { NODE_PREV = 1, NODE_AGG = 2 }; /* reads the previous record; an aggregate: never kept in the memo */

struct list {
	size_t n;
	int id[];
};

struct set {             /* the literals of `in` */
	size_t n;
	const struct val *v; /* as written */
	bool null, yes, no;  /* holds null, true, false */
	size_t nnum;
	const double *num;   /* ascending */
	size_t nstr, mask;   /* mask: table slots - 1; 0: compare one by one */
	const struct str *str;
	const int32_t *table; /* index in str, -1: free */
};

struct node {
	uint8_t kind, type, flags;
	uint16_t depth;
	int32_t a, b;
	int32_t c, d; /* REGEX: its limits */
	uint32_t hash, uses;
	const void *p; /* CONST: struct val; AND, OR: struct list; SET: struct set; REGEX: struct regex; AGG: struct agg_use */
};

enum op {
#define OP(name, operands) OP_##name,
#include "rules/opcodes.def"
	OPS
};
extern const char *const op_name[OPS], *const op_operands[OPS];

/* A comparison is the set of outcomes that make it true. */
enum { IS_LESS = 1, IS_EQUAL = 2, IS_MORE = 4 };

struct ins {
	uint8_t op;
	uint8_t mask;  /* outcomes, for comparisons; enum meta */
	int32_t memo;  /* where its answer is kept, -1: nowhere */
	int32_t a, b;  /* operands: instructions, a slot; length of z */
	union {
		double n;
		const char *z;
		const struct val *v;
		const struct set *set;
		const struct regex *re;
		const struct list *list;
	};
};

struct exprs {
	struct paths *paths;
	struct node *node;
	struct ins *code; /* as long as node */
	size_t n, cap;
	int32_t *table;   /* hash-consing: node numbers, -1 free; size a power of two */
	size_t table_size;
	size_t nmemo;
	struct regex **regex; /* owned; nodes borrow */
	size_t nregex, regex_cap;
	struct arena arena; /* literals, lists, sets */
	int level_slot[8];  /* the usual level fields, once @level is named */
	size_t nlevel;
};

/* ---- expr_lex.c ---- */
enum tok {
	T_END, T_NUM, T_STR, T_PATH, T_AT, T_LP, T_RP, T_LB, T_RB, T_COMMA, T_LBRACE, T_RBRACE,
	T_OR, T_AND, T_NOT, T_IN, T_TRUE, T_FALSE, T_NULL,
	T_EQ, T_NE, T_LT, T_LE, T_GT, T_GE, T_MATCH, T_NOMATCH, T_ADD, T_SUB, T_MUL, T_DIV,
	T_BAD /* reported already */
};

struct lex {
	struct text_at src;
	struct str text;
	size_t at;        /* next byte */
	struct arena *arena; /* decoded strings */
	struct diags *d;
	/* the current token */
	enum tok tok;
	size_t from;      /* where it starts */
	double num;       /* T_NUM */
	nsec dur;         /* T_NUM with a unit of time; else NS_NONE */
	struct str str;   /* T_STR decoded; T_AT the name */
	struct str seg[PATH_SEGS_MAX];
	size_t nseg;
	bool bare;        /* T_PATH: the first key stands without brackets */
	bool selector;       /* between the braces of one: = is a token */
};

bool lex_open(struct lex *l, struct text_at t, struct arena *arena, struct diags *d); /* false: reported */
void lex_next(struct lex *l);
void lex_path(struct lex *l); /* the current token is '[': read it as the start of a path */
struct str lex_text(const struct lex *l); /* the current token as written */
struct loc lex_loc(const struct lex *l, size_t offset);
bool expr_plain_key(struct str key); /* may stand in a path without brackets */
bool expr_keyword(struct str word);

/* ---- expr_compile.c: a negative operand gives -1; operands are in order of reading ---- */
int node_const(struct exprs *x, struct val v); /* copies a string */
int node_slot(struct exprs *x, int slot, bool prev);
int node_only(struct exprs *x, int cond, int value);
int node_meta(struct exprs *x, enum meta m);
/* Aggregate number index of its rule; inner: the node of A in baseline(A, D), else -1. */
int node_agg(struct exprs *x, const struct agg_use *use, int index, int inner);
int node_unary(struct exprs *x, enum node_kind kind, int a);
bool nodes_clash(const struct exprs *x, int a, int b); /* a string literal, and a number literal or aggregate: never equal, without order */
int node_binary(struct exprs *x, enum node_kind kind, int a, int b);
int node_logic(struct exprs *x, enum node_kind kind, const int *id, size_t n);
int node_in(struct exprs *x, int a, const struct val *v, size_t n);
/* The N_REGEX node of a pattern, compiled once for all; -1: *at and e say why not. */
int node_regex(struct exprs *x, struct str pattern, const struct scope *s, size_t *at, struct errinfo *e);
int node_match(struct exprs *x, int a, int regex);
void node_use(struct exprs *x, int id); /* one more place that evaluates it: from the second on it has a memo */
static inline bool
node_is_const(const struct exprs *x, int id)
{
	return x->node[id].kind == N_CONST;
}

/* ---- expr_vm.c: the meaning of operators, for folding too ---- */
enum tri val_compare(struct val a, struct val b, unsigned mask);
struct val val_arith(enum op op, double a, double b); /* null where there is no number */
struct val val_number(struct str s);
struct str val_lower(struct str s, struct arena *arena);
enum tri set_has(const struct set *s, struct val v);
int level_rank(struct str word); /* enum of level_word, -1: none */
extern const char *const level_word[5];

static inline struct val
val_tri(enum tri t)
{
	return t == TRI_NULL ? (struct val){ .type = V_NULL } : (struct val){ .type = V_BOOL, .b = t == TRI_TRUE };
}
static inline enum tri
tri_val(struct val v)
{
	return v.type != V_BOOL ? TRI_NULL : v.b ? TRI_TRUE : TRI_FALSE;
}

#endif
