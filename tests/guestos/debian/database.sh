#!/bin/sh
# sqlite3: a database on the disk, read back by another process
cd /root; rm -f db
sqlite3 db <<'END'
PRAGMA journal_mode = WAL;
PRAGMA journal_mode = DELETE;
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL, age INT CHECK (age >= 0));
CREATE INDEX by_age ON people (age);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
INSERT INTO people SELECT i, printf('name-%05d', i * 7919 % 3001), i * i % 97 FROM n;
COMMIT;
BEGIN; DELETE FROM people; ROLLBACK;
END
sqlite3 -header -column db "SELECT age, count(*) AS n, min(name) FROM people GROUP BY age ORDER BY n DESC, age LIMIT 4"
sqlite3 -csv db "EXPLAIN QUERY PLAN SELECT * FROM people WHERE age = 5" "SELECT total(age), group_concat(id) FROM people WHERE name LIKE '%0000_'"
sqlite3 db "UPDATE people SET age = age + 1 WHERE id % 2; SELECT changes(); DELETE FROM people WHERE id > 1000; VACUUM; SELECT count(*), sum(age) FROM people; PRAGMA integrity_check; PRAGMA page_count"
sqlite3 db "INSERT INTO people VALUES (1, 'again', 1)"; echo "status $?"; sqlite3 db "INSERT INTO people VALUES (5000, 'young', -1)"; echo "status $?"
sqlite3 db .schema; sqlite3 db .dump | md5sum; sqlite3 db .dump | sqlite3 copy; sqlite3 copy "SELECT count(DISTINCT name) FROM people"; cmp -s db copy; ls db*; rm db copy
sqlite3 :memory: "SELECT json_extract('{\"a\":[1,2,{\"b\":3}]}', '$.a[2].b'), strftime('%Y', 86400, 'unixepoch'), round(sqrt(2), 6), hex(zeroblob(3)), upper('x') || quote('it''s')"
(sqlite3 two "CREATE TABLE t (x); BEGIN EXCLUSIVE; INSERT INTO t VALUES (1);" ".system sleep 0.2" "COMMIT;") & sleep 0.05; sqlite3 -cmd ".timeout 20" two "INSERT INTO t VALUES (2)"; sqlite3 -cmd ".timeout 3000" two "INSERT INTO t VALUES (3)"; wait; sqlite3 two "SELECT * FROM t"; rm two
