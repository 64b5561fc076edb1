"""A library: scanned covers as large objects, trigram search, schemas of its own, serial keys, a trigger."""

from deployments.samples.sample import Sample

_SCHEMA = """
CREATE SCHEMA library;
CREATE TABLE library.books (
    id serial PRIMARY KEY,
    isbn text NOT NULL UNIQUE,
    title text NOT NULL,
    cover oid
);
CREATE INDEX books_by_title ON library.books USING gin (title gin_trgm_ops);
CREATE TABLE library.members (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    joined_on date NOT NULL,
    loans integer NOT NULL DEFAULT 0
);
CREATE TABLE library.loans (
    id bigserial PRIMARY KEY,
    book_id integer NOT NULL REFERENCES library.books,
    member_id integer NOT NULL REFERENCES library.members ON DELETE CASCADE,
    lent_at timestamptz NOT NULL,
    returned_at timestamptz CHECK (returned_at >= lent_at)
);
CREATE INDEX loans_still_out ON library.loans (lent_at) WHERE returned_at IS NULL;
CREATE FUNCTION library.count_loan() RETURNS trigger LANGUAGE plpgsql SET search_path = library AS $$
BEGIN
    UPDATE members SET loans = loans + 1 WHERE id = NEW.member_id;
    RETURN NEW;
END $$;
CREATE TRIGGER count_loan AFTER INSERT ON library.loans
    FOR EACH ROW EXECUTE FUNCTION library.count_loan();
CREATE VIEW library.overdue AS
    SELECT member_id, count(*) AS books FROM library.loans
    WHERE returned_at IS NULL AND lent_at < now() - interval '28 days' GROUP BY member_id;
GRANT USAGE ON SCHEMA library TO library_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA library TO library_reader;
"""
_ROWS = """
INSERT INTO library.books (isbn, title, cover)
SELECT lpad((9780000000000 + i * 17)::text, 13, '0'),
       (ARRAY['The Silent', 'A Distant', 'The Last', 'An Open'])[1 + i % 4] || ' '
           || (ARRAY['River', 'Garden', 'Letter', 'Harbour', 'Winter'])[1 + i % 5] || ' ' || i,
       CASE WHEN i <= 40 THEN lo_from_bytea(0, decode(repeat(md5(i::text), 40), 'hex')) END
FROM generate_series(1, 600) AS i;
INSERT INTO library.members (name, joined_on)
SELECT 'Member ' || i, (current_setting('demo.now')::timestamptz AT TIME ZONE 'UTC')::date - 60 - i
FROM generate_series(1, (300 * current_setting('demo.scale')::float)::integer) AS i;
INSERT INTO library.loans (book_id, member_id, lent_at, returned_at)
SELECT 1 + i * 13 % 600, 1 + i * 7 % (SELECT count(*) FROM library.members)::integer, lent,
       CASE WHEN i % 20 > 0 THEN lent + interval '12 hours' END
FROM (
    SELECT i, current_setting('demo.now')::timestamptz
        - i * interval '59 days' / (6000 * current_setting('demo.scale')::float) AS lent
    FROM generate_series(1, (6000 * current_setting('demo.scale')::float)::integer) AS i
) AS history;
"""
_DAY = """
INSERT INTO library.loans (book_id, member_id, lent_at)
SELECT 1 + i * 11 % 600, 1 + i * 5 % (SELECT count(*) FROM library.members)::integer,
       current_setting('demo.now')::timestamptz - i * interval '1 day' / 100
FROM generate_series(1, 99) AS i;
UPDATE library.loans SET returned_at = current_setting('demo.now')::timestamptz
WHERE returned_at IS NULL AND id % 3 = 0
    AND lent_at < current_setting('demo.now')::timestamptz - interval '1 day';
"""
LOSE_A_THIRD = "DELETE FROM library.loans WHERE id % 3 = 1"
"""A clean-up job with a wrong condition: no tool has anything to complain of."""

SAMPLE = Sample(
    name="library",
    owner="library_owner",
    shows="large objects, trigram search, a schema of its own, a trigger",
    roles=("library_owner", "library_reader"),
    extensions=("pg_trgm",),
    schema=_SCHEMA,
    rows=_ROWS,
    day=_DAY,
)
