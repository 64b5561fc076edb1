"""A help desk: a domain, arrays, generated full-text columns, row security, cascades."""

from deployments.samples.sample import Sample

_SCHEMA = """
CREATE DOMAIN email_address AS text CHECK (VALUE ~ '^[^@ ]+@[^@ ]+$');
CREATE TABLE agents (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mail email_address NOT NULL UNIQUE,
    skills text[] NOT NULL DEFAULT '{}'
);
CREATE TABLE tickets (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agent_id integer REFERENCES agents ON DELETE SET NULL,
    subject text NOT NULL,
    opened_at timestamptz NOT NULL,
    words tsvector GENERATED ALWAYS AS (to_tsvector('english'::regconfig, subject)) STORED
);
CREATE INDEX tickets_by_words ON tickets USING gin (words);
CREATE TABLE messages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ticket_id integer NOT NULL REFERENCES tickets ON DELETE CASCADE,
    sent_at timestamptz NOT NULL,
    body text NOT NULL
);
CREATE INDEX messages_by_ticket ON messages (ticket_id, sent_at);
ALTER TABLE messages ENABLE ROW LEVEL SECURITY;
CREATE POLICY everybody_reads ON messages FOR SELECT USING (true);
CREATE POLICY agents_write ON messages FOR INSERT TO desk_agent WITH CHECK (body <> '');
GRANT SELECT, INSERT ON messages TO desk_agent;
"""
_ROWS = """
INSERT INTO agents (mail, skills)
SELECT 'agent' || i || '@example.org', ARRAY['mail', 'skill ' || i % 4] FROM generate_series(1, 12) AS i;
INSERT INTO tickets (agent_id, subject, opened_at)
SELECT 1 + i % 12, 'The printer on floor ' || i % 9 || ' says ' || md5(i::text),
       current_setting('demo.now')::timestamptz - i * interval '60 days'
           / (1500 * current_setting('demo.scale')::float)
FROM generate_series(1, (1500 * current_setting('demo.scale')::float)::integer) AS i;
INSERT INTO messages (ticket_id, sent_at, body)
SELECT id, opened_at + part * interval '1 minute', 'It still says: ' || md5(id::text || part) || md5(subject)
FROM tickets, generate_series(1, 3) AS part;
"""
_DAY = """
WITH opened AS (
    INSERT INTO tickets (agent_id, subject, opened_at)
    SELECT 1 + i % 12, 'Door ' || i || ' does not open',
           current_setting('demo.now')::timestamptz - i * interval '25 minutes'
    FROM generate_series(1, 50) AS i
    RETURNING id, opened_at
)
INSERT INTO messages (ticket_id, sent_at, body)
SELECT id, opened_at, 'Since this morning. ' || md5(id::text) FROM opened;
"""

SAMPLE = Sample(
    name="tickets",
    owner="desk_owner",
    shows="a domain, arrays, generated full-text columns, row security",
    roles=("desk_owner", "desk_agent"),
    extensions=(),
    schema=_SCHEMA,
    rows=_ROWS,
    day=_DAY,
)
