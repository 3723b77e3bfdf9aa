/* store_sql.c - every table and statement of the store in one place; the C files name them by enum store_stmt.
 *
 * transition   one row a transition, numbered for ever (AUTOINCREMENT: a number names one webhook-id)
 * open_alert   the newest transition of each alert that is not over
 * step         what is no record and yet changes what is computed, in the order of its commits
 * outbox       one row a transition and sink; a summary is a row without transition, its parts name it in `folded`
 * ckpt_key     the log of key states: appended in order of id, swept now and then, no index (see store_ckpt.c)
 * ckpt_whole   the small kinds that each generation writes in full
 *
 * outbox.people: 0 a machine's row; else bits: 1 people, 2 counts for the limit, 4 pages.
 */
#include "core/store_int.h"

#define T_VALUES                                                                                                       \
	"?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23"
/* Rows of one lane: the hash finds them, rule and key make sure. */
#define LANE "o.lane=?1 AND o.sink=?2 AND t.rule=?3 AND t.key IS ?4"
#define UNTOLD "o.state IN(0,3) AND o.told=0"

const char store_schema[] =
	"CREATE TABLE meta(name TEXT PRIMARY KEY,value INT) WITHOUT ROWID;"
	"CREATE TABLE transition(number INTEGER PRIMARY KEY AUTOINCREMENT,id TEXT,event INT,timestamp INT,state INT,"
	"level INT,rule TEXT,title TEXT,message TEXT,starts_at INT,ends_at INT,key TEXT,value TEXT,count INT,cause TEXT,"
	"runbook TEXT,labels TEXT,session_id TEXT,user_id TEXT,stage TEXT,metadata TEXT,partial INT,shadow INT,"
	"fingerprint TEXT,crc INT);"
	"CREATE UNIQUE INDEX transition_id ON transition(id,event,timestamp);"
	"CREATE INDEX transition_rule ON transition(rule,timestamp);"
	"CREATE INDEX transition_time ON transition(timestamp);"
	"CREATE TABLE open_alert(rule TEXT,id TEXT,number INT,PRIMARY KEY(rule,id)) WITHOUT ROWID;"
	"CREATE TABLE step(id INTEGER PRIMARY KEY,partition BLOB,seq INT,kind INT,data BLOB,at INT,crc INT);"
	"CREATE INDEX step_place ON step(partition,seq,id);"
	"CREATE TABLE outbox(id INTEGER PRIMARY KEY AUTOINCREMENT,number INT,sink TEXT,rule TEXT,lane INT,created INT,"
	"slot INT,people INT,due INT,state INT,told INT,folded INT,attempts INT,answer TEXT,done_at INT,crc INT);"
	"CREATE INDEX outbox_due ON outbox(sink,due,id) WHERE state=0;"
	"CREATE INDEX outbox_wait ON outbox(sink,lane,id) WHERE state=0;"
	"CREATE INDEX outbox_failed ON outbox(sink) WHERE state=2;"
	"CREATE INDEX outbox_lane ON outbox(lane,sink,id);"
	"CREATE INDEX outbox_limit ON outbox(sink,rule,slot) WHERE people>0 AND folded=0;" /* a storm's rows are not in it */
	"CREATE INDEX outbox_folded ON outbox(folded) WHERE folded>0;"
	"CREATE INDEX outbox_number ON outbox(number);"
	"CREATE TABLE sink_total(sink TEXT PRIMARY KEY,sent INT) WITHOUT ROWID;"
	"CREATE TABLE rule_name(id INTEGER PRIMARY KEY,name BLOB UNIQUE);"
	"CREATE TABLE generation(gen INTEGER PRIMARY KEY,last INT,step INT,at INT);"
	"CREATE TABLE ckpt_key(id INTEGER PRIMARY KEY,gen INT,rule INT,pane INT,key BLOB,data BLOB,crc INT);"
	"CREATE TABLE ckpt_whole(gen INT,seq INT,kind INT,rule INT,pane INT,key BLOB,data BLOB,crc INT,"
	"PRIMARY KEY(gen,seq)) WITHOUT ROWID;";

const char *const store_sql[S_STMTS] = {
	[S_TRANSITION] = "INSERT INTO transition(" T_COLUMNS("") ",crc) VALUES(" T_VALUES ",weir_crc(" T_VALUES "))",
	[S_TRANSITION_FIND] = "SELECT number FROM transition WHERE id=?1 AND event=?2 AND timestamp=?3",
	[S_ALERT_OPEN] = "INSERT OR REPLACE INTO open_alert(rule,id,number) VALUES(?1,?2,?3)",
	[S_ALERT_OVER] = "DELETE FROM open_alert WHERE rule=?1 AND id=?2",
	[S_STEP] = "INSERT INTO step(partition,seq,kind,data,at,crc) VALUES(?1,?2,?3,?4,?5,weir_crc(?1,?2,?3,?4,?5))",
	[S_STEP_LAST] = "SELECT id,kind FROM step WHERE partition=?1 AND seq=?2 ORDER BY id DESC LIMIT 1",
	[S_STEP_DROP] = "DELETE FROM step WHERE id=?1",
	[S_STEPS] = "SELECT partition,seq,kind,data,weir_crc(partition,seq,kind,data,at)=crc FROM step WHERE id>?1 ORDER BY id",
	[S_OPEN_ALERTS] = "SELECT " T_COLUMNS("t.") ",weir_crc(" T_COLUMNS("t.") ")=t.crc FROM open_alert a "
			  "JOIN transition t ON t.number=a.number ORDER BY t.number",
	[S_IS_OPEN] = "SELECT state<>2 AND ends_at IS NULL FROM transition WHERE id=?1 ORDER BY number DESC LIMIT 1",
	[S_NEWEST] = "SELECT timestamp FROM transition WHERE rule=?1 AND event<5 ORDER BY timestamp DESC LIMIT 1",
	/* whole alerts only: the last of an alert's transitions decides */
	[S_PRUNE_PICK] = "SELECT t.number FROM transition t WHERE t.timestamp<?1 "
			 "AND NOT EXISTS(SELECT 1 FROM open_alert a WHERE a.rule=t.rule AND a.id=t.id) "
			 "AND NOT EXISTS(SELECT 1 FROM transition u WHERE u.id=t.id AND u.timestamp>=?1) "
			 "AND NOT EXISTS(SELECT 1 FROM transition u JOIN outbox o ON o.number=u.number "
			 "WHERE u.id=t.id AND o.state IN(0,3)AND(o.state=0 OR o.told=0)) "
			 "ORDER BY t.timestamp LIMIT ?2",
	[S_PRUNE_OUTBOX] = "DELETE FROM outbox WHERE number=?1",
	[S_PRUNE_SUMMARY] = "DELETE FROM outbox WHERE id IN(SELECT o.id FROM outbox o WHERE o.number IS NULL AND o.state<>0 "
			    "AND NOT EXISTS(SELECT 1 FROM outbox p WHERE p.folded=o.id AND p.folded>0) LIMIT ?1)",
	[S_PRUNE_ROW] = "DELETE FROM transition WHERE number=?1",
	[S_PRUNE_STEPS] = "DELETE FROM step WHERE id IN(SELECT id FROM step WHERE id<=?1 AND at<?2 ORDER BY id LIMIT ?3)",

	[S_LANE] = "SELECT rule,key FROM transition WHERE number=?1",
	[S_OUTBOX] = "INSERT INTO outbox(number,sink,rule,lane,created,slot,people,due,state,told,folded,attempts,crc) "
		     "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,0,0,0,0,weir_crc(?1,?2,?3,?4,?5,?6,?7,?8,0,0,0,0))",
	/* alone: some row told of this alert's opening was no part of a summary */
	[S_TOLD] = "SELECT t.event,t.level,EXISTS(SELECT 1 FROM outbox q JOIN transition u ON u.number=q.number WHERE "
		   "q.lane=?1 AND q.sink=?2 AND q.told>0 AND q.folded=0 AND u.id=t.id AND u.event IN(2,3)) FROM outbox o "
		   "JOIN transition t ON t.number=o.number WHERE " LANE " AND o.told>0 AND t.event IN(2,3,4) "
		   "ORDER BY o.id DESC LIMIT 1",
	[S_RESOLVE_WAITS] = "SELECT o.id FROM outbox o JOIN transition t ON t.number=o.number WHERE " LANE " AND " UNTOLD
			    " AND t.event=4 ORDER BY o.id DESC LIMIT 1",
	[S_OPEN_WAITS] = "SELECT o.id FROM outbox o JOIN transition t ON t.number=o.number WHERE " LANE " AND " UNTOLD
			 " AND t.event IN(2,3) AND t.id=?5 LIMIT 1",
	[S_OPENED] = "SELECT o.id FROM outbox o JOIN transition t ON t.number=o.number WHERE " LANE
		     " AND t.event IN(2,3) AND t.id=?5 LIMIT 1",
	[S_LEVELS] = "SELECT DISTINCT level FROM transition WHERE id=?1",
	[S_DROP_PICK] = "SELECT o.id,o.folded FROM outbox o JOIN transition t ON t.number=o.number WHERE " LANE " AND " UNTOLD
			" AND o.people>0 AND ((1<<t.event)&?5)<>0 AND (?6 IS NULL OR t.id=?6) LIMIT 1",
	[S_DROP] = "DELETE FROM outbox WHERE id=?1",
	[S_FOLD_LEFT] = "DELETE FROM outbox WHERE id=?1 AND NOT EXISTS(SELECT 1 FROM outbox p WHERE p.folded=?1 AND p.folded>0)",
	[S_LIMIT_COUNT] = "SELECT count(*),coalesce(sum(slot<=?3),0),min(CASE WHEN slot<=?3 THEN slot END) FROM outbox "
			  "WHERE sink=?1 AND rule=?2 AND people>0 AND slot>?3-?4 AND slot<?3+?4 AND (people&2)<>0 "
			  "AND folded=0 AND number IS NOT NULL",
	[S_LIMIT_BOOKED] = "SELECT id,slot FROM outbox WHERE sink=?1 AND rule=?2 AND people>0 AND slot>?3 AND slot<?3+?4 "
			   "AND (people&2)<>0 AND folded=0 AND number IS NOT NULL AND state=0 AND told=0 "
			   "ORDER BY slot DESC,id DESC LIMIT 1",
	[S_FOLD] = "UPDATE outbox SET state=3,folded=?2,crc=" O_CRC("due", "3", "told", "?2", "attempts") " WHERE id=?1",
	[S_SUMMARY_FIND] = "SELECT id FROM outbox WHERE sink=?1 AND rule=?2 AND people>0 AND folded=0 AND number IS NULL AND state=0 "
			   "AND told=0 AND slot<=?3 AND due>?3 ORDER BY slot DESC LIMIT 1",
	[S_OPEN_TOGETHER] = "SELECT 1 FROM open_alert a CROSS JOIN transition t ON t.id=a.id AND t.event IN(2,3) "
			    "CROSS JOIN outbox o ON o.number=t.number WHERE a.rule=?2 AND a.id<>?3 AND o.sink=?1 "
			    "AND o.folded>0 AND o.told>0 LIMIT 1",

	[S_CKPT_KEY] = "INSERT INTO ckpt_key(id,gen,rule,pane,key,data,crc) VALUES(?1,?2,?3,?4,?5,?6,?7)",
	[S_CKPT_WHOLE] = "INSERT INTO ckpt_whole(seq,gen,rule,pane,key,data,crc,kind) VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
	[S_CKPT_DROP_KEY] = "DELETE FROM ckpt_key WHERE id IN(SELECT id FROM ckpt_key WHERE id>?1 LIMIT ?2)",
	[S_CKPT_DROP_WHOLE] = "DELETE FROM ckpt_whole WHERE gen>?1",
	[S_CKPT_VALID] = "INSERT INTO generation(gen,last,step,at) VALUES(?1,?2,?3,?4)",
	[S_CKPT_OLD_WHOLE] = "DELETE FROM ckpt_whole WHERE (gen,seq) IN(SELECT gen,seq FROM ckpt_whole WHERE gen<?1 LIMIT ?2)",
	[S_CKPT_OLD_GEN] = "DELETE FROM generation WHERE gen<?1",
	[S_CKPT_LOAD_KEY] = "SELECT k.id,k.gen,k.rule,k.pane,k.key,k.data,k.crc,2,r.name FROM ckpt_key k "
			    "LEFT JOIN rule_name r ON r.id=k.rule WHERE k.id<=?1 ORDER BY r.name,k.key,k.pane,k.id DESC",
	[S_CKPT_LOAD_WHOLE] = "SELECT w.seq,w.gen,w.rule,w.pane,w.key,w.data,w.crc,w.kind,r.name FROM ckpt_whole w "
			      "LEFT JOIN rule_name r ON r.id=w.rule WHERE w.gen=?1 AND w.kind>=?2 AND w.kind<=?3 "
			      "ORDER BY w.kind,r.name,w.key,w.pane,w.seq DESC",
	[S_SWEEP_SCAN] = "SELECT id,rule,pane,key,data IS NULL FROM ckpt_key WHERE id<=?1 ORDER BY id DESC",
	[S_SWEEP_ROW] = "SELECT rule,pane,key FROM ckpt_key WHERE id=?1",
	[S_SWEEP_DELETE] = "DELETE FROM ckpt_key WHERE id=?1",
	[S_META_SET] = "INSERT OR REPLACE INTO meta(name,value) VALUES(?1,?2)",
	[S_RULE_ADD] = "INSERT INTO rule_name(id,name) VALUES(?1,?2)",
};
